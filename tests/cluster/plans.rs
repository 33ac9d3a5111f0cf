//! Seeded plans over three nodes: people write in both protocols, subscribe and leave. Meanwhile nodes are killed, paused,
//! and cut off from Redis and PostgreSQL, Redis is slow, connections to PostgreSQL bring nothing any more, and the document
//! is locked. In the end all participants and the database agree, and every acknowledged edit is stored once.
//!
//! In other plans the database loses its last changes now and then, as after a failover. Then the edits of GraphQL clients
//! may be lost. What was typed in Yjs editors is not, and all agree.
//!
//! A seed determines a plan, but not the order of concurrent events. `COSCRIBE_SEED=n scripts/test cluster` runs one plan
//! again, `COSCRIBE_SEEDS=n` runs n new ones.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use coscribe::domain::DocumentId;
use kit::{
    Client as _, Cluster, Network, Node as _, NodeProcess, Person, Proxy, Random, RedisServer,
    TestDatabase, expect_eventually, number, within,
};
use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    SERVER,
    author::Author,
    subscriber::{Shown, Subscriber},
};

const STEPS: usize = 60;

/// The seeds of every run.
const SEEDS: [u64; 4] = [1, 2, 3, 20_261_125];
const LOSING_SEEDS: [u64; 2] = [4, 5];

/// The addresses of the nodes that are alive. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct LiveNodes(Rc<RefCell<Vec<SocketAddr>>>);

impl LiveNodes {
    /// The node for this attempt: another one each time. `None` while no node is alive.
    pub(crate) fn choose(&self, attempt: usize) -> Option<SocketAddr> {
        let nodes = self.0.borrow();
        nodes.get(attempt % nodes.len().max(1)).copied()
    }
}

/// A node that reaches Redis and PostgreSQL through proxies of its own.
struct Site {
    node: Option<NodeProcess>,
    redis: Proxy,
    database: Proxy,
}

struct World {
    cluster: Cluster,
    database: TestDatabase,
    sites: Vec<Site>,
    alive: LiveNodes,
    alice: Person,
    bob: Person,
    document: DocumentId,
    /// Whether the database loses changes.
    is_losing: bool,
    /// The document's lock, while something else holds it.
    lock: Option<DatabaseTransaction>,
    subscribers: Vec<Subscriber>,
    authors: Vec<Author>,
    /// The marks that the authors typed.
    typed: Vec<String>,
    /// The edits that are not acknowledged yet.
    edits: Vec<JoinHandle<Option<i64>>>,
    /// The versions of the acknowledged edits.
    versions: Vec<i64>,
}

impl World {
    async fn new(is_losing: bool) -> Self {
        let database = TestDatabase::require().await;
        let redis = RedisServer::url_of_the_run();
        let cluster = Cluster::on(SERVER, &redis, &database.url()).await;
        let mut sites = Vec::new();
        for _ in 0..3 {
            let redis = Proxy::to(redis.trim_start_matches("redis://").to_owned()).await;
            let server = database.url();
            let server = server.split_once('@').unwrap().1.split_once('/').unwrap().0;
            let database = Proxy::to(server.to_owned()).await;
            sites.push(Site { node: None, redis, database });
        }
        let first = cluster.start_node().await;
        let (alice, bob, document) = first.alice_and_bob().await;
        let filler = "abcdefghijklmnopqrstuvwxyz".repeat(4);
        alice.write(document, &filler).await.value();
        first.stop().await;
        let mut world = Self {
            cluster,
            database,
            sites,
            alive: LiveNodes::default(),
            alice,
            bob,
            document,
            is_losing,
            lock: None,
            subscribers: vec![],
            authors: vec![],
            typed: vec![],
            edits: vec![],
            versions: vec![],
        };
        for site in 0..3 {
            world.start_node(site).await;
        }
        for _ in 0..3 {
            world.subscribe();
        }
        for _ in 0..2 {
            let (alice, alive) = (world.alice.clone(), world.alive.clone());
            world.authors.push(Author::start(document, alice, alive));
        }
        world.expect_all_at(2).await;
        world
    }

