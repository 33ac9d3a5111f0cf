//! A node inside the test.

use std::{net::SocketAddr, path::Path, rc::Rc, time::Duration};

use coscribe::{
    app::{Base, Node as App},
    room::Rooms,
    session::Sessions,
    settings::{Flags, Settings, Sources},
    store::Store,
};
use tempfile::TempDir;

use crate::{
    Node, TestDatabase,
    patience::{PATIENT, PATIENT_WITH_REDIS},
    redis_url, within,
};

/// How often awareness is repeated, unless a test sets it: not within its time. Otherwise a repetition could bring what the
/// test expects at once.
const AWARENESS_EVERY: Duration = Duration::from_secs(3_600);

/// The setting of a test that needs an SQLite file, whatever database the others use.
pub const ON_FILE: (&str, &str) = ("COSCRIBE__STORE__URL", "");

/// A node on a free port with a database of its own: an SQLite file, or a database of the PostgreSQL that
/// `TEST_DATABASE_URL` names together with the Redis that `TEST_REDIS_URL` names.
///
/// Every test stops its nodes with [`TestNode::stop`]; a node that is dropped without it fails the test.
pub struct TestNode {
    app: Option<App>,
    settings: Settings,
    folder: TempDir,
    /// Shared with its peers.
    database: Option<Rc<TestDatabase>>,
}

impl Node for TestNode {
    fn address(&self) -> SocketAddr {
        self.app().address()
    }

    fn metrics_address(&self) -> SocketAddr {
        self.app().metrics_address()
    }
}

impl TestNode {
    /// Starts a node with the default settings, except that passwords are cheap to hash, unused rooms close at once, and
    /// no limit of time is reached on a busy machine.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a node with settings as in the environment: `("COSCRIBE__SESSION__PING_EVERY", "50ms")`.
    pub async fn start_with(variables: &[(&str, &str)]) -> Self {
        let database = match variables.contains(&ON_FILE) {
            true => None,
            false => TestDatabase::create().await,
        };
        Self::start_in(variables, database).await
    }

    /// Starts a node in this database, unless the settings name another way to it.
    pub async fn start_in(variables: &[(&str, &str)], database: Option<TestDatabase>) -> Self {
        let folder = TempDir::new().unwrap();
        let flags = Flags {
            data_dir: Some(folder.path().to_owned()),
            host: Some("127.0.0.1".to_owned()),
            port: Some(0),
        };
        let set = |sources: Sources, (name, value): &(&str, &str)| sources.with(name, value);
        let mut sources = PATIENT
            .iter()
            .fold(Sources { flags, ..Sources::default() }, set)
            .with("COSCRIBE__AUTH__ARGON2_MEMORY_KIB", "8")
            .with("COSCRIBE__AUTH__ARGON2_PASSES", "1")
            .with("COSCRIBE__AUTH__UNCONFIRMED_ADDRESSES", "true")
            .with("COSCRIBE__ROOM__LINGER", "1ms")
            .with("COSCRIBE__SERVER__DRAIN", "20s");
        let is_on_file = variables.iter().any(|(name, _)| *name == ON_FILE.0);
        if let Some(database) = database.as_ref().filter(|_| !is_on_file) {
            sources = sources
                .with("DATABASE_URL", &database.url())
                // With a file every node generates its own.
                .with("JWT_SECRET", &uuid::Uuid::new_v4().to_string());
            if let Some(redis) = redis_url() {
                // All tests share the server.
                let prefix = format!("test-{}", uuid::Uuid::new_v4());
                sources =
                    sources.with("REDIS_URL", &redis).with("COSCRIBE__REDIS__PREFIX", &prefix);
                sources = PATIENT_WITH_REDIS.iter().fold(sources, set);
            }
        }
        let mut settings = Settings::load(&variables.iter().fold(sources, set)).unwrap();
        if !variables.iter().any(|(name, _)| *name == "COSCRIBE__ROOM__AWARENESS_EVERY") {
            settings.room.awareness_every = AWARENESS_EVERY;
        }
        let mut node = Self { app: None, settings, folder, database: database.map(Rc::new) };
        node.run().await;
        node
    }

    /// Starts another node with the same settings, database and Redis.
    pub async fn start_peer(&self) -> Self {
        self.start_peer_with(|_settings| {}).await
    }

    /// Starts another node with the same database and Redis and changed settings.
    pub async fn start_peer_with(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let database = self.database.clone();
        assert!(database.is_some(), "set TEST_DATABASE_URL, or run scripts/test, which sets it");
        let folder = TempDir::new().unwrap();
        let mut settings = self.settings.clone();
        settings.server.data_dir = folder.path().to_owned();
        change(&mut settings);
        let mut node = Self { app: None, settings, folder, database };
        node.run().await;
        node
    }

    /// Stops the node, clients or not, and starts it again on the same database and another port.
    pub async fn restart(&mut self) {
        self.shut_down().await;
        self.run().await;
    }

    /// Stops the node. Its clients must have left: fails the test if a room, session or seat remains.
    pub async fn stop(mut self) {
        within("the end of all sessions", self.sessions().gone()).await;
        self.expect_rooms_closed().await;
        self.expect_no_leftovers().await;
        self.shut_down().await;
    }

    /// Waits until the rooms that are open now have closed and their snapshots are stored.
    pub async fn expect_rooms_closed(&self) {
        within("the end of all rooms", self.rooms().gone()).await;
        within("the last snapshots", self.rooms().snapshots_stored()).await;
    }

    /// The open rooms.
    #[must_use]
    pub fn rooms(&self) -> &Rooms {
        self.app().rooms()
    }

    /// The open sessions.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        self.app().sessions()
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.app().store()
    }

    /// The PostgreSQL database of the node. Fails the test if it has none.
    #[must_use]
    pub fn database(&self) -> &TestDatabase {
        self.database.as_ref().expect("the node has a database of PostgreSQL")
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    async fn run(&mut self) {
        let base = Base::open(&self.settings).await.unwrap();
        base.store.migrate_up().await.unwrap();
        self.app = Some(App::start(&self.settings, base).await.unwrap());
    }

    async fn shut_down(&mut self) {
        let app = self.app.take().unwrap();
        let (sessions, rooms) = (app.sessions().clone(), app.rooms().clone());
        within("the end of the node", app.stop()).await;
        assert_eq!(sessions.count(), 0, "sessions outlived their node");
        within("the end of all rooms", rooms.gone()).await;
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        let is_stopped = self.app.is_none() || std::thread::panicking();
        assert!(is_stopped, "stop the node: only then the test finds what it leaves behind");
    }
}
