//! A WebSocket with a task that reads and one that writes.
//!
//! Sending never waits, so a server that reads slowly does not slow down the schedule. A message that finds [`QUEUE`] others
//! waiting is lost, and the run then lacks its answer. Dropping the link breaks the connection without a close frame.

use std::{io, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use rustix::io::Errno;
use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    sync::{mpsc, watch},
    task::AbortHandle,
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{Message, handshake::client::Request, protocol::WebSocketConfig},
};

/// Messages that may wait to be written.
const QUEUE: usize = 4096;

/// The longest time until a connection is open.
const OPEN_WITHIN: Duration = Duration::from_secs(30);

/// The read buffer of a connection in bytes. Most events are much shorter, and there are thousands of connections.
const READ_BUFFER: usize = 8 * 1024;

/// How a connection is made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LinkOptions {
    /// The receive buffer of the kernel, in bytes. A small one makes the server notice soon that nobody reads.
    pub(crate) receive_buffer: Option<u32>,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Link {
    queue: mpsc::Sender<Message>,
    reads: watch::Sender<bool>,
    tasks: [AbortHandle; 2],
}

/// What the reading task calls.
pub(crate) trait Receive: Send + 'static {
    /// Takes a message.
    fn receive(&mut self, message: Message);
    /// Takes the end of the connection, with its reason.
    fn closed(&mut self, reason: String);
}

/// The sending end of a link that is not open yet, for a receiver that answers.
pub(crate) struct Queue(mpsc::Sender<Message>, mpsc::Receiver<Message>);

impl Queue {
    /// Creates the queue of a link.
    pub(crate) fn new() -> Self {
        let (tx, rx) = mpsc::channel(QUEUE);
        Self(tx, rx)
    }

    /// Returns a sender into the queue.
    pub(crate) fn sender(&self) -> mpsc::Sender<Message> {
        self.0.clone()
    }
}

impl Link {
    /// Opens a connection to this host and port.
    ///
    /// # Errors
    /// The host cannot be reached, or refuses the handshake.
    pub(crate) async fn open(
        (host, port): (&str, u16),
        request: Request,
        options: LinkOptions,
        queue: Queue,
        receiver: impl Receive,
    ) -> anyhow::Result<Self> {
        let opening = async {
            let stream = connect(host, port, options).await?;
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER)
                .max_message_size(None)
                .max_frame_size(None);
            let opened = client_async_tls_with_config(request, stream, Some(config), None).await;
            Ok::<_, anyhow::Error>(opened.context("the server refuses the WebSocket")?.0)
        };
        let opened = timeout(OPEN_WITHIN, opening).await;
        let stream = opened
            .with_context(|| format!("{host}:{port} has not opened a connection in 30 s"))??;
        Ok(Self::start(stream, queue, receiver))
    }

    fn start(
        stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
        Queue(queue, mut rx): Queue,
        mut receiver: impl Receive,
    ) -> Self {
        let (mut sink, mut messages) = stream.split();
        let (reads, mut may_read) = watch::channel(true);
        let reader = tokio::spawn(async move {
            let reason = loop {
                if may_read.wait_for(|may| *may).await.is_err() {
                    return;
                }
                match messages.next().await {
                    Some(Ok(Message::Close(frame))) => {
                        break frame.map_or("closed".to_owned(), |frame| {
                            format!("closed with {} ({})", u16::from(frame.code), frame.reason)
                        });
                    }
                    Some(Ok(message)) => receiver.receive(message),
                    Some(Err(error)) => break error.to_string(),
                    None => break "ended".to_owned(),
                }
            };
            receiver.closed(reason);
        });
        let writer = tokio::spawn(async move {
            while let Some(message) = rx.recv().await {
                // The reader learns of the end of the connection, too, and reports it.
                if sink.send(message).await.is_err() {
                    return;
                }
            }
        });
        let tasks = [reader.abort_handle(), writer.abort_handle()];
        Self { queue, reads, tasks }
    }

    /// Sends a message, unless too many are waiting. Returns whether it was queued.
    pub(crate) fn send(&self, message: Message) -> bool {
        self.queue.try_send(message).is_ok()
    }

    /// Leaves everything that arrives from now on, after at most one more message, in the network.
    pub(crate) fn stop_reading(&self) {
        self.reads.send_replace(false);
    }

    /// Reads again.
    pub(crate) fn read_on(&self) {
        self.reads.send_replace(true);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

async fn connect(host: &str, port: u16, options: LinkOptions) -> anyhow::Result<TcpStream> {
    let mut failure = None;
    for address in lookup_host((host.trim_matches(['[', ']']), port)).await? {
        match connect_to(address, options).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Some(error),
        }
    }
    let failure = failure.unwrap_or_else(|| io::ErrorKind::NotFound.into());
    let hint = if failure.raw_os_error() == Some(Errno::MFILE.raw_os_error()) {
        ": raise the limit of open files (ulimit -n)"
    } else {
        ": check that the server runs, and --url"
    };
    Err(failure).with_context(|| format!("{host}:{port} cannot be reached{hint}"))
}

async fn connect_to(address: SocketAddr, options: LinkOptions) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
