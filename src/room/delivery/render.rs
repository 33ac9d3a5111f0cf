//! What a room needs from those who know a protocol.
//!
//! A room knows what happened; how it looks on the wire is the business of the floor above, which implements
//! [`Render`] once per audience.

use bytes::Bytes;
use thiserror::Error;

use crate::{domain::Event, room::SeatEnd, wire::graphql_ws::OperationId};

/// An event could not be rendered. It is a bug of the renderer: events depend on nothing that could be missing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("an event could not be rendered: {0}")]
pub struct RenderError(pub String);

/// Turns events into bytes for everybody in one audience.
pub trait Render: Send {
    /// Renders `event` once, without anything that differs between seats.
    ///
    /// # Errors
    /// The renderer was not ready at once or failed; both are bugs.
    fn render(&mut self, event: &Event) -> Result<Bytes, RenderError>;

    /// Whether what is rendered of a change may hold the whole text.
    fn wants_content(&self) -> bool;

    /// The whole frame of a rendered event for the seat that is called `tag`.
    fn frame(&self, rendered: &Bytes, tag: &OperationId) -> Bytes;

    /// The last frame of the seat that is called `tag`.
    fn ending(&self, tag: &OperationId, why: SeatEnd) -> Bytes;
}

/// Makes an audience's renderer; called only when the audience has no seat yet.
pub type MakeRenderer = Box<dyn FnOnce() -> Box<dyn Render> + Send>;
