//! A running node: starting it, and stopping it in order.

use std::{net::SocketAddr, time::Duration};

use actix_web::{dev::ServerHandle, web};
use anyhow::Context as _;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    Base,
    application_keys::KeyLoader,
    background_tasks::{
        delete_expired_rows, delete_old_changes, end_due_access, end_sign_ins, finish_deletions,
        follow_groups, keep_keys_fresh, purge_deleted_documents, reconcile_with_store,
        renew_answers,
    },
    build::build,
    cluster::Cluster,
    server::serve,
};
use crate::{
    http::{DrainFlag, Listeners},
    room::Rooms,
    session::Sessions,
    settings::Settings,
    store::{FileLock, Store},
    telemetry,
};

/// A running node.
pub struct Node {
    address: SocketAddr,
    metrics_address: SocketAddr,
    listeners: Listeners,
    server: ServerHandle,
    sessions: Sessions,
    rooms: Rooms,
    store: Store,
    cluster: Cluster,
    /// The periodic tasks, aborted when the node stops.
    background_tasks: Vec<JoinHandle<()>>,
    draining: DrainFlag,
    drain: Duration,
    /// Held until the node has stopped.
    _lock: Option<FileLock>,
}

impl Node {
    /// Builds a node on an open base and starts to serve. All migrations must have been applied.
    ///
    /// # Errors
    /// The address is taken, another server uses the database file, or a part cannot be built.
    pub async fn start(settings: &Settings, mut base: Base) -> anyhow::Result<Self> {
        base.lock_database()?;
        let (store, lock) = (base.store.clone(), base.take_lock());
        let parts = build(settings, base)?;
        let (sessions, draining) = (parts.session.sessions.clone(), parts.draining.clone());
        let (rooms, mut cluster, issuers) = (parts.rooms, parts.cluster, parts.issuers);
        let account_ends = parts.account_ends;
        let key_loader = KeyLoader {
            store: store.clone(),
            keys: parts.applications,
            ends: parts.document_token_ends,
        };
        let parts = web::Data::from(parts.http);
        let listeners = Listeners::bind(&settings.server).with_context(|| {
            let server = &settings.server;
            let metrics = server.metrics_address.map(|address| format!(" and {address}"));
            format!(
                "cannot listen on {}:{}{}; set another address with server.host or server.metrics_address, or another \
                 port with PORT",
                server.host, server.port, metrics.unwrap_or_default()
            )
        })?;
        let address = listeners.address()?;
        let metrics_address = listeners.metrics_address()?.unwrap_or(address);
        cluster.run(&rooms, &sessions).await;
        let key_task = key_loader.start().await;
        let server = serve(settings, parts, &listeners)?;
        let handle = server.handle();
        actix_rt::spawn(server);
        let deletion = delete_old_changes(&settings.store, store.clone());
        let reconciliation = reconcile_with_store(settings, rooms.clone());
        let purge = Some(purge_deleted_documents(store.clone()));
        let of_sign_ins = [
            Some(end_sign_ins(settings, store.clone(), sessions.clone())),
            Some(delete_expired_rows(store.clone())),
            Some(finish_deletions(account_ends)),
            Some(keep_keys_fresh(issuers)),
            Some(key_task),
            Some(end_due_access(settings, rooms.clone())),
            Some(follow_groups(settings, rooms.clone())),
            renew_answers(rooms.clone()),
        ];
        let background_tasks =
            [deletion, reconciliation, purge].into_iter().chain(of_sign_ins).flatten().collect();
        Ok(Self {
            address,
            metrics_address,
            listeners,
            server: handle,
            sessions,
            rooms,
            store,
            cluster,
            background_tasks,
            draining,
            drain: settings.server.drain,
            _lock: lock,
        })
    }

    /// Returns the address that the node listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address that the node serves its metrics on.
    #[must_use]
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics_address
    }

    /// Returns the open documents.
    #[must_use]
    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the open sessions.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Stops the node in order: accepts no more connections, closes the sessions, closes the documents, leaves the
    /// cluster, closes the store. Aborts everything that has not finished within `server.drain`.
    pub async fn stop(mut self) {
        tracing::info!(sessions = self.sessions.count(), "draining");
        for task in &self.background_tasks {
            task.abort();
        }
        let deadline = Instant::now() + self.drain;
        self.draining.begin();
        self.server.pause().await;
        // The framework may not have paused yet, and then fails to accept from a closed socket.
        telemetry::listeners_close();
        self.listeners.close();
        // Half of the time is for closing the sessions, the rest for operations that are still running.
        let shut_down = async {
            self.sessions.drain(self.drain / 2).await;
            self.rooms.close().await;
            self.cluster.stop().await;
            // Last, since nothing is lost without them.
            self.rooms.snapshots_stored().await;
        };
        let in_order = timeout_at(deadline, shut_down).await.is_ok();
        // Until the deadline, requests are still answered and frames are still sent.
        let stopped = timeout_at(deadline, self.server.stop(in_order)).await;
        if !in_order || stopped.is_err() {
            tracing::warn!(
                sessions = self.sessions.count(),
                "server.drain elapsed; the remaining sessions and requests were aborted"
            );
        }
        self.store.close().await;
        tracing::info!("stopped");
    }
}
