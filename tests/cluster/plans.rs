//! Seeded plans over three nodes: people write in both protocols, read, come and go, while nodes are killed, and cut off from Redis and from
//! PostgreSQL. At rest everybody and the database agree, and every edit that was acknowledged is there once.
//!
//! A plan follows from its seed; what happens at the same time does so in any order. `COSCRIBE_SEED=n scripts/test cluster`
//! runs one plan again, `COSCRIBE_SEEDS=n` so many new ones.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use coscribe::domain::DocumentId;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    process::{Cluster, Process},
    proxy::{Proxy, Weather},
    reader::{Reader, Shown},
    redis_server::RedisServer,
    support::{Client as _, Person, TestDatabase, within},
    typist::Typist,
};

const STEPS: usize = 60;

/// Those that every run tries.
const SEEDS: [u64; 4] = [1, 2, 3, 20_261_125];

/// SplitMix64: the same numbers for the same seed, on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

/// A node with its own ways to Redis and PostgreSQL.
struct Site {
    node: Option<Process>,
    redis: Proxy,
    database: Proxy,
}

struct World {
    cluster: Cluster,
    database: TestDatabase,
    sites: Vec<Site>,
    /// Where the nodes that live listen.
    alive: Rc<RefCell<Vec<SocketAddr>>>,
    writer: Person,
    reader: Person,
    document: DocumentId,
    readers: Vec<Reader>,
    typists: Vec<Typist>,
    /// What they typed.
    typed: usize,
    /// Edits that are not acknowledged yet, and the versions of those that are.
    writes: Vec<JoinHandle<i64>>,
    versions: Vec<i64>,
}

impl World {
    async fn new() -> Self {
        let database = TestDatabase::create().await.expect("TEST_DATABASE_URL");
        let redis = RedisServer::of_the_run();
        let cluster = Cluster::on_both(&redis, database.url()).await;
        let alive = Rc::new(RefCell::new(Vec::new()));
        let mut sites = Vec::new();
        for _ in 0..3 {
            let redis = Proxy::to(redis.trim_start_matches("redis://").to_owned()).await;
            let server = database.url();
            let server = server.split_once('@').unwrap().1.split_once('/').unwrap().0;
            let database = Proxy::to(server.to_owned()).await;
            sites.push(Site { node: None, redis, database });
        }
        let first = cluster.node().await;
        let (writer, reader, document) = crate::process::alice_and_bob(&first).await;
        let filler = "abcdefghijklmnopqrstuvwxyz".repeat(4);
        writer.write(document, &filler).await.value();
        first.stop().await;
        let mut world = Self {
            cluster,
            database,
            sites,
            alive,
            writer,
            reader,
            document,
            readers: vec![],
            typists: vec![],
            typed: 0,
            writes: vec![],
            versions: vec![],
        };
        for site in 0..3 {
            world.start(site).await;
        }
        for _ in 0..3 {
            world.join();
        }
        for person in [world.writer.clone(), world.writer.clone()] {
            let alive = Rc::clone(&world.alive);
            world.typists.push(Typist::start(world.document, person, alive));
        }
        world.everybody_has(2).await;
        world
    }

    /// Starts a node where there is none.
    async fn start(&mut self, site: usize) {
        let Site { redis, database, .. } = &self.sites[site];
        // A node that finds no database does not start, and is started again until it does.
        database.turn(Weather::Fair);
        let url = self.database.url();
        let (user, place) = url.split_once('@').unwrap();
        let name = place.rsplit_once('/').unwrap().1;
        let database = format!("{user}@{}/{name}", database.address());
        let redis = format!("redis://{}", redis.address());
        let settings = [("DATABASE_URL", database.as_str()), ("REDIS_URL", redis.as_str())];
        let node = self.cluster.node_with_all(&settings).await;
        self.sites[site].node = Some(node);
        self.note_alive();
    }

    async fn kill(&mut self, site: usize) {
        let Some(node) = self.sites[site].node.take() else { return };
        self.note_alive();
        node.kill().await;
    }

    fn note_alive(&self) {
        let nodes = self.sites.iter().filter_map(|site| site.node.as_ref());
        *self.alive.borrow_mut() = nodes.map(Process::address).collect();
    }

