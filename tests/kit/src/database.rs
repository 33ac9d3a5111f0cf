//! A PostgreSQL database for one test. No type of coscribe appears here, so the unit tests of `store` can use it too.

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};

use crate::services::database_url;

/// An empty database on the PostgreSQL that `TEST_DATABASE_URL` names. Dropping the value drops the database.
#[derive(Debug)]
pub struct TestDatabase {
    /// The server's URL, up to the name of a database.
    server: String,
    name: String,
}

impl TestDatabase {
    /// Creates a database. `None` if no server is named.
    pub async fn create() -> Option<Self> {
        let server = database_url()?;
        let (server, _database) = server.rsplit_once('/').unwrap();
        let name = format!("coscribe_test_{}", uuid::Uuid::new_v4().simple());
        let database = Self { server: server.to_owned(), name };
        database.administrate(&format!("CREATE DATABASE {}", database.name)).await;
        Some(database)
    }

    /// Creates a database for a test that cannot run without PostgreSQL.
    pub async fn require() -> Self {
        Self::create().await.expect("set TEST_DATABASE_URL, or run scripts/test, which sets it")
    }

    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    async fn administrate(&self, sql: &str) {
        let mut options = ConnectOptions::new(format!("{}/postgres", self.server));
        options.max_connections(1).sqlx_logging(false);
        let server: DatabaseConnection = Database::connect(options).await.unwrap();
        server.execute_unprepared(sql).await.unwrap();
        server.close().await.unwrap();
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // The test's own runtime cannot block here.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(self.administrate(&drop));
            });
        });
    }
}
