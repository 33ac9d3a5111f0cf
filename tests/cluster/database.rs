//! PostgreSQL cut off, stalled, slow or restarted: no acknowledged edit is lost, and none is stored twice.

use std::cell::Cell;

use coscribe::domain::DocumentId;
use futures_util::{future::join_all, join};
use kit::{
    Answer, Client, Cluster, Network, Node as _, Pair, PostgresServer, Proxy, RedisServer, Tab,
    TestDatabase,
};
use serde_json::{Value, json};
use tokio::time::Duration;

use crate::SERVER;

/// Inserts a mark, with the mark as `mutationId`.
async fn write(client: &impl Client, document: DocumentId, mark: &str) -> Answer {
    let delta = json!([{ "insert": format!("<{mark}>") }]);
    client.edit_as(document, 1, delta, json!(mark)).await
}

/// Inserts a mark and repeats that until it is accepted. Only UNAVAILABLE and UNKNOWN may come before. Returns the
/// version.
async fn write_until_accepted(client: &impl Client, document: DocumentId, mark: &str) -> i64 {
    loop {
        let answer = write(client, document, mark).await;
        if answer.is_ok() {
            return answer.value()["version"].as_i64().unwrap();
        }
        assert!(["UNAVAILABLE", "UNKNOWN"].contains(&answer.code()), "{mark}");
        tokio::task::yield_now().await;
    }
}

/// Alice and Bob on a node that reaches its database through a proxy and soon gives up waiting.
async fn start_behind_proxy() -> (Pair, Proxy) {
    let short_waits = [
        ("COSCRIBE__STORE__ACQUIRE_WITHIN", "2s"),
        ("COSCRIBE__STORE__BUSY_WITHIN", "1s"),
        ("COSCRIBE__STORE__ANSWER_WITHIN", "2s"),
    ];
    start_behind_proxy_with(&short_waits).await
}

/// Alice and Bob on a node that reaches its database through a proxy, with these settings.
pub(crate) async fn start_behind_proxy_with(waits: &[(&str, &str)]) -> (Pair, Proxy) {
    let database = TestDatabase::require().await;
    let (through_proxy, proxy) = Proxy::to_database(&database.url()).await;
    let mut settings = vec![
        ("COSCRIBE__STORE__URL", through_proxy.as_str()),
        ("JWT_SECRET", "a secret of a test, which is long enough"),
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "100000"),
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000"),
    ];
    settings.extend(waits);
    (Pair::start_in(&settings, database).await, proxy)
}

async fn read(pair: &Pair) -> (i64, String) {
    let document = pair.alice.read(pair.document).await;
    let text = document["content"].as_str().unwrap().to_owned();
    (document["version"].as_i64().unwrap(), text)
}

