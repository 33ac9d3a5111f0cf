//! How a room renders events, implemented by the layer that knows the protocol.

use bytes::Bytes;
use thiserror::Error;

use crate::{domain::Event, room::SeatEnd, wire::graphql_ws::OperationId};

/// An event could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RenderError {
    /// The subscription selects large fields so often that the event would be too large.
    #[error("an event would repeat its large fields too often")]
    Repetitive,
    /// A bug of the renderer: an event holds everything that rendering needs.
    #[error("an event could not be rendered: {0}")]
    Failed(String),
}

impl RenderError {
    /// Returns why the room takes the seats of the audience away.
    pub(in crate::room) fn seat_end(&self) -> SeatEnd {
        match self {
            Self::Repetitive => SeatEnd::Repetitive,
            Self::Failed(_) => SeatEnd::Broken,
        }
    }
}

/// Renders events for one audience.
pub trait Render: Send {
    /// Renders an event once, without what differs between subscribers.
    ///
    /// # Errors
    /// [`RenderError`].
    fn render(&mut self, event: &Event) -> Result<Bytes, RenderError>;

    /// Whether a rendered change may hold the whole text.
    fn wants_content(&self) -> bool;

    /// Returns the frame of a rendered event for the subscription with this id.
    fn frame(&self, rendered: &Bytes, operation: &OperationId) -> Bytes;

    /// Returns the last frame of the subscription with this id.
    fn ending(&self, operation: &OperationId, reason: SeatEnd) -> Bytes;
}

/// Makes the renderer of a new audience.
pub type MakeRenderer = Box<dyn FnOnce() -> Box<dyn Render> + Send>;
