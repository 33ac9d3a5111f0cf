//! How a room renders events, implemented by the layer that knows the protocol.

use bytes::Bytes;
use thiserror::Error;

use crate::{domain::Event, room::SeatEnd, wire::graphql_ws::OperationId};

/// An event could not be rendered. This is a bug of the renderer: an event holds everything that rendering needs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("an event could not be rendered: {0}")]
pub struct RenderError(pub String);

/// Renders events for one audience.
pub trait Render: Send {
    /// Renders an event once, without what differs between subscribers.
    ///
    /// # Errors
    /// The renderer was not ready at once or failed; both are bugs.
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