#[actix_web::test]
async fn edits_are_refused_and_sessions_stay_without_the_database() {
    let (pair, proxy) = start_behind_proxy().await;
    let (alices_tab, bobs_tab) = pair.open().await;
    write(&alices_tab, pair.document, "before").await.value();
    bobs_tab.expect_version(2).await;

    for network in [Network::Cut, Network::Stalled] {
        proxy.set(network);
        let refused = write(&alices_tab, pair.document, "meanwhile").await;
        assert_eq!(refused.code(), "UNAVAILABLE", "{network:?}");
        // Cursors need no database.
        alices_tab.move_cursor(pair.document, 0, 1).await.value();
        bobs_tab.expect_cursor().await;
        proxy.set(Network::Up);
        write_until_accepted(&alices_tab, pair.document, &format!("after {network:?}")).await;
    }

    assert!(write_until_accepted(&alices_tab, pair.document, "meanwhile").await > 2);
    let (head, text) = read(&pair).await;
    for mark in ["before", "after Cut", "after Stalled", "meanwhile"] {
        assert_eq!(text.matches(&format!("<{mark}>")).count(), 1, "{mark}: {text}");
    }
    assert_eq!(head, 5);
    for version in 3..=5 {
        bobs_tab.expect_version(version).await;
    }
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn interrupted_commits_are_stored_once_or_not_at_all() {
    let (pair, proxy) = start_behind_proxy().await;
    let (alices_tab, bobs_tab) = pair.open().await;
    // A `mutationId` belongs to its author, so an edit is repeated by the same tab.
    let by = |mark: &str| if mark.ends_with(['0', '2', '4']) { &alices_tab } else { &bobs_tab };
    let mut acknowledged: Vec<(String, Option<i64>)> = Vec::new();
    let mut refused = Vec::new();
    for round in 0..60_u32 {
        let marks: Vec<String> = (0..6).map(|writer| format!("{round}.{writer}")).collect();
        let edits = marks.iter().map(|mark| write(by(mark), pair.document, mark));
        // A little later in each round: at every statement, at the commit, and at its answer.
        proxy.cut_after(round * 3);
        let answers = join_all(edits).await;
        proxy.set(Network::Up);
        for (mark, answer) in marks.into_iter().zip(answers) {
            if !answer.is_ok() && answer.code() == "UNAVAILABLE" {
                refused.push(mark.clone());
            }
            let version = answer.is_ok().then(|| answer.value()["version"].as_i64().unwrap());
            acknowledged.push((mark, version));
        }
    }

    let text = pair.alice.read_text(pair.document).await;
    for mark in refused {
        assert!(!text.contains(&format!("<{mark}>")), "{mark} was refused, so it is not stored");
    }
    // Every edit is repeated. A stored one gets the same answer as before.
    let mut versions = Vec::new();
    for (mark, before) in &acknowledged {
        let version = write_until_accepted(by(mark), pair.document, mark).await;
        assert!(before.is_none_or(|before| before == version), "{mark}: {before:?}, now {version}");
        versions.push(version);
    }
    versions.sort_unstable();
    let (head, text) = read(&pair).await;
    assert_eq!(versions, (2..=head).collect::<Vec<_>>(), "no gap and no duplicate");
    for (mark, _) in &acknowledged {
        assert_eq!(text.matches(&format!("<{mark}>")).count(), 1, "{mark}");
    }
    let stored = acknowledged.iter().filter(|(_, version)| version.is_some()).count();
    assert!(stored > 0 && stored < acknowledged.len(), "some were cut off, and some were not");
    println!("{} edits found once, {stored} of them acknowledged at once", acknowledged.len());
    // A replay has every one of them, in order.
    let socket = pair.bob.connect().await;
    let since =
        "subscription ($id: ID!) { documentChanged(documentId: $id, since: 1) { version } }";
    socket.start_with("s", since, json!({ "id": pair.document })).await;
    let mut replayed = Vec::new();
    for _ in 2..=head {
        replayed.push(socket.expect_next("s").await["version"].clone());
    }
    assert_eq!(replayed, (2..=head).map(Value::from).collect::<Vec<_>>());
    pair.stop((alices_tab, bobs_tab, socket)).await;
}

#[actix_web::test]
async fn a_restart_of_the_database_loses_and_duplicates_no_edit() {
    let mut postgres = PostgresServer::start().await;
    let cluster = Cluster::on(SERVER, &RedisServer::url_of_the_run(), &postgres.url()).await;
    let nodes = [cluster.start_node().await, cluster.start_node().await];
    let (alice, bob, document) = nodes[0].alice_and_bob().await;
    let alices_tab = alice.open(document).await;
    let bobs_tab = bob.at(&nodes[1]).open(document).await;

    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let marks: Vec<_> = (0..10).map(|edit| format!("{round}.{edit}")).collect();
        let write_all = async |tab: &Tab, name: &str| {
            let mut versions = Vec::new();
            for mark in &marks {
                versions.push(write_until_accepted(tab, document, &format!("{name}.{mark}")).await);
            }
            versions
        };
        let restart = async {
            postgres.stop_at_once().await;
            postgres.run().await;
        };
        let (first, second, ()) =
            join!(write_all(&alices_tab, "a"), write_all(&bobs_tab, "b"), restart);
        acknowledged.extend(first.into_iter().chain(second));
        for name in ["a", "b"] {
            for mark in &marks {
                let text = alice.read_text(document).await;
                assert_eq!(text.matches(&format!("<{name}.{mark}>")).count(), 1, "{name}.{mark}");
            }
        }
    }
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, (2..=61).collect::<Vec<_>>(), "no gap and no duplicate");
    println!("60 edits acknowledged over 3 restarts and found once");
    drop((alices_tab, bobs_tab));
    cluster.stop(nodes).await;
}