    /// Starts a node at a site that has none.
    async fn start_node(&mut self, site: usize) {
        let Site { redis, database, .. } = &self.sites[site];
        // A node does not start without its database.
        database.set(Network::Up);
        let url = self.database.url();
        let (user, address) = url.split_once('@').unwrap();
        let name = address.rsplit_once('/').unwrap().1;
        let database = format!("{user}@{}/{name}", database.address());
        let redis = format!("redis://{}", redis.address());
        let settings = [
            ("DATABASE_URL", database.as_str()),
            ("REDIS_URL", redis.as_str()),
            // So that a fault does not make a plan wait for long.
            ("COSCRIBE__STORE__ACQUIRE_WITHIN", "1s"),
            ("COSCRIBE__STORE__BUSY_WITHIN", "500ms"),
            ("COSCRIBE__STORE__ANSWER_WITHIN", "1s"),
        ];
        let node = self.cluster.start_node_with(&settings).await;
        self.sites[site].node = Some(node);
        self.update_alive();
    }

    async fn kill_node(&mut self, site: usize) {
        let Some(node) = self.sites[site].node.take() else { return };
        self.update_alive();
        node.kill().await;
    }

    fn update_alive(&self) {
        let nodes = self.sites.iter().filter_map(|site| site.node.as_ref());
        *self.alive.0.borrow_mut() = nodes.map(NodeProcess::address).collect();
    }

    fn subscribe(&mut self) {
        let subscriber =
            Subscriber::start(self.document, &self.bob, self.alive.clone(), self.is_losing);
        self.subscribers.push(subscriber);
    }

    /// Starts an edit of the version that one of the subscribers has.
    fn start_edit(&mut self, random: &mut Random, number: usize) {
        let Some(subscriber) = self.subscribers.get(random.below(self.subscribers.len().max(1)))
        else {
            return;
        };
        let Shown { version, text } = subscriber.shown();
        if version == 0 {
            return;
        }
        let mut at = random.below(text.len() + 1);
        if self.is_losing {
            // An edit of a lost version is rebased over what has its number now, so another place might be inside a mark.
            at = 0;
        }
        // Not inside a mark: the marks are counted in the end.
        if text[..at].rfind('<') > text[..at].rfind('>') {
            at += text[at..].find('>').map_or(0, |end| end + 1);
        }
        let mut delta = vec![];
        if at > 0 {
            delta.push(json!({ "retain": at }));
        }
        delta.push(json!({ "insert": format!("<{number}>") }));
        // The filler may be deleted, the marks may not.
        if text.as_bytes().get(at).is_some_and(u8::is_ascii_lowercase) && random.below(3) == 0 {
            delta.push(json!({ "delete": 1 }));
        }
        let variables = json!({ "id": self.document, "base": version, "delta": delta,
            "name": format!("edit {number}") });
        let (alice, alive) = (self.alice.clone(), self.alive.clone());
        let first = random.below(3);
        let edit = edit_until_acknowledged(alice, alive, first, variables, self.is_losing);
        self.edits.push(tokio::task::spawn_local(edit));
    }

    /// Lets an author type, connected or not.
    async fn type_mark(&mut self, random: &mut Random, number: usize) {
        let mark = format!("<{number}>");
        let author = &self.authors[random.below(self.authors.len())];
        author.write(&mark, |bound| random.below(bound)).await;
        self.typed.push(mark);
    }

    async fn step(&mut self, random: &mut Random, number: usize) {
        let site = random.below(3);
        match random.below(25) {
            0..=6 => self.start_edit(random, number),
            7..=11 => self.type_mark(random, number).await,
            12 => self.subscribe(),
            13 if self.subscribers.len() > 1 => drop(self.subscribers.remove(0)),
            14 => {
                self.kill_node(site).await;
                self.start_node(site).await;
            }
            15 => self.sites[site].redis.set(Network::Cut),
            16 => self.sites[site].database.set(Network::Cut),
            17 => self.sites[site].redis.cut_after(u32::try_from(random.below(20)).unwrap()),
            18 => self.sites[site].database.cut_after(u32::try_from(random.below(20)).unwrap()),
            19 => self.sites[site].redis.set(Network::Slow),
            20 => self.sites[site].database.freeze_connections(),
            21 => self.pause(site),
            22 => self.lock().await,
            23 if self.is_losing => self.lose_changes(1 + random.below(3)).await,
            _ => {
                self.repair();
                // An edit in flight can be acknowledged now.
                if let Some(edit) = self.edits.pop() {
                    self.versions.extend(expect_version(edit).await);
                }
            }
        }
        tokio::task::yield_now().await;
    }

