//! PostgreSQL away, silent, and back: nothing that was acknowledged is lost, and nothing is there twice.

use coscribe::domain::DocumentId;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    postgres_server::PostgresServer,
    process::{Cluster, alice_and_bob},
    proxy::{Proxy, Weather},
    redis_server::RedisServer,
    support::{Answer, Client, Pair, Tab, TestDatabase},
};

const EDIT: &str = "mutation ($id: ID!, $text: String!, $name: ID!) {
    editDocument(documentId: $id, baseVersion: 1, delta: [{ insert: $text }], mutationId: $name) { version } }";

async fn write(who: &impl Client, pair: &Pair, mark: &str) -> Answer {
    let document = pair.document.to_string();
    who.run(EDIT, json!({ "id": document, "text": format!("<{mark}>"), "name": mark })).await
}

/// Writes until it is answered; refusals must be such as say "later".
async fn write_at_last(who: &impl Client, pair: &Pair, mark: &str) -> i64 {
    loop {
        let answer = write(who, pair, mark).await;
        if answer.is_ok() {
            return answer.value()["version"].as_i64().unwrap();
        }
        assert_eq!(answer.code(), "UNAVAILABLE", "{mark}");
        tokio::task::yield_now().await;
    }
}

/// Alice and Bob on a node that reaches its database through a proxy.
async fn meet_behind_a_proxy() -> (Pair, Proxy) {
    let hasty = [
        ("COSCRIBE__STORE__ACQUIRE_WITHIN", "300ms"),
        ("COSCRIBE__STORE__BUSY_WITHIN", "200ms"),
        ("COSCRIBE__STORE__ANSWER_WITHIN", "400ms"),
    ];
    meet_behind_a_proxy_with(&hasty).await
}

/// The same, with these settings.
async fn meet_behind_a_proxy_with(patience: &[(&str, &str)]) -> (Pair, Proxy) {
    let database =
        TestDatabase::create().await.expect("TEST_DATABASE_URL, as scripts/test sets it");
    let url = database.url();
    let (user, place) = url.trim_start_matches("postgres://").split_once('@').unwrap();
    let (server, name) = place.split_once('/').unwrap();
    let proxy = Proxy::to(server.to_owned()).await;
    let through = format!("postgres://{user}@{}/{name}", proxy.address());
    let mut settings = vec![
        ("COSCRIBE__STORE__URL", through.as_str()),
        ("JWT_SECRET", "a secret of a test, which is long enough"),
        ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "100000"),
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000"),
    ];
    settings.extend(patience);
    (Pair::meet_in(&settings, database).await, proxy)
}

async fn text(pair: &Pair) -> (i64, String) {
    let read = pair.alice.read(pair.document).await;
    (read["version"].as_i64().unwrap(), read["content"].as_str().unwrap().to_owned())
}

#[actix_web::test]
async fn while_the_database_is_away_edits_are_refused_and_sessions_stay() {
    let (pair, proxy) = meet_behind_a_proxy().await;
    let (alices, bobs) = pair.open().await;
    write(&alices, &pair, "before").await.value();
    bobs.expect_version(2).await;

    for weather in [Weather::Cut, Weather::Stalled] {
        proxy.turn(weather);
        let refused = write(&alices, &pair, "meanwhile").await;
        assert_eq!(refused.code(), "UNAVAILABLE", "{weather:?}");
        // What needs no database goes on.
        alices.move_cursor(pair.document, 0, 1).await.value();
        bobs.expect_cursor().await;
        proxy.turn(Weather::Fair);
        write_at_last(&alices, &pair, &format!("after {weather:?}")).await;
    }

    assert!(write_at_last(&alices, &pair, "meanwhile").await > 2);
    let (head, text) = text(&pair).await;
    for mark in ["before", "after Cut", "after Stalled", "meanwhile"] {
        assert_eq!(text.matches(&format!("<{mark}>")).count(), 1, "{mark}: {text}");
    }
    assert_eq!(head, 5);
    for version in 3..=5 {
        bobs.expect_version(version).await;
    }
    pair.end((alices, bobs)).await;
}

