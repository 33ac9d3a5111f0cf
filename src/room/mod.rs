//! An open document on this node.
//!
//! A [`Room`](actor::Room) actor exists while a document is open or being changed. A session becomes a [`Subscriber`] and takes a
//! [`Seat`] by an [`Admission`], which gives it a [`Subscription`]. What happens reaches the room through a [`RoomHandle`], is
//! decided by pure types ([`members`], [`awareness`]), and goes out through [`delivery`] into the outbox of every subscriber but
//! the author; `editing` changes and stores the text. [`Rooms`] opens rooms, one per document, and [`relay`] routes messages from
//! other nodes to them.
//!
//! Inside: `subscription` and `relay` use `rooms`, which uses `handle`, which uses `actor`; `actor` uses `delivery`, `members`
//! and `awareness`.
//!
//! Invariant: only what is stored is broadcast, and no seat is confirmed whose access level was not read after it was reserved.

mod access;
mod actor;
mod awareness;
mod creation;
mod delivery;
mod editor_handle;
mod error;
mod group_access;
mod handle;
mod members;
mod missing_changes;
mod options;
mod parts;
mod relay;
mod rooms;
mod stale_documents;
mod subscription;
mod sync_pace;
mod versions;

pub use awareness::{clocks::AWARENESS_TICK, editor_awareness::EditorAwareness};
pub use creation::{DocumentDraft, DraftContent};
pub use delivery::{
    audience::AudienceKey,
    confirmation::Confirmation,
    editors::KnownContent,
    render::{
        EncodedFields, LargeFields, MakeRenderer, Render, RenderError, SharedEvent, SharedJson,
    },
};
pub use editor_handle::EditorHandle;
pub use error::RoomError;
pub use handle::RoomHandle;
pub use members::seat::{Seat, SeatEnd, SeatEnded, SeatState, Subscriber};
pub use options::RoomOptions;
pub use parts::RoomParts;
pub use rooms::Rooms;
pub use subscription::{Admission, Subscription};