    /// Repairs the networks, waits for every edit, and shows that all participants agree. Returns the numbers of edits,
    /// typed marks and subscribers.
    async fn finish(mut self) -> (usize, usize, usize) {
        self.repair();
        let mut versions = std::mem::take(&mut self.versions);
        for edit in self.edits.drain(..) {
            versions.extend(expect_version(edit).await);
        }
        let stored = self.expect_everything_stored(versions.len()).await;
        let head = stored["version"].as_i64().unwrap();
        let text = stored["content"].as_str().unwrap();
        let edits = versions.len();
        if !self.is_losing {
            versions.sort_unstable();
            versions.dedup();
            assert_eq!(versions.len(), edits, "one version for each edit");
            assert!(versions.iter().all(|version| (3..=head).contains(version)));
            let marks = marks(text);
            for mark in &marks {
                assert_eq!(text.matches(&format!("<{mark}>")).count(), 1, "{mark}: {text}");
            }
            assert_eq!(marks.len(), edits + self.typed.len(), "lost edits: {text}");
        }
        let shown = Shown { version: head, text: text.to_owned() };
        let is_same =
            async || self.subscribers.iter().all(|subscriber| subscriber.shown() == shown);
        expect_eventually("subscribers with the stored text", is_same).await;
        self.expect_same_presence().await;
        let numbers = (edits, self.typed.len(), self.subscribers.len());
        self.stop().await;
        numbers
    }

    /// Waits until the document has every typed mark once, and unless changes were lost, as many marks as were written, and
    /// until the authors see it. Returns the document.
    async fn expect_everything_stored(&self, edits: usize) -> Value {
        let alice = self.alice.at_address(self.alive.choose(0).unwrap());
        let query = "query ($id: ID!) { document(id: $id) { version content } }";
        let stored = async {
            loop {
                tokio::task::yield_now().await;
                // The first query after a cut may still use a broken connection.
                let answer = alice.run(query, json!({ "id": self.document })).await;
                if !answer.is_ok() {
                    continue;
                }
                let document = answer.value();
                let text = document["content"].as_str().unwrap();
                let sees_it = |author: &Author| author.is_connected() && author.shown() == text;
                let has_edits = text.matches('<').count() == self.typed.len() + edits;
                let has_typed = self.typed.iter().all(|mark| text.matches(mark).count() == 1);
                let has_all = has_typed && (has_edits || self.is_losing);
                if has_all && self.authors.iter().all(sees_it) {
                    return document;
                }
            }
        };
        within("a database that has everything", stored).await
    }

    /// Drops the participants and stops the nodes.
    async fn stop(self) {
        drop((self.subscribers, self.authors));
        self.cluster.stop(self.sites.into_iter().filter_map(|site| site.node)).await;
    }

    fn repair(&mut self) {
        self.lock = None;
        for site in &self.sites {
            site.redis.set(Network::Up);
            site.database.set(Network::Up);
        }
        self.resume();
    }

    /// Pauses a node, perhaps in the middle of a transaction.
    fn pause(&self, site: usize) {
        self.sites[site].node.iter().for_each(NodeProcess::pause);
    }

    /// Locks the document, unless it is locked. A paused node may hold the lock, so all nodes go on.
    async fn lock(&mut self) {
        if self.lock.is_none() {
            self.resume();
            self.lock = Some(self.database.lock_document(&self.document.to_string()).await);
        }
    }

    async fn lose_changes(&mut self, count: usize) {
        self.lock = None;
        self.resume();
        self.database.lose_last_changes(&self.document.to_string(), count).await;
    }

