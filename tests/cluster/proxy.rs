//! A network that can fail: a relay between a node and its database.

use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};

/// How late a slow network is.
const DELAY: Duration = Duration::from_millis(100);

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// It carries everything.
    Fair,
    /// It carries nothing and breaks nothing: what was sent waits.
    Stalled,
    /// It carries everything, a tenth of a second late.
    Slow,
    /// It carries everything but what comes back on a connection that listens.
    Deaf,
    /// Every connection breaks, and new ones break as soon as they are made.
    Cut,
}

/// A relay. It ends with this value.
pub(crate) struct Proxy {
    address: SocketAddr,
    network: Rc<Network>,
}

struct Network {
    weather: watch::Sender<Weather>,
    /// After so many more pieces, in either direction, everything is cut; the last one does not arrive.
    fuse: Cell<Option<u32>>,
}

impl Proxy {
    /// To `server`, which is `HOST:PORT`, in fair weather.
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, _) = watch::channel(Weather::Fair);
        let network = Rc::new(Network { weather, fuse: Cell::new(None) });
        let for_relays = Rc::downgrade(&network);
        actix_web::rt::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Some(network) = for_relays.upgrade() else { return };
                actix_web::rt::spawn(relay(client, server.clone(), network));
            }
        });
        Self { address, network }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn turn(&self, weather: Weather) {
        self.network.fuse.set(None);
        self.network.weather.send_replace(weather);
    }

    /// Cuts everything after so many more pieces of data.
    pub(crate) fn cut_after(&self, pieces: u32) {
        self.network.fuse.set(Some(pieces));
    }
}

impl Network {
    /// Whether a piece may pass.
    fn passes(&self) -> bool {
        match self.fuse.get() {
            Some(0) => {
                self.fuse.set(None);
                self.weather.send_replace(Weather::Cut);
                false
            }
            left => {
                self.fuse.set(left.map(|left| left - 1));
                true
            }
        }
    }

    async fn until(&self, wanted: impl FnMut(&Weather) -> bool) {
        // The sender is part of this value, so there will be weather for as long as somebody asks.
        self.weather.subscribe().wait_for(wanted).await.unwrap();
    }
}

async fn relay(client: TcpStream, server: String, network: Rc<Network>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let listens = Cell::new(false);
    // Whichever ends first ends all of it.
    tokio::select! {
        () = carry(from_client, to_server, &network, |bytes| {
            listens.set(listens.get() || bytes.windows(9).any(|word| word == b"SUBSCRIBE"));
            false
        }) => {}
        () = carry(from_server, to_client, &network, |_| listens.get()) => {}
        () = network.until(|now| *now == Weather::Cut) => {}
    }
}

/// `is_lost_on_the_deaf` sees every piece and says whether it is one that deaf weather holds back.
async fn carry(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    network: &Network,
    is_lost_on_the_deaf: impl Fn(&[u8]) -> bool,
) {
    let mut some = vec![0; 16 * 1024];
    loop {
        let Ok(bytes @ 1..) = from.read(&mut some).await else { return };
        let is_lost = is_lost_on_the_deaf(&some[..bytes]);
        let holds = |now: Weather| now == Weather::Stalled || (now == Weather::Deaf && is_lost);
        network.until(|now| !holds(*now)).await;
        if *network.weather.borrow() == Weather::Slow {
            // The one place where time itself is what is tested.
            tokio::time::sleep(DELAY).await;
        }
        if !network.passes() || to.write_all(&some[..bytes]).await.is_err() {
            return;
        }
    }
}
