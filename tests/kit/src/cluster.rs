//! Several node processes that share a database and Redis.

use std::process::Stdio;

use coscribe::{
    redis::{Connection, RedisKeys, RedisOptions, Server},
    wire::envelope::NEWEST_VERSION,
};
use tempfile::TempDir;

use crate::{DEADLINE, NodeProcess, Program, RedisServer, TestDatabase, within};

/// A database and a Redis, and the settings of nodes that share them. Leases are short, and limits are out of the way.
pub struct Cluster {
    program: Program,
    settings: Vec<(String, String)>,
    redis: RedisOptions,
    _database: Option<TestDatabase>,
}

impl Cluster {
    /// Creates a cluster with a database of its own on the Redis of the test run.
    pub async fn new(program: Program) -> Self {
        Self::on_redis(program, &RedisServer::url_of_the_run()).await
    }

    /// Creates a cluster with a database of its own on this Redis.
    pub async fn on_redis(program: Program, redis: &str) -> Self {
        let database = TestDatabase::require().await;
        let cluster = Self::on(program, redis, &database.url()).await;
        Self { _database: Some(database), ..cluster }
    }

    /// Creates a cluster on this Redis and this empty database.
    pub async fn on(program: Program, redis: &str, database: &str) -> Self {
        let prefix = format!("test-{}", uuid::Uuid::new_v4());
        let settings = [
            ("DATABASE_URL", database),
            ("REDIS_URL", redis),
            ("JWT_SECRET", "a secret of a test, which is long enough"),
            ("COSCRIBE__REDIS__PREFIX", &prefix),
            // A process that waits for a processor keeps its lease.
            ("COSCRIBE__REDIS__ANSWER_WITHIN", "2s"),
            ("COSCRIBE__ROSTER__LEASE", "6s"),
            ("COSCRIBE__ROSTER__RENEW_EVERY", "300ms"),
            ("COSCRIBE__ROOM__LINGER", "1ms"),
            ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "100000"),
            ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000"),
            ("COSCRIBE__AUTH__ARGON2_MEMORY_KIB", "8"),
            ("COSCRIBE__AUTH__ARGON2_PASSES", "1"),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let settings = settings.map(owned).to_vec();
        let redis = RedisOptions {
            url: redis.to_owned(),
            ca: None,
            answer_within: DEADLINE,
            prefix,
            envelope_version: NEWEST_VERSION,
            accept_unsigned: false,
        };
        let cluster = Self { program, settings, redis, _database: None };
        cluster.migrate().await;
        cluster
    }

    /// The names of the keys that the nodes use.
    #[must_use]
    pub fn keys(&self) -> RedisKeys {
        RedisKeys::new(&self.redis.prefix)
    }

    /// Connects to the Redis of the nodes.
    pub async fn connect_to_redis(&self) -> Connection {
        Server::new(&self.redis).unwrap().connect().await.unwrap()
    }

    /// Starts a node.
    pub async fn start_node(&self) -> NodeProcess {
        self.start_node_with(&[]).await
    }

    /// Starts a node with other settings.
    pub async fn start_node_with(&self, changes: &[(&str, &str)]) -> NodeProcess {
        let settings = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // Of two values for one variable, the last one counts.
        let settings: Vec<_> = settings.chain(changes.iter().copied()).collect();
        let folder = TempDir::new().unwrap();
        self.program.start(folder.path(), &settings).await.owning(folder)
    }

    /// Stops the nodes in order. Their clients must have left: fails the test if a room, session or seat remains.
    pub async fn stop(self, nodes: impl IntoIterator<Item = NodeProcess>) {
        for node in nodes {
            node.stop().await;
        }
    }

    /// Creates the tables.
    async fn migrate(&self) {
        let folder = TempDir::new().unwrap();
        let mut migrate = self.program.command(folder.path());
        migrate.args(["migrate", "up"]).envs(self.settings.iter().cloned()).stdout(Stdio::null());
        assert!(within("creating the tables", migrate.status()).await.unwrap().success());
    }
}
