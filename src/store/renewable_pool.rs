//! A pool of connections that can be replaced by a new one.
//!
//! The driver tests a connection that returns to its pool, and waits for the answer without a limit. A connection that dies
//! at that moment never comes back, and with it a place of the pool is lost. So a pool from which no connection could be
//! had, and which has answered nothing for as long, is replaced. What runs on the old one may end.

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, ExecResult,
    QueryResult, Statement,
};
use tokio::time::{Instant, timeout};

use super::error::is_pool_timeout;

/// How long the old pool may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(30);

/// A pool that can be replaced. Clones are the same pool.
#[derive(Debug, Clone)]
pub(super) struct RenewablePool {
    state: Arc<PoolState>,
}

#[derive(Debug)]
struct PoolState {
    current: RwLock<DatabaseConnection>,
    /// How to open it again. None for a pool that is never replaced.
    renewal: Option<Renewal>,
}

#[derive(Debug)]
struct Renewal {
    options: ConnectOptions,
    /// When the pool last answered, or was replaced.
    answered_at: Mutex<Instant>,
    /// How long a pool may answer nothing before it is replaced.
    after: Duration,
}

impl RenewablePool {
    /// Returns a pool that is never replaced.
    pub(super) fn fixed(pool: DatabaseConnection) -> Self {
        Self { state: Arc::new(PoolState { current: RwLock::new(pool), renewal: None }) }
    }

    /// Opens a pool that is replaced if no connection can be had and it has answered nothing for `after`.
    pub(super) async fn open(options: ConnectOptions, after: Duration) -> Result<Self, DbErr> {
        let pool = Database::connect(options.clone()).await?;
        let renewal = Renewal { options, answered_at: Mutex::new(Instant::now()), after };
        let state = PoolState { current: RwLock::new(pool), renewal: Some(renewal) };
        Ok(Self { state: Arc::new(state) })
    }

    /// Returns the pool that is in use now.
    pub(super) fn get(&self) -> DatabaseConnection {
        self.state.current.read().clone()
    }

    /// Notes the result of an operation, and replaces the pool if it is lost.
    pub(super) fn note<T>(&self, result: &Result<T, DbErr>) {
        let Some(renewal) = &self.state.renewal else { return };
        match result {
            Ok(_) => *renewal.answered_at.lock() = Instant::now(),
            Err(error) if is_pool_timeout(error) => {
                let mut answered_at = renewal.answered_at.lock();
                if answered_at.elapsed() >= renewal.after {
                    // The new pool gets as much time.
                    *answered_at = Instant::now();
                    let pool = self.clone();
                    tokio::spawn(async move { pool.renew().await });
                }
            }
            Err(_) => {}
        }
    }

    async fn renew(&self) {
        let Some(renewal) = &self.state.renewal else { return };
        let mut options = renewal.options.clone();
        // Connections are opened when they are needed.
        options.connect_lazy(true).min_connections(0);
        match Database::connect(options).await {
            Ok(new) => {
                tracing::warn!("a pool of database connections gave none and is replaced");
                let old = std::mem::replace(&mut *self.state.current.write(), new);
                if timeout(CLOSE_WITHIN, old.close()).await.is_err() {
                    tracing::debug!("connections of a replaced pool are still in use");
                }
            }
            Err(error) => {
                tracing::error!(%error, "a pool of database connections cannot be replaced");
            }
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for RenewablePool {
    fn get_database_backend(&self) -> DbBackend {
        self.state.current.read().get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let result = self.get().execute_raw(statement).await;
        self.note(&result);
        result
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let result = self.get().execute_unprepared(sql).await;
        self.note(&result);
        result
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let result = self.get().query_one_raw(statement).await;
        self.note(&result);
        result
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let result = self.get().query_all_raw(statement).await;
        self.note(&result);
        result
    }
}
