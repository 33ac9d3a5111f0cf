//! Documents that are deleted and brought back on one node, for users whose sessions are on another.

use kit::{Client as _, Pair};
use serde_json::Value;

#[actix_web::test]
async fn a_document_that_was_brought_back_on_one_node_is_edited_on_another() {
    // No node compares in time, so only the relay can bring the deletion.
    let settings = [("COSCRIBE__ROOM__COMPARE_EVERY", "1h")];
    let pair = Pair::start_with(&settings).await;
    let peer = pair.node.start_peer().await;
    let Pair { alice, bob, document, .. } = &pair;
    let document = *document;
    let there = bob.at(&peer);
    let mut version = 1;
    for round in 0..3 {
        let (tab, editor) = (there.open(document).await, there.open_editor(document).await);
        editor.insert(0, &format!("{round} ")).await;
        version += 1;
        let before = tab.expect_version(version).await["content"].clone();

        alice.delete(document).await.value();

        version += 1;
        assert_eq!(tab.expect_version(version).await["kind"], "DELETED");
        tab.socket.expect_complete(&tab.changes).await;
        assert_eq!(editor.expect_close().await.0, 4404);
        assert_eq!(there.read(document).await, Value::Null);

        alice.undelete(document).await.value();

        // At once, on the node that had it open: over HTTP, in a subscription and in an editor.
        assert_eq!(there.read(document).await["content"], before);
        let (tab, editor) = (there.open(document).await, there.open_editor(document).await);
        editor.expect_text(before.as_str().unwrap()).await;
        editor.insert(0, "Back: ").await;
        version += 1;
        let after = format!("Back: {}", before.as_str().unwrap());
        assert_eq!(tab.expect_version(version).await["content"], after.as_str());
        assert_eq!(alice.read_text(document).await, after);
        let longer = format!("{after}!");
        alice.at(&peer).write(document, &longer).await.value();
        version += 1;
        tab.expect_version(version).await;
        editor.expect_text(&longer).await;
        assert_eq!(alice.read_text(document).await, longer);
        drop((tab, editor));
    }
    pair.stop_with(peer, ()).await;
}
