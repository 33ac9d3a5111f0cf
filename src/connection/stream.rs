//! The byte stream between the socket and the framework, or the session that has taken the connection over.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_rt::net::TcpStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep, sleep_until},
};

use super::{ConnectionDeadlines, ConnectionHandle};
use crate::metrics::Metrics;

/// The bytes after which a connection that is no WebSocket gives others their turn before it reads more. The framework would
/// otherwise read 128 KiB and decode thousands of requests at once.
const MAX_READ_IN_TURN: usize = 16 * 1024;

/// The socket of an accepted connection. Reads and writes fail once it is ended through its [`ConnectionHandle`], or once
/// a deadline has passed.
pub struct ClientConnection {
    stream: TcpStream,
    handle: ConnectionHandle,
    deadlines: ConnectionDeadlines,
    metrics: Metrics,
    /// `None` while no write waits.
    stall: Option<Stall>,
    /// Fires at the deadline of a head or earlier, so that it is not set again for each head. `None` until a head takes
    /// longer than one read.
    head_timer: Option<Pin<Box<Sleep>>>,
    /// The bytes that were read in this turn of the task.
    read_in_turn: usize,
}

/// A write that waits until the client accepts bytes.
struct Stall {
    since: Instant,
    /// Fires when the write has waited for too long.
    end: Pin<Box<Sleep>>,
}

impl ClientConnection {
    /// Wraps a socket. A read or write that misses one of the deadlines fails with [`io::ErrorKind::TimedOut`].
    #[must_use]
    pub fn new(stream: TcpStream, deadlines: ConnectionDeadlines, metrics: Metrics) -> Self {
        let handle = ConnectionHandle::default();
        Self { stream, handle, deadlines, metrics, stall: None, head_timer: None, read_in_turn: 0 }
    }

    /// Returns a handle of the connection.
    #[must_use]
    pub fn handle(&self) -> ConnectionHandle {
        self.handle.clone()
    }

    /// Returns the socket.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn check_open(&self) -> io::Result<()> {
        if self.handle.is_ended() {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the server ended the connection",
            ));
        }
        Ok(())
    }

    /// Notes that a write waits, and fails once it has waited for too long.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.handle.register_writer(cx);
        self.handle.note_write_waits();
        let patience = self.handle.write_patience(&self.deadlines);
        let stall = self
            .stall
            .get_or_insert_with(|| Stall { since: Instant::now(), end: Box::pin(sleep(patience)) });
        if stall.end.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.metrics.connection_ended("slow_answer");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client accepts too little")))
    }

    /// Waits for more of a head, and fails once its deadline has passed.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(deadline) = self.handle.head_deadline(&self.deadlines) else {
            return Poll::Pending;
        };
        let timer = self.head_timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= deadline {
                self.metrics.connection_ended("slow_head");
                let error = io::Error::new(io::ErrorKind::TimedOut, "the head takes too long");
                return Poll::Ready(Err(error));
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl AsyncRead for ClientConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_open()?;
        self.handle.begin_turn();
        if self.handle.holds_read(cx) {
            return Poll::Pending;
        }
        if self.read_in_turn >= MAX_READ_IN_TURN && !self.handle.is_session() {
            self.read_in_turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                let arrived = &mut buffer.filled_mut()[before..];
                if !arrived.is_empty() {
                    self.handle.note_read(arrived);
                }
                self.read_in_turn = self.read_in_turn.saturating_add(arrived.len());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.read_in_turn = 0;
                self.handle.register(cx);
                self.poll_head(cx)
            }
        }
    }
}

