//! Token renewal: a `ping` with a new token keeps the session open until that token expires.
//!
//! One token at a time is checked. The `pong` states when the session expires, and the error if the token was refused.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;

use super::protocol::GraphQlCompletion;
use crate::{
    auth::TokenError,
    domain::UserId,
    session::{
        Identified, IdentityError, SessionLink, SessionParts,
        protocol::{Completion, ProtocolEffect, SessionView},
    },
    wire::{ErrorCode, graphql_ws::ServerMessage},
};

/// The renewal of a session's token.
pub(super) struct Renewal {
    parts: Arc<SessionParts>,
    is_pending: bool,
}

/// The user of the new token, or why it was refused.
pub(in crate::session) struct RenewalCompletion(Result<Identified, IdentityError>);

impl Renewal {
    /// Creates a renewal that is not in progress.
    pub(super) fn new(parts: Arc<SessionParts>) -> Self {
        Self { parts, is_pending: false }
    }

    /// Starts to check a new token.
    pub(super) fn start(
        &mut self,
        token: String,
        user: Option<UserId>,
        view: &SessionView,
    ) -> ProtocolEffect {
        let refuse = |message| {
            let error = Some((ErrorCode::RateLimited, message));
            ProtocolEffect::Reply(pong(view.expires_at, error).into(), None)
        };
        if self.is_pending {
            return refuse("A token renewal is already in progress. Wait for its pong.");
        }
        // To verify a token of an outside issuer takes as long as a small operation.
        if user.is_some_and(|user| self.parts.throttle.take(&user).is_err()) {
            return refuse("You renew the token too often. Wait for a second.");
        }
        self.is_pending = true;
        let identity = self.parts.identity.clone();
        let check = async move {
            let identified = identity.of(&token).await;
            Completion::GraphQl(GraphQlCompletion::Renewal(RenewalCompletion(identified)))
        };
        ProtocolEffect::Await(check.boxed_local())
    }

    /// Answers with a `pong`. The session belongs to the sign-in of the new token from then on, unless that expires before the current one
    /// and so does not shorten it.
    pub(super) fn complete(
        &mut self,
        RenewalCompletion(identified): RenewalCompletion,
        link: &SessionLink,
        view: &SessionView,
    ) -> Vec<ProtocolEffect> {
        self.is_pending = false;
        let error = match identified {
            Ok(identified) if identified.user.id == link.user().id => {
                let Identified { sign_in, expires_at, .. } = identified;
                let expires_at = link.renew(sign_in, expires_at, view.expires_at);
                let reply = ProtocolEffect::Reply(pong(expires_at, None).into(), None);
                return vec![ProtocolEffect::ExtendTo(expires_at), reply];
            }
            Ok(_other_user) => (
                ErrorCode::Forbidden,
                "The token belongs to another user. Open a new connection to change the user.",
            ),
            Err(IdentityError::Store(_) | IdentityError::Token(TokenError::NoKeys)) => (
                ErrorCode::Unavailable,
                "The token could not be checked now. Try again in a moment.",
            ),
            Err(
                IdentityError::Token(_)
                | IdentityError::Ticket(_)
                | IdentityError::Unknown
                | IdentityError::SignedOut
                | IdentityError::Blocked,
            ) => (
                ErrorCode::Unauthenticated,
                "The token is not valid. Sign in again to get a new one.",
            ),
        };
        vec![ProtocolEffect::Reply(pong(view.expires_at, Some(error)).into(), None)]
    }
}

fn pong(expires_at: DateTime<Utc>, error: Option<(ErrorCode, &str)>) -> Bytes {
    let mut payload = serde_json::json!({ "tokenExpiresAt": expires_at });
    if let Some((code, message)) = error {
        payload["error"] = serde_json::json!({ "code": code.as_str(), "message": message });
    }
    let payload = payload.to_string();
    ServerMessage::Pong { payload: Some(payload.as_bytes()) }.frame()
}
