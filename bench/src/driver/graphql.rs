//! A connection that speaks graphql-transport-ws.
//!
//! Awaited operations have ids from [`FIRST_AWAITED`] on. Those of the schedule have the numbers of
//! their events, and subscriptions have ids that begin with a letter.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{
    Message,
    http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
};

use super::{
    Address, LinkOptions, Operation,
    link::{Link, Queue, Receive},
};

/// The first id of awaited operations. Events are fewer.
const FIRST_AWAITED: u64 = 1 << 40;

/// The longest wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Something that arrived.
pub(crate) enum GraphqlEvent<'a> {
    /// A subscription sent an event; its GraphQL response.
    Event { subscription: &'a str, response: &'a str },
    /// An operation of the schedule was answered. `refused` holds the errors, if there are any.
    Answer { operation: u64, refused: Option<&'a str> },
    /// The server ended a subscription, with these errors or for this reason.
    Ended(&'a str),
    /// The connection ended.
    Closed(String),
}

/// Why an awaited operation was not carried out, as far as the client knows.
#[derive(Debug)]
pub(crate) enum OperationError {
    /// The server refused it, with these GraphQL errors.
    Refused(String),
    /// The connection ended, or the answer did not come in time.
    Broken,
}

impl OperationError {
    /// Returns the code of the first GraphQL error.
    fn code(&self) -> Option<String> {
        let Self::Refused(errors) = self else { return None };
        let errors: Value = serde_json::from_str(errors).ok()?;
        errors[0]["extensions"]["code"].as_str().map(str::to_owned)
    }

    /// Returns whether the same operation may succeed later.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self.code().as_deref(), Some("UNAVAILABLE" | "UNKNOWN" | "RATE_LIMITED"))
    }
}

impl std::error::Error for OperationError {}

impl std::fmt::Display for OperationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(errors) => write!(f, "the server refuses an operation: {errors}"),
            Self::Broken => f.write_str(
                "the connection ended before the answer, or the answer did not come in a minute",
            ),
        }
    }
}

/// Those who wait for answers, by the ids of their operations. `None` once the connection has ended.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Result<String, String>>>>>>;

/// An open and authenticated connection. Dropping it breaks it off.
#[derive(Debug)]
pub(crate) struct Graphql {
    link: Link,
    waiting: Waiting,
    next: AtomicU64,
}

struct Receiver<F> {
    events: F,
    waiting: Waiting,
    acknowledged: Option<oneshot::Sender<Result<(), String>>>,
    replies: mpsc::Sender<Message>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow, default)]
    id: Option<&'a str>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

/// The errors of a GraphQL response.
#[derive(Deserialize)]
struct Errors<'a> {
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
}

