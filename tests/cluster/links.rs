//! Links that are revoked on one node, for visitors whose sessions are on another.

use kit::{Client as _, Node as _, Pair, Person};

#[actix_web::test]
async fn a_revoked_link_ends_on_every_node_and_in_both_protocols() {
    // No node reconciles in time, so only the relay can bring it.
    let pair = Pair::start_with(&[("COSCRIBE__ROOM__COMPARE_EVERY", "1h")]).await;
    let peer = pair.node.start_peer().await;
    let Pair { node, alice, .. } = &pair;
    let document = alice.create_document("Plan", "Hello").await;
    let link = alice.create_link(document, "EDIT", 2).await;
    let cleo = node.person("Cleo").await;
    cleo.open_link(&link.secret).await.value();
    let guest = Person::enter_as_guest(&peer, "Gus", &link.secret).await.unwrap();
    let (here, there) = (cleo.open(document).await, cleo.at(&peer).open(document).await);
    let guests = (guest.at(node).open_editor(document).await, guest.open_editor(document).await);

    assert!(alice.revoke_link(document, &link.id).await.value() == true);
    alice.write(document, "Secret").await.value();
    for tab in [&here, &there] {
        assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
        assert!(!format!("{:?}", tab.socket.unread()).contains("Secret"));
    }
    for editor in [&guests.0, &guests.1] {
        assert_eq!(editor.expect_close().await.0, 4403);
        assert_eq!(editor.content(), "Hello");
    }
    pair.stop_with(peer, (here, there, guests)).await;
}

#[actix_web::test]
async fn a_visitor_and_a_guest_are_removed_on_every_node() {
    let pair = Pair::start_with(&[("COSCRIBE__ROOM__COMPARE_EVERY", "1h")]).await;
    let peer = pair.node.start_peer().await;
    let Pair { node, alice, .. } = &pair;
    let document = alice.create_document("Plan", "Hello").await;
    let link = alice.create_link(document, "EDIT", 2).await;
    let cleo = node.person("Cleo").await;
    cleo.open_link(&link.secret).await.value();
    let guest = Person::enter_as_guest(node, "Gus", &link.secret).await.unwrap();
    for visitor in [&cleo, &guest] {
        let (tab, editor) =
            (visitor.at(&peer).open(document).await, visitor.at(&peer).open_editor(document).await);
        assert!(alice.revoke(document, visitor).await.value() == true);
        assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
        assert_eq!(editor.expect_close().await.0, 4403);
    }
    pair.stop_with(peer, ()).await;
}

#[actix_web::test]
async fn guests_can_be_switched_off_for_links_from_before() {
    let pair = Pair::start().await;
    let link = pair.alice.create_link(pair.document, "VIEW", 2).await;
    Person::enter_as_guest(&pair.node, "Gus", &link.secret).await.unwrap();
    let peer = pair.node.start_peer_with(|settings| settings.auth.guests_per_link = 0).await;
    let refused = Person::enter_as_guest(&peer, "Mo", &link.secret).await.err().unwrap();
    assert_eq!(refused, "FORBIDDEN");
    pair.stop_with(peer, ()).await;
}
