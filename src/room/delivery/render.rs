//! How a room renders events, implemented by the layer that knows the protocol.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use thiserror::Error;

use crate::{
    domain::{Change, Content, Event},
    outbox::OutboxFrame,
    room::SeatEnd,
    wire::graphql_ws::OperationId,
};

/// An event could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RenderError {
    /// The subscription selects large fields so often that the event would be too large.
    #[error("an event would repeat its large fields too often")]
    Repetitive,
    /// There was no turn or no memory for a large event in time.
    #[error("a large event had no turn or no memory in time")]
    Busy,
    /// A bug of the renderer: an event holds everything that rendering needs.
    #[error("an event could not be rendered: {0}")]
    Failed(String),
}

impl RenderError {
    /// Returns why the room takes the seats of the audience away.
    pub(in crate::room) fn seat_end(&self) -> SeatEnd {
        match self {
            Self::Repetitive => SeatEnd::Repetitive,
            Self::Busy | Self::Failed(_) => SeatEnd::Broken,
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
    pub content: SharedJson,
    /// The Yjs update.
    pub update: SharedJson,
    /// The steps of a large delta, by the selected fields in their order.
    pub deltas: SharedJson<Vec<u8>>,
}

/// JSON that the first audience writes. The others wait for it; only threads that render large events have to. `K` tells
/// different JSON of one field apart.
#[derive(Debug)]
pub struct SharedJson<K = ()>(Mutex<WrittenJson<K>>);

#[derive(Debug)]
struct WrittenJson<K> {
    /// Apart from the others, since mostly there is one.
    first: Option<(K, Bytes)>,
    others: Vec<(K, Bytes)>,
}

impl<K> Default for SharedJson<K> {
    fn default() -> Self {
        Self(Mutex::new(WrittenJson { first: None, others: Vec::new() }))
    }
}

impl<K: PartialEq> SharedJson<K> {
    /// Returns the JSON of `key`, which `write` writes the first time.
    ///
    /// # Errors
    /// That of `write`; the next caller writes it then.
    pub fn get_or_write<E>(
        &self,
        key: K,
        write: impl FnOnce() -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        let mut written = self.0.lock();
        let mut known = written.first.iter().chain(&written.others);
        if let Some((_, json)) = known.find(|(other, _)| *other == key) {
            return Ok(json.clone());
        }
        let json = write()?;
        let new = (key, json.clone());
        match written.first {
            None => written.first = Some(new),
            Some(_) => written.others.push(new),
        }
        Ok(json)
    }
}

/// The large fields of a change that a selection has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LargeFields {
    /// The whole text.
    pub content: bool,
    /// The steps of the delta.
    pub delta: bool,
    /// The Yjs update.
    pub update: bool,
}

/// The estimated bytes of the large fields of a change, as JSON without escapes.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::room) struct ChangeBytes {
    content: usize,
    delta: usize,
    update: usize,
}

impl ChangeBytes {
    /// Returns those of `change`.
    pub(in crate::room) fn of(change: &Change) -> Self {
        Self {
            content: change.content.as_ref().map_or(0, Content::bytes),
            delta: change.delta.as_ref().map_or(0, |delta| delta.weight()),
            update: change.update.as_ref().map_or(0, |update| update.len() / 3 * 4),
        }
    }

    /// Returns those of the fields in a selection.
    pub(in crate::room) fn selected(self, fields: LargeFields) -> usize {
        let of = |is_selected, bytes| if is_selected { bytes } else { 0 };
        of(fields.content, self.content)
            + of(fields.delta, self.delta)
            + of(fields.update, self.update)
    }

    /// Returns those of what a change keeps in memory. Texts share most of theirs.
    pub(in crate::room) fn kept(self) -> usize {
        self.delta + self.update
    }
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
///
/// A small event is rendered in the room's turn. A large one is rendered by another renderer on another thread.
pub trait Render: Send {
    /// Renders an event once, without what differs between subscribers.
    ///
    /// # Errors
    /// [`RenderError`].
    fn render(&mut self, event: &SharedEvent) -> Result<Bytes, RenderError>;

    /// Returns another renderer of the same selection, for one event.
    fn another(&self) -> Box<dyn Render>;

    /// Returns which large fields a rendered change has.
    fn large_fields(&self) -> LargeFields;

    /// Returns the frame of a rendered event for the subscription with this id.
    fn frame(&self, rendered: &Bytes, operation: &OperationId) -> Bytes;

    /// Returns the same frame around `rendered`, which is not copied.
    fn frame_around(&self, rendered: Bytes, operation: &OperationId) -> OutboxFrame;

    /// Returns the last frame of the subscription with this id.
    fn ending(&self, operation: &OperationId, reason: SeatEnd) -> Bytes;
}

/// Makes the renderer of a new audience.
pub type MakeRenderer = Box<dyn FnOnce() -> Box<dyn Render> + Send>;
