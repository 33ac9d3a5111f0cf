//! The tokens of a page: from a message to an admitted client and an open document.
//!
//! The first token authenticates the client, and its messages wait until that is done. A token opens the document that it is sent
//! for.

use std::{mem, sync::Arc};

use bytes::Bytes;
use futures_util::FutureExt as _;

use super::{
    protocol::{Effects, HocuspocusCompletion, HocuspocusProtocol, Received, Stage},
    replies::{deny, reply, wait},
    tokens::TokenStep,
};
use crate::{
    session::{
        Identified, IdentityError, SessionLink,
        protocol::{ProtocolEffect, SessionView},
    },
    wire::{
        CloseReason,
        hocuspocus::{self, DocumentMessage, PageMessage, SocketName},
    },
};

/// The first version of the provider that answers a ping.
const PINGS_SINCE: u32 = 4;

/// How many tokens a client may send that do not authenticate it.
const MAX_REFUSALS: u32 = 5;

impl HocuspocusProtocol {
    /// Notes that the client is admitted: opens the document whose token it was, and handles what has waited.
    pub(in crate::session) fn admit(
        &mut self,
        link: Arc<SessionLink>,
        view: &SessionView,
    ) -> Effects {
        let admitted = Stage::Admitted(Arc::clone(&link));
        let Stage::Authenticating { name, token } = mem::replace(&mut self.stage, admitted) else {
            return Vec::new();
        };
        self.tokens.accept(token);
        let mut effects = self.open(&name, &link, view);
        effects.extend(self.handle_backlog(&link, view));
        self.advance_all(effects, view)
    }

    /// Handles the messages that have waited, up to a token that has to be checked, or a key that has to be looked up.
    pub(super) fn handle_backlog(
        &mut self,
        link: &Arc<SessionLink>,
        view: &SessionView,
    ) -> Effects {
        let mut effects = Vec::new();
        while !self.is_waiting()
            && let Some(Received(message, held)) = self.backlog.pop_front()
        {
            effects.extend(self.handle(message, held, link, view));
        }
        effects
    }

    /// Notes that the client is not admitted. Returns what follows if it may try again, or has to be told why the session closes.
    pub(in crate::session) fn refuse(&mut self, reason: &CloseReason) -> Option<Effects> {
        let Stage::Authenticating { name, token } = mem::replace(&mut self.stage, Stage::Unknown)
        else {
            return None;
        };
        let text = reason.text();
        if *reason == CloseReason::ConnectionLimit {
            return Some(vec![deny(&name, &text), ProtocolEffect::Close(reason.clone())]);
        }
        self.refusals += 1;
        // The provider would come back at once with the same token if the session closed.
        let may_try_again = !reason.may_retry() || *reason == CloseReason::TokenExpired;
        if !may_try_again || self.refusals >= MAX_REFUSALS {
            return None;
        }
        let mut effects = vec![deny(&name, &text)];
        effects.extend(self.try_next(&token, &text));
        Some(effects)
    }

    /// Denies the documents that have sent a refused token as well, for this reason, and tries the next other token.
    fn try_next(&mut self, refused: &str, why: &str) -> Effects {
        let mut effects = Vec::new();
        while let Some(Received(message, _held)) = self.backlog.pop_front() {
            match &message {
                PageMessage::Document(name, DocumentMessage::Token { token, .. })
                    if token == refused =>
                {
                    effects.push(deny(name, why));
                }
                PageMessage::Document(_, DocumentMessage::Token { .. }) => {
                    effects.extend(self.authenticate(message));
                    return effects;
                }
                PageMessage::Pong => self.is_flushing = false,
                // It concerns a document that is not open.
                PageMessage::Document(..) => {}
            }
        }
        effects.push(ProtocolEffect::PauseReading(false));
        effects
    }

    /// Has the session authenticate the client if this is a token.
    pub(super) fn authenticate(&mut self, message: PageMessage) -> Effects {
        let (name, token, provider) = match message {
            PageMessage::Document(name, DocumentMessage::Token { token, provider }) => {
                (name, token, provider)
            }
            PageMessage::Pong => {
                self.is_flushing = false;
                return Vec::new();
            }
            PageMessage::Document(..) => return Vec::new(),
        };
        let mut effects = vec![ProtocolEffect::PauseReading(true)];
        if !self.is_flushing && provider.is_some_and(|version| version >= PINGS_SINCE) {
            self.is_flushing = true;
            effects.push(reply(hocuspocus::ping()));
        }
        let shown = Some(token.clone()).filter(|token| !token.is_empty());
        effects.push(ProtocolEffect::Authenticate { token: shown, predecessor: None });
        self.stage = Stage::Authenticating { name, token };
        effects
    }

    pub(super) fn receive_token(
        &mut self,
        name: &SocketName,
        token: String,
        link: &Arc<SessionLink>,
        view: &SessionView,
    ) -> Effects {
        match self.tokens.receive(name, token, link.user().id) {
            TokenStep::Accepted => self.open(name, link, view),
            TokenStep::Check(check) => {
                let checked = check.map(HocuspocusCompletion::Token);
                vec![wait(checked)]
            }
        }
    }

    /// Opens the document whose token was checked. The session belongs to the sign-in of that token from then on, unless that
    /// expires before the one before.
    pub(super) fn finish_check(
        &mut self,
        checked: Result<Identified, IdentityError>,
        link: &Arc<SessionLink>,
        view: &SessionView,
    ) -> Effects {
        let Some((name, token)) = self.tokens.finish_check() else { return Vec::new() };
        let mut effects = match checked {
            Ok(identified) if identified.user.id == link.user().id => {
                let Identified { sign_in, expires_at, .. } = identified;
                let expires_at = link.renew(sign_in, expires_at, view.expires_at);
                self.tokens.accept(token);
                let mut effects = vec![ProtocolEffect::ExtendTo(expires_at)];
                effects.extend(self.open(&name, link, view));
                effects
            }
            Ok(_other_user) => {
                let why = "The token belongs to another user than the first one of this socket. Open another socket.";
                vec![deny(&name, why)]
            }
            Err(error) => match CloseReason::from(&error) {
                // The page may go on with its present token. A document that is not open would stay so.
                CloseReason::Unavailable if self.documents.get_mut(&name).is_some() => Vec::new(),
                reason @ CloseReason::Unavailable => vec![ProtocolEffect::Close(reason)],
                reason => vec![deny(&name, &reason.text())],
            },
        };
        effects.extend(self.handle_backlog(link, view));
        effects
    }

    /// Returns the frames that ask for another token, for each open document. `None` if no document is open.
    pub(in crate::session) fn expiry_warning(&self) -> Option<Bytes> {
        let requests: Vec<_> =
            self.documents.names().iter().map(SocketName::token_request).collect();
        (!requests.is_empty()).then(|| requests.concat().into())
    }
}
