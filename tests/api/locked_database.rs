//! Another process that has the SQLite database of a node locked.

use kit::TestNode;
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};

/// A lock, which is held until it is given up.
pub(crate) struct LockedDatabase(DatabaseConnection);

impl LockedDatabase {
    /// Locks the database of a node that has it in a file.
    pub(crate) async fn of(node: &TestNode) -> Self {
        let file = node.folder().join("coscribe.db");
        let mut options = ConnectOptions::new(format!("sqlite://{}", file.display()));
        options.max_connections(1).sqlx_logging(false);
        let connection = Database::connect(options).await.unwrap();
        connection.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
        Self(connection)
    }

    /// Gives the lock up.
    pub(crate) async fn unlock(self) {
        self.0.execute_unprepared("ROLLBACK").await.unwrap();
    }
}
