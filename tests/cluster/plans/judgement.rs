//! The judgement of a plan: what must hold after all faults have ended.

use futures_util::future::join_all;
use kit::{Client as _, NodeProcess, Person, Tab, expect_eventually, within};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    author::Author, plan_redis::PlanRedis, subscriber::Shown, subscriber::Subscriber, told::Told,
    world::World,
};
use crate::failover::{RETRY_AFTER, expect_all_up, taken_slots};

/// The number of sessions that a user may have.
const SLOTS: u64 = 10;

impl World {
    /// Ends all faults, waits for every edit, and shows that all participants agree. Returns a summary, and the Redis for
    /// the next plan.
    pub(super) async fn finish(mut self) -> (String, PlanRedis) {
        let kills = self.repair().await;
        let versions = self.expect_edits().await;
        let edits = versions.len();
        let stored = self.expect_everything_stored(edits).await;
        let head = stored["version"].as_i64().unwrap();
        let text = stored["content"].as_str().unwrap();
        if !self.is_losing {
            expect_one_version_each(versions, head);
            expect_marks_once(text, edits + self.typed.len());
        }
        let shown = Shown { version: head, text: text.to_owned() };
        let is_same =
            async || self.subscribers.iter().all(|subscriber| subscriber.shown() == shown);
        expect_eventually("subscribers with the stored text", is_same).await;
        self.expect_same_presence().await;
        for address in self.sites.alive().addresses() {
            self.expect_all_told(&self.alice.at_address(address)).await;
        }
        let summary = format!(
            "{edits} edits and {} typed marks found once; {} subscribers agree; {kills} primaries killed",
            self.typed.len(),
            self.subscribers.len(),
        );
        (summary, self.stop().await)
    }

    /// Waits until the document has every typed mark once, and unless changes were lost, as many marks as were written, and
    /// until the authors see it. Returns the document.
    async fn expect_everything_stored(&self, edits: usize) -> Value {
        let alice = self.alice.at_address(self.sites.alive().choose(0).unwrap());
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

    /// Waits until every node lists the sessions of all participants, and no others, and until no subscriber was told
    /// otherwise.
    async fn expect_same_presence(&self) {
        for address in self.sites.alive().addresses() {
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
                    && self.are_all_told(|told| told.agrees_with(&sessions))
            };
            expect_eventually("the same list on every node", is_same).await;
        }
    }

    /// Shows that every subscriber is told that a visitor arrives, where the visitor's cursor is, and that the visitor leaves.
    async fn expect_all_told(&self, visitor: &Person) {
        let tab = visitor.open(self.document).await;
        let session = tab.session().to_string();
        let has_joined = |told: &Told| told.has_joined(&session) == Some(true);
        expect_eventually("everybody told of an arrival", async || self.are_all_told(has_joined))
            .await;
        within("everybody told of a cursor", self.move_until_told(&tab, &session)).await;
        tab.socket.close().await;
        let has_left = |told: &Told| told.has_joined(&session) == Some(false);
        expect_eventually("everybody told of a departure", async || self.are_all_told(has_left))
            .await;
    }

    /// Moves a cursor until every subscriber has received it. One that is published while a node subscribes again is lost.
    async fn move_until_told(&self, tab: &Tab, session: &str) {
        let is_told = async {
            while !self.are_all_told(|told| told.has_moved(session)) {
                tokio::task::yield_now().await;
            }
        };
        tokio::pin!(is_told);
        loop {
            tab.move_cursor(self.document, 1, 1).await.value();
            if timeout(RETRY_AFTER, &mut is_told).await.is_ok() {
                return;
            }
        }
    }

    fn are_all_told(&self, condition: impl Fn(&Told) -> bool) -> bool {
        self.subscribers.iter().all(|subscriber| subscriber.is_told(&condition))
    }

    /// Drops the participants, shows that their slots are free again, and stops the nodes.
    ///
    /// A Redis Cluster may have lost the index of a killed node. Then nobody removes its slots before they are needed.
    async fn stop(self) -> PlanRedis {
        let alive = self.sites.alive();
        let nodes: Vec<NodeProcess> = self.sites.into_nodes().collect();
        drop::<(Vec<Subscriber>, Vec<Author>)>((self.subscribers, self.authors));
        expect_all_up(&nodes).await;
        let connection = self.cluster.connect_to_redis().await;
        let people = [&self.alice, &self.bob];
        let are_taken = async |count: u64| {
            let taken = people.map(|person| taken_slots(&connection, &self.cluster, person));
            join_all(taken).await.iter().all(|taken| *taken == count)
        };
        let mut sockets = Vec::new();
        for person in people {
            for number in 0..SLOTS as usize {
                let person = person.at_address(alive.choose(number).unwrap());
                sockets.push(person.reconnect().await);
            }
        }
        expect_eventually("a slot for each session", async || are_taken(SLOTS).await).await;
        for socket in sockets {
            socket.close().await;
        }
        expect_eventually("the release of all slots", async || are_taken(0).await).await;
        self.cluster.stop(nodes).await;
        self.redis
    }
}

fn expect_one_version_each(mut versions: Vec<i64>, head: i64) {
    let edits = versions.len();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), edits, "one version for each edit");
    assert!(versions.iter().all(|version| (3..=head).contains(version)));
}

fn expect_marks_once(text: &str, count: usize) {
    let marks: Vec<&str> =
        text.split('<').skip(1).map(|part| part.split_once('>').unwrap().0).collect();
    for mark in &marks {
        assert_eq!(text.matches(&format!("<{mark}>")).count(), 1, "{mark}: {text}");
    }
    assert_eq!(marks.len(), count, "lost edits: {text}");
}
