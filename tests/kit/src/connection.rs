//! A WebSocket connection that reads in the background, so that a test misses nothing between two lines.

use std::sync::Arc;

use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    net::TcpStream,
    sync::{Mutex, watch},
    task::AbortHandle,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, protocol::CloseFrame},
};

use crate::within;

pub(crate) type Stream = WebSocketStream<TcpStream>;
type Sink = Arc<Mutex<SplitSink<Stream, Message>>>;

/// The code and reason of a close frame.
pub(crate) type Close = (u16, String);

/// What a connection received.
pub(crate) enum Incoming {
    Message(Message),
    /// The end of the connection, with the close frame if there was one.
    End(Option<Close>),
}

/// A connection. Dropping it breaks it off without a close frame.
pub(crate) struct Connection {
    sink: Sink,
    reads: watch::Sender<bool>,
    reader: AbortHandle,
}

impl Connection {
    /// Reads from the first frame on. `receive` gets what arrives and may return a reply, which is sent.
    pub(crate) fn new(
        stream: Stream,
        receive: impl FnMut(Incoming) -> Option<Message> + Send + 'static,
    ) -> Self {
        let (sink, stream) = stream.split();
        let (sink, (reads, reading)) = (Arc::new(Mutex::new(sink)), watch::channel(true));
        let reader = tokio::spawn(read(stream, Arc::clone(&sink), receive, reading)).abort_handle();
        Self { sink, reads, reader }
    }

    /// Sends a frame, however long that takes.
    pub(crate) async fn send(&self, frame: Message) -> Result<(), Error> {
        self.sink.lock().await.send(frame).await
    }

    /// Sends a close frame.
    pub(crate) async fn send_close(&self) {
        let close = CloseFrame { code: 1000.into(), reason: "".into() };
        within("sending a close frame", self.send(Message::Close(Some(close)))).await.unwrap();
    }

    /// Leaves everything that arrives from now on in the network.
    pub(crate) fn stop_reading(&self) {
        self.reads.send_replace(false);
    }

    /// Reads again.
    pub(crate) fn resume_reading(&self) {
        self.reads.send_replace(true);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(
    mut stream: SplitStream<Stream>,
    sink: Sink,
    mut receive: impl FnMut(Incoming) -> Option<Message>,
    mut reads: watch::Receiver<bool>,
) {
    let mut close = None;
    loop {
        if reads.wait_for(|reads| *reads).await.is_err() {
            return;
        }
        let frame = tokio::select! {
            frame = stream.next() => frame,
            _ = reads.wait_for(|reads| !*reads) => continue,
        };
        let reply = match frame {
            Some(Ok(Message::Close(frame))) => {
                close = frame.map(|frame| (u16::from(frame.code), frame.reason.to_string()));
                None
            }
            Some(Ok(message)) => receive(Incoming::Message(message)),
            Some(Err(_)) | None => {
                receive(Incoming::End(close));
                return;
            }
        };
        if let Some(reply) = reply {
            // If it cannot be sent, the end of the connection is the next thing to arrive.
            let sent = sink.lock().await.send(reply).await;
            drop(sent);
        }
    }
}
