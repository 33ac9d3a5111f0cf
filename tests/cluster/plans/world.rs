//! The participants of a plan and the steps that they and the faults take.

use coscribe::domain::DocumentId;
use kit::{
    Client as _, Cluster, Network, Node as _, Person, Random, TestDatabase, expect_eventually,
};
use sea_orm::DatabaseTransaction;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{
    author::Author,
    edit::{edit_until_acknowledged, expect_version},
    plan_redis::{PlanRedis, RedisFault},
    sites::{self, Sites},
    subscriber::{Shown, Subscriber},
};
use crate::SERVER;

/// Everything in a plan.
pub(super) struct World {
    pub(super) cluster: Cluster,
    database: TestDatabase,
    pub(super) redis: PlanRedis,
    pub(super) sites: Sites,
    pub(super) alice: Person,
    pub(super) bob: Person,
    pub(super) document: DocumentId,
    /// Whether the database loses changes.
    pub(super) is_losing: bool,
    /// The document's lock, while something else holds it.
    lock: Option<DatabaseTransaction>,
    pub(super) subscribers: Vec<Subscriber>,
    pub(super) authors: Vec<Author>,
    /// The marks that the authors typed.
    pub(super) typed: Vec<String>,
    /// The edits that are not acknowledged yet.
    edits: Vec<JoinHandle<Option<i64>>>,
    /// The versions of the acknowledged edits.
    versions: Vec<i64>,
}

impl World {
    pub(super) async fn new(redis: PlanRedis, is_losing: bool) -> Self {
        let database = TestDatabase::require().await;
        let cluster = Cluster::on(SERVER, &redis.direct_url(), &database.url()).await;
        let first = cluster.start_node().await;
        let (alice, bob, document) = first.alice_and_bob().await;
        let filler = "abcdefghijklmnopqrstuvwxyz".repeat(4);
        alice.write(document, &filler).await.value();
        first.stop().await;
        let mut world = Self {
            cluster,
            sites: Sites::new(&database).await,
            database,
            redis,
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
        for site in 0..sites::COUNT {
            world.start_node(site).await;
        }
        for _ in 0..3 {
            world.subscribe();
        }
        for _ in 0..2 {
            let (alice, alive) = (world.alice.clone(), world.sites.alive());
            world.authors.push(Author::start(document, alice, alive));
        }
        world.expect_all_at(2).await;
        world
    }

    /// Takes a random step.
    pub(super) async fn step(&mut self, random: &mut Random, number: usize) {
        let site = random.below(sites::COUNT);
        match random.below(27) {
            0..=6 => self.start_edit(random, number),
            7..=11 => self.type_mark(random, number).await,
            12 => self.subscribe(),
            13 if self.subscribers.len() > 2 => drop(self.subscribers.remove(0)),
            14 => {
                self.sites.kill_node(site).await;
                self.start_node(site).await;
            }
            15 => self.fail_redis(RedisFault::Cut, site, random).await,
            16 => self.sites.database(site).set(Network::Cut),
            17 => self.fail_redis(RedisFault::CutLater, site, random).await,
            18 => {
                self.sites.database(site).cut_after(u32::try_from(random.below(20)).unwrap());
            }
            19 => self.fail_redis(RedisFault::Slow, site, random).await,
            20 => self.sites.database(site).freeze_connections(),
            21 => self.sites.pause(site),
            22 => self.lock().await,
            23 if self.is_losing => self.lose_changes(1 + random.below(3)).await,
            24..=25 => self.move_cursor(random, number),
            _ => {
                self.repair_sites();
                // An edit in flight can be acknowledged now.
                if let Some(edit) = self.edits.pop() {
                    self.versions.extend(expect_version(edit).await);
                }
            }
        }
        tokio::task::yield_now().await;
    }

    /// Ends all faults. Returns how many primaries of a Redis Cluster were killed.
    pub(super) async fn repair(&mut self) -> usize {
        self.repair_sites();
        self.redis.repair().await
    }

    /// Waits for the acknowledgement of every edit. Returns their versions.
    pub(super) async fn expect_edits(&mut self) -> Vec<i64> {
        let mut versions = std::mem::take(&mut self.versions);
        for edit in self.edits.drain(..) {
            versions.extend(expect_version(edit).await);
        }
        versions
    }

    /// Ends the faults of the sites and of the database.
    fn repair_sites(&mut self) {
        self.lock = None;
        self.redis.repair_networks();
        self.sites.repair();
    }

    async fn start_node(&mut self, site: usize) {
        let redis = self.redis.url(site);
        self.sites.start_node(&self.cluster, site, &redis).await;
    }

    fn subscribe(&mut self) {
        let alive = self.sites.alive();
        let subscriber = Subscriber::start(self.document, &self.bob, alive, self.is_losing);
        self.subscribers.push(subscriber);
    }

    /// Lets Redis fail. While a primary does not replicate, a subscriber leaves and another one arrives.
    async fn fail_redis(&mut self, fault: RedisFault, site: usize, random: &mut Random) {
        let Self { redis, subscribers, sites, document, bob, is_losing, .. } = self;
        if redis.is_dead() {
            // Its repair takes longer than a request to a paused node may.
            sites.resume();
        }
        let visit = async {
            if subscribers.len() > 2 {
                drop(subscribers.remove(0));
            }
            subscribers.push(Subscriber::start(*document, bob, sites.alive(), *is_losing));
            while subscribers.iter().any(|subscriber| subscriber.session().is_null()) {
                tokio::task::yield_now().await;
            }
        };
        redis.fail(fault, site, random, visit).await;
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
        let (alice, alive) = (self.alice.clone(), self.sites.alive());
        let first = random.below(3);
        let edit = edit_until_acknowledged(alice, alive, first, variables, self.is_losing);
        self.edits.push(tokio::task::spawn_local(edit));
    }

    /// Moves the cursor of a subscriber.
    fn move_cursor(&self, random: &mut Random, number: usize) {
        let subscriber = self.subscribers.get(random.below(self.subscribers.len().max(1)));
        subscriber.iter().for_each(|subscriber| subscriber.move_cursor(number + 1));
    }

    /// Lets an author type, connected or not.
    async fn type_mark(&mut self, random: &mut Random, number: usize) {
        let mark = format!("<{number}>");
        let author = &self.authors[random.below(self.authors.len())];
        author.write(&mark, |bound| random.below(bound)).await;
        self.typed.push(mark);
    }

    /// Locks the document, unless it is locked. A paused node may hold the lock, so all nodes go on.
    async fn lock(&mut self) {
        if self.lock.is_none() {
            self.sites.resume();
            self.lock = Some(self.database.lock_document(&self.document.to_string()).await);
        }
    }

    async fn lose_changes(&mut self, count: usize) {
        self.lock = None;
        self.sites.resume();
        self.database.lose_last_changes(&self.document.to_string(), count).await;
    }

    /// Waits until every subscriber has received everything up to a version.
    async fn expect_all_at(&self, version: i64) {
        let is_complete = async || {
            self.subscribers.iter().all(|subscriber| subscriber.shown().version >= version)
        };
        expect_eventually("subscribers with every change", is_complete).await;
    }
}
