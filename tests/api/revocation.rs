//! Access that is taken away or lowered while its user is there.

use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::{Client as _, Pair, Tab};

/// The streams of a tab end, each under its own id.
async fn expect_streams_to_end(tab: &Tab) {
    for id in [&tab.changes, &tab.presence, &tab.cursors] {
        assert_eq!(tab.socket.expect_error(id).await, "FORBIDDEN", "{id}");
    }
}

#[actix_web::test]
async fn when_revoke_access_answers_bobs_streams_have_ended() {
    let pair = Pair::meet().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    bobs_tab.move_cursor(*document, 1, 2).await.value();
    alices_tab.expect_cursor().await;

    assert_eq!(alices_tab.revoke(*document, bob).await.value(), true);

    alices_tab.write(*document, "Not for Bob").await.value();
    alices_tab.move_cursor(*document, 9, 9).await.value();
    expect_streams_to_end(&bobs_tab).await;
    alices_tab.expect_left(bob).await;
    assert_eq!(bobs_tab.write(*document, "Mine").await.code(), "FORBIDDEN");
    assert_eq!(bobs_tab.move_cursor(*document, 1, 2).await.code(), "FORBIDDEN");
    assert_eq!(bobs_tab.presence(*document).await.code(), "FORBIDDEN");
    let again = bobs_tab.socket.begin("documentChanged", *document).await;
    assert_eq!(bobs_tab.socket.expect_error(&again).await, "FORBIDDEN");
    assert_eq!(bobs_tab.read(*document).await, Value::Null);
    // All that Alice did had been told before Bob got these answers, and he had none of it.
    bobs_tab.expect_nothing_left();
    let present = alice.presence(*document).await.value();
    assert_eq!(present.as_array().unwrap().len(), 1);
    assert_eq!(alices_tab.revoke(*document, bob).await.value(), false);
    pair.end((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn every_tab_of_his_loses_its_streams_and_keeps_its_socket() {
    let pair = Pair::meet().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    let bobs_other_tab = bob.open(*document).await;
    bobs_tab.expect_joined(bob).await;
    let own = bob.create_document("Bob's own", "").await;
    let of_own = bobs_tab.socket.subscribe("documentChanged", own).await;

    alice.revoke(*document, bob).await.value();

    expect_streams_to_end(&bobs_tab).await;
    expect_streams_to_end(&bobs_other_tab).await;
    alices_tab.expect_joined(bob).await;
    alices_tab.expect_left(bob).await;
    alices_tab.expect_left(bob).await;
    bobs_other_tab.write(own, "Still mine").await.value();
    assert_eq!(bobs_tab.socket.expect_next(&of_own).await["content"], "Still mine");
    bobs_other_tab.expect_nothing_left();
    pair.end((alices_tab, bobs_tab, bobs_other_tab)).await;
}

#[actix_web::test]
async fn whoever_is_let_in_again_starts_anew() {
    let pair = Pair::meet().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    alice.revoke(*document, bob).await.value();
    expect_streams_to_end(&bobs_tab).await;
    alices_tab.expect_left(bob).await;

    alice.grant(*document, bob, "EDIT").await.value();

    let changes = bobs_tab.socket.subscribe("documentChanged", *document).await;
    alices_tab.expect_joined(bob).await;
    alices_tab.write(*document, "Welcome back").await.value();
    assert_eq!(bobs_tab.socket.expect_next(&changes).await["content"], "Welcome back");
    bobs_tab.write(*document, "Thank you").await.value();
    alices_tab.expect_version(3).await;
    bobs_tab.expect_nothing_left();
    pair.end((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn whoever_is_lowered_keeps_his_streams_and_changes_nothing_any_more() {
    let pair = Pair::meet().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;

    alice.grant(*document, bob, "VIEW").await.value();

    assert_eq!(bobs_tab.write(*document, "Mine").await.code(), "FORBIDDEN");
    assert_eq!(bob.rename(*document, "Mine").await.code(), "FORBIDDEN");
    assert_eq!(bobs_tab.move_cursor(*document, 1, 1).await.value(), true);
    alices_tab.expect_cursor().await;
    alices_tab.write(*document, "Still told").await.value();
    bobs_tab.expect_version(2).await;
    alices_tab.move_cursor(*document, 1, 1).await.value();
    bobs_tab.expect_cursor().await;
    bobs_tab.expect_nothing_left();
    pair.end((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn a_collaborator_may_leave_and_the_owner_may_not() {
    let pair = Pair::meet().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;

    assert_eq!(bobs_tab.revoke(*document, bob).await.value(), true);

    expect_streams_to_end(&bobs_tab).await;
    alices_tab.expect_left(bob).await;
    assert_eq!(bob.read(*document).await, Value::Null);
    assert_eq!(alices_tab.revoke(*document, alice).await.code(), "BAD_USER_INPUT");
    alices_tab.expect_nothing_left();
    pair.end((alices_tab, bobs_tab)).await;
}

/// A text that no pair of socket buffers holds.
const HUGE: usize = 12 * 1024 * 1024;

#[actix_web::test]
async fn what_still_waits_for_him_is_gone() {
    let limits =
        [("COSCRIBE__LIMITS__MESSAGE", "33554432"), ("COSCRIBE__LIMITS__DOCUMENT", "33554432")];
    let pair = Pair::meet_with(&limits).await;
    let Pair { node, alice, bob, document } = &pair;
    let bobs_tab = bob.open(*document).await;
    bobs_tab.socket.stop_reading();

    // The connection takes the huge text and cannot pass it on, so what follows waits in the outbox.
    alice.write(*document, &"x".repeat(HUGE)).await.value();
    node.until_meter("coscribe_outbox_bytes", 0.0).await;
    for text in ["First secret", "Second secret", "Third secret"] {
        alice.write(*document, text).await.value();
    }
    let carol = node.person("Carol").await;
    alice.grant(*document, &carol, "VIEW").await.value();
    let carols_tab = carol.open(*document).await;
    let waiting = node.meters().await.value("coscribe_outbox_bytes");
    assert!(waiting > 3.0 * 200.0, "nothing waits: make the huge text larger");

    alice.revoke(*document, bob).await.value();

    bobs_tab.socket.read_on();
    let huge = bobs_tab.expect_version(2).await;
    assert_eq!(huge["content"].as_str().unwrap().len(), HUGE);
    expect_streams_to_end(&bobs_tab).await;
    assert_eq!(bobs_tab.run("{ me { name } }", json!({})).await.value()["name"], "Bob");
    bobs_tab.expect_nothing_left();
    carols_tab.expect_left(bob).await;
    pair.end((bobs_tab, carols_tab)).await;
}

/// How many of Bob's subscriptions meet one revocation.
const AT_ONCE: usize = 8;

#[actix_web::test]
async fn no_subscription_slips_in_while_access_is_being_revoked() {
    let limits = [("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000")];
    let pair = Pair::meet_with(&limits).await;
    let Pair { node, alice, bob, document } = &pair;
    let (alices, bobs) = (alice.connect().await, bob.connect().await);

    for round in 0..100 {
        alices.grant(*document, bob, "VIEW").await.value();
        let subscribe = async {
            let mut ids = vec![];
            for _ in 0..AT_ONCE {
                ids.push(bobs.begin("documentChanged", *document).await);
                tokio::task::yield_now().await;
            }
            ids
        };
        // Early in one round, late in another.
        let revoke = async {
            for _ in 0..round % AT_ONCE {
                alices.run("{ me { name } }", json!({})).await.value();
            }
            alices.revoke(*document, bob).await.value();
            alices.write(*document, &format!("Secret {round}")).await.value();
        };

        let (ids, ()) = join(subscribe, revoke).await;

        // Whether it had been seated or not: its first message is its end.
        for id in ids {
            assert_eq!(bobs.expect_error(&id).await, "FORBIDDEN", "round {round}");
        }
        assert_eq!(bobs.left_over(), Vec::<Value>::new());
    }
    // There were those who sat already and those who came too late.
    for outcome in ["ok", "refused"] {
        let met = node.meters().await.operations("subscription", outcome);
        assert!(met > 0.0, "{outcome}: {met}");
    }
    pair.end((alices, bobs)).await;
}
