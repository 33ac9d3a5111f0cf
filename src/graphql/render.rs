//! The renderer of an audience: one endless run of the subscription, which turns each event into a response.
//!
//! The response stream of async-graphql is polled in place, once per event. An event holds everything that the
//! selection needs, so the stream must be ready immediately. If it is not, that is a bug, and the room ends the audience
//! with an error instead of waiting. A large event is rendered by a run of its own, on another thread. Cursors are rendered by a
//! template as soon as there is one.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use async_graphql::{Response, Value};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream, stream::BoxStream};
use parking_lot::Mutex;

use super::{
    admission::{Purpose, SubscriptionOperation},
    answer::{CopiesTooLarge, encode_response},
    cursor_template::CursorTemplates,
};
use crate::{
    domain::Event,
    outbox::OutboxFrame,
    room::{LargeFields, Render, RenderError, SeatEnd, SharedEvent},
    store::StoreError,
    wire::{
        ErrorCode,
        graphql_ws::{self, OperationId, ServerMessage},
    },
};

/// Passes the next event of a renderer to its resolver.
#[derive(Clone, Default)]
pub(super) struct Feed(Arc<Mutex<Option<SharedEvent>>>);

impl Feed {
    fn put(&self, event: SharedEvent) {
        *self.0.lock() = Some(event);
    }

    /// Returns the stream of events for which `select` returns a value. It wakes no task: the renderer polls it after
    /// each `put`.
    pub(super) fn events<T, P>(&self, select: P) -> impl Stream<Item = T> + use<T, P>
    where
        P: Fn(SharedEvent) -> Option<T>,
    {
        let feed = self.clone();
        stream::poll_fn(move |_cx| match feed.0.lock().take().and_then(&select) {
            Some(event) => Poll::Ready(Some(event)),
            None => Poll::Pending,
        })
    }
}

/// The renderer of one audience. It starts its stream with the first event, because most audiences are idle.
pub(super) struct Renderer {
    operation: SubscriptionOperation,
    stream: Option<RenderStream>,
    cursors: CursorTemplates,
}

struct RenderStream {
    feed: Feed,
    responses: BoxStream<'static, Response>,
}

impl Renderer {
    /// Creates a renderer for the selection of `operation`.
    pub(super) fn new(operation: SubscriptionOperation) -> Self {
        Self { operation, stream: None, cursors: CursorTemplates::default() }
    }

    fn start(operation: &SubscriptionOperation) -> RenderStream {
        let feed = Feed::default();
        let request = operation.request(Purpose::Feed(feed.clone()));
        RenderStream { feed, responses: operation.schema.execute_stream(request) }
    }

    /// Runs the selection for an event.
    fn run(&mut self, event: &SharedEvent) -> Result<Bytes, RenderError> {
        let stream = self.stream.get_or_insert_with(|| Self::start(&self.operation));
        stream.feed.put(event.clone());
        let mut cx = Context::from_waker(Waker::noop());
        match stream.responses.poll_next_unpin(&mut cx) {
            Poll::Ready(Some(response)) if response.is_ok() => {
                encode_response(&response, self.operation.max_event)
                    .map_err(|error| RenderError::Failed(error.to_string()))
            }
            Poll::Ready(Some(response)) if repeats_too_much(&response) => {
                Err(RenderError::Repetitive)
            }
            Poll::Ready(Some(response)) => {
                Err(RenderError::Failed(format!("{:?}", response.errors)))
            }
            Poll::Ready(None) => {
                Err(RenderError::Failed("the response stream has ended".to_owned()))
            }
            Poll::Pending => {
                Err(RenderError::Failed("the response stream was not ready".to_owned()))
            }
        }
    }
}

impl Render for Renderer {
    fn render(&mut self, event: &SharedEvent) -> Result<Bytes, RenderError> {
        let Event::CursorMoved(moved) = event.event() else { return self.run(event) };
        if let Some(json) = self.cursors.render(moved, self.operation.max_event) {
            return Ok(json);
        }
        let json = self.run(event)?;
        let mut cursors = std::mem::take(&mut self.cursors);
        cursors.note(moved, &json, |sample| {
            self.run(&SharedEvent::new(Event::CursorMoved(Arc::new(sample))))
        });
        self.cursors = cursors;
        Ok(json)
    }

    fn another(&self) -> Box<dyn Render> {
        Box::new(Self::new(self.operation.clone()))
    }

    fn large_fields(&self) -> LargeFields {
        let mentions = |field| self.operation.parsed.mentions(field);
        LargeFields {
            content: mentions("content"),
            delta: mentions("delta"),
            update: mentions("update"),
        }
    }

    fn frame(&self, rendered: &Bytes, tag: &OperationId) -> Bytes {
        ServerMessage::next(tag, rendered).frame()
    }

    fn frame_around(&self, rendered: Bytes, tag: &OperationId) -> OutboxFrame {
        OutboxFrame::around_shared(ServerMessage::next_around(tag, rendered))
    }

    fn ending(&self, tag: &OperationId, why: SeatEnd) -> Bytes {
        let (code, message) = match why {
            SeatEnd::Deleted => return ServerMessage::complete(tag).frame(),
            SeatEnd::Revoked => (ErrorCode::Forbidden, StoreError::Denied.to_string()),
            SeatEnd::Overflow => (
                ErrorCode::Unavailable,
                "The connection was too slow for the presence stream, and queued events were dropped. Subscribe again, then query `documentPresence`."
                    .to_owned(),
            ),
            SeatEnd::Repetitive => (ErrorCode::BadUserInput, CopiesTooLarge.to_string()),
            SeatEnd::TooHeavy => (
                ErrorCode::Unavailable,
                "The document is too heavy to be opened. Ask the operator of the server to compact it."
                    .to_owned(),
            ),
            SeatEnd::Broken | SeatEnd::Corrupt | SeatEnd::Unrelated | SeatEnd::NoMemory => (
                ErrorCode::Unavailable,
                "The server cannot continue this subscription. Subscribe again. For `documentChanged`, use the last version that you have applied as `since`."
                    .to_owned(),
            ),
        };
        ServerMessage::error(tag, &graphql_ws::errors(code, &message)).frame()
    }
}

/// Whether an event was refused because it repeats its large fields too often.
fn repeats_too_much(response: &Response) -> bool {
    response.errors.iter().any(|error| {
        let code = error.extensions.as_ref().and_then(|values| values.get("code"));
        matches!(code, Some(Value::String(code)) if *code == ErrorCode::BadUserInput.as_str())
    })
}
