//! Decodes the messages of a client in the order in which they arrive: a large one on another thread, when it is the turn of its
//! user. Messages after it wait, and so does the reader of the socket.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::{FutureExt as _, future::LocalBoxFuture};

use crate::{
    domain::Party,
    editing::loader::{MAX_INLINE_BYTES, off_thread},
    fair_queue::FairQueue,
    memory::Reservation,
    session::TURN_WITHIN,
    wire::{
        CloseReason,
        graphql_ws::{self, ClientMessage},
    },
};

/// A message, with the memory that is reserved for it if it is large.
pub(in crate::session) struct ReceivedMessage {
    pub(in crate::session) bytes: Bytes,
    pub(in crate::session) held: Option<Reservation>,
}

/// A decoded message, or why the session must close.
pub(in crate::session) struct DecodedMessage {
    pub(super) message: Result<ClientMessage, CloseReason>,
    /// The size that it had in JSON, in bytes.
    pub(super) bytes: usize,
    pub(super) held: Option<Reservation>,
}

/// How the next message is decoded.
pub(super) enum Decoding {
    /// It is decoded.
    Done(DecodedMessage),
    /// It will be. Until [`Decoder::resume`], the other messages wait.
    Later(LocalBoxFuture<'static, DecodedMessage>),
}

/// The messages of a client that are not decoded yet.
pub(super) struct Decoder {
    turns: FairQueue<Party>,
    waiting: VecDeque<ReceivedMessage>,
    is_paused: bool,
}

impl Decoder {
    /// Creates a decoder that has received nothing.
    pub(super) fn new(turns: FairQueue<Party>) -> Self {
        Self { turns, waiting: VecDeque::new(), is_paused: false }
    }

    /// Receives a message.
    pub(super) fn push(&mut self, received: ReceivedMessage) {
        self.waiting.push_back(received);
    }

    /// Returns whether the messages wait until the last one is handled.
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Returns whether a message is not decoded yet, or is decoded and not handled.
    pub(super) fn is_busy(&self) -> bool {
        self.is_paused || !self.waiting.is_empty()
    }

    /// Decodes the next message, if it is its turn. `party` is the user of an admitted client; before, messages are small.
    pub(super) fn next(&mut self, party: Option<Party>) -> Option<Decoding> {
        if self.is_paused {
            return None;
        }
        let ReceivedMessage { bytes, held } = self.waiting.pop_front()?;
        let size = bytes.len();
        let (Some(party), true) = (party, size > MAX_INLINE_BYTES) else {
            let message = graphql_ws::parse(&bytes).map_err(CloseReason::from);
            return Some(Decoding::Done(DecodedMessage { message, bytes: size, held }));
        };
        self.pause();
        let message = decode_large(self.turns.clone(), party, bytes);
        let decoded = message.map(move |message| DecodedMessage { message, bytes: size, held });
        Some(Decoding::Later(decoded.boxed_local()))
    }

    /// Lets the messages wait until the last one is handled.
    pub(super) fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Notes that the last message is decoded or handled.
    pub(super) fn resume(&mut self) {
        self.is_paused = false;
    }

    /// Drops the messages that wait.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

/// Decodes a large message.
///
/// # Errors
/// Why the session must close: the message is not part of the protocol, or had no turn in time.
async fn decode_large(
    turns: FairQueue<Party>,
    party: Party,
    bytes: Bytes,
) -> Result<ClientMessage, CloseReason> {
    let size = bytes.len();
    let turn = turns.acquire_within(party, TURN_WITHIN).await;
    let turn = turn.map_err(|_too_late| CloseReason::Unavailable)?;
    let decode = move || {
        // The turn ends with the work, even if the operation has been cancelled.
        let _turn = turn;
        graphql_ws::parse(&bytes)
    };
    let decoded = off_thread(size, decode).await;
    decoded
        .map_err(|error| {
            tracing::error!(%error, "a large message could not be decoded");
            CloseReason::InternalError
        })?
        .map_err(CloseReason::from)
}