#[actix_web::test]
async fn a_slow_database_delays_edits_and_nothing_else() {
    let (pair, proxy) = start_behind_proxy_with(&[
        ("COSCRIBE__STORE__ACQUIRE_WITHIN", "30s"),
        ("COSCRIBE__STORE__BUSY_WITHIN", "30s"),
        ("COSCRIBE__STORE__ANSWER_WITHIN", "50s"),
    ])
    .await;
    let (alices_tab, bobs_tab) = pair.open().await;
    // So far that even a busy machine delivers a cursor in less time than a question to the database takes.
    proxy.set(Network::Far(Duration::from_secs(1)));
    let (stored, has_all_cursors) = (Cell::new(0), Cell::new(false));
    let edits = async {
        while !has_all_cursors.get() {
            let version = stored.get() + 2;
            let answer = write(&alices_tab, pair.document, &format!("slow {version}")).await;
            assert_eq!(answer.value()["version"], version);
            stored.set(stored.get() + 1);
        }
    };
    let cursors = async {
        for column in 0..20 {
            alices_tab.move_cursor(pair.document, 0, column).await.value();
            assert_eq!(bobs_tab.expect_cursor().await["cursor"]["column"], column);
        }
        has_all_cursors.set(true);
        stored.get()
    };
    let ((), stored_before) = join!(edits, cursors);
    // An edit is a few questions to the database. Twenty cursors that asked one each would arrive after more edits.
    assert!(stored_before < 3, "{stored_before} edits were stored before the cursors arrived");
    for version in 2..stored.get() + 2 {
        bobs_tab.expect_version(version).await;
    }
    proxy.set(Network::Up);
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn an_author_of_an_edit_with_an_unknown_outcome_is_sent_the_change() {
    let (pair, proxy) = start_behind_proxy().await;
    let (alices_tab, bobs_tab) = pair.open().await;
    let mut stored_unknown = None;
    // A little later in each round, until the commit arrives at the database and its answer does not arrive here. Other
    // traffic counts as well, so it takes more than one series.
    for round in 0..400_u32 {
        // Every connection that an edit needs is open.
        write_until_accepted(&alices_tab, pair.document, &format!("before {round}")).await;
        let mark = format!("<{round}>");
        proxy.cut_after(round % 24);
        let answer = alices_tab.edit(pair.document, 1, json!([{ "insert": mark }])).await;
        proxy.set(Network::Up);
        if answer.is_ok() || answer.code() != "UNKNOWN" {
            continue;
        }
        // Connections that broke may be noticed at the first read only.
        let operation = "query($id: ID!) { document(id: $id) { content } }";
        let text = loop {
            let answer = pair.alice.run(operation, json!({ "id": pair.document })).await;
            if answer.is_ok() {
                break answer.value()["content"].to_string();
            }
        };
        if text.contains(&mark) {
            stored_unknown = Some(mark);
            break;
        }
    }
    let mark = stored_unknown.expect("one of the edits had an unknown outcome and was stored");
    let change = alices_tab.expect_change().await;
    assert!(change["content"].as_str().unwrap().contains(&mark), "{change:#}");
    pair.stop((alices_tab, bobs_tab)).await;
}
