//! Connections to PostgreSQL.
//!
//! Each purpose has a pool of its own: reads cannot use up the connections for writing, and neither edits that wait for a
//! locked document nor other writes can use up the connection that commits. Parameters of the URL configure TLS:
//! `sslmode` and `sslrootcert`, as in the documentation of libpq.
//!
//! When a server is replaced, or something in between drops every packet, a connection neither answers nor breaks. The
//! driver tests a connection that returns to the pool, and would wait for it without a limit, so that the pool runs out of
//! connections. So once an answer did not come in time, connections are first tested with a limit ([`Retirement`]). One
//! that was idle is always tested before it is used.

use std::{str::FromStr as _, sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions,
    sqlx::{
        AssertSqlSafe, Connection as _, Error, Executor as _, PgConnection, Row as _,
        postgres::PgConnectOptions, raw_sql,
    },
};
use tokio::time::timeout;

use super::{
    StoreError, StoreOptions,
    pools::Pools,
    renewable_pool::RenewablePool,
    retirement::{Retirement, Verdict},
};

/// A connection that was idle for longer than this is tested before it is used: the database may have restarted since.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(1);

/// How long a connection may take to answer a test.
const TEST_WITHIN: Duration = Duration::from_secs(1);

/// The same for a connection that is suspected. Several may be tested one after the other while a request waits, and one
/// that is wrongly dropped costs a new connection only.
const TEST_SUSPECTED_WITHIN: Duration = Duration::from_millis(300);

/// How long one attempt to lock a document waits. Then the connection is given to the next edit that waits for a lock.
pub(super) const LOCK_ATTEMPT: Duration = Duration::from_millis(300);

/// The number of connections of each pool.
struct PoolSizes {
    locking: u32,
    writing: u32,
}

impl PoolSizes {
    /// Divides the connections for writing: one commits, a third waits for locked documents, and the rest is for all
    /// other writes. Each pool has at least one.
    fn of(writers: u32) -> Self {
        let locking = (writers / 3).max(1);
        Self { locking, writing: writers.saturating_sub(1 + locking).max(1) }
    }
}

/// Opens the pools.
pub(super) async fn open(
    options: &StoreOptions,
    retirement: &Arc<Retirement>,
) -> Result<Pools, StoreError> {
    check_sessions(options).await?;
    let sizes = PoolSizes::of(options.writers);
    let open = |connections, lock_timeout| connect(options, connections, lock_timeout, retirement);
    Ok(Pools {
        committer: open(1, options.busy_within).await?,
        locking: open(sizes.locking, LOCK_ATTEMPT.min(options.busy_within)).await?,
        locking_connections: sizes.locking,
        writer: open(sizes.writing, options.busy_within).await?,
        writer_connections: sizes.writing,
        readers: open(options.readers.max(1), options.busy_within).await?,
        checkpoints: None,
    })
}

/// Checks that a connection keeps its session. A pooler in transaction mode gives the session to the next client after each
/// transaction, with its settings and prepared statements.
async fn check_sessions(options: &StoreOptions) -> Result<(), StoreError> {
    let open = async || {
        let server = connect_options(PgConnectOptions::from_str(&options.url)?);
        PgConnection::connect_with(&server).await
    };
    let check = async {
        let (mut first, mut second) = (open().await?, open().await?);
        first.execute("SELECT set_config('coscribe.session', 'first', false)").await?;
        second.execute("SELECT set_config('coscribe.session', 'second', false)").await?;
        let setting = "SELECT current_setting('coscribe.session', true)";
        let row = raw_sql(setting).fetch_one(&mut first).await?;
        let keeps_session = row.try_get::<Option<String>, _>(0)?.as_deref() == Some("first");
        for connection in [first, second] {
            // It was used once. Whether it ends in order does not matter.
            let _closed = connection.close().await;
        }
        Ok::<_, Error>(keeps_session)
    };
    let kept = timeout(options.acquire_within, check).await.map_err(|_elapsed| {
        StoreError::unavailable("PostgreSQL did not answer within `store.acquire_within`")
    })?;
    if kept? {
        return Ok(());
    }
    Err(StoreError::unavailable(
        "the pooler in front of PostgreSQL works in transaction mode, which coscribe cannot use: connect to PostgreSQL \
         itself, or set `pool_mode = session` for this database in pgbouncer",
    ))
}

/// Returns the options of every connection.
fn connect_options(server: PgConnectOptions) -> PgConnectOptions {
    // pgbouncer refuses the parameter `extra_float_digits`, which nothing here needs.
    server.application_name("coscribe").extra_float_digits(None)
}

async fn connect(
    store: &StoreOptions,
    connections: u32,
    lock_timeout: Duration,
    retirement: &Arc<Retirement>,
) -> Result<RenewablePool, StoreError> {
    let millis = |time: Duration| time.as_millis();
    let (lock, answer) = (millis(lock_timeout), millis(store.answer_within));
    // Sent after connecting and not as parameters of the connection, which some poolers refuse.
    let session: Arc<str> = format!(
        "SET lock_timeout = {lock}; \
         SET statement_timeout = {answer}; \
         SET idle_in_transaction_session_timeout = {answer}; \
         SET default_transaction_isolation = 'read committed'; \
         SET tcp_user_timeout = {answer}"
    )
    .into();
    let retirement = Arc::clone(retirement);
    let mut options = ConnectOptions::new(&store.url);
    options
        .max_connections(connections)
        .acquire_timeout(store.acquire_within)
        .connect_timeout(store.acquire_within)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(connect_options)
        .map_sqlx_postgres_pool_opts(move |pool| {
            let session = Arc::clone(&session);
            let (acquired, released) = (Arc::clone(&retirement), Arc::clone(&retirement));
            pool.after_connect(move |connection, _| {
                let session = Arc::clone(&session);
                Box::pin(async move {
                    connection.execute(AssertSqlSafe(session.to_string())).await?;
                    Ok(())
                })
            })
            .before_acquire(move |connection, metadata| {
                let verdict = acquired.verdict(metadata.age);
                let is_idle = metadata.idle_for > TEST_AFTER_IDLE;
                Box::pin(async move {
                    if verdict == Verdict::Trusted && is_idle {
                        test(connection, TEST_WITHIN).await?;
                    }
                    check(connection, verdict).await
                })
            })
            .after_release(move |connection, metadata| {
                Box::pin(check(connection, released.verdict(metadata.age)))
            })
        });
    Ok(RenewablePool::open(options, store.acquire_within).await?)
}

/// Returns whether a connection may be used. After an error, the pool drops the connection without further I/O.
async fn check(connection: &mut PgConnection, verdict: Verdict) -> Result<bool, Error> {
    match verdict {
        Verdict::Trusted => {}
        Verdict::Suspected => test(connection, TEST_SUSPECTED_WITHIN).await?,
        Verdict::Retired => return Err(Error::Io(std::io::ErrorKind::ConnectionAborted.into())),
    }
    Ok(true)
}

/// Checks that the server answers on a connection.
async fn test(connection: &mut PgConnection, within: Duration) -> Result<(), Error> {
    let answered = timeout(within, connection.ping()).await;
    let timed_out = |_elapsed| Err(Error::Io(std::io::ErrorKind::TimedOut.into()));
    answered.unwrap_or_else(timed_out)
}
