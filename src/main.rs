//! The command line: `serve` (the default), `migrate`, `user`, `key`, `import`, `token`, `compact`, `schema`, `health`.
//!
//! The output of a command goes to standard output; errors and logs go to standard error. Both may be closed: nothing here
//! uses a macro that panics then.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use allocator::Allocator;
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use coscribe::{
    app::{Base, Node},
    demo::{self, Demo},
    domain::{DisplayName, DocumentId, User, UserId},
    editing::{self, Kept},
    graphql,
    operator::{ImportCommand, KeyCommand, UserCommand, find_account},
    probe,
    settings::{Flags, Settings, Sources},
    telemetry,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Returns freed memory to the system, which the allocator of glibc keeps after a peak ([ADR 42](../docs/adr/0042-mimalloc.md)).
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The backend of a collaborative text editor, over GraphQL and Yjs.
#[derive(Parser)]
#[command(version, about, after_help = "config/base.toml describes every setting.")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
struct Options {
    /// Folder of the database and the signing secret
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// TOML file with settings that override those of the other files
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address or host name to listen on
    #[arg(long, global = true)]
    host: Option<String>,
    /// Port to listen on; 0 picks a free one
    #[arg(long, global = true)]
    port: Option<u16>,
    /// With `serve`: create the users Alice and Bob and two documents, and print links to them
    #[arg(long, global = true)]
    demo: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Apply missing migrations and serve (the default command)
    Serve,
    /// Migrate the tables of the database
    Migrate {
        #[command(subcommand)]
        direction: Migrate,
    },
    /// List, create, confirm, block, export and erase the accounts of users
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// List, register and remove the keys of applications, which sign document tokens
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Import documents that Hocuspocus or another program has stored as Yjs states. The name of each becomes its key
    Import {
        #[command(subcommand)]
        command: ImportCommand,
    },
    /// Print a token for a user, for testing
    Token {
        /// Id or e-mail address of the user; an id need not have an account
        #[arg(long)]
        user: String,
    },
    /// Store a document without its Yjs history; with SQLite, stop the server first
    Compact {
        /// Id of the document
        document: DocumentId,
        /// Keep the plain text only. Does not load the Yjs state, however damaged or heavy it is
        #[arg(long)]
        text_only: bool,
    },
    /// Print the GraphQL schema
    Schema,
    /// Check the server on this machine; the exit status is 0 if it responds
    Health,
}

#[derive(Subcommand)]
enum Migrate {
    /// Apply missing migrations
    Up,
    /// Revert the newest migrations and drop the data in them
    Down {
        /// Number of migrations to revert
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// List the migrations and whether they are applied
    Status,
}

fn main() -> ExitCode {
    allocator::return_memory_soon();
    let arguments = Arguments::parse();
    match actix_rt::System::new().block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Prints an error and its causes to standard error.
fn report(error: &anyhow::Error) {
    // Where it cannot be written, the exit code has to do.
    let _written = writeln!(io::stderr(), "coscribe: {error:#}");
}

/// Prints a line of a running server to standard output, which may be closed.
fn announce(line: impl Display) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        tracing::debug!(%error, "standard output cannot be written");
    }
}

/// Prints the output of a command. A reader that has gone has read all that it wanted.
fn print(text: impl Display) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    match write!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("standard output cannot be written")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn run(Arguments { command, options }: Arguments) -> anyhow::Result<()> {
    if let Some(Command::Schema) = command {
        return print(graphql::sdl());
    }
    let Options { data_dir, config, host, port, demo } = options;
    let sources = Sources::of_process(config, Flags { data_dir, host, port })?;
    let settings = Settings::load(&Sources { demo, ..sources })?;
    if let Some(Command::Health) = command {
        return probe::probe(&settings);
    }
    let _logging = telemetry::start(&settings.telemetry)?;
    let command = command.unwrap_or(Command::Serve);
    let mut base = match command {
        Command::Serve | Command::Migrate { .. } => Base::open(&settings).await?,
        _ => Base::open_existing(&settings).await?,
    };
    match command {
        Command::Serve => serve(&settings, base, demo).await,
        Command::Migrate { direction } => migrate(&base, direction).await,
        Command::User { command } => command.run(&settings, &mut base, print).await,
        Command::Key { command } => command.run(&base, print).await,
        Command::Import { command } => command.run(&settings, &mut base, print).await,
        Command::Token { user } => token(&base, &user).await,
        Command::Compact { document, text_only } => compact(base, document, text_only).await,
        Command::Schema | Command::Health => Ok(()),
    }
}

async fn serve(settings: &Settings, mut base: Base, with_demo: bool) -> anyhow::Result<()> {
    let hangups = tokio::spawn(outlive_terminal(signal(SignalKind::hangup())?));
    base.lock_database()?;
    for name in base.store.migrate_up().await? {
        tracing::info!(migration = name, "applied a migration");
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let demo = if with_demo { Some(demo::prepare(settings, &base).await?) } else { None };
    base.demo_page = demo.as_ref().map(Demo::page);
    let node = Node::start(settings, base).await?;
    let address = node.address();
    tracing::info!(%address, "listening");
    let address = shown(address);
    announce(format_args!("coscribe listens on http://{address}"));
    if let Some(demo) = demo {
        announce(demo.welcome(&address));
    }
    tokio::select! {
        _ = terminate.recv() => tracing::info!("received SIGTERM"),
        _ = interrupt.recv() => tracing::info!("received SIGINT"),
    }
    node.stop().await;
    hangups.abort();
    Ok(())
}

/// Takes every SIGHUP, which would end the process: its terminal was closed, but its clients are still there.
async fn outlive_terminal(mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        tracing::info!("received SIGHUP; serving on");
    }
}

/// Formats the address so that it can be opened on this machine.
fn shown(address: std::net::SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

async fn migrate(base: &Base, direction: Migrate) -> anyhow::Result<()> {
    let (done, names) = match direction {
        Migrate::Up => ("applied", base.store.migrate_up().await?),
        Migrate::Down { steps } => ("reverted", base.store.migrate_down(steps).await?),
        Migrate::Status => {
            for state in base.store.migration_status().await? {
                let applied = if state.applied { "applied" } else { "missing" };
                print(format_args!("{applied} {}\n", state.name))?;
            }
            return Ok(());
        }
    };
    if names.is_empty() {
        print("nothing to do\n")?;
    }
    for name in names {
        print(format_args!("{done} {name}\n"))?;
    }
    Ok(())
}

async fn token(base: &Base, user: &str) -> anyhow::Result<()> {
    let token = match user.parse::<UserId>() {
        Ok(id) => match base.store.find_account(id).await? {
            Some(account) => base.token_for(&account),
            None => {
                let name = DisplayName::from(id).into_shared();
                base.token_for_user(&User { id, name })
            }
        },
        Err(_not_an_id) => base.token_for(&find_account(&base.store, user).await?),
    };
    print(format_args!("{}\n", token.token))
}

async fn compact(mut base: Base, document: DocumentId, text_only: bool) -> anyhow::Result<()> {
    base.lock_database()?;
    let kept = if text_only { Kept::Text } else { Kept::Everything };
    let compacted = editing::compact(&base.store, document, kept).await?;
    let editing::Compacted { version, bytes } = compacted;
    print(format_args!("compacted to {bytes} bytes as version {version}\n"))
}
