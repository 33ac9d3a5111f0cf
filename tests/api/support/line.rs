//! A WebSocket connection of a test: frames go out at any time, and whether what comes is read is for the test to say.

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
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Error, Message, protocol::CloseFrame},
};

use super::within;

pub(super) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Sink = Arc<Mutex<SplitSink<Stream, Message>>>;

/// A close frame: code and reason.
pub(super) type Goodbye = (u16, String);

/// What came.
pub(super) enum Came {
    Message(Message),
    /// The connection is gone; with the close frame, if one came before.
    End(Option<Goodbye>),
}

/// Dropping it breaks the connection off without a goodbye.
pub(super) struct Line {
    sink: Sink,
    reads: watch::Sender<bool>,
    reader: AbortHandle,
}

impl Line {
    /// Reads from the first frame on, and sends what `hear` answers.
    pub(super) fn new(
        stream: Stream,
        hear: impl FnMut(Came) -> Option<Message> + Send + 'static,
    ) -> Self {
        let (sink, stream) = stream.split();
        let (sink, (reads, reading)) = (Arc::new(Mutex::new(sink)), watch::channel(true));
        let reader = tokio::spawn(read(stream, Arc::clone(&sink), hear, reading)).abort_handle();
        Self { sink, reads, reader }
    }

    /// Sends a frame, however long that takes.
    pub(super) async fn send(&self, frame: Message) -> Result<(), Error> {
        self.sink.lock().await.send(frame).await
    }

    /// Says goodbye.
    pub(super) async fn say_goodbye(&self) -> Result<(), Error> {
        let goodbye = CloseFrame { code: 1000.into(), reason: "".into() };
        within("saying goodbye", self.send(Message::Close(Some(goodbye)))).await
    }

    /// From now on whatever comes stays in the network.
    pub(super) fn stop_reading(&self) {
        self.reads.send_replace(false);
    }

    /// Reads on.
    pub(super) fn read_on(&self) {
        self.reads.send_replace(true);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(
    mut stream: SplitStream<Stream>,
    sink: Sink,
    mut hear: impl FnMut(Came) -> Option<Message>,
    mut reads: watch::Receiver<bool>,
) {
    let mut goodbye = None;
    loop {
        if reads.wait_for(|reads| *reads).await.is_err() {
            return;
        }
        let frame = tokio::select! {
            frame = stream.next() => frame,
            _ = reads.wait_for(|reads| !*reads) => continue,
        };
        let answer = match frame {
            Some(Ok(Message::Close(frame))) => {
                goodbye = frame.map(|frame| (u16::from(frame.code), frame.reason.to_string()));
                None
            }
            Some(Ok(message)) => hear(Came::Message(message)),
            Some(Err(_)) | None => {
                hear(Came::End(goodbye));
                return;
            }
        };
        if let Some(answer) = answer {
            // Where it cannot be sent any more, the end comes next.
            let answered = sink.lock().await.send(answer).await;
            drop(answered);
        }
    }
}
