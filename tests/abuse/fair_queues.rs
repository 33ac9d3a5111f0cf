//! Users who ask for more than their share of what the node has few of.

use std::{
    cell::Cell,
    future::pending,
    net::{IpAddr, Ipv4Addr},
};

use coscribe::domain::{DocumentId, Network, Party};
use futures_util::future::join_all;
use kit::{Client as _, Node as _, PASSWORD, Person, RawSocket, TestNode};
use serde_json::json;
use tokio::select;

const LOGIN: &str = "mutation($email: String!, $password: String!) { login(email: $email, password: $password) { token } }";

/// Asks `rounds` times while others, whose answers `answered` counts, always wait. Expects that fewer than `few` of them were
/// answered before one of its answers. On a busy machine more are answered while a request is on its way. Without turns, all
/// that wait are answered before each.
async fn expect_few_before_each(
    answered: &Cell<usize>,
    few: usize,
    rounds: usize,
    ask: impl AsyncFn(usize),
) {
    let mut before_each = vec![];
    for round in 0..rounds {
        let before = answered.get();
        ask(round).await;
        before_each.push(answered.get() - before);
    }
    let fewest = before_each.iter().min().unwrap();
    assert!(*fewest < few, "answers to others before each: {before_each:?}");
}

#[actix_web::test]
async fn sign_ins_of_one_user_leave_room_for_those_of_others() {
    let node = TestNode::start_with(&[
        ("COSCRIBE__AUTH__ARGON2_MEMORY_KIB", "4096"),
        ("COSCRIBE__AUTH__HASHES_AT_ONCE", "1"),
        ("COSCRIBE__AUTH__HASHES_WAITING", "4"),
    ])
    .await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let flood = join_all((0..12).map(|guess| {
        let mallory = &mallory;
        async move {
            for number in 0.. {
                let email = format!("nobody-{guess}-{number}@example.org");
                mallory.run(LOGIN, json!({ "email": email, "password": PASSWORD })).await;
            }
        }
    }));
    let sign_ins = async {
        for _ in 0..6 {
            let variables = json!({ "email": alice.email, "password": PASSWORD });
            let signed_in = node.stranger().run(LOGIN, variables).await;
            assert!(signed_in.is_ok(), "{:?}", signed_in.errors());
        }
    };
    select! {
        _ = flood => unreachable!("it has no end"),
        () = sign_ins => {}
    }
    node.stop().await;
}

#[actix_web::test]
async fn large_texts_of_one_user_delay_those_of_others_by_one() {
    const READINGS: usize = 24;
    /// Far fewer than all, and far more than one.
    const FEW: usize = 12;
    let node = TestNode::start_with(&[("COSCRIBE__ROOM__TEXTS_AT_ONCE", "1")]).await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let huge = mallory.create_document("Huge", &"x".repeat(1_000_000)).await;
    let [small, large] = [
        alice.create_document("Small", "text").await,
        alice.create_document("Large", &"y".repeat(100_000)).await,
    ];
    let read = "query($id: ID!) { document(id: $id) { content } }";
    let answered = Cell::new(0);
    let first_is_answered = tokio::sync::Notify::new();
    // Each waits for an answer and asks again, so as many are always waiting.
    let readings = join_all((0..READINGS).map(|_| async {
        for _ in 0.. {
            let answer = mallory.run(read, json!({ "id": huge })).await;
            assert!(answer.is_ok(), "{:?}", answer.errors());
            answered.set(answered.get() + 1);
            first_is_answered.notify_one();
        }
    }));
    let bystander = async {
        first_is_answered.notified().await;
        let ask = async |_: usize| {
            for document in [small, large] {
                let answer = alice.run(read, json!({ "id": document })).await;
                assert!(answer.is_ok(), "{:?}", answer.errors());
            }
        };
        expect_few_before_each(&answered, FEW, 6, ask).await;
    };
    select! {
        _ = readings => unreachable!("it has no end"),
        () = bystander => {}
    }
    node.stop().await;
}

#[actix_web::test]
async fn copies_of_large_documents_delay_no_copy_of_a_small_one() {
    let node = TestNode::start_with(&[("COSCRIBE__ROOM__TEXTS_AT_ONCE", "1")]).await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let huge = mallory.create_document("Huge", &"x".repeat(1_000_000)).await;
    let small = alice.create_document("Small", "text").await;
    let copy = "mutation($id: ID!) { copyDocument(documentId: $id) { id } }";
    let copied = Cell::new(0);
    let first_is_copied = tokio::sync::Notify::new();
    let copies = join_all((0..6).map(|_| async {
        for _ in 0.. {
            if mallory.run(copy, json!({ "id": huge })).await.is_ok() {
                copied.set(copied.get() + 1);
                first_is_copied.notify_one();
            }
        }
    }));
    let bystander = async {
        first_is_copied.notified().await;
        let ask = async |_: usize| {
            let answer = alice.run(copy, json!({ "id": small })).await;
            assert!(answer.is_ok(), "{:?}", answer.errors());
        };
        expect_few_before_each(&copied, 1, 12, ask).await;
    };
    select! {
        _ = copies => unreachable!("it has no end"),
        () = bystander => {}
    }
    node.stop().await;
}