impl Graphql {
    /// Connects and authenticates. From then on `events` is called for all that arrives.
    ///
    /// # Errors
    /// The server cannot be reached, or does not admit the user.
    pub(crate) async fn connect(
        address: &Address,
        token: &str,
        options: LinkOptions,
        events: impl FnMut(GraphqlEvent<'_>) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let mut request = address.handshake("graphql", token)?;
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        let (queue, waiting) = (Queue::new(), Waiting::new(Mutex::new(Some(HashMap::new()))));
        let (acknowledged, acknowledgement) = oneshot::channel();
        let receiver = Receiver {
            events,
            waiting: Arc::clone(&waiting),
            acknowledged: Some(acknowledged),
            replies: queue.sender(),
        };
        let link = Link::open(address.host_and_port(), request, options, queue, receiver).await?;
        link.send(Message::text(r#"{"type":"connection_init"}"#));
        match timeout(ANSWER_WITHIN, acknowledgement)
            .await
            .context("the server did not answer connection_init in a minute")?
        {
            Ok(Ok(())) => Ok(Self { link, waiting, next: AtomicU64::new(FIRST_AWAITED) }),
            Ok(Err(reason)) => bail!("the server does not admit the user: {reason}"),
            Err(_gone) => bail!("the connection ended before connection_ack"),
        }
    }

    /// Starts an operation of the schedule. Returns whether it was queued.
    pub(crate) fn start(&self, event: u64, operation: Operation, variables: &str) -> bool {
        self.link.send(Message::text(operation.message(&event.to_string(), variables)))
    }

    /// Starts a subscription. The server confirms none. `id` begins with a letter.
    pub(crate) fn subscribe(&self, id: &str, operation: Operation, variables: &str) {
        self.link.send(Message::text(operation.message(id, variables)));
    }

    /// Runs an operation and returns its GraphQL response.
    ///
    /// # Errors
    /// The server refuses it, or the connection has ended.
    pub(crate) async fn run(
        &self,
        operation: Operation,
        variables: &str,
    ) -> Result<String, OperationError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (tx, rx) = oneshot::channel();
        // The end of the connection has already answered all who waited for it.
        self.waiting.lock().as_mut().ok_or(OperationError::Broken)?.insert(id, tx);
        self.link.send(Message::text(operation.message(&id.to_string(), variables)));
        match timeout(ANSWER_WITHIN, rx).await {
            Ok(Ok(answer)) => answer.map_err(OperationError::Refused),
            // The sender is gone with the connection, or the time is over.
            Ok(Err(_)) | Err(_) => Err(OperationError::Broken),
        }
    }

    /// Leaves everything that arrives from now on in the network.
    pub(crate) fn stop_reading(&self) {
        self.link.stop_reading();
    }

    /// Reads again.
    pub(crate) fn read_on(&self) {
        self.link.read_on();
    }
}

impl<F: FnMut(GraphqlEvent<'_>) + Send + 'static> Receive for Receiver<F> {
    fn receive(&mut self, message: Message) {
        let Message::Text(text) = message else { return };
        // A message that is not understood answers nothing, so the run fails for want of an answer.
        let Ok(frame) = serde_json::from_str::<Frame<'_>>(&text) else { return };
        let payload = frame.payload.map_or("{}", RawValue::get);
        match (frame.kind, frame.id) {
            ("next", Some(id)) => self.next(id, payload),
            ("error", Some(id)) => match id.parse() {
                Ok(operation) => self.answer(operation, payload, Some(payload)),
                Err(_name) => (self.events)(GraphqlEvent::Ended(payload)),
            },
            // That of an operation follows its answer.
            ("complete", Some(id)) if id.parse::<u64>().is_err() => {
                (self.events)(GraphqlEvent::Ended("the server completed a subscription"));
            }
            ("connection_ack", _) => {
                if let Some(acknowledged) = self.acknowledged.take() {
                    // Nobody waits any more if the client has given up.
                    let _sent = acknowledged.send(Ok(()));
                }
            }
            ("ping", _) => {
                // A full queue means that the server does not read; then it does not expect an answer.
                let _queued = self.replies.try_send(Message::text(r#"{"type":"pong"}"#));
            }
            _ => {}
        }
    }

    fn closed(&mut self, reason: String) {
        // Those who wait learn that their sender is gone.
        self.waiting.lock().take();
        if let Some(acknowledged) = self.acknowledged.take() {
            // `connect` returns the reason. The connection was never open, so none has ended. As above.
            let _sent = acknowledged.send(Err(reason));
            return;
        }
        (self.events)(GraphqlEvent::Closed(reason));
    }
}

impl<F: FnMut(GraphqlEvent<'_>)> Receiver<F> {
    fn next(&mut self, id: &str, response: &str) {
        match id.parse() {
            Ok(operation) => {
                let errors = serde_json::from_str::<Errors<'_>>(response);
                let refused =
                    errors.map_or(Some(response), |found| found.errors.map(RawValue::get));
                self.answer(operation, response, refused);
            }
            Err(_name) => (self.events)(GraphqlEvent::Event { subscription: id, response }),
        }
    }

    fn answer(&mut self, operation: u64, response: &str, refused: Option<&str>) {
        if operation < FIRST_AWAITED {
            (self.events)(GraphqlEvent::Answer { operation, refused });
            return;
        }
        let waiting = self.waiting.lock().as_mut().and_then(|all| all.remove(&operation));
        if let Some(waiting) = waiting {
            let answer = refused.map_or(Ok(response.to_owned()), |errors| Err(errors.to_owned()));
            // Nobody waits any more if the time was over.
            let _sent = waiting.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns descriptions of the events that messages cause.
    fn events(messages: &[&str]) -> Vec<String> {
        let (tx, rx) = std::sync::mpsc::channel();
        let events = move |event: GraphqlEvent<'_>| {
            let description = match event {
                GraphqlEvent::Event { subscription, .. } => format!("event of {subscription}"),
                GraphqlEvent::Answer { operation, refused } => format!("{operation}: {refused:?}"),
                GraphqlEvent::Ended(reason) => format!("ended: {reason}"),
                GraphqlEvent::Closed(reason) => format!("closed: {reason}"),
            };
            tx.send(description).unwrap();
        };
        let waiting = Waiting::new(Mutex::new(Some(HashMap::new())));
        let replies = mpsc::channel(1).0;
        let mut receiver = Receiver { events, waiting, acknowledged: None, replies };
        messages.iter().for_each(|message| receiver.receive(Message::text(*message)));
        drop(receiver);
        rx.iter().collect()
    }

    #[test]
    fn the_end_of_a_subscription_is_told() {
        let found = events(&[
            r#"{"type":"next","id":"changes","payload":{"data":{}}}"#,
            r#"{"type":"complete","id":"changes"}"#,
            r#"{"type":"error","id":"cursors","payload":[{"message":"no"}]}"#,
        ]);
        assert_eq!(found[0], "event of changes");
        assert_eq!(found[1], "ended: the server completed a subscription");
        assert_eq!(found[2], r#"ended: [{"message":"no"}]"#);
    }

    #[test]
    fn the_end_of_an_operation_is_no_end_of_a_subscription() {
        let found = events(&[
            r#"{"type":"next","id":"7","payload":{"data":{}}}"#,
            r#"{"type":"complete","id":"7"}"#,
            r#"{"type":"error","id":"8","payload":[]}"#,
        ]);
        assert_eq!(found, ["7: None", r#"8: Some("[]")"#]);
    }

    #[test]
    fn a_refusal_is_temporary_by_its_code() {
        let refused =
            |code| OperationError::Refused(format!(r#"[{{"extensions":{{"code":"{code}"}}}}]"#));
        assert!(refused("UNAVAILABLE").is_temporary());
        assert!(!refused("FORBIDDEN").is_temporary());
        assert!(!OperationError::Broken.is_temporary());
    }
}
