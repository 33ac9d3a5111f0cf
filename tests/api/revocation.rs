//! Access that is revoked or lowered while its user has the document open.

use futures_util::future::join;
use kit::{Client as _, Node as _, Pair, Tab, TestNode};
use serde_json::{Value, json};

/// Waits until the subscriptions of a tab end, each with an error.
async fn expect_subscriptions_end(tab: &Tab) {
    for id in [&tab.changes, &tab.presence, &tab.cursors] {
        assert_eq!(tab.socket.expect_error(id).await, "FORBIDDEN", "{id}");
    }
}

#[actix_web::test]
async fn revoke_access_answers_after_the_subscriptions_have_ended() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    bobs_tab.move_cursor(*document, 1, 2).await.value();
    alices_tab.expect_cursor().await;

    assert_eq!(alices_tab.revoke(*document, bob).await.value(), true);

    alices_tab.write(*document, "Not for Bob").await.value();
    alices_tab.move_cursor(*document, 9, 9).await.value();
    expect_subscriptions_end(&bobs_tab).await;
    alices_tab.expect_left(bob).await;
    assert_eq!(bobs_tab.write(*document, "Mine").await.code(), "FORBIDDEN");
    assert_eq!(bobs_tab.move_cursor(*document, 1, 2).await.code(), "FORBIDDEN");
    assert_eq!(bobs_tab.presence(*document).await.code(), "FORBIDDEN");
    let again = bobs_tab.socket.start_subscription("documentChanged", *document).await;
    assert_eq!(bobs_tab.socket.expect_error(&again).await, "FORBIDDEN");
    assert_eq!(bobs_tab.read(*document).await, Value::Null);
    // The events of Alice were sent before these answers, and Bob received none.
    bobs_tab.assert_nothing_unread();
    let present = alice.presence(*document).await.value();
    assert_eq!(present.as_array().unwrap().len(), 1);
    assert_eq!(alices_tab.revoke(*document, bob).await.value(), false);
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn every_tab_loses_its_subscriptions_and_keeps_its_socket() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    let bobs_other_tab = bob.open(*document).await;
    bobs_tab.expect_joined(bob).await;
    let own = bob.create_document("Bob's own", "").await;
    let own_changes = bobs_tab.socket.subscribe("documentChanged", own).await;

    alice.revoke(*document, bob).await.value();

    expect_subscriptions_end(&bobs_tab).await;
    expect_subscriptions_end(&bobs_other_tab).await;
    alices_tab.expect_joined(bob).await;
    alices_tab.expect_left(bob).await;
    alices_tab.expect_left(bob).await;
    bobs_other_tab.write(own, "Still mine").await.value();
    assert_eq!(bobs_tab.socket.expect_next(&own_changes).await["content"], "Still mine");
    bobs_other_tab.assert_nothing_unread();
    pair.stop((alices_tab, bobs_tab, bobs_other_tab)).await;
}

