//! How a confirmed seat receives events.

use std::sync::Arc;

use super::{audience::AudienceKey, render::MakeRenderer};
use crate::{domain::Version, room::members::seat::SeatEnded, wire::graphql_ws::OperationId};

/// How a seat receives events.
pub enum Confirmation {
    /// As one of a GraphQL audience.
    Audience {
        /// What the audience has in common.
        key: AudienceKey,
        /// The client's id of the subscription.
        operation: OperationId,
        /// The version after which a replay begins. None: no replay.
        since: Option<Version>,
        /// The version that the store had after the level was read, if `since` is set. The room may not know it yet.
        stored: Option<Version>,
        /// Makes the renderer if the audience is new.
        make: MakeRenderer,
    },
    /// As a Yjs editor.
    Editor(Arc<dyn SeatEnded>),
}
