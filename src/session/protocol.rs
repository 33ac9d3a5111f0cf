//! The protocol of a session.
//!
//! [`Protocol`] owns the state that only one of the protocols needs. It receives the client's messages and the
//! results of its own work, and returns [`ProtocolEffect`]s for the session's actor to apply. It knows no socket and no
//! timer, and the session passes the time.
//!
//! Invariant: a session keeps its protocol, so every [`Completion`] goes to the protocol that started the work.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, LocalBoxFuture},
};
use tokio::time::Instant;

use super::{
    SessionLink,
    graphql::{
        decoder::ReceivedMessage,
        protocol::{GraphQlCompletion, GraphQlProtocol},
    },
    heartbeat::Heartbeat,
    hocuspocus::protocol::{HocuspocusCompletion, HocuspocusProtocol},
    yjs::protocol::{YjsCompletion, YjsProtocol},
};
use crate::{
    memory::Reservation,
    outbox::{InFlight, OutboxFrame},
    wire::{CloseReason, Dialect, Message, Predecessor},
};

/// The protocol of a session, with the state that only this protocol needs.
pub(super) enum Protocol {
    /// graphql-transport-ws.
    GraphQl(Box<GraphQlProtocol>),
    /// y-websocket.
    Yjs(Box<YjsProtocol>),
    /// The protocol of HocuspocusProvider.
    Hocuspocus(Box<HocuspocusProtocol>),
    /// y-websocket with an editor that is refused for this reason: the session closes as soon as it has begun.
    Refused(CloseReason),
}

/// What the session does for its protocol. Effects are applied in order; after [`Close`](Self::Close) the rest is
/// dropped.
pub(super) enum ProtocolEffect {
    /// Authenticate the client with this token, or else with the token of its upgrade. Then admit it in the place of its
    /// predecessor, if it names one, or close.
    Authenticate { token: Option<String>, predecessor: Option<Predecessor> },
    /// Close the session unless its client answers a ping: the client seems to have a newer connection.
    Probe,
    /// Queue a frame. The operation that it answers stays in flight until the frame has left.
    Reply(OutboxFrame, Option<InFlight>),
    /// Await a future, and pass its result to [`Protocol::complete`].
    Await(LocalBoxFuture<'static, Completion>),
    /// Call [`Protocol::wake`] at this time.
    WakeAt(Instant),
    /// Pause or resume reading from the socket.
    PauseReading(bool),
    /// Keep the session open until the client's new token expires.
    ExtendTo(DateTime<Utc>),
    /// Close the session.
    Close(CloseReason),
}

/// The result of work that the session awaited for its protocol. Dropping it gives back what it holds, such as a seat.
pub(super) enum Completion {
    /// For graphql-transport-ws.
    GraphQl(GraphQlCompletion),
    /// For y-websocket.
    Yjs(YjsCompletion),
    /// For HocuspocusProvider.
    Hocuspocus(HocuspocusCompletion),
}

/// What a protocol needs to know about its session.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionView {
    /// The current time.
    pub(super) now: Instant,
    /// When the client's token expires.
    pub(super) expires_at: DateTime<Utc>,
    /// Whether the node is stopping: the session closes once it is idle.
    pub(super) is_draining: bool,
}

