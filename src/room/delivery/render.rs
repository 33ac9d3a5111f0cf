//! How a room renders events, implemented by the layer that knows the protocol.

use std::sync::{Arc, OnceLock};

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

/// An event that is rendered for several audiences. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedEvent {
    event: Event,
    encoded: Option<Arc<EncodedFields>>,
}

/// The large fields of a change, encoded by the first audience that selects them and reused by the others.
#[derive(Debug, Default)]
pub struct EncodedFields {
    /// The whole text.
    pub content: OnceLock<Bytes>,
    /// The Yjs update.
    pub update: OnceLock<Bytes>,
}

impl SharedEvent {
    /// Returns the event, of which nothing is encoded.
    #[must_use]
    pub fn new(event: Event) -> Self {
        let encoded = matches!(event, Event::Changed(_)).then(Arc::default);
        Self { event, encoded }
    }

    /// Returns the event.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Returns the event and, of a change, the encoded fields.
    #[must_use]
    pub fn into_parts(self) -> (Event, Option<Arc<EncodedFields>>) {
        (self.event, self.encoded)
    }
}

/// Renders events for one audience.
pub trait Render: Send {
    /// Renders an event once, without what differs between subscribers.
    ///
    /// # Errors
    /// [`RenderError`].
    fn render(&mut self, event: &SharedEvent) -> Result<Bytes, RenderError>;

    /// Whether a rendered change may hold the whole text.
    fn wants_content(&self) -> bool;

    /// Returns the frame of a rendered event for the subscription with this id.
    fn frame(&self, rendered: &Bytes, operation: &OperationId) -> Bytes;

    /// Returns the last frame of the subscription with this id.
    fn ending(&self, operation: &OperationId, reason: SeatEnd) -> Bytes;
}

/// Makes the renderer of a new audience.
pub type MakeRenderer = Box<dyn FnOnce() -> Box<dyn Render> + Send>;
