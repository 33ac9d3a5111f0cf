//! A table with a row for each state, in a SQLite file or in PostgreSQL.

use std::{path::Path, time::Duration, vec};

use anyhow::Context as _;
use clap::Args;
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement,
    sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions},
};

use super::source::FoundState;

/// How many names are read at a time.
const PAGE: usize = 500;

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// The table and its columns.
#[derive(Debug, Args)]
pub struct TableOptions {
    /// The table; `schema.table` for one in another schema
    #[arg(long, default_value = "documents")]
    pub(super) table: String,
    /// The column with the names of the documents, which are different texts
    #[arg(long, default_value = "name", value_name = "COLUMN")]
    pub(super) name_column: String,
    /// The column with the states, which are binary data
    #[arg(long, default_value = "data", value_name = "COLUMN")]
    pub(super) data_column: String,
}

/// A table with a row for each state.
pub(super) struct TableSource {
    connection: DatabaseConnection,
    queries: TableQueries,
    page: vec::IntoIter<FoundState>,
    /// The last name of the page. `None` before the first page.
    last: Option<String>,
}

/// The texts of the queries.
#[derive(Debug, PartialEq, Eq)]
struct TableQueries {
    /// Lists the first names with the sizes of their states.
    first: String,
    /// The same after a name.
    after: String,
    /// Reads the state of a name.
    read: String,
}

impl TableQueries {
    fn new(backend: DbBackend, options: &TableOptions) -> Self {
        let TableOptions { table, name_column, data_column } = options;
        let table: Vec<String> = table.split('.').map(quoted).collect();
        let table = table.join(".");
        // SQLite takes an unknown column in quotes for a text, unless it is qualified.
        let [name, data] = [name_column, data_column].map(|column| format!("t.{}", quoted(column)));
        let parameter = if backend == DbBackend::Sqlite { "?" } else { "$1" };
        let list = |condition: &str| {
            format!(
                "SELECT {name}, CAST(length({data}) AS BIGINT) FROM {table} AS t WHERE {name} {condition} ORDER BY {name} LIMIT {PAGE}"
            )
        };
        Self {
            first: list("IS NOT NULL"),
            after: list(&format!("> {parameter}")),
            read: format!("SELECT {data} FROM {table} AS t WHERE {name} = {parameter}"),
        }
    }
}

impl TableSource {
    /// Opens a SQLite file for reading.
    pub(super) async fn open_sqlite(file: &Path, options: &TableOptions) -> anyhow::Result<Self> {
        anyhow::ensure!(file.is_file(), "there is no file {}", file.display());
        let path = file.to_owned();
        // The URL is replaced: in a URL, some characters of a path would have to be escaped.
        let mut connect = ConnectOptions::new("sqlite::memory:");
        connect.map_sqlx_sqlite_opts(move |_of_url| {
            SqliteConnectOptions::new().filename(&path).read_only(true).disable_statement_logging()
        });
        let opened = Self::open(connect, options).await;
        opened.with_context(|| format!("cannot read the SQLite file {}", file.display()))
    }

    /// Connects to PostgreSQL.
    pub(super) async fn open_postgres(url: &str, options: &TableOptions) -> anyhow::Result<Self> {
        anyhow::ensure!(
            url.starts_with("postgres://") || url.starts_with("postgresql://"),
            "the URL must begin with postgres://"
        );
        let opened = Self::open(ConnectOptions::new(url), options).await;
        opened.context("cannot read the PostgreSQL database")
    }

    async fn open(mut connect: ConnectOptions, options: &TableOptions) -> anyhow::Result<Self> {
        connect.max_connections(1).acquire_timeout(CONNECT_WITHIN).sqlx_logging(false);
        let connection = Database::connect(connect).await?;
        let queries = TableQueries::new(connection.get_database_backend(), options);
        let mut source = Self { connection, queries, page: Vec::new().into_iter(), last: None };
        source.read_page().await?;
        Ok(source)
    }