    fn join(&mut self) {
        let token = self.reader.token.clone();
        self.readers.push(Reader::start(self.document, token, Rc::clone(&self.alive)));
    }

    /// Somebody writes what a reader's text lets him write.
    fn write(&mut self, dice: &mut Dice, number: usize) {
        let Some(reader) = self.readers.get(dice.below(self.readers.len().max(1))) else { return };
        let Shown { version, text } = reader.shown();
        if version == 0 {
            return;
        }
        let mut at = dice.below(text.len() + 1);
        // Not in the middle of what somebody else wrote: it is counted in the end.
        if text[..at].rfind('<') > text[..at].rfind('>') {
            at += text[at..].find('>').map_or(0, |end| end + 1);
        }
        let mut delta = vec![];
        if at > 0 {
            delta.push(json!({ "retain": at }));
        }
        delta.push(json!({ "insert": format!("<{number}>") }));
        // What was there from the beginning may be deleted, what was written may not.
        if text.as_bytes().get(at).is_some_and(u8::is_ascii_lowercase) && dice.below(3) == 0 {
            delta.push(json!({ "delete": 1 }));
        }
        let variables = json!({ "id": self.document, "base": version, "delta": delta,
            "name": format!("edit {number}") });
        let (writer, alive) = (self.writer.clone(), Rc::clone(&self.alive));
        let first = dice.below(3);
        self.writes.push(tokio::task::spawn_local(acknowledged(writer, alive, first, variables)));
    }

    /// Somebody types, whether he is connected or not.
    async fn type_a_mark(&mut self, dice: &mut Dice, number: usize) {
        self.typed += 1;
        let typist = &self.typists[dice.below(self.typists.len())];
        typist.write(&format!("<{number}>"), |bound| dice.below(bound)).await;
    }

    async fn step(&mut self, dice: &mut Dice, number: usize) {
        let site = dice.below(3);
        match dice.below(20) {
            0..=6 => self.write(dice, number),
            7..=11 => self.type_a_mark(dice, number).await,
            12 => self.join(),
            13 if self.readers.len() > 1 => drop(self.readers.remove(0)),
            14 => {
                self.kill(site).await;
                self.start(site).await;
            }
            15 => self.sites[site].redis.turn(Weather::Cut),
            16 => self.sites[site].database.turn(Weather::Cut),
            17 => self.sites[site].redis.cut_after(u32::try_from(dice.below(20)).unwrap()),
            18 => self.sites[site].database.cut_after(u32::try_from(dice.below(20)).unwrap()),
            _ => {
                self.mend();
                // All that was under way is done: what comes now begins from there.
                if let Some(write) = self.writes.pop() {
                    self.versions.push(finished(write).await);
                }
            }
        }
        tokio::task::yield_now().await;
    }

    /// Everything is mended, everything is finished, and everybody agrees.
    async fn rest(mut self) -> (usize, usize, usize) {
        self.mend();
        let mut versions = std::mem::take(&mut self.versions);
        for write in self.writes.drain(..) {
            versions.push(finished(write).await);
        }
        let somebody = self.writer.at_address(self.alive.borrow()[0]);
        // The first question after a cut may still meet a connection that was cut.
        let question = "query ($id: ID!) { document(id: $id) { version content } }";
        let read = async || {
            loop {
                let answer = somebody.run(question, json!({ "id": self.document })).await;
                if answer.is_ok() {
                    return answer.value();
                }
            }
        };
        // What was typed is stored when the database has as much as there is of it.
        let typed = async {
            loop {
                let stored = read().await;
                let text = stored["content"].as_str().unwrap();
                let is_shown = |typist: &Typist| typist.is_connected() && typist.shown() == text;
                if self.typists.iter().all(is_shown)
                    && text.matches('<').count() == self.typed + versions.len()
                {
                    return stored;
                }
                tokio::task::yield_now().await;
            }
        };
        let stored = within("a database that has everything", typed).await;
        let (head, text) =
            (stored["version"].as_i64().unwrap(), stored["content"].as_str().unwrap());
        versions.sort_unstable();
        let edits = versions.len();
        versions.dedup();
        assert_eq!(versions.len(), edits, "a version for each edit");
        assert!(versions.iter().all(|version| (3..=head).contains(version)));
        self.everybody_has(head).await;
        for reader in &self.readers {
            assert_eq!(reader.shown(), Shown { version: head, text: text.to_owned() });
        }
        let mut marks = 0;
        for part in text.split('<').skip(1) {
            assert_eq!(text.matches(&format!("<{}>", part.split_once('>').unwrap().0)).count(), 1);
            marks += 1;
        }
        assert_eq!(marks, versions.len() + self.typed, "lost edits: {text}");
        self.everybody_is_present().await;
        (versions.len(), self.typed, self.readers.len())
    }

