//! A network that fails on demand: a proxy between a node and its database or Redis.

use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};

/// The delay of a slow network.
const DELAY: Duration = Duration::from_millis(100);

/// The state of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Everything is delivered.
    Up,
    /// Nothing is delivered and no connection breaks: data waits.
    Stalled,
    /// Everything is delivered 100 ms late.
    Slow,
    /// Everything is delivered this much later, as on a longer way.
    Far(Duration),
    /// Replies on connections that have sent SUBSCRIBE wait; everything else is delivered.
    MuteSubscriptions,
    /// Every connection breaks, and new ones break at once.
    Cut,
}

/// A proxy. It ends with this value.
pub struct Proxy {
    address: SocketAddr,
    shared: Rc<Shared>,
}

struct Shared {
    network: watch::Sender<Network>,
    /// The number of connections so far.
    connections: Cell<u64>,
    /// Connections with a smaller number deliver nothing.
    frozen: Cell<u64>,
    /// The network is cut after this many more pieces of data, in either direction. The piece at zero is lost.
    pieces_left: Cell<Option<u32>>,
}

impl Proxy {
    /// Starts a proxy to `server`, which is `HOST:PORT`.
    pub async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (network, _) = watch::channel(Network::Up);
        let shared = Rc::new(Shared {
            network,
            connections: Cell::new(0),
            frozen: Cell::new(0),
            pieces_left: Cell::new(None),
        });
        let weak = Rc::downgrade(&shared);
        tokio::task::spawn_local(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Some(shared) = weak.upgrade() else { return };
                tokio::task::spawn_local(relay(client, server.clone(), shared));
            }
        });
        Self { address, shared }
    }

    /// Starts a proxy to the server of a database. Returns also the URL of the database through the proxy.
    pub async fn to_database(url: &str) -> (String, Self) {
        let (user, address) = url.trim_start_matches("postgres://").split_once('@').unwrap();
        let (server, name) = address.split_once('/').unwrap();
        let proxy = Self::to(server.to_owned()).await;
        (format!("postgres://{user}@{}/{name}", proxy.address()), proxy)
    }

    /// The address at which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the state of the network.
    pub fn set(&self, network: Network) {
        self.shared.pieces_left.set(None);
        self.shared.network.send_replace(network);
    }

    /// Makes every open connection take all data and deliver nothing, as if the machine behind it had been replaced. New
    /// connections work.
    pub fn freeze_connections(&self) {
        self.shared.frozen.set(self.shared.connections.get());
    }

    /// Cuts the network after this many more pieces of data.
    pub fn cut_after(&self, pieces: u32) {
        self.shared.pieces_left.set(Some(pieces));
    }
}

impl Shared {
    /// Counts a piece of data. Returns whether it may pass.
    fn count_piece(&self) -> bool {
        match self.pieces_left.get() {
            Some(0) => {
                self.pieces_left.set(None);
                self.network.send_replace(Network::Cut);
                false
            }
            left => {
                self.pieces_left.set(left.map(|left| left - 1));
                true
            }
        }
    }

    async fn wait_until(&self, condition: impl FnMut(&Network) -> bool) {
        // The sender is part of this value and outlives the wait.
        self.network.subscribe().wait_for(condition).await.unwrap();
    }
}

async fn relay(client: TcpStream, server: String, shared: Rc<Shared>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let is_subscribed = Cell::new(false);
    let number = shared.connections.get();
    shared.connections.set(number + 1);
    // The first that ends ends both directions.
    tokio::select! {
        () = carry(from_client, to_server, &shared, number, |bytes| {
            let subscribes = bytes.windows(9).any(|word| word == b"SUBSCRIBE");
            is_subscribed.set(is_subscribed.get() || subscribes);
            false
        }) => {}
        () = carry(from_server, to_client, &shared, number, |_| is_subscribed.get()) => {}
        () = shared.wait_until(|now| *now == Network::Cut) => {}
    }
}

/// Carries data in one direction. `is_reply_to_subscription` sees every piece.
async fn carry(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    shared: &Shared,
    number: u64,
    is_reply_to_subscription: impl Fn(&[u8]) -> bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(bytes @ 1..) = from.read(&mut buffer).await else { return };
        if number < shared.frozen.get() {
            continue;
        }
        let may_be_muted = is_reply_to_subscription(&buffer[..bytes]);
        let is_held = |now: Network| {
            now == Network::Stalled || (now == Network::MuteSubscriptions && may_be_muted)
        };
        shared.wait_until(|now| !is_held(*now)).await;
        let delay = match *shared.network.borrow() {
            Network::Slow => Some(DELAY),
            Network::Far(delay) => Some(delay),
            _ => None,
        };
        if let Some(delay) = delay {
            // The only place where time itself is under test.
            tokio::time::sleep(delay).await;
        }
        if !shared.count_piece() || to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
}