    fn resume(&self) {
        self.sites.iter().filter_map(|site| site.node.as_ref()).for_each(NodeProcess::resume);
    }

    /// Waits until every subscriber has received everything up to a version.
    async fn expect_all_at(&self, version: i64) {
        let is_complete = async || {
            self.subscribers.iter().all(|subscriber| subscriber.shown().version >= version)
        };
        expect_eventually("subscribers with every change", is_complete).await;
    }

    /// Waits until every node lists the sessions of all participants, and no others.
    async fn expect_same_presence(&self) {
        let addresses = self.alive.0.borrow().clone();
        for address in addresses {
            let alice = self.alice.at_address(address);
            let is_same = async || {
                let present = alice.presence(self.document).await;
                let present = if present.is_ok() { present.value() } else { json!([]) };
                let sessions: Vec<Value> = present
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|entry| entry["sessionId"].clone())
                    .collect();
                let expected: Vec<_> =
                    self.subscribers.iter().map(|subscriber| json!(subscriber.session())).collect();
                // Editors do not know the id of their session; there is one for each author.
                let others = sessions.iter().filter(|session| !expected.contains(session)).count();
                others == self.authors.len()
                    && sessions.len() == expected.len() + self.authors.len()
            };
            expect_eventually("the same list on every node", is_same).await;
        }
    }
}

/// The marks in a text.
fn marks(text: &str) -> Vec<&str> {
    text.split('<').skip(1).map(|part| part.split_once('>').unwrap().0).collect()
}

/// Waits until an edit is acknowledged. Returns its version, if it was not given up.
async fn expect_version(edit: JoinHandle<Option<i64>>) -> Option<i64> {
    within("the acknowledgement of an edit", edit).await.unwrap()
}

/// Sends an edit to one node after another until it is acknowledged. Returns its version. Where changes may be lost, an
/// edit of a lost version is given up.
async fn edit_until_acknowledged(
    person: Person,
    alive: LiveNodes,
    first: usize,
    variables: Value,
    may_lose: bool,
) -> Option<i64> {
    let operation = "mutation ($id: ID!, $base: Int!, $delta: [DeltaOpInput!]!, $name: ID!) {
        editDocument(documentId: $id, baseVersion: $base, delta: $delta, mutationId: $name) { version } }";
    for attempt in first.. {
        tokio::task::yield_now().await;
        let Some(address) = alive.choose(attempt) else { continue };
        // A killed node does not answer.
        let answer = person.at_address(address).try_run(operation, variables.clone()).await;
        let Some(answer) = answer else { continue };
        if answer.is_ok() {
            return answer.value()["version"].as_i64();
        }
        match answer.code() {
            "UNAVAILABLE" | "UNKNOWN" => {}
            "CONFLICT" | "BAD_USER_INPUT" if may_lose => return None,
            code => panic!("{code}"),
        }
    }
    unreachable!("there is always another attempt")
}

/// Runs a plan. Returns a summary.
async fn run(seed: u64, is_losing: bool) -> String {
    let mut random = Random::new(seed);
    let mut world = World::new(is_losing).await;
    for number in 0..STEPS {
        world.step(&mut random, number).await;
    }
    let (edits, typed, subscribers) = world.finish().await;
    format!("{edits} edits and {typed} typed marks found once; {subscribers} subscribers agree")
}

#[actix_web::test]
async fn all_participants_agree_after_failures() {
    run_all(&SEEDS, false).await;
}

#[actix_web::test]
async fn all_participants_agree_although_the_database_loses_changes() {
    run_all(&LOSING_SEEDS, true).await;
}

async fn run_all(seeds: &[u64], is_losing: bool) {
    let seeds: Vec<u64> = match (number("COSCRIBE_SEED"), number("COSCRIBE_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => {
            let begin = u64::from(std::process::id()) << 32;
            (begin..begin + count).collect()
        }
        (None, None) => seeds.to_vec(),
    };
    for seed in seeds {
        let Ok(summary) = tokio::task::spawn_local(run(seed, is_losing)).await else {
            panic!("run it again with COSCRIBE_SEED={seed} scripts/test cluster")
        };
        println!("seed {seed}: {summary}");
    }
}