#[actix_web::test]
async fn a_user_who_is_granted_access_again_can_subscribe_again() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    alice.revoke(*document, bob).await.value();
    expect_subscriptions_end(&bobs_tab).await;
    alices_tab.expect_left(bob).await;

    alice.grant(*document, bob, "EDIT").await.value();

    let changes = bobs_tab.socket.subscribe("documentChanged", *document).await;
    alices_tab.expect_joined(bob).await;
    alices_tab.write(*document, "Welcome back").await.value();
    assert_eq!(bobs_tab.socket.expect_next(&changes).await["content"], "Welcome back");
    bobs_tab.write(*document, "Thank you").await.value();
    alices_tab.expect_version(3).await;
    bobs_tab.assert_nothing_unread();
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn a_downgraded_user_keeps_subscriptions_but_cannot_edit() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;

    alice.grant(*document, bob, "VIEW").await.value();

    assert_eq!(bobs_tab.write(*document, "Mine").await.code(), "FORBIDDEN");
    assert_eq!(bob.rename(*document, "Mine").await.code(), "FORBIDDEN");
    assert_eq!(bobs_tab.move_cursor(*document, 1, 1).await.value(), true);
    alices_tab.expect_cursor().await;
    alices_tab.write(*document, "Still received").await.value();
    bobs_tab.expect_version(2).await;
    alices_tab.move_cursor(*document, 1, 1).await.value();
    bobs_tab.expect_cursor().await;
    bobs_tab.assert_nothing_unread();
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn a_collaborator_may_leave_and_the_owner_may_not() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;

    assert_eq!(bobs_tab.revoke(*document, bob).await.value(), true);

    expect_subscriptions_end(&bobs_tab).await;
    alices_tab.expect_left(bob).await;
    assert_eq!(bob.read(*document).await, Value::Null);
    assert_eq!(alices_tab.revoke(*document, alice).await.code(), "BAD_USER_INPUT");
    alices_tab.assert_nothing_unread();
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn revocation_discards_queued_events() {
    const QUEUED: u64 = 400_000;
    let pair = Pair::start().await;
    let Pair { node, alice, bob, document } = &pair;
    let bobs_tab = bob.open_slow(*document).await;
    bobs_tab.socket.stop_reading();

    // Write until several events stay in the outbox, because the kernels accept no more.
    let (mut written, mut rounds_queued) = (0_usize, 0);
    while rounds_queued < 2 {
        written += 1;
        alice.write(*document, &format!("{written:08}").repeat(6_000)).await.value();
        let is_queued = node.metric("coscribe_outbox_bytes").await >= QUEUED;
        rounds_queued = if is_queued { rounds_queued + 1 } else { 0 };
    }
    alice.write(*document, "Secret").await.value();
    let carol = node.person("Carol").await;
    alice.grant(*document, &carol, "VIEW").await.value();
    let carols_tab = carol.open(*document).await;
    assert_eq!(node.metric("coscribe_seats_behind").await, 0, "the events are still queued");
    assert!(node.metric("coscribe_outbox_bytes").await >= QUEUED);

    alice.revoke(*document, bob).await.value();

    bobs_tab.socket.resume_reading();
    let (changes, code) = bobs_tab.socket.expect_results_until_error(&bobs_tab.changes).await;
    assert_eq!(code, "FORBIDDEN");
    assert!(changes.len() < written, "{} of {written} and the secret", changes.len());
    for (version, change) in (2..).zip(&changes) {
        assert_eq!(change["version"], version);
    }
    for id in [&bobs_tab.presence, &bobs_tab.cursors] {
        assert_eq!(bobs_tab.socket.expect_error(id).await, "FORBIDDEN");
    }
    assert_eq!(bobs_tab.run("{ me { name } }", json!({})).await.value()["name"], "Bob");
    bobs_tab.assert_nothing_unread();
    carols_tab.expect_left(bob).await;
    pair.stop((bobs_tab, carols_tab)).await;
}

/// The number of subscriptions that start during one revocation.
const AT_ONCE: usize = 8;

#[actix_web::test]
async fn no_subscription_survives_a_concurrent_revocation() {
    let limits = [
        ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000"),
        ("COSCRIBE__LIMITS__GRANTS_TO_USER_PER_HOUR", "1000"),
        ("COSCRIBE__LIMITS__ADDRESS_LOOK_UPS_PER_HOUR", "1000"),
    ];
    let pair = Pair::start_with(&limits).await;
    let Pair { node, alice, bob, document } = &pair;
    let (alices, bobs) = (alice.connect().await, bob.connect().await);

    for round in 0..100 {
        alices.grant(*document, bob, "VIEW").await.value();
        let subscribe = async {
            let mut ids = vec![];
            for _ in 0..AT_ONCE {
                ids.push(bobs.start_subscription("documentChanged", *document).await);
                tokio::task::yield_now().await;
            }
            ids
        };
        // Early in one round and late in another.
        let revoke = async {
            for _ in 0..round % AT_ONCE {
                alices.run("{ me { name } }", json!({})).await.value();
            }
            alices.revoke(*document, bob).await.value();
            alices.write(*document, &format!("Secret {round}")).await.value();
        };

        let (ids, ()) = join(subscribe, revoke).await;

        // Whether it had a seat or not, its first message is its end.
        for id in ids {
            assert_eq!(bobs.expect_error(&id).await, "FORBIDDEN", "round {round}");
        }
        assert_eq!(bobs.unread(), Vec::<Value>::new());
    }
    // Some subscriptions had a seat, and some came too late.
    for outcome in ["ok", "refused"] {
        assert!(node.metrics().await.operations("subscription", outcome) > 0, "{outcome}");
    }
    pair.stop((alices, bobs)).await;
}

#[actix_web::test]
async fn a_revocation_that_revokes_nothing_is_not_announced_to_other_nodes() {
    let node = TestNode::start().await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_shared_document(&[&bob]).await;
    let publishes = async || node.metrics().await.value("coscribe_publishes_total");
    let before = publishes().await;
    assert_eq!(alice.revoke(document, &bob).await.value(), true);
    assert_eq!(publishes().await, before + 1);
    assert_eq!(alice.revoke(document, &bob).await.value(), false);
    assert_eq!(alice.revoke(document, &alice).await.code(), "BAD_USER_INPUT");
    assert_eq!(bob.revoke(document, &bob).await.code(), "FORBIDDEN");
    assert_eq!(publishes().await, before + 1);
    node.stop().await;
}
