//! A node with two users and their document, on which a scenario runs.

use std::{net::SocketAddr, path::Path, time::Duration};

use coscribe::{
    app::{Base, Node},
    domain::DocumentId,
    settings::{Flags, Settings, Sources},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{client::Client, http, messages, scenario::Scenario};

/// The settings of the node: one thread that serves, and no limit or deadline that the clients reach.
const SETTINGS: [(&str, &str); 23] = [
    ("COSCRIBE__SERVER__WORKERS", "1"),
    ("COSCRIBE__SERVER__HEAD_WITHIN", "60s"),
    ("COSCRIBE__SERVER__BODY_WITHIN", "60s"),
    ("COSCRIBE__SERVER__ANSWER_PATIENCE", "60s"),
    ("COSCRIBE__SERVER__TCP_USER_TIMEOUT", "1d"),
    ("COSCRIBE__SESSION__PING_EVERY", "1h"),
    ("COSCRIBE__SESSION__SILENCE_ALLOWED", "3h"),
    ("COSCRIBE__SESSION__STALL_ALLOWED", "3h"),
    ("COSCRIBE__SESSION__INIT_WITHIN", "60s"),
    ("COSCRIBE__STORE__ACQUIRE_WITHIN", "60s"),
    ("COSCRIBE__STORE__ANSWER_WITHIN", "60s"),
    ("COSCRIBE__AUTH__TOKEN_LIFE", "1d"),
    ("COSCRIBE__AUTH__ARGON2_MEMORY_KIB", "8"),
    ("COSCRIBE__AUTH__ARGON2_PASSES", "1"),
    ("COSCRIBE__ROOM__LINGER", "1h"),
    ("COSCRIBE__ROOM__COMPARE_EVERY", "1h"),
    ("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "1000"),
    ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "1000000"),
    ("COSCRIBE__LIMITS__CURSORS_PER_SECOND", "1000000"),
    ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "1000000"),
    ("COSCRIBE__LIMITS__MESSAGES_PER_SECOND", "1000000"),
    ("COSCRIBE__LIMITS__UPGRADES_PER_SECOND", "1000000"),
    ("COSCRIBE__LIMITS__CHECKS_PER_SECOND", "1000000"),
];

/// How often awareness is repeated: not within a run.
const AWARENESS_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the clients of a scenario know.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    /// A document of Alice's, which Bob may edit.
    pub(crate) document: DocumentId,
    /// Alice's token.
    pub(crate) alice: String,
    /// Bob's token.
    pub(crate) bob: String,
}

/// Starts a node in this process, runs the scenarios on it, and stops it. Counts `operations` operations of each
/// scenario, or as many as it has.
///
/// # Errors
/// The node does not do what a scenario expects.
pub(crate) fn run(scenarios: Vec<Scenario>, operations: Option<u32>) -> anyhow::Result<()> {
    actix_rt::System::new().block_on(async {
        // Of the node, only the signing secret is there.
        let folder = TempDir::new()?;
        let node = start_node(folder.path()).await?;
        let address = node.address();
        // The clients block, so they have a thread of their own.
        let clients = tokio::task::spawn_blocking(move || {
            scenarios.into_iter().try_for_each(|scenario| {
                let stage = Stage::set_up(address, scenario.name())?;
                scenario.run(&stage, operations.unwrap_or_else(|| scenario.operations()))
            })
        });
        clients.await??;
        node.stop().await;
        Ok(())
    })
}

/// Starts a node with a database in memory. With a file, checkpoints four times a second would count more in a slow run.
async fn start_node(folder: &Path) -> anyhow::Result<Node> {
    let flags = Flags {
        data_dir: Some(folder.to_owned()),
        host: Some("127.0.0.1".to_owned()),
        port: Some(0),
    };
    let sources = Sources { flags, ..Sources::default() };
    let sources = SETTINGS.iter().fold(sources, |sources, (name, value)| sources.with(name, value));
    let mut settings = Settings::load(&sources)?;
    // The rules for settings allow neither, since users would notice.
    settings.store.url = "sqlite::memory:".to_owned();
    settings.room.awareness_every = AWARENESS_EVERY;
    let base = Base::open(&settings).await?;
    base.store.migrate_up().await?;
    Node::start(&settings, base).await
}

impl Stage {
    /// Registers an Alice and a Bob for a scenario and creates their document.
    fn set_up(address: SocketAddr, scenario: &str) -> anyhow::Result<Self> {
        let (alice, _) = register(address, &format!("alice-{scenario}"))?;
        let (bob, bobs_id) = register(address, &format!("bob-{scenario}"))?;
        let document = create_document(address, &alice)?;
        let query =
            "mutation($d:ID!,$u:ID!){grantAccess(documentId:$d,level:EDIT,userId:$u){level}}";
        http::run(address, &alice, query, &json!({ "d": document, "u": bobs_id }))?;
        Ok(Self { address, document, alice, bob })
    }

    /// Opens a socket of GraphQL and waits until it is admitted.
    ///
    /// # Errors
    /// The node refuses the client.
    pub(crate) fn connect(&self, token: &str) -> anyhow::Result<Client> {
        let mut client = Client::open(self.address, "/graphql", messages::PROTOCOL)?;
        client.send(&messages::init(token))?;
        client.expect(messages::ACK)?;
        Ok(client)
    }

    /// Opens a socket that subscribes to everything about the document, as a page does.
    ///
    /// # Errors
    /// The node refuses the client.
    pub(crate) fn open(&self, token: &str) -> anyhow::Result<Client> {
        let mut client = self.connect(token)?;
        for subscription in messages::subscriptions(self.document) {
            client.send(&subscription)?;
        }
        Ok(client)
    }

    /// Opens a socket that subscribes to the cursors of the document only.
    ///
    /// # Errors
    /// The node refuses the client.
    pub(crate) fn follow_cursors(&self, token: &str) -> anyhow::Result<Client> {
        let mut client = self.connect(token)?;
        let [.., cursors] = messages::subscriptions(self.document);
        client.send(&cursors)?;
        Ok(client)
    }

    /// Waits until this many subscriptions are active, since the node confirms none.
    ///
    /// # Errors
    /// The node cannot be asked.
    pub(crate) fn await_subscriptions(&self, count: u64) -> anyhow::Result<()> {
        while http::subscriptions(self.address)? != count {}
        Ok(())
    }
}

/// Registers a user. Returns the token and the id.
fn register(address: SocketAddr, name: &str) -> anyhow::Result<(String, String)> {
    let query = "mutation($e:String!,$n:String!,$p:String!){register(email:$e,name:$n,password:$p)\
                 {token account{id}}}";
    let email = format!("{name}@example.org");
    let variables = json!({ "e": email, "n": name, "p": "correct horse battery staple" });
    let registered = &http::run(address, "", query, &variables)?["register"];
    Ok((text(&registered["token"]), text(&registered["account"]["id"])))
}

fn create_document(address: SocketAddr, owner: &str) -> anyhow::Result<DocumentId> {
    let query = "mutation($t:String!,$c:String!){createDocument(title:$t,content:$c){id}}";
    let variables = json!({ "t": "Project Alpha", "c": "Welcome." });
    let created = http::run(address, owner, query, &variables)?;
    Ok(text(&created["createDocument"]["id"]).parse()?)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
