//! A pool whose answers come within a time, or not at all.
//!
//! A database that was paused, or a network that swallows everything, answers nothing and breaks no connection. Whoever
//! asks is told that it is not available, in time to tell others.

use std::time::Duration;

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult,
    Statement,
};
use tokio::time::timeout;

/// Connections that are asked, and how long an answer may take.
#[derive(Clone)]
pub(super) struct Patient {
    pool: DatabaseConnection,
    answer_within: Duration,
}

impl Patient {
    pub(super) fn new(pool: DatabaseConnection, answer_within: Duration) -> Self {
        Self { pool, answer_within }
    }

    pub(super) fn pool(&self) -> &DatabaseConnection {
        &self.pool
    }

    async fn wait<T>(&self, answer: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        match timeout(self.answer_within, answer).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Patient {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.wait(self.pool.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.wait(self.pool.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.wait(self.pool.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.wait(self.pool.query_all_raw(statement)).await
    }
}
