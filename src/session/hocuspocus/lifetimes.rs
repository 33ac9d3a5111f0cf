//! How a document of a socket begins and ends.
//!
//! What ends a document leaves the others open; only what concerns all of them ends the session.

use std::sync::Arc;

use futures_util::FutureExt as _;
use tracing::Instrument as _;

use super::{
    documents::{RestCommit, SocketDocument, SocketDocumentKey},
    protocol::{Effects, HocuspocusCompletion, HocuspocusProtocol},
    replies::{closing_notice, deny, reply, wait},
};
use crate::{
    domain::{DocumentId, DocumentName, Party},
    room::Subscription,
    session::{
        IdentityError, RATE_LIMIT_WAIT, SessionLink,
        protocol::{ProtocolEffect, SessionView},
        yjs::seat_end,
    },
    store::StoreError,
    wire::{CloseReason, hocuspocus::SocketName, yjs},
};

impl HocuspocusProtocol {
    /// Opens a document for which the client has sent a valid token, unless it is open.
    pub(super) fn open(
        &mut self,
        name: &SocketName,
        link: &Arc<SessionLink>,
        view: &SessionView,
    ) -> Effects {
        if let Some(open) = self.documents.get_mut(name) {
            // The document is being opened if it has no seat. The room tells the scope then.
            let subscription = open.subscription.as_ref();
            let scope = subscription.map(|open| yjs::scope(open.editor().may_edit()));
            return scope.map(|scope| reply(name.named(&scope))).into_iter().collect();
        }
        match name.document().parse() {
            Ok(DocumentName::Id(document)) => self.open_document(name, document, link, view),
            Ok(key @ DocumentName::Key(_)) => self.look_up(name, key, link),
            Err(_no_name) => vec![deny(name, &CloseReason::Forbidden.text())],
        }
    }

    /// Asks which document has a key. The messages behind it wait.
    fn look_up(&mut self, name: &SocketName, key: DocumentName, link: &SessionLink) -> Effects {
        let user = link.user().id;
        self.looked_up = Some(name.clone());
        let (identity, throttle) = (self.parts.identity.clone(), Arc::clone(&self.parts.throttle));
        let found = async move {
            throttle.wait(&user).await.map_err(|_throttled| StoreError::Busy)?;
            identity.find_document(&key, Party::User(user)).await
        };
        vec![wait(found.map(HocuspocusCompletion::Found))]
    }

    /// Opens the document whose key was looked up. A key that no document has is denied as a document without access is.
    pub(super) fn finish_look_up(
        &mut self,
        found: Result<DocumentId, IdentityError>,
        link: &Arc<SessionLink>,
        view: &SessionView,
    ) -> Effects {
        let Some(name) = self.looked_up.take() else { return Vec::new() };
        let mut effects = match found {
            Ok(document) => self.open_document(&name, document, link, view),
            Err(error) => match CloseReason::from(&error) {
                reason @ CloseReason::Unavailable => vec![ProtocolEffect::Close(reason)],
                reason => vec![deny(&name, &reason.text())],
            },
        };
        effects.extend(self.handle_backlog(link, view));
        effects
    }

    fn open_document(
        &mut self,
        name: &SocketName,
        document: DocumentId,
        link: &Arc<SessionLink>,
        view: &SessionView,
    ) -> Effects {
        // Each unknown key is the document that does not exist, and is denied after the same time as one without access.
        if document != DocumentId::NONE && self.documents.has(document) {
            return vec![deny(
                name,
                "This document is open on this socket already. Use one provider for it, or another socket.",
            )];
        }
        let limit = self.parts.limits.subscriptions;
        if self.documents.len() >= limit {
            let why = format!(
                "This socket has {limit} documents open, the most that it may have. Close some of them."
            );
            return vec![deny(name, &why)];
        }
        let mut conversation = self.editors.converse(document);
        conversation.admit(Arc::clone(link));
        self.documents.add(name.clone(), document, conversation);
        self.enter_documents(link, view)
    }

    /// Requests the seats of the documents that were opened and can be entered. Each reads access from the store, as an operation does,
    /// so those above the rate of the user wait: a page that opens many at once has all of them after a while.
    pub(super) fn enter_documents(
        &mut self,
        link: &Arc<SessionLink>,
        view: &SessionView,
    ) -> Effects {
        let mut effects = Vec::new();
        for name in self.documents.to_enter() {
            if self.parts.throttle.take(&link.user().id).is_err() {
                effects.extend(self.wake_later(view.now + RATE_LIMIT_WAIT));
                break;
            }
            effects.extend(self.enter(&name, link));
        }
        effects
    }

