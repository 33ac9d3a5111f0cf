//! A PostgreSQL database for one test. No type of coscribe appears here, so the unit tests of `store` can use it too.

use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction,
    TransactionTrait as _,
};

use crate::services::database_url;

/// An empty database on the PostgreSQL that `TEST_DATABASE_URL` names. Dropping the value drops the database.
#[derive(Debug)]
pub struct TestDatabase {
    /// The server's URL, up to the name of a database.
    server: String,
    name: String,
    /// The options of the server's URL, from the question mark on.
    options: String,
}

impl TestDatabase {
    /// Creates a database. `None` if no server is named.
    pub async fn create() -> Option<Self> {
        let server = database_url()?;
        let (server, options) = match server.split_once('?') {
            Some((server, options)) => (server.to_owned(), format!("?{options}")),
            None => (server, String::new()),
        };
        let (server, _database) = server.rsplit_once('/').unwrap();
        let name = format!("coscribe_test_{}", uuid::Uuid::new_v4().simple());
        let database = Self { server: server.to_owned(), name, options };
        database.administrate(&format!("CREATE DATABASE {}", database.name)).await;
        Some(database)
    }

    /// Creates a database for a test that cannot run without PostgreSQL.
    pub async fn require() -> Self {
        Self::create().await.expect("set TEST_DATABASE_URL, or run scripts/test, which sets it")
    }

    /// Returns the URL of the database, with the options of `TEST_DATABASE_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_with(&self.options)
    }

    /// Returns the URL of the database with options of its own, such as `?sslmode=verify-full`.
    #[must_use]
    pub fn url_with(&self, options: &str) -> String {
        format!("{}/{}{options}", self.server, self.name)
    }

    /// Makes transactions of new connections read-only, or not any more. Open connections stay as they are.
    pub async fn set_read_only(&self, is_read_only: bool) {
        let name = &self.name;
        let sql =
            format!("ALTER DATABASE {name} SET default_transaction_read_only = {is_read_only}");
        self.administrate(&sql).await;
    }

    /// Locks the row of a document, until the returned transaction is dropped.
    pub async fn lock_document(&self, document: &str) -> DatabaseTransaction {
        let lock = self.connect().await.begin().await.unwrap();
        let sql = format!("SELECT 1 FROM document WHERE id = '{document}' FOR UPDATE");
        lock.execute_unprepared(&sql).await.unwrap();
        lock
    }

    /// Removes the changes of a document after a version. Unlike a failover, this leaves the snapshots of their versions.
    pub async fn lose_changes(&self, document: &str, after: i64) {
        self.set_version(document, &after.to_string(), "").await;
    }

    /// Removes the last changes of a document, but none up to version 2, and the snapshots of their versions, as a failover
    /// to a replica that has not received them does.
    pub async fn lose_last_changes(&self, document: &str, count: usize) {
        let version = format!("least(version, greatest(2, version - {count}))");
        let snapshots = format!(
            "DELETE FROM document_snapshot USING document WHERE document.id = '{document}'
                AND document_id = document.id AND document_snapshot.version > document.version;"
        );
        self.set_version(document, &version, &snapshots).await;
    }

    /// Sets the access version of a document back.
    pub async fn lose_access_versions(&self, document: &str, count: i64) {
        let sql = format!(
            "UPDATE document SET access_version = access_version - {count} WHERE id = '{document}'"
        );
        self.connect().await.execute_unprepared(&sql).await.unwrap();
    }

    /// Sets the version of a document back, and runs `more` in the same transaction.
    async fn set_version(&self, document: &str, version: &str, more: &str) {
        let is_lost = format!(
            "document_id = '{document}' AND version > (SELECT version FROM document WHERE id = '{document}')"
        );
        let sql = format!(
            "BEGIN;
            UPDATE document SET version = {version} WHERE id = '{document}';
            DELETE FROM document_change WHERE {is_lost};
            DELETE FROM document_receipt WHERE {is_lost};
            {more}
            UPDATE document SET updated_at = coalesce((SELECT at FROM document_change
                WHERE document_id = document.id AND document_change.version = document.version), created_at)
                WHERE id = '{document}';
            COMMIT"
        );
        self.connect().await.execute_unprepared(&sql).await.unwrap();
    }

    async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(self.url());
        options.max_connections(1).sqlx_logging(false);
        Database::connect(options).await.unwrap()
    }

    async fn administrate(&self, sql: &str) {
        let mut options = ConnectOptions::new(format!("{}/postgres{}", self.server, self.options));
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
