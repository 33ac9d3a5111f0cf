//! Where the load goes.

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use uuid::Uuid;

use super::{NodeProcess, Postgres, Program, Redis, folder::Folder, node::NodeSettings};
use crate::{
    driver::{Address, Http, TokenSource},
    options::{Options, WORKERS_VARIABLE},
};

/// What a scenario needs of the nodes that are started for it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs {
    /// The number of nodes.
    pub(crate) nodes: usize,
    /// Whether PostgreSQL is started, unless a database was given.
    pub(crate) postgres: bool,
    /// Whether Redis is started, unless one was given.
    pub(crate) redis: bool,
}

/// What the programs that were started here say of their versions.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Versions {
    pub(crate) server: Option<String>,
    pub(crate) postgres: Option<String>,
    pub(crate) redis: Option<String>,
}

/// The nodes under load.
#[derive(Debug)]
pub(crate) struct Deployment {
    /// The addresses of its nodes, at least one.
    pub(crate) addresses: Vec<Address>,
    /// How users come to their tokens.
    pub(crate) tokens: TokenSource,
    /// The versions of what was started here.
    pub(crate) versions: Versions,
    /// The profile with which the server was built, such as `release`, as far as its folder tells.
    pub(crate) profile: Option<String>,
    /// The nodes that were started here.
    pub(crate) nodes: Vec<NodeProcess>,
    /// The Redis that was started here.
    pub(crate) redis: Option<Redis>,
    /// The URL of the PostgreSQL of the nodes that were started here.
    pub(crate) database: Option<String>,
    // Dropped after the nodes: the database, and last the folder of all.
    _postgres: Option<Postgres>,
    folder: Option<Folder>,
}

impl Deployment {
    /// Starts nodes, or takes the addresses that were given.
    ///
    /// # Errors
    /// A node, or what it needs, does not start; fewer addresses were given than there must be nodes.
    pub(crate) async fn prepare(options: &Options, needs: Needs) -> anyhow::Result<Self> {
        if options.url.is_empty() {
            Self::start(options, needs).await
        } else {
            Self::of(options, needs)
        }
    }

    fn of(options: &Options, needs: Needs) -> anyhow::Result<Self> {
        ensure!(
            options.url.len() >= needs.nodes,
            "this scenario needs {} nodes, but --url was given {} times: repeat it for each node",
            needs.nodes,
            options.url.len()
        );
        let tokens = options.secret.clone().map_or(TokenSource::Registered, TokenSource::Minted);
        Ok(Self {
            addresses: options
                .url
                .iter()
                .map(|url| Address::parse(url))
                .collect::<Result<_, _>>()?,
            tokens,
            versions: Versions::default(),
            profile: None,
            nodes: vec![],
            redis: None,
            database: None,
            _postgres: None,
            folder: None,
        })
    }

    async fn start(options: &Options, needs: Needs) -> anyhow::Result<Self> {
        let (program, folder) =
            (Program::find(options.server.as_deref()).await?, Folder::create()?);
        let (database, postgres) = database(options, needs, &folder).await?;
        let (redis_url, redis) = redis(options, needs, &folder).await?;
        let secret = options.secret.clone().unwrap_or_else(random_secret);
        let mut variables = vec![
            ("JWT_SECRET", secret.clone()),
            ("COSCRIBE__AUTH__ENROL", "true".to_owned()),
            ("RUST_LOG", "warn,actix_http=off".to_owned()),
        ];
        variables.extend(options.workers.map(|workers| (WORKERS_VARIABLE, workers.to_string())));
        variables.extend(database.clone().map(|url| ("DATABASE_URL", url)));
        variables.extend(redis_url.map(|url| ("REDIS_URL", url)));
        let (mut nodes, mut addresses) = (vec![], vec![]);
        for number in 0..needs.nodes.max(1) {
            let settings = NodeSettings {
                program: program.clone(),
                data: folder.path(&format!("node-{number}")),
                variables: variables.clone(),
            };
            let node = NodeProcess::start(settings).await?;
            addresses.push(node.address()?);
            nodes.push(node);
        }
        let versions = Versions {
            server: program.find_version().await,
            postgres: if postgres.is_some() { Postgres::find_version().await } else { None },
            redis: if redis.is_some() { Redis::find_version().await } else { None },
        };
        Ok(Self {
            addresses,
            tokens: TokenSource::Minted(secret),
            versions,
            profile: program.profile(),
            nodes,
            redis,
            database,
            _postgres: postgres,
            folder: Some(folder),
        })
    }

    /// Returns the address of a node. Numbers above theirs begin again with the first.
    pub(crate) fn address(&self, node: usize) -> &Address {
        &self.addresses[node % self.addresses.len()]
    }

    /// Returns a client of the first node for requests over HTTP.
    ///
    /// # Errors
    /// The system has no working TLS.
    pub(crate) fn http(&self) -> anyhow::Result<Http> {
        Http::new(self.address(0))
    }

    /// Returns the processes of the nodes that were started here.
    pub(crate) fn processes(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(NodeProcess::process).collect()
    }

    /// Returns the file of the SQLite database of a node that was started here without PostgreSQL.
    pub(crate) fn sqlite_file(&self) -> Option<std::path::PathBuf> {
        let folder = self.folder.as_ref().filter(|_| self.database.is_none())?;
        Some(folder.path("node-0").join("coscribe.db"))
    }

    /// Describes it for the report.
    pub(crate) fn description(&self) -> String {
        if self.nodes.is_empty() {
            let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
            return addresses.join(", ");
        }
        let database = if self.database.is_some() { "PostgreSQL" } else { "SQLite" };
        let nodes = if self.nodes.len() == 1 { "a node" } else { "nodes" };
        format!("{nodes} on this machine, with {database}")
    }
}

async fn database(
    options: &Options,
    needs: Needs,
    folder: &Folder,
) -> anyhow::Result<(Option<String>, Option<Postgres>)> {
    match options.database.as_deref() {
        Some(url) if url.starts_with("postgres:") || url.starts_with("postgresql:") => {
            Ok((Some(url.to_owned()), None))
        }
        Some("postgres") => start_postgres(folder).await,
        Some("sqlite") if needs.nodes < 2 => Ok((None, None)),
        Some("sqlite") => {
            bail!("several nodes cannot share SQLite: pass `--database postgres`, or leave it out")
        }
        // It may contain a password, so it is not repeated.
        Some(_) => bail!(
            "--database takes `sqlite`, `postgres`, or a URL that begins with postgres:// or postgresql://"
        ),
        None if needs.postgres => start_postgres(folder).await,
        None => Ok((None, None)),
    }
}

async fn start_postgres(folder: &Folder) -> anyhow::Result<(Option<String>, Option<Postgres>)> {
    let hint = "install it (apt-get install postgresql), or pass --database";
    let postgres = Postgres::start(folder).await.context(hint)?;
    Ok((Some(postgres.url()), Some(postgres)))
}

async fn redis(
    options: &Options,
    needs: Needs,
    folder: &Folder,
) -> anyhow::Result<(Option<String>, Option<Redis>)> {
    let starts = match options.redis.as_deref() {
        Some("redis") => true,
        Some(url) => return Ok((Some(url.to_owned()), None)),
        None => needs.redis,
    };
    if !starts {
        return Ok((None, None));
    }
    let hint = "install it (apt-get install redis-server), or pass --redis";
    let redis = Redis::start(folder).await.context(hint)?;
    Ok((Some(redis.url()), Some(redis)))
}

fn random_secret() -> String {
    format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple())
}
