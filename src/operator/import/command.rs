//! The arguments of the command.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{
    folder::FolderSource,
    importer::Importer,
    source::StateSource,
    table::{TableOptions, TableSource},
};
use crate::{
    app::Base, domain::Title, editing::ImportLimits, operator::find_account, settings::Settings,
};

/// A command that imports documents.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Import the files NAME.yjs and NAME.bin of a folder. Each is the state of a document as one Yjs v1 update, as
    /// `Y.encodeStateAsUpdate` returns. `%2F` in a file name stands for `/`
    Folder {
        /// The folder
        folder: PathBuf,
        /// What becomes of the imported documents
        #[command(flatten)]
        options: ImportOptions,
    },
    /// Import the table of a SQLite file, as the SQLite extension of Hocuspocus writes it
    Sqlite {
        /// The SQLite file, which is only read
        file: PathBuf,
        /// The table and its columns
        #[command(flatten)]
        table: TableOptions,
        /// What becomes of the imported documents
        #[command(flatten)]
        options: ImportOptions,
    },
    /// Import a table of a PostgreSQL database
    Postgres {
        /// URL of the database, such as postgres://user@host/name. The variable PGPASSWORD has the password if the URL has none
        url: String,
        /// The table and its columns
        #[command(flatten)]
        table: TableOptions,
        /// What becomes of the imported documents
        #[command(flatten)]
        options: ImportOptions,
    },
}

/// What becomes of the imported documents.
#[derive(Debug, Args)]
pub struct ImportOptions {
    /// Id or e-mail address of the user who owns the documents, and is the author of their changes
    #[arg(long, value_name = "USER")]
    pub(super) owner: String,
    /// What comes before each name to make the key of the document. Names that are UUIDs need one, since only ids are UUIDs
    #[arg(long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    pub(super) key_prefix: String,
    /// File with a JSON object of names and their keys, for names that cannot be keys; --key-prefix is not put before these
    #[arg(long, value_name = "FILE")]
    pub(super) keys: Option<PathBuf>,
    /// Title of all documents, instead of their names
    #[arg(long)]
    pub(super) title: Option<String>,
    /// Merge the state into the document that has the key already, instead of skipping it; with SQLite, stop the server first
    #[arg(long)]
    pub(super) update: bool,
    /// Read and check everything, and store nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

impl ImportCommand {
    /// Runs the command, and passes each line of its output to `print`.
    ///
    /// # Errors
    /// The source cannot be read, there is no such user, the database does not respond, or a document could not be imported. The
    /// others were imported then.
    pub async fn run(
        self,
        settings: &Settings,
        base: &mut Base,
        print: impl FnMut(String) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (mut source, options) = match self {
            Self::Folder { folder, options } => {
                (StateSource::Folder(FolderSource::open(&folder)?), options)
            }
            Self::Sqlite { file, table, options } => {
                (StateSource::Table(TableSource::open_sqlite(&file, &table).await?), options)
            }
            Self::Postgres { url, table, options } => {
                (StateSource::Table(TableSource::open_postgres(&url, &table).await?), options)
            }
        };
        let owner = find_account(&base.store, &options.owner).await?;
        let keys = options.keys.as_deref().map(read_keys).transpose()?.unwrap_or_default();
        let title = options.title.as_deref().map(Title::new).transpose()?;
        if options.update && !options.dry_run {
            // The server that uses a SQLite file would not notice the change of a document that it has open.
            base.lock_database().context("--update needs the database for itself")?;
        }
        let limits = &settings.limits;
        let limits = ImportLimits {
            text: limits.document,
            state: limits.document_state,
            structs: limits.document_structs,
            clients: limits.document_clients,
        };
        let importer = Importer {
            store: &base.store,
            owner: owner.id,
            keys,
            title,
            limits,
            options: &options,
        };
        importer.run(&mut source, print).await
    }
}

/// Reads the keys of documents by their names.
fn read_keys(file: &Path) -> anyhow::Result<HashMap<String, String>> {
    let unreadable = || format!("cannot read the keys in {}", file.display());
    let json = fs::read(file).with_context(unreadable)?;
    serde_json::from_slice(&json).with_context(|| {
        format!(
            "{} is no JSON object of names and keys, such as {{\"My notes\": \"my-notes\"}}",
            file.display()
        )
    })
}
