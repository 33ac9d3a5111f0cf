//! The commands: `serve` (the default), `migrate`, `token`, `schema`,
//! `health`.
#![allow(clippy::print_stdout, reason = "what a command was asked for goes to standard output")]

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use coscribe::{
    app::{Base, Node},
    demo,
    domain::{Account, DisplayName, Email, User, UserId},
    graphql, probe,
    settings::{Flags, Settings, Sources},
    telemetry,
};
use tokio::signal::unix::{SignalKind, signal};

/// The backend of a collaborative editor: GraphQL over HTTP and WebSocket, one binary.
#[derive(Parser)]
#[command(version, about, after_help = "Every setting is explained in config/base.toml.")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
struct Options {
    /// Where the database and the signing secret are kept.
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// A file of settings, in TOML.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on.
    #[arg(long, global = true)]
    host: Option<String>,
    /// The port to listen on.
    #[arg(long, global = true)]
    port: Option<u16>,
    /// With `serve`: make Alice, Bob and a document of theirs, and say how to open it.
    #[arg(long, global = true)]
    demo: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Bring the database up to date and serve. What happens without a command.
    Serve,
    /// Change the tables of the database.
    Migrate {
        #[command(subcommand)]
        direction: Migrate,
    },
    /// Print a token for a user, for testing.
    Token {
        /// The user's id or e-mail address. An id need not have an account.
        #[arg(long)]
        user: String,
    },
    /// Print the GraphQL schema.
    Schema,
    /// Ask the server on this machine whether it lives; ends with 0 if it does.
    Health,
}

#[derive(Subcommand)]
enum Migrate {
    /// Apply what is missing.
    Up,
    /// Take the newest changes back, with what is in them.
    Down {
        /// How many.
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Say which changes are applied.
    Status,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match actix_rt::System::new().block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Says on standard error what went wrong, with its causes.
#[allow(clippy::print_stderr, reason = "the log may not have been started yet")]
fn report(error: &anyhow::Error) {
    eprintln!("coscribe: {error:#}");
}

async fn run(Arguments { command, options }: Arguments) -> anyhow::Result<()> {
    if let Some(Command::Schema) = command {
        print!("{}", graphql::sdl());
        return Ok(());
    }
    let Options { data_dir, config, host, port, demo } = options;
    let settings = Settings::load(&Sources::of_process(config, Flags { data_dir, host, port })?)?;
    if let Some(Command::Health) = command {
        return probe::probe(&settings);
    }
    telemetry::start(&settings.telemetry)?;
    let base = Base::open(&settings).await?;
    match command.unwrap_or(Command::Serve) {
        Command::Serve => serve(&settings, base, demo).await,
        Command::Migrate { direction } => migrate(&base, direction).await,
        Command::Token { user } => token(&base, &user).await,
        Command::Schema | Command::Health => Ok(()),
    }
}

async fn serve(settings: &Settings, base: Base, with_demo: bool) -> anyhow::Result<()> {
    for name in base.store.migrate_up().await? {
        tracing::info!(migration = name, "applied");
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let demo = if with_demo { Some(demo::prepare(settings, &base).await?) } else { None };
    let node = Node::start(settings, base).await?;
    let address = node.address();
    tracing::info!(%address, "listening");
    let address = shown(address);
    println!("coscribe listens on http://{address}");
    if let Some(demo) = demo {
        println!("{}", demo.welcome(&address));
    }
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        _ = interrupt.recv() => tracing::info!("SIGINT"),
    }
    node.stop().await;
    Ok(())
}

/// The address as one can open it on this machine.
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
        Migrate::Down { steps } => ("taken back", base.store.migrate_down(steps).await?),
        Migrate::Status => {
            for state in base.store.migration_status().await? {
                println!("{} {}", if state.applied { "applied" } else { "missing" }, state.name);
            }
            return Ok(());
        }
    };
    if names.is_empty() {
        println!("nothing to do");
    }
    for name in names {
        println!("{done} {name}");
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
        Err(_not_an_id) => base.token_for(&account(base, user).await?),
    };
    println!("{}", token.token);
    Ok(())
}

async fn account(base: &Base, email: &str) -> anyhow::Result<Account> {
    let found = base.store.find_account_by_email(&Email::new(email)?).await?;
    found.with_context(|| format!("there is no account with the address {email}"))
}
