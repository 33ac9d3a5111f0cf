//! A document is compacted while nodes have it open.

use coscribe::editing::{Kept, compact};
use kit::{Client as _, Node as _, Pair, new_doc};

#[actix_web::test]
async fn nodes_that_have_the_document_open_follow_a_compaction() {
    let pair = Pair::start_with(&[("COSCRIBE__ROOM__COMPARE_EVERY", "100ms")]).await;
    let peer = pair.node.start_peer().await;
    let tab = pair.alice.open(pair.document).await;
    let carol = pair.node.person("Carol").await;
    pair.alice.grant(pair.document, &carol, "EDIT").await.value();
    let editors = [
        pair.bob.open_editor_with_receipts(pair.document).await,
        carol.at(&peer).open_editor_with_receipts(pair.document).await,
    ];
    editors[0].insert(0, "My ").await;
    assert_eq!(editors[0].expect_saved().await, 2);
    tab.expect_version(2).await;
    editors[1].expect_text("My Welcome.").await;

    // As the command does, beside the nodes.
    let compacted = compact(pair.node.store(), pair.document, Kept::Everything).await.unwrap();
    assert_eq!(compacted.version.number(), 3);
    for editor in &editors {
        assert_eq!(editor.expect_close().await.0, 4410);
    }
    let change = tab.expect_version(3).await;
    assert_eq!((&change["kind"], &change["content"]), (&"COMPACTED".into(), &"My Welcome.".into()));

    // Both nodes go on in the new history.
    let again = carol.at(&peer).open_editor_with(pair.document, new_doc(), "").await;
    again.insert(0, "Again: ").await;
    assert_eq!(tab.expect_version(4).await["content"], "Again: My Welcome.");
    assert_eq!(tab.insert(pair.document, "> ").await, 5);
    again.expect_text("Again: My > Welcome.").await;
    pair.stop_with(peer, (tab, editors, again)).await;
}