    fn mend(&self) {
        for site in &self.sites {
            site.redis.turn(Weather::Fair);
            site.database.turn(Weather::Fair);
        }
    }

    /// Waits until every reader has heard of everything up to a version.
    async fn everybody_has(&self, version: i64) {
        for reader in &self.readers {
            let heard = async {
                while reader.shown().version < version {
                    tokio::task::yield_now().await;
                }
            };
            within("a reader who has heard everything", heard).await;
        }
    }

    /// One list on every node: those who read, and no ghosts.
    async fn everybody_is_present(&self) {
        let addresses = self.alive.borrow().clone();
        for address in addresses {
            let who = self.writer.at_address(address);
            let agrees = async {
                loop {
                    let expected: Vec<_> =
                        self.readers.iter().map(|reader| json!(reader.session())).collect();
                    let present = who.presence(self.document).await;
                    let present = if present.is_ok() { present.value() } else { json!([]) };
                    let there: Vec<Value> = present
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|entry| entry["sessionId"].clone())
                        .collect();
                    // An editor does not know the name of its session; there is one for each.
                    let known = |session: &Value| expected.contains(session);
                    let unknown = there.iter().filter(|session| !known(session)).count();
                    if unknown == self.typists.len()
                        && there.len() == expected.len() + self.typists.len()
                    {
                        return;
                    }
                }
            };
            within("one list of those who are present", agrees).await;
        }
    }
}

async fn finished(write: JoinHandle<i64>) -> i64 {
    within("an edit that is acknowledged at last", write).await.unwrap()
}

/// Sends an edit until it is acknowledged, to one node after the other: its version.
async fn acknowledged(
    writer: Person,
    alive: Rc<RefCell<Vec<SocketAddr>>>,
    first: usize,
    variables: Value,
) -> i64 {
    let operation = "mutation ($id: ID!, $base: Int!, $delta: [DeltaOpInput!]!, $name: ID!) {
        editDocument(documentId: $id, baseVersion: $base, delta: $delta, mutationId: $name) { version } }";
    let body = json!({ "query": operation, "variables": variables });
    for attempt in first.. {
        tokio::task::yield_now().await;
        let address = {
            let alive = alive.borrow();
            alive.get(attempt % alive.len().max(1)).copied()
        };
        let Some(address) = address else { continue };
        // A node that was killed answers nothing, or half of it.
        let Ok(answer) = writer.at_address(address).post().json(&body).send().await else {
            continue;
        };
        let Ok(answer) = answer.json::<Value>().await else { continue };
        if let Some(version) = answer["data"]["editDocument"]["version"].as_i64() {
            return version;
        }
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        assert_eq!(code, Some("UNAVAILABLE"), "{answer}");
    }
    unreachable!("there is always another attempt")
}

/// Runs a plan; what came of it.
async fn run(seed: u64) -> String {
    let mut dice = Dice(seed);
    let mut world = World::new().await;
    for number in 0..STEPS {
        world.step(&mut dice, number).await;
    }
    let (edits, typed, readers) = world.rest().await;
    format!(
        "{edits} edits acknowledged and {typed} typed, all found, 0 lost, 0 doubled; {readers} readers and 2 editors agree"
    )
}

#[actix_web::test]
async fn whatever_fails_everybody_agrees_at_rest() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds: Vec<u64> = match (number("COSCRIBE_SEED"), number("COSCRIBE_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => {
            let begin = u64::from(std::process::id()) << 32;
            (begin..begin + count).collect()
        }
        (None, None) => SEEDS.to_vec(),
    };
    for seed in seeds {
        let Ok(outcome) = tokio::task::spawn_local(run(seed)).await else {
            panic!("run it again with: COSCRIBE_SEED={seed} scripts/test cluster")
        };
        println!("seed {seed}: {outcome}");
    }
}