    fn enter(&mut self, name: &SocketName, link: &Arc<SessionLink>) -> Effects {
        let Some(open) = self.documents.get_mut(name) else { return Vec::new() };
        open.is_entering = true;
        let key = open.key;
        let (ended, seat_end, client_moved) = seat_end::channel();
        let entering = open.steps.conversation().enter(link.named_subscriber(name.clone()), ended);
        let opened = entering.map(move |entered| HocuspocusCompletion::Opened(key, entered));
        let ended = seat_end.map(move |end| match end {
            Ok(why) => HocuspocusCompletion::SeatEnded(key, why),
            Err(_never_ended) => HocuspocusCompletion::SeatReleased,
        });
        let moved = client_moved.map(|moved| match moved {
            Ok(()) => HocuspocusCompletion::ClientMoved,
            Err(_never_moved) => HocuspocusCompletion::SeatReleased,
        });
        vec![wait(opened), wait(ended), wait(moved)]
    }

    /// Begins the conversation of a document that has its seat.
    pub(super) fn begin(
        &mut self,
        key: SocketDocumentKey,
        subscription: Subscription,
        link: &Arc<SessionLink>,
    ) -> Effects {
        let Some(name) = self.documents.name_of(key) else { return Vec::new() };
        let Some(open) = self.documents.get_mut(&name) else { return Vec::new() };
        open.steps.conversation().begin(subscription.editor());
        open.subscription = Some(subscription);
        self.send_early(&name, link)
    }

    /// Ends a document for this reason, and tells its provider. Closes the session if the reason concerns all documents: the
    /// provider comes back then.
    pub(super) fn end_document(&mut self, name: &SocketName, reason: &CloseReason) -> Effects {
        if matches!(
            reason,
            CloseReason::Unavailable | CloseReason::MemoryExhausted | CloseReason::TooSlow
        ) {
            return vec![ProtocolEffect::Close(reason.clone())];
        }
        let (was_open, mut effects) = self.close_document(name);
        let text = reason.text();
        if was_open {
            tracing::info!(reason = reason.label(), document = name.document(), "document closed");
        }
        let is_denial =
            !was_open || matches!(reason, CloseReason::Forbidden | CloseReason::DocumentDeleted);
        let told = match is_denial {
            true => deny(name, &text),
            false => closing_notice(name, reason),
        };
        let closed = was_open.then(|| reply(name.closed(&text)));
        effects.extend([told].into_iter().chain(closed));
        effects
    }

    /// Gives a document up, and commits what is left of it. Returns whether the session had its seat.
    pub(super) fn close_document(&mut self, name: &SocketName) -> (bool, Effects) {
        let Some(mut closed) = self.documents.remove(name) else { return (false, Vec::new()) };
        let (key, waiting) = (closed.key, closed.waiting());
        let rest = self.rest_of(&mut closed);
        self.documents.note_closing(&closed, waiting.bytes, rest.clone());
        let rest = rest.map(|rest| wait(rest.map(move |()| HocuspocusCompletion::RestEnded(key))));
        (closed.subscription.is_some(), rest.into_iter().collect())
    }

    /// Returns a future that commits what is left of a document that is given up, after what was left of it before.
    pub(super) fn commit_in_order(
        &self,
        closed: &mut SocketDocument,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let rest = closed.steps.end()?;
        let earlier = self.documents.last_rest(closed.document);
        Some(async move {
            if let Some(earlier) = earlier {
                earlier.await;
            }
            rest.await;
        })
    }

    /// Begins to commit what is left of a document that is given up.
    fn rest_of(&self, closed: &mut SocketDocument) -> Option<RestCommit> {
        let rest = self.commit_in_order(closed)?;
        // A task of its own, because it must run although the session may end. A step that commits goes on as well. It may have to open
        // the room, which is an actor, so it runs where actors can be started.
        let task = actix_rt::spawn(rest.in_current_span());
        let ended = task.map(|ended| {
            if ended.is_err() {
                tracing::error!("the last updates of a document have no outcome");
            }
        });
        Some(ended.boxed().shared())
    }
}