#[actix_web::test]
async fn heavy_documents_of_several_users_do_not_delay_one_of_medium_size() {
    const USERS: usize = 5;
    /// Fewer than if each of the users had their turn first.
    const FEW: usize = USERS - 1;
    let node = TestNode::start_with(&[("COSCRIBE__ROOM__TEXTS_AT_ONCE", "1")]).await;
    let alice = node.person("Alice").await;
    let medium = alice.create_document("Medium", &"y".repeat(300_000)).await;
    let mut heavy = vec![];
    for number in 0..USERS {
        let mallory = node.person(&format!("Mallory{number}")).await;
        let document = mallory.create_document("Heavy", &"x".repeat(3_000_000)).await;
        heavy.push((mallory, document));
    }
    let read = "query($id: ID!) { document(id: $id) { version content } }";
    let answered = Cell::new(0);
    let all_have_begun = tokio::sync::Notify::new();
    let read_again_and_again = async |(mallory, document): &(Person, DocumentId)| {
        for _ in 0.. {
            let answer = mallory.run(read, json!({ "id": document })).await;
            assert!(answer.is_ok(), "{:?}", answer.errors());
            answered.set(answered.get() + 1);
            if answered.get() >= 2 * USERS {
                all_have_begun.notify_one();
            }
        }
    };
    let readings =
        join_all(heavy.iter().flat_map(|of_user| [of_user; 3]).map(&read_again_and_again));
    let bystander = async {
        all_have_begun.notified().await;
        let ask = async |_: usize| {
            let answer = alice.run(read, json!({ "id": medium })).await;
            assert!(answer.is_ok(), "{:?}", answer.errors());
        };
        expect_few_before_each(&answered, FEW, 8, ask).await;
    };
    select! {
        _ = readings => unreachable!("it has no end"),
        () = bystander => {}
    }
    node.stop().await;
}

/// Creates a document with this many changes after its first version, each about a page of the log.
async fn long_log(owner: &Person, changes: usize) -> DocumentId {
    let document = owner.create_document("Long", "").await;
    for change in 0..changes {
        let text = ["x", "y"][change % 2].repeat(50_000);
        owner.write(document, &text).await.value();
    }
    document
}

#[actix_web::test]
async fn replays_of_one_user_delay_those_of_others_by_few() {
    const CHANGES: usize = 12;
    const REPLAYS: usize = 60;
    /// Far fewer than if each of Alice's pages waited for one of every other replay.
    const FEW: usize = 200;
    // What is missed is read from the log.
    let node = TestNode::start_with(&[("COSCRIBE__ROOM__RECENT_BYTES", "1")]).await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let (long, short) = (long_log(&mallory, CHANGES).await, long_log(&alice, CHANGES).await);
    let (mut flood, mut reader) = (mallory.connect_raw().await, alice.connect_raw().await);
    let since = |document| {
        format!(
            "subscription {{ documentChanged(documentId: \"{document}\", since: 1) {{ version }} }}"
        )
    };
    for replay in 0..REPLAYS {
        flood.start(&replay.to_string(), &since(long)).await;
    }
    let replayed = Cell::new(0);
    let has_begun = tokio::sync::Notify::new();
    let replays = async {
        while replayed.get() < REPLAYS * CHANGES {
            assert_eq!(flood.expect_message().await["type"], "next");
            replayed.set(replayed.get() + 1);
            has_begun.notify_one();
        }
    };
    let bystander = async {
        has_begun.notified().await;
        let before = replayed.get();
        reader.start("s", &since(short)).await;
        for version in 0..CHANGES {
            assert_eq!(reader.expect_next("s").await["version"], version + 2);
        }
        let others = replayed.get() - before;
        assert!(others < FEW, "after {others} changes of the others");
    };
    tokio::join!(replays, bystander);
    drop((flood, reader));
    node.stop().await;
}

/// Holds every turn to read that a party may have, and checks that `theirs` waits for one while `others` do not.
async fn expect_turns<T>(
    node: &TestNode,
    party: Party,
    theirs: impl Future<Output = T>,
    others: impl Future<Output = ()>,
) {
    let held = join_all((0..8).map(|_| node.store().read_for(party, pending::<()>())));
    select! {
        biased;
        _ = held => unreachable!("it has no end"),
        _ = theirs => panic!("{party:?} has read without a turn"),
        () = others => {}
    }
}

