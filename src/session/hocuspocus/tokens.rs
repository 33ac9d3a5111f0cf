//! The tokens of a page. The provider of each document sends one, usually the same.
//!
//! One token at a time is checked; the messages behind it wait. A token that was accepted before is not checked again.

use std::sync::Arc;

use futures_util::{FutureExt as _, future::LocalBoxFuture};

use crate::{
    domain::UserId,
    session::{Identified, IdentityError, SessionParts},
    store::StoreError,
    wire::hocuspocus::SocketName,
};

/// The tokens of a socket.
pub(super) struct SocketTokens {
    parts: Arc<SessionParts>,
    /// The token that was accepted last.
    accepted: Option<String>,
    /// The document whose token is being checked, and the token.
    checking: Option<(SocketName, String)>,
}

/// What follows from a token.
pub(super) enum TokenStep {
    /// It is accepted already.
    Accepted,
    /// It is to be checked.
    Check(LocalBoxFuture<'static, Result<Identified, IdentityError>>),
}

impl SocketTokens {
    /// Returns the tokens of a socket that has sent none.
    pub(super) fn new(parts: Arc<SessionParts>) -> Self {
        Self { parts, accepted: None, checking: None }
    }

    /// Notes a token that was accepted.
    pub(super) fn accept(&mut self, token: String) {
        self.accepted = Some(token);
    }

    /// Receives the token of a document's provider, while no other one is being checked.
    pub(super) fn receive(&mut self, name: &SocketName, token: String, user: UserId) -> TokenStep {
        if self.accepted.as_ref() == Some(&token) {
            return TokenStep::Accepted;
        }
        let (identity, throttle) = (self.parts.identity.clone(), Arc::clone(&self.parts.throttle));
        self.checking = Some((name.clone(), token.clone()));
        let checking = async move {
            // To verify a token of an outside issuer takes as long as a small operation.
            throttle.wait(&user).await.map_err(|_throttled| StoreError::Busy)?;
            identity.of(&token).await
        };
        TokenStep::Check(checking.boxed_local())
    }

    /// Returns the document and the token that were being checked.
    pub(super) fn finish_check(&mut self) -> Option<(SocketName, String)> {
        self.checking.take()
    }

    /// Returns whether a token is being checked.
    pub(super) fn is_checking(&self) -> bool {
        self.checking.is_some()
    }
}
