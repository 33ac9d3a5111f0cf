//! A pool of connections that limits how long each statement may take.
//!
//! A paused database, or a network that drops every packet, neither answers nor breaks the connection. With the
//! deadline, callers get an error instead of waiting indefinitely.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};

use super::{
    renewable_pool::RenewablePool,
    retirement::{NoAnswer, Retirement},
    turns::HeldTurn,
};

/// A pool whose statements fail unless they are answered within `answer_within`.
#[derive(Clone)]
pub(super) struct DeadlinePool {
    pool: RenewablePool,
    answer_within: Duration,
    retirement: Arc<Retirement>,
}

impl DeadlinePool {
    pub(super) fn new(
        pool: RenewablePool,
        answer_within: Duration,
        retirement: Arc<Retirement>,
    ) -> Self {
        Self { pool, answer_within, retirement }
    }

    /// Returns the pool without the deadline.
    pub(super) fn pool(&self) -> &RenewablePool {
        &self.pool
    }

    /// Runs a statement in a task of its own and waits for its answer until the deadline. After it, the error is one that
    /// counts as unavailable.
    ///
    /// A caller that goes away does not interrupt the statement: the connection would return to the pool with an answer
    /// under way, and nobody would have noted whether it answers at all. The turn of the caller lasts as long.
    async fn run<T, F>(&self, statement: impl FnOnce(RenewablePool) -> F) -> Result<T, DbErr>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DbErr>> + Send + 'static,
    {
        let (answer, retirement) = (statement(self.pool.clone()), Arc::clone(&self.retirement));
        let (answer_within, turn) = (self.answer_within, HeldTurn::current());
        let task = tokio::spawn(async move {
            let _turn = turn;
            retirement.limit(answer_within, answer).await
        });
        match task.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(NoAnswer)) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
            Err(panicked) => Err(DbErr::Custom(format!("a statement was not run: {panicked}"))),
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for DeadlinePool {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.run(|pool| async move { pool.execute_raw(statement).await }).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = sql.to_owned();
        self.run(|pool| async move { pool.execute_unprepared(&sql).await }).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(|pool| async move { pool.query_one_raw(statement).await }).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.run(|pool| async move { pool.query_all_raw(statement).await }).await
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use futures_util::{FutureExt as _, poll};
    use sea_orm::Database;
    use tokio::{sync::oneshot, task::yield_now};

    use super::*;
    use crate::{
        domain::{Party, UserId},
        store::turns::StoreTurns,
    };

    #[tokio::test]
    async fn a_turn_lasts_as_long_as_its_statement_even_if_nobody_waits_for_the_answer() {
        let long = Duration::from_secs(60);
        let pool = RenewablePool::fixed(Database::connect("sqlite::memory:").await.unwrap());
        let pool = DeadlinePool::new(pool, long, Arc::default());
        let turns = StoreTurns::new(1, 1, long);
        let [mallory, alice] = [(); 2].map(|()| Party::User(UserId::new()));

        let (answer, answered) = oneshot::channel::<()>();
        let mut reading = Box::pin(turns.read(
            mallory,
            pool.run(|_pool| async move {
                answered.await.unwrap();
                Ok(())
            }),
        ));
        assert!(poll!(&mut reading).is_pending());
        drop(reading);
        yield_now().await;
        assert!(turns.read(alice, ready(())).now_or_never().is_none());

        answer.send(()).unwrap();
        turns.read(alice, ready(())).await.unwrap();
    }
}