/// Subscribes and waits for the change that the subscriber has missed.
async fn catch_up(socket: &mut RawSocket, document: DocumentId) {
    let operation = format!(
        "subscription {{ documentChanged(documentId: \"{document}\", since: 1) {{ version }} }}"
    );
    socket.start("s", &operation).await;
    assert_eq!(socket.expect_next("s").await["version"], 2);
}

#[actix_web::test]
async fn whatever_a_user_does_waits_for_their_turn_to_read() {
    let node = TestNode::start().await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let [of_alice, of_mallory] =
        [alice.create_document("A", "").await, mallory.create_document("M", "").await];
    alice.write(of_alice, "changed").await.value();
    mallory.write(of_mallory, "changed").await.value();
    let (mut alices, mut mallorys) = (alice.connect_raw().await, mallory.connect_raw().await);
    let party = Party::User(mallory.id);

    let ask = async |person: &Person| {
        for _ in 0..5 {
            assert!(person.run("{ __typename }", json!({})).await.is_ok());
        }
    };
    expect_turns(&node, party, ask(&mallory), ask(&alice)).await;
    let connect = async |person: &Person| {
        for _ in 0..5 {
            drop(person.connect().await);
        }
    };
    expect_turns(&node, party, connect(&mallory), connect(&alice)).await;
    let subscribing = catch_up(&mut mallorys, of_mallory);
    expect_turns(&node, party, subscribing, catch_up(&mut alices, of_alice)).await;

    // Without a token, the network of the client has the turns.
    let network = Network::of(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let variables = json!({ "email": alice.email, "password": PASSWORD });
    let stranger = node.stranger();
    let signing_in = stranger.run(LOGIN, variables.clone());
    expect_turns(&node, Party::Stranger(Some(network)), signing_in, ask(&alice)).await;

    // Their turns are free again.
    ask(&mallory).await;
    assert!(stranger.run(LOGIN, variables).await.is_ok());
    drop((alices, mallorys));
    node.stop().await;
}

#[actix_web::test]
async fn writes_of_one_user_delay_those_of_others_by_few() {
    const WRITES: usize = 100;
    /// Far fewer than all, and far more than one.
    const FEW: usize = 50;
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__EDITS_PER_SECOND", "1000000")]).await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    let document = alice.create_document("Plan", "").await;
    let answered = Cell::new(0);
    let first_is_answered = tokio::sync::Notify::new();
    let create = "mutation { createDocument(title: \"x\") { id } }";
    // Each waits for an answer and asks again, so as many are always waiting.
    let flood = join_all((0..WRITES).map(|_| async {
        loop {
            let answer = mallory.run(create, json!({})).await;
            assert!(answer.is_ok(), "{:?}", answer.errors());
            answered.set(answered.get() + 1);
            first_is_answered.notify_one();
        }
    }));
    let bystander = async {
        first_is_answered.notified().await;
        let ask = async |number: usize| {
            alice.write(document, &format!("{number}")).await.value();
        };
        expect_few_before_each(&answered, FEW, 6, ask).await;
    };
    select! {
        _ = flood => unreachable!("it has no end"),
        () = bystander => {}
    }
    node.stop().await;
}

#[actix_web::test]
async fn large_changes_of_many_authors_delay_those_of_another_by_few() {
    const AGENTS: usize = 24;
    /// Far fewer than all, and far more than one.
    const FEW: usize = AGENTS / 2;
    let settings =
        [("COSCRIBE__ROOM__TEXTS_AT_ONCE", "8"), ("COSCRIBE__ROOM__APPLY_WITHIN", "60s")];
    let node = TestNode::start_with(&settings).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let mut agents = vec![];
    for number in 0..AGENTS {
        let agent = node.person(&format!("Agent{number}")).await;
        alice.grant(document, &agent, "EDIT").await.value();
        agents.push(agent);
    }
    let answered = Cell::new(0);
    let all_have_begun = tokio::sync::Notify::new();
    let body = "x".repeat(300_000);
    let write_again_and_again = async |(number, agent): (usize, &Person)| {
        for round in 0.. {
            agent.write(document, &format!("{body}{number}.{round}")).await.value();
            answered.set(answered.get() + 1);
            if answered.get() >= AGENTS {
                all_have_begun.notify_one();
            }
        }
    };
    let writing = join_all(agents.iter().enumerate().map(&write_again_and_again));
    let typing = async {
        all_have_begun.notified().await;
        let ask = async |round: usize| {
            let title = format!("Plan {round}");
            alice.rename(document, &title).await.value();
        };
        expect_few_before_each(&answered, FEW, 6, ask).await;
    };
    select! {
        _ = writing => unreachable!("it has no end"),
        () = typing => {}
    }
    node.stop().await;
}
