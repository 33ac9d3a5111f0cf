//! A running node: started, and stopped in order.

use std::{net::SocketAddr, time::Duration};

use actix_web::{dev::ServerHandle, web};
use anyhow::Context as _;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    Base,
    build::build,
    chores::{compare_with_store, forget_old_changes},
    cluster::Cluster,
    server::serve,
};
use crate::{
    http::{Draining, Listeners},
    room::Rooms,
    session::Sessions,
    settings::Settings,
    store::Store,
};

/// A running node.
pub struct Node {
    address: SocketAddr,
    listeners: Listeners,
    server: ServerHandle,
    sessions: Sessions,
    rooms: Rooms,
    store: Store,
    cluster: Cluster,
    /// The tasks that run beside it: they end with it.
    chores: Vec<JoinHandle<()>>,
    draining: Draining,
    drain: Duration,
}

impl Node {
    /// Builds a node on an opened base and starts to listen. The tables must be there.
    ///
    /// # Errors
    /// The address is taken, or a part cannot be built.
    pub async fn start(settings: &Settings, base: Base) -> anyhow::Result<Self> {
        let Base { store, tokens } = base;
        let parts = build(settings, store.clone(), tokens)?;
        let (sessions, draining) = (parts.session.sessions.clone(), parts.draining.clone());
        let (rooms, mut cluster) = (parts.rooms, parts.cluster);
        let parts = web::Data::from(parts.http);
        let listeners = Listeners::bind(&settings.server).with_context(|| {
            format!(
                "cannot listen on {}:{}; set another one with server.host and server.port, or PORT",
                settings.server.host, settings.server.port
            )
        })?;
        let address = listeners.address()?;
        cluster.run(&rooms, &sessions).await;
        let server = serve(settings, parts, &listeners)?;
        let handle = server.handle();
        actix_rt::spawn(server);
        let forgetting = forget_old_changes(&settings.store, store.clone());
        let comparing = compare_with_store(settings, rooms.clone());
        let chores = forgetting.into_iter().chain(comparing).collect();
        Ok(Self {
            address,
            listeners,
            server: handle,
            sessions,
            rooms,
            store,
            cluster,
            chores,
            draining,
            drain: settings.server.drain,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The open rooms.
    #[must_use]
    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The open sessions.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Goes down in order: accepts nothing more, sends the sessions away, finishes what is open, closes the store.
    /// What is not done within `server.drain` is cut off.
    pub async fn stop(mut self) {
        tracing::info!(sessions = self.sessions.count(), "draining");
        for chore in &self.chores {
            chore.abort();
        }
        let deadline = Instant::now() + self.drain;
        self.draining.begin();
        self.server.pause().await;
        self.listeners.close();
        // Half of the time is for sending the sessions away, the rest for what they still do.
        let orderly = async {
            self.sessions.drain(self.drain / 2).await;
            self.rooms.close().await;
            self.cluster.stop().await;
        };
        let in_order = timeout_at(deadline, orderly).await.is_ok();
        // Requests may still be answered, and sockets be written to, for as long as there is time.
        let stopped = timeout_at(deadline, self.server.stop(in_order)).await;
        if !in_order || stopped.is_err() {
            tracing::warn!(sessions = self.sessions.count(), "not everything ended in time");
        }
        self.store.close().await;
        tracing::info!("stopped");
    }
}