#[actix_web::test]
async fn commits_that_are_cut_off_in_the_middle_are_stored_once_or_not_at_all() {
    let (pair, proxy) = meet_behind_a_proxy().await;
    let (alices, bobs) = pair.open().await;
    // A name is its author's own: whoever wrote it repeats it.
    let by = |mark: &str| if mark.ends_with(['0', '2', '4']) { &alices } else { &bobs };
    let mut acknowledged: Vec<(String, Option<i64>)> = Vec::new();
    for round in 0..60_u32 {
        let marks: Vec<String> = (0..6).map(|writer| format!("{round}.{writer}")).collect();
        let edits = marks.iter().map(|mark| write(by(mark), &pair, mark));
        // A little later in each round: at every statement, at the commit, at its answer.
        proxy.cut_after(round * 3);
        let answers = join_all(edits).await;
        proxy.turn(Weather::Fair);
        for (mark, answer) in marks.into_iter().zip(answers) {
            let version = answer.is_ok().then(|| answer.value()["version"].as_i64().unwrap());
            acknowledged.push((mark, version));
        }
    }

    // Everything is asked for once more: what was stored gets the answer that it had.
    let mut versions = Vec::new();
    for (mark, before) in &acknowledged {
        let version = write_at_last(by(mark), &pair, mark).await;
        assert!(before.is_none_or(|before| before == version), "{mark}: {before:?}, now {version}");
        versions.push(version);
    }
    versions.sort_unstable();
    let (head, text) = text(&pair).await;
    assert_eq!(versions, (2..=head).collect::<Vec<_>>(), "no hole, no double");
    for (mark, _) in &acknowledged {
        assert_eq!(text.matches(&format!("<{mark}>")).count(), 1, "{mark}");
    }
    let stored = acknowledged.iter().filter(|(_, version)| version.is_some()).count();
    assert!(stored > 0 && stored < acknowledged.len(), "some were cut off, and some were not");
    println!("{} edits, {stored} acknowledged at once, 0 lost, 0 doubled", acknowledged.len());
    // A reader has heard of every one of them, in order.
    let told: Vec<Value> = {
        let socket = pair.bob.connect().await;
        let since =
            "subscription ($id: ID!) { documentChanged(documentId: $id, since: 1) { version } }";
        socket.start("s", since, &json!({ "id": pair.document.to_string() })).await;
        let mut told = Vec::new();
        for _ in 2..=head {
            told.push(socket.expect_next("s").await["version"].clone());
        }
        told
    };
    assert_eq!(told, (2..=head).map(Value::from).collect::<Vec<_>>());
    pair.end((alices, bobs)).await;
}

#[actix_web::test]
async fn a_database_that_is_restarted_under_two_nodes_loses_nothing_and_doubles_nothing() {
    let mut postgres = PostgresServer::start().await;
    let cluster = Cluster::on_both(&RedisServer::of_the_run(), postgres.url()).await;
    let nodes = [cluster.node().await, cluster.node().await];
    let (alice, bob, document) = alice_and_bob(&nodes[0]).await;
    let alices = alice.open(document).await;
    let bobs = bob.at_address(nodes[1].address()).open(document).await;

    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let marks: Vec<_> = (0..10).map(|edit| format!("{round}.{edit}")).collect();
        let writes = async |who: &Tab, name: &str| {
            let mut versions = Vec::new();
            for mark in &marks {
                versions.push(write_to(who, document, &format!("{name}.{mark}")).await);
            }
            versions
        };
        let restart = async {
            postgres.stop_at_once().await;
            postgres.run().await;
        };
        let (hers, his, ()) =
            futures_util::join!(writes(&alices, "a"), writes(&bobs, "b"), restart);
        acknowledged.extend(hers.into_iter().chain(his));
        for name in ["a", "b"] {
            for mark in &marks {
                let text = alice.read(document).await["content"].as_str().unwrap().to_owned();
                assert_eq!(text.matches(&format!("<{name}.{mark}>")).count(), 1, "{name}.{mark}");
            }
        }
    }
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, (2..=61).collect::<Vec<_>>(), "no hole, no double");
    println!("60 edits acknowledged over 3 restarts, 0 lost, 0 doubled");
}

/// Writes until it is answered: whatever else is said says "later".
async fn write_to(who: &Tab, document: DocumentId, mark: &str) -> i64 {
    loop {
        let variables = json!({ "id": document, "text": format!("<{mark}>"), "name": mark });
        let answer = who.run(EDIT, variables).await;
        if answer.is_ok() {
            return answer.value()["version"].as_i64().unwrap();
        }
        assert_eq!(answer.code(), "UNAVAILABLE", "{mark}");
    }
}

#[actix_web::test]
async fn with_a_slow_database_edits_take_longer_and_nothing_else_does() {
    let (pair, proxy) = meet_behind_a_proxy_with(&[
        ("COSCRIBE__STORE__ACQUIRE_WITHIN", "5s"),
        ("COSCRIBE__STORE__BUSY_WITHIN", "5s"),
        ("COSCRIBE__STORE__ANSWER_WITHIN", "9s"),
    ])
    .await;
    let (alices, bobs) = pair.open().await;
    proxy.turn(Weather::Slow);
    let edits = async {
        for version in 2..5 {
            let answer = write(&alices, &pair, &format!("slow {version}")).await;
            assert_eq!(answer.value()["version"], version);
        }
    };
    let cursors = async {
        for column in 0..20 {
            alices.move_cursor(pair.document, 0, column).await.value();
            assert_eq!(bobs.expect_cursor().await["cursor"]["column"], column);
        }
        std::time::Instant::now()
    };
    let edited = async {
        edits.await;
        std::time::Instant::now()
    };
    let (cursors, edited) = futures_util::join!(cursors, edited);
    assert!(cursors < edited, "twenty cursors were there before three edits");
    for version in 2..5 {
        bobs.expect_version(version).await;
    }
    proxy.turn(Weather::Fair);
    pair.end((alices, bobs)).await;
}
