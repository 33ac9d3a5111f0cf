//! A database of PostgreSQL for one test, where `TEST_DATABASE_URL` names a server.

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};

/// An empty database, which goes with this value.
pub(crate) struct TestDatabase {
    /// The server's URL, up to the name of a database.
    server: String,
    name: String,
}

impl TestDatabase {
    /// A new one; none unless a server is named.
    #[allow(clippy::disallowed_methods, reason = "what the test run was given")]
    pub(crate) async fn create() -> Option<Self> {
        let server = std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())?;
        let (server, _database) = server.rsplit_once('/').unwrap();
        let name = format!("coscribe_test_{}", uuid::Uuid::new_v4().simple());
        let database = Self { server: server.to_owned(), name };
        let create = format!("CREATE DATABASE {}", database.name);
        database.administrate(&create).await;
        Some(database)
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
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
        // The test's own runtime is busy ending.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(self.administrate(&drop));
            });
        });
    }
}
