//! An audience's renderer: a subscription that never ends, fed one event at a time.
//!
//! The stream of async-graphql is polled in place, once per event. It has everything it needs, so it must be ready
//! at once; one that is not is a bug, and the room ends the audience loudly rather than wait.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use async_graphql::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream, stream::BoxStream};
use parking_lot::Mutex;

use super::admission::{Purpose, Subscribing};
use crate::{
    domain::Event,
    room::{Render, RenderError, SeatEnd},
    store::StoreError,
    wire::{
        ErrorCode,
        graphql_ws::{self, OperationId, ServerMessage},
    },
};

/// Where the next event of a renderer is put.
#[derive(Clone, Default)]
pub(super) struct Feed(Arc<Mutex<Option<Event>>>);

impl Feed {
    fn put(&self, event: Event) {
        *self.0.lock() = Some(event);
    }

    /// The events that are put, as far as `pick` wants them. Nobody is woken: whoever puts also polls.
    pub(super) fn events<T, P>(&self, pick: P) -> impl Stream<Item = T> + use<T, P>
    where
        P: Fn(Event) -> Option<T>,
    {
        let feed = self.clone();
        stream::poll_fn(move |_cx| match feed.0.lock().take().and_then(&pick) {
            Some(event) => Poll::Ready(Some(event)),
            None => Poll::Pending,
        })
    }
}

/// The renderer of one audience. The stream begins with the first event: most of what is open at a time is quiet.
pub(super) struct Renderer {
    operation: Subscribing,
    running: Option<RunningRender>,
}

struct RunningRender {
    feed: Feed,
    responses: BoxStream<'static, Response>,
}

impl Renderer {
    /// Renders events as `operation` selects from them.
    pub(super) fn new(operation: Subscribing) -> Self {
        Self { operation, running: None }
    }

    fn run(operation: &Subscribing) -> RunningRender {
        let feed = Feed::default();
        let request = operation.request(Purpose::Feed(feed.clone()));
        RunningRender { feed, responses: operation.schema.execute_stream(request) }
    }
}

impl Render for Renderer {
    fn render(&mut self, event: &Event) -> Result<Bytes, RenderError> {
        let running = self.running.get_or_insert_with(|| Self::run(&self.operation));
        running.feed.put(event.clone());
        let mut cx = Context::from_waker(Waker::noop());
        match running.responses.poll_next_unpin(&mut cx) {
            Poll::Ready(Some(response)) if response.is_ok() => serde_json::to_vec(&response)
                .map(Bytes::from)
                .map_err(|error| RenderError(error.to_string())),
            Poll::Ready(Some(response)) => Err(RenderError(format!("{:?}", response.errors))),
            Poll::Ready(None) => Err(RenderError("the selection's stream has ended".to_owned())),
            Poll::Pending => Err(RenderError("the selection was not ready at once".to_owned())),
        }
    }

    fn wants_content(&self) -> bool {
        self.operation.parsed.mentions("content")
    }

    fn frame(&self, rendered: &Bytes, tag: &OperationId) -> Bytes {
        ServerMessage::next(tag, rendered).frame()
    }

    fn ending(&self, tag: &OperationId, why: SeatEnd) -> Bytes {
        let (code, message) = match why {
            SeatEnd::Deleted => return ServerMessage::complete(tag).frame(),
            SeatEnd::Revoked => (ErrorCode::Forbidden, StoreError::Denied.to_string()),
            SeatEnd::Overflow => (
                ErrorCode::Unavailable,
                "You read more slowly than people come and go, and what waited was dropped. Ask for `documentPresence` and subscribe again."
                    .to_owned(),
            ),
            SeatEnd::Broken | SeatEnd::Unrelated => (
                ErrorCode::Unavailable,
                "The stream cannot go on. Subscribe again, with the last version that you have seen as `since`."
                    .to_owned(),
            ),
        };
        ServerMessage::error(tag, &graphql_ws::errors(code, &message)).frame()
    }
}