impl AsyncWrite for ClientConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_open()?;
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(Ok(accepted)) => {
                let waited = self.stall.take().map(|stall| stall.since.elapsed());
                self.handle.note_accepted(accepted, waited.unwrap_or_default());
                Poll::Ready(Ok(accepted))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_stalled(cx),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        self.handle.note_closed();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Wake, Waker},
        time::Duration,
    };

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::connection::LeastRate;

    /// Returns the server's and the client's end of a connection.
    async fn connect(answer_patience: Duration) -> (ClientConnection, TcpStream) {
        let deadlines = ConnectionDeadlines {
            head_within: Duration::from_secs(10),
            max_stall: Duration::from_secs(180),
            answer: LeastRate { patience: answer_patience, bytes_per_second: u64::MAX },
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _peer) = listener.accept().await.unwrap();
        (ClientConnection::new(server, deadlines, Metrics::new()), client)
    }

    /// Writes until the client would have to read.
    async fn fill(server: &mut ClientConnection) {
        let bytes = vec![0; 1 << 20];
        let mut cx = Context::from_waker(Waker::noop());
        // The kernel may still pass on what it has accepted, so the second refusal counts.
        for _ in 0..2 {
            while let Poll::Ready(written) = Pin::new(&mut *server).poll_write(&mut cx, &bytes) {
                written.unwrap();
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn nothing_is_read_while_an_answer_waits_but_for_a_session() {
        let (mut server, mut client) = connect(Duration::from_secs(60)).await;
        client.write_all(b"x").await.unwrap();
        server.stream.readable().await.unwrap();
        let handle = server.handle();
        let _request = handle.begin_request(0);
        fill(&mut server).await;

        let mut byte = [0];
        let mut cx = Context::from_waker(Waker::noop());
        let mut buffer = ReadBuf::new(&mut byte);
        assert!(Pin::new(&mut server).poll_read(&mut cx, &mut buffer).is_pending());
        handle.begin_session(|| {});
        assert!(Pin::new(&mut server).poll_read(&mut cx, &mut buffer).is_ready());
        assert_eq!(buffer.filled(), b"x");
    }

    #[tokio::test]
    async fn a_write_fails_when_the_client_has_used_up_its_patience() {
        let (mut server, _client) = connect(Duration::from_millis(100)).await;
        let _request = server.handle().begin_request(0);
        fill(&mut server).await;
        let error = server.write_all(&[0; 1 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct WakeCount(AtomicUsize);

    impl Wake for WakeCount {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl WakeCount {
        fn now(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// Reads up to 8 KiB, as the framework does. Returns how many bytes were read, or `None` if the task has to wait.
    fn read(server: &mut ClientConnection, wakes: &Arc<WakeCount>) -> Option<usize> {
        let waker = Waker::from(Arc::clone(wakes));
        let mut bytes = [0; 8 * 1024];
        let mut buffer = ReadBuf::new(&mut bytes);
        let mut cx = Context::from_waker(&waker);
        match Pin::new(server).poll_read(&mut cx, &mut buffer) {
            Poll::Ready(read) => read.map(|()| Some(buffer.filled().len())).unwrap(),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn a_request_that_arrived_while_an_answer_waited_is_read_after_it() {
        let (mut server, mut client) = connect(Duration::from_secs(60)).await;
        let wakes = Arc::new(WakeCount::default());
        fill(&mut server).await;
        assert_eq!(read(&mut server, &wakes), None);
        client.write_all(b"next").await.unwrap();
        server.stream.readable().await.unwrap();

        let mut buffer = vec![0; 1 << 20];
        let reading = async {
            while client.read(&mut buffer).await.unwrap() > 0 {}
            panic!("the server closed the connection");
        };
        tokio::select! {
            () = reading => {}
            writable = server.stream.writable() => writable.unwrap(),
        }
        let before = wakes.now();
        let waker = Waker::from(Arc::clone(&wakes));
        let written = Pin::new(&mut server).poll_write(&mut Context::from_waker(&waker), b"x");
        assert!(written.is_ready());
        assert!(wakes.now() > before, "the task reads again");
        assert_eq!(read(&mut server, &wakes), Some(4));
    }

    #[tokio::test]
    async fn a_later_request_is_read_when_the_answer_before_it_ends() {
        let (mut server, mut client) = connect(Duration::from_secs(60)).await;
        let wakes = Arc::new(WakeCount::default());
        let request = server.handle().begin_request(0);
        client.write_all(b"next").await.unwrap();
        server.stream.readable().await.unwrap();
        assert_eq!(read(&mut server, &wakes), None);

        let before = wakes.now();
        drop(request);
        assert!(wakes.now() > before, "the task reads again");
        assert_eq!(read(&mut server, &wakes), Some(4));
    }

    #[tokio::test]
    async fn a_client_that_sends_much_is_read_in_turns() {
        let (mut server, mut client) = connect(Duration::from_secs(60)).await;
        let wakes = Arc::new(WakeCount::default());
        let mut sent = vec![b'x'; 64 * 1024];
        client.write_all(&sent).await.unwrap();
        while server.stream.peek(&mut sent).await.unwrap() < sent.len() {
            tokio::task::yield_now().await;
        }

        let (mut read_in_all, mut turns) = (0, 0);
        while read_in_all < sent.len() {
            let before = wakes.now();
            let mut in_turn = 0;
            while let Some(bytes) = read(&mut server, &wakes) {
                in_turn += bytes;
            }
            assert!(in_turn <= 32 * 1024, "{in_turn} bytes at once");
            assert!(wakes.now() > before || read_in_all + in_turn == sent.len());
            read_in_all += in_turn;
            turns += 1;
        }
        assert!(turns > 1);
    }
}
