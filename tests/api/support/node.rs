//! A node of a test.

use std::{future::Future, rc::Rc, time::Duration};

use coscribe::{
    app::{Base, Node},
    settings::{Flags, Settings, Sources},
};
use tempfile::TempDir;

#[path = "../../support/database.rs"]
mod database;

pub(crate) use database::TestDatabase;

/// No single wait of a test takes longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for `future`, but not for ever.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(PATIENCE, future).await else {
        panic!("{what} did not happen within {PATIENCE:?}")
    };
    output
}

/// Says that a test is about a file of SQLite, whatever the others use.
pub(crate) const ON_FILE: (&str, &str) = ("COSCRIBE__STORE__URL", "");

/// The Redis that `TEST_REDIS_URL` names.
#[allow(clippy::disallowed_methods, reason = "what the test run was given")]
fn redis_url() -> Option<String> {
    std::env::var("TEST_REDIS_URL").ok().filter(|url| !url.is_empty())
}

/// A node on a free port, with a database of its own: a file, or one of the PostgreSQL that `TEST_DATABASE_URL` names,
/// with the Redis that `TEST_REDIS_URL` names.
pub(crate) struct TestNode {
    node: Option<Node>,
    settings: Settings,
    folder: TempDir,
    #[allow(dead_code, reason = "tests/cluster starts a second node on it")]
    database: Option<Rc<TestDatabase>>,
}

impl TestNode {
    /// A node with the usual settings, but for passwords that are cheap to hash and rooms that close at once.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with settings as the environment would have them: `("COSCRIBE__SESSION__PING_EVERY", "50ms")`.
    pub(crate) async fn start_with(variables: &[(&str, &str)]) -> Self {
        let database = match variables.contains(&ON_FILE) {
            true => None,
            false => TestDatabase::create().await,
        };
        Self::start_in(variables, database).await
    }

    /// The same, in this database, unless the settings name another way to it.
    pub(crate) async fn start_in(
        variables: &[(&str, &str)],
        database: Option<TestDatabase>,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let flags = Flags {
            data_dir: Some(folder.path().to_owned()),
            host: Some("127.0.0.1".to_owned()),
            port: Some(0),
        };
        let sources = Sources { flags, ..Sources::default() }
            .with("COSCRIBE__AUTH__ARGON2_MEMORY_KIB", "8")
            .with("COSCRIBE__AUTH__ARGON2_PASSES", "1")
            .with("COSCRIBE__ROOM__LINGER", "1ms")
            .with("COSCRIBE__SERVER__DRAIN", "4s");
        let sources = match &database {
            Some(database) if !variables.iter().any(|(name, _)| *name == ON_FILE.0) => sources
                .with("DATABASE_URL", &database.url())
                // Another one for each: with a file each makes its own.
                .with("JWT_SECRET", &uuid::Uuid::new_v4().to_string()),
            _ => sources,
        };
        let is_shared = sources.environment.contains_key("DATABASE_URL");
        let sources = match redis_url().filter(|_| is_shared) {
            // Another beginning for each test: they share the server.
            Some(url) => sources
                .with("REDIS_URL", &url)
                .with("COSCRIBE__REDIS__PREFIX", &format!("test-{}", uuid::Uuid::new_v4())),
            None => sources,
        };
        let set = |sources: Sources, (name, value): &(&str, &str)| sources.with(name, value);
        let settings = Settings::load(&variables.iter().fold(sources, set)).unwrap();
        let mut node = Self { node: None, settings, folder, database: database.map(Rc::new) };
        node.run().await;
        node
    }

    /// Another node on the same database and Redis.
    #[allow(dead_code, reason = "for tests/cluster")]
    pub(crate) async fn beside(&self) -> Self {
        self.beside_with(|_settings| {}).await
    }

    /// The same, with its settings changed.
    #[allow(dead_code, reason = "for tests/cluster")]
    pub(crate) async fn beside_with(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let database = self.database.clone();
        assert!(database.is_some(), "set TEST_DATABASE_URL, or run scripts/test, which does");
        let folder = TempDir::new().unwrap();
        let mut settings = self.settings.clone();
        settings.server.data_dir = folder.path().to_owned();
        change(&mut settings);
        let mut node = Self { node: None, settings, folder, database };
        node.run().await;
        node
    }

    async fn run(&mut self) {
        let base = Base::open(&self.settings).await.unwrap();
        base.store.migrate_up().await.unwrap();
        self.node = Some(Node::start(&self.settings, base).await.unwrap());
    }

    /// The same node again, after it was stopped, on the same database and another port.
    pub(crate) async fn restart(&mut self) {
        self.halt().await;
        self.run().await;
    }

    pub(crate) fn node(&self) -> &Node {
        self.node.as_ref().unwrap()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// `http://127.0.0.1:PORT` and this path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.node().address())
    }

    /// Ends the node; fails if a session or a room is left behind by clients that have gone.
    pub(crate) async fn stop(mut self) {
        within("the end of all sessions", self.node().sessions().gone()).await;
        within("the end of all rooms", self.node().rooms().gone()).await;
        self.halt().await;
    }

    async fn halt(&mut self) {
        within("the end of the node", self.node.take().unwrap().stop()).await;
    }
}
