//! WebSocket sessions.
//!
//! Each socket has one [`Session`](actor::Session) actor. It reads frames through a [`reader`], which stops while the
//! client does not accept its answers. It passes messages to its [`Protocol`](protocol::Protocol), which is
//! graphql-transport-ws, y-websocket or that of HocuspocusProvider, and applies the effects that the protocol returns. The pure [`heartbeat`] decides
//! when to ping, warn and close. A session writes to its outbox only. Resolvers and rooms see it as a [`SessionLink`].
//!
//! Invariant: however a session ends, it gives back its connection slot and its seats at once.

mod account_ends;
mod actor;
mod admission;
mod admitted_sessions;
mod awaited_work;
mod close;
mod document_tokens;
mod error;
mod graphql;
mod heartbeat;
mod hocuspocus;
mod identity;
mod inbound;
mod intake;
mod limits;
mod link;
mod liveness;
mod message_arrival;
mod message_memory;
mod message_pace;
mod messages;
mod options;
mod outside_users;
mod protocol;
mod reader;
mod sessions;
mod sign_in_ends;
mod slot_search;
mod socket;
mod throttle;

mod waiting_throttle;
mod yjs;

/// The longest time for which a large message or operation that has not begun waits for its turn.
pub(crate) const TURN_WITHIN: std::time::Duration = std::time::Duration::from_secs(30);

pub use account_ends::AccountEnds;
pub use document_tokens::DocumentTokenEnds;
pub use graphql::port::{Execute, Operation, OperationResponse, Preparation};
pub use hocuspocus::port::OpenEditors;
pub use identity::{Identified, Identity, IdentityError};
pub use limits::Limits;
pub use link::SessionLink;
pub use options::SessionOptions;
pub use sessions::{SessionParts, Sessions};
pub use sign_in_ends::SignInEnds;
pub use slot_search::MAX_SEARCHES_PER_MINUTE;
pub use socket::{
    AcceptedSession, NewEditor, NewPage, open, open_editor, open_page, refuse_editor,
};
pub use throttle::{RATE_LIMIT_WAIT, Throttle, Throttled, cost_of_operation};
pub use waiting_throttle::WaitingThrottle;
pub use yjs::port::{
    ConversationStep, EditorConversation, SavedUpdates, StepOutcome, WaitingUpdates,
};