    pub(super) async fn next(&mut self) -> anyhow::Result<Option<FoundState>> {
        if let Some(found) = self.page.next() {
            return Ok(Some(found));
        }
        self.read_page().await?;
        Ok(self.page.next())
    }

    /// Reads the page after the last name.
    async fn read_page(&mut self) -> anyhow::Result<()> {
        let backend = self.connection.get_database_backend();
        let statement = match self.last.clone() {
            Some(last) => {
                Statement::from_sql_and_values(backend, &self.queries.after, [last.into()])
            }
            None => Statement::from_string(backend, &self.queries.first),
        };
        let rows = self.connection.query_all_raw(statement).await?;
        let mut page = Vec::with_capacity(rows.len());
        for row in rows {
            let name: String =
                row.try_get_by_index(0).context("the column with the names has no texts")?;
            let bytes: Option<i64> = row.try_get_by_index(1)?;
            let bytes = usize::try_from(bytes.unwrap_or(0)).unwrap_or(0);
            page.push(FoundState { name, bytes });
        }
        if let Some(last) = page.last() {
            self.last = Some(last.name.clone());
        }
        self.page = page.into_iter();
        Ok(())
    }

    /// Reads the state of a name. `None` if there is no such row any more.
    pub(super) async fn read(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let backend = self.connection.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, &self.queries.read, [name.into()]);
        let Some(row) = self.connection.query_one_raw(statement).await? else { return Ok(None) };
        let state: Option<Vec<u8>> =
            row.try_get_by_index(0).context("the column with the states has no binary data")?;
        state.context("the row has no state").map(Some)
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_and_columns_are_quoted() {
        let options = TableOptions {
            table: "app.docs".to_owned(),
            name_column: "key".to_owned(),
            data_column: "a\"b".to_owned(),
        };
        let queries = TableQueries::new(DbBackend::Postgres, &options);
        let expected = r#"SELECT t."a""b" FROM "app"."docs" AS t WHERE t."key" = $1"#;
        assert_eq!(queries.read, expected);
    }

    #[tokio::test]
    async fn the_rows_of_a_sqlite_file_are_read_page_by_page() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a ?b.sqlite");
        let path = file.clone();
        let mut connect = ConnectOptions::new("sqlite::memory:");
        connect.max_connections(1).map_sqlx_sqlite_opts(move |_of_url| {
            SqliteConnectOptions::new().filename(&path).create_if_missing(true)
        });
        let database = Database::connect(connect).await.unwrap();
        let create = "CREATE TABLE documents (name varchar(255) NOT NULL, data blob, UNIQUE(name))";
        database.execute_unprepared(create).await.unwrap();
        let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
            INSERT INTO documents SELECT printf('page-%04d', i), x'0000' FROM n";
        database.execute_unprepared(fill).await.unwrap();
        database.execute_unprepared("INSERT INTO documents VALUES ('zero', NULL)").await.unwrap();

        let options = TableOptions {
            table: "documents".to_owned(),
            name_column: "name".to_owned(),
            data_column: "data".to_owned(),
        };
        let mut source = TableSource::open_sqlite(&file, &options).await.unwrap();
        for number in 1..=1_200 {
            let expected = FoundState { name: format!("page-{number:04}"), bytes: 2 };
            assert_eq!(source.next().await.unwrap(), Some(expected));
        }
        assert_eq!(source.read("page-0007").await.unwrap(), Some(vec![0, 0]));
        assert_eq!(source.read("other").await.unwrap(), None);
        assert_eq!(source.next().await.unwrap().unwrap().name, "zero");
        assert!(source.read("zero").await.is_err());
        assert_eq!(source.next().await.unwrap(), None);

        let wrong = TableOptions { name_column: "nmae".to_owned(), ..options };
        assert!(TableSource::open_sqlite(&file, &wrong).await.is_err());
        assert!(TableSource::open_sqlite(&folder.path().join("none"), &wrong).await.is_err());
    }
}
