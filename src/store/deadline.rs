//! A pool of connections that limits how long each statement may take.
//!
//! A paused database, or a network that drops every packet, neither answers nor breaks the connection. With the
//! deadline, callers get an error instead of waiting indefinitely.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult,
    Statement,
};

use super::retirement::{NoAnswer, Retirement};

/// A pool whose statements fail unless they are answered within `answer_within`.
#[derive(Clone)]
pub(super) struct DeadlinePool {
    pool: DatabaseConnection,
    answer_within: Duration,
    retirement: Arc<Retirement>,
}

impl DeadlinePool {
    pub(super) fn new(
        pool: DatabaseConnection,
        answer_within: Duration,
        retirement: Arc<Retirement>,
    ) -> Self {
        Self { pool, answer_within, retirement }
    }

    /// Returns the pool without the deadline.
    pub(super) fn pool(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Waits for `answer` until the deadline. After it, the error is one that counts as unavailable.
    async fn limit<T>(&self, answer: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        match self.retirement.limit(self.answer_within, answer).await {
            Ok(answer) => answer,
            Err(NoAnswer) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for DeadlinePool {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.limit(self.pool.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.limit(self.pool.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.limit(self.pool.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.limit(self.pool.query_all_raw(statement)).await
    }
}
