//! Tickets that one node issues and another redeems.

use futures_util::future::join;
use kit::{Client as _, Editor, Handshake, Node, Pair};
use serde_json::json;

/// Gets a ticket for Bob from the first node.
async fn bobs_ticket(pair: &Pair) -> String {
    let issued = pair.bob.create_ticket(pair.document).await.value();
    issued["ticket"].as_str().unwrap().to_owned()
}

/// The handshake of an editor that shows a ticket to a node.
fn with_ticket(node: &impl Node, pair: &Pair, ticket: &str) -> Handshake {
    Handshake::to_document(node.address(), pair.document, &format!("?ticket={ticket}"))
}

#[actix_web::test]
async fn another_node_redeems_a_ticket_once_for_all() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let ticket = bobs_ticket(&pair).await;

    let editor = Editor::open_by(with_ticket(&peer, &pair, &ticket)).await;
    editor.insert(0, "Read: ").await;
    let alices = pair.alice.open_editor(pair.document).await;
    alices.expect_text("Read: Welcome.").await;

    for handshake in [with_ticket(&pair.node, &pair, &ticket), with_ticket(&peer, &pair, &ticket)] {
        let closed = handshake.open_raw().await.expect_close().await;
        assert_eq!(closed, (4403, "Ticket used before; get another one".to_owned()));
    }
    pair.bob.run("mutation { signOut }", json!({})).await.value();
    assert_eq!(editor.expect_close().await, (4403, "Signed out; sign in again".to_owned()));
    pair.stop_with(peer, (editor, alices)).await;
}

#[actix_web::test]
async fn of_two_nodes_that_redeem_a_ticket_at_once_one_accepts_it() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    for _ in 0..5 {
        let ticket = bobs_ticket(&pair).await;
        let here = Editor::connect_by(with_ticket(&pair.node, &pair, &ticket));
        let there = Editor::connect_by(with_ticket(&peer, &pair, &ticket));
        let (here, there) = join(here, there).await;
        let (is_here, is_there) = join(here.is_admitted(), there.is_admitted()).await;
        assert!(is_here != is_there, "{is_here} {is_there}");
        let refused = if is_here { there } else { here };
        assert_eq!(refused.expect_close().await.0, 4403);
    }
    pair.stop_with(peer, ()).await;
}
