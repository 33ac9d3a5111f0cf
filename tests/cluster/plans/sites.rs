//! The places at which nodes run. A node can be killed, paused, and cut off from PostgreSQL.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use kit::{Cluster, Network, Node as _, NodeProcess, Proxy, TestDatabase};

/// The number of sites.
pub(super) const COUNT: usize = 3;

/// The addresses of the nodes that are alive. Clones share them.
#[derive(Clone, Default)]
pub(super) struct LiveNodes(Rc<RefCell<Vec<SocketAddr>>>);

impl LiveNodes {
    /// The node for this attempt: another one each time. `None` while no node is alive.
    pub(super) fn choose(&self, attempt: usize) -> Option<SocketAddr> {
        let nodes = self.0.borrow();
        nodes.get(attempt % nodes.len().max(1)).copied()
    }

    /// All of them.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.0.borrow().clone()
    }
}

/// A node that reaches PostgreSQL through a proxy of its own.
struct Site {
    node: Option<NodeProcess>,
    database: Proxy,
}

/// All sites, first without nodes.
pub(super) struct Sites {
    sites: Vec<Site>,
    /// The URL of the database, without a proxy.
    database: String,
    alive: LiveNodes,
}

impl Sites {
    pub(super) async fn new(database: &TestDatabase) -> Self {
        let database = database.url();
        let mut sites = Vec::new();
        for _ in 0..COUNT {
            let (_, proxy) = Proxy::to_database(&database).await;
            sites.push(Site { node: None, database: proxy });
        }
        Self { sites, database, alive: LiveNodes::default() }
    }

    /// The nodes that are alive, now and later.
    pub(super) fn alive(&self) -> LiveNodes {
        self.alive.clone()
    }

    /// The way of a site to its database.
    pub(super) fn database(&self, site: usize) -> &Proxy {
        &self.sites[site].database
    }

    /// The nodes.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeProcess> {
        self.sites.iter().filter_map(|site| site.node.as_ref())
    }

    /// Starts a node at a site that has none, with the Redis at this URL.
    pub(super) async fn start_node(&mut self, cluster: &Cluster, site: usize, redis: &str) {
        let proxy = self.database(site);
        // A node does not start without its database.
        proxy.set(Network::Up);
        let (user, address) = self.database.split_once('@').unwrap();
        let name = address.rsplit_once('/').unwrap().1;
        let database = format!("{user}@{}/{name}", proxy.address());
        let settings = [
            ("DATABASE_URL", database.as_str()),
            ("REDIS_URL", redis),
            // So that a fault does not make a plan wait for long.
            ("COSCRIBE__STORE__ACQUIRE_WITHIN", "2s"),
            ("COSCRIBE__STORE__BUSY_WITHIN", "1s"),
            ("COSCRIBE__STORE__ANSWER_WITHIN", "2s"),
        ];
        self.sites[site].node = Some(cluster.start_node_with(&settings).await);
        self.update_alive();
    }

    pub(super) async fn kill_node(&mut self, site: usize) {
        let Some(node) = self.sites[site].node.take() else { return };
        self.update_alive();
        node.kill().await;
    }

    /// Pauses a node, perhaps in the middle of a transaction.
    pub(super) fn pause(&self, site: usize) {
        self.sites[site].node.iter().for_each(NodeProcess::pause);
    }

    /// Lets all paused nodes go on.
    pub(super) fn resume(&self) {
        self.nodes().for_each(NodeProcess::resume);
    }

    /// Repairs the ways to the database and lets all nodes go on.
    pub(super) fn repair(&self) {
        for site in &self.sites {
            site.database.set(Network::Up);
        }
        self.resume();
    }

    /// Takes the nodes out.
    pub(super) fn into_nodes(self) -> impl Iterator<Item = NodeProcess> {
        self.sites.into_iter().filter_map(|site| site.node)
    }

    fn update_alive(&self) {
        *self.alive.0.borrow_mut() = self.nodes().map(NodeProcess::address).collect();
    }
}