impl Protocol {
    /// Returns the name of the protocol in the log.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::GraphQl(_) => "graphql",
            Self::Yjs(_) | Self::Refused(_) => "yjs",
            Self::Hocuspocus(_) => "hocuspocus",
        }
    }

    /// Returns whether the client was refused by its upgrade, which has been logged.
    pub(super) fn is_refused(&self) -> bool {
        match self {
            Self::GraphQl(_) | Self::Yjs(_) | Self::Hocuspocus(_) => false,
            Self::Refused(_) => true,
        }
    }

    /// Returns the dialect of the close codes. The codes for editors that are refused are those of graphql-transport-ws: after
    /// the one for an expired token, an editor would otherwise come back again and again with the same token.
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::GraphQl(_) | Self::Refused(_) => Dialect::GraphQl,
            Self::Yjs(_) | Self::Hocuspocus(_) => Dialect::Yjs,
        }
    }

    /// Returns whether the page may take its time to get a token, for example from its application.
    pub(super) fn awaits_page(&self) -> bool {
        match self {
            Self::GraphQl(_) | Self::Yjs(_) | Self::Refused(_) => false,
            Self::Hocuspocus(_) => true,
        }
    }

    /// Starts the session.
    pub(super) fn start(&self) -> Vec<ProtocolEffect> {
        match self {
            Self::GraphQl(protocol) => protocol.start(),
            Self::Yjs(protocol) => protocol.start(),
            // It expects a token.
            Self::Hocuspocus(_) => Vec::new(),
            Self::Refused(reason) => vec![ProtocolEffect::Close(reason.clone())],
        }
    }

    /// Notes that the client is admitted. Acknowledges it, or asks for its seat.
    pub(super) fn admit(
        &mut self,
        link: Arc<SessionLink>,
        heartbeat: &Heartbeat,
        view: &SessionView,
    ) -> Vec<ProtocolEffect> {
        match self {
            Self::GraphQl(protocol) => protocol.admit(link, heartbeat, view),
            Self::Yjs(protocol) => protocol.admit(link),
            Self::Hocuspocus(protocol) => protocol.admit(link, view),
            // It authenticates nobody.
            Self::Refused(_) => Vec::new(),
        }
    }

    /// Notes that the client is not admitted for this reason. Returns what the session does if it goes on all the same.
    pub(super) fn refuse(&mut self, reason: &CloseReason) -> Option<Vec<ProtocolEffect>> {
        match self {
            Self::GraphQl(_) | Self::Yjs(_) | Self::Refused(_) => None,
            Self::Hocuspocus(protocol) => protocol.refuse(reason),
        }
    }

    /// Receives a message of the client. `held` is the memory of a large one, which has to be kept as long as the message or
    /// what is decoded from it.
    pub(super) fn receive(
        &mut self,
        message: Message,
        held: Option<Reservation>,
        view: &SessionView,
    ) -> Vec<ProtocolEffect> {
        match self {
            Self::GraphQl(protocol) => {
                protocol.receive(ReceivedMessage { bytes: message.into_bytes(), held }, view)
            }
            Self::Yjs(protocol) => protocol.receive(&message, held, view),
            Self::Hocuspocus(protocol) => protocol.receive(&message, held, view),
            // The session is closing.
            Self::Refused(_) => Vec::new(),
        }
    }

    /// Receives the result of work that the session awaited.
    pub(super) fn complete(
        &mut self,
        completion: Completion,
        view: &SessionView,
    ) -> Vec<ProtocolEffect> {
        match (self, completion) {
            (Self::GraphQl(protocol), Completion::GraphQl(completion)) => {
                protocol.complete(completion, view)
            }
            (Self::Yjs(protocol), Completion::Yjs(completion)) => {
                protocol.complete(completion, view)
            }
            (Self::Hocuspocus(protocol), Completion::Hocuspocus(completion)) => {
                protocol.complete(completion, view)
            }
            // The invariant of this module excludes these.
            (Self::Refused(_), _)
            | (Self::GraphQl(_), Completion::Yjs(_) | Completion::Hocuspocus(_))
            | (Self::Yjs(_), Completion::GraphQl(_) | Completion::Hocuspocus(_))
            | (Self::Hocuspocus(_), Completion::GraphQl(_) | Completion::Yjs(_)) => Vec::new(),
        }
    }

    /// Continues at a time that the protocol asked for.
    pub(super) fn wake(&mut self, at: Instant, view: &SessionView) -> Vec<ProtocolEffect> {
        match self {
            // They ask for no time.
            Self::GraphQl(_) | Self::Refused(_) => Vec::new(),
            Self::Yjs(protocol) => protocol.wake(at, view),
            Self::Hocuspocus(protocol) => protocol.wake(at, view),
        }
    }

    /// Returns how a newer connection of the client names this one. Every connection can also be named by its session id.
    pub(super) fn name(&self) -> Option<Predecessor> {
        match self {
            Self::GraphQl(_) | Self::Hocuspocus(_) | Self::Refused(_) => None,
            Self::Yjs(protocol) => protocol.name(),
        }
    }

    /// Returns the frame that warns the client before its token expires, or asks it for another one. Editors of y-websocket have
    /// none: they obtain a token whenever they connect.
    pub(super) fn expiry_warning(&self, expires_at: DateTime<Utc>) -> Option<Bytes> {
        match self {
            Self::GraphQl(protocol) => Some(protocol.expiry_warning(expires_at)),
            Self::Hocuspocus(protocol) => protocol.expiry_warning(),
            Self::Yjs(_) | Self::Refused(_) => None,
        }
    }

    /// Returns whether the client has work in progress that a stopping node should finish.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            Self::GraphQl(protocol) => protocol.is_busy(),
            Self::Yjs(protocol) => protocol.is_busy(),
            Self::Hocuspocus(protocol) => protocol.is_busy(),
            Self::Refused(_) => false,
        }
    }

    /// Gives up all seats. Returns work that must run although the session ends.
    pub(super) fn leave(&mut self) -> Option<BoxFuture<'static, ()>> {
        match self {
            Self::GraphQl(protocol) => {
                protocol.leave();
                None
            }
            Self::Yjs(protocol) => protocol.leave(),
            Self::Hocuspocus(protocol) => protocol.leave(),
            Self::Refused(_) => None,
        }
    }
}

/// Polls a future once, outside any task. Most operations are ready at once, such as a cursor, which touches no database;
/// they need no future of the actor. A pending future must be polled again by a task.
pub(super) fn poll_once<T>(future: &mut BoxFuture<'static, T>) -> Poll<T> {
    future.poll_unpin(&mut Context::from_waker(Waker::noop()))
}
