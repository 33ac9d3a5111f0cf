//! The four meters that operators were promised, and that they move.

use serde_json::json;

use crate::support::{Client as _, PASSWORD, Pair, Reply, TestNode, http_client};

#[actix_web::test]
async fn connections_and_subscriptions_are_counted_while_they_are_open() {
    let pair = Pair::meet().await;
    let Pair { node, .. } = &pair;
    let by_topic = |topic: &str| format!("active_subscriptions_total{{topic=\"{topic}\"}}");
    let meters = node.meters().await;
    assert_eq!(meters.value("active_websocket_connections"), 0.0);
    assert_eq!(meters.value(&by_topic("changes")), 0.0);

    let (alices_tab, bobs_tab) = pair.open().await;

    let meters = node.meters().await;
    assert_eq!(meters.value("active_websocket_connections"), 2.0);
    for topic in ["changes", "presence", "cursors"] {
        assert_eq!(meters.value(&by_topic(topic)), 2.0, "{topic}");
    }
    bobs_tab.socket.complete(&bobs_tab.changes).await;
    node.until_meter(&by_topic("changes"), 1.0).await;
    drop((alices_tab, bobs_tab));
    node.until_meter("active_websocket_connections", 0.0).await;
    node.until_meter(&by_topic("presence"), 0.0).await;
    pair.end(()).await;
}

#[actix_web::test]
async fn failures_to_sign_in_are_counted_by_reason() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let login = "mutation($email: String!, $password: String!) {
        login(email: $email, password: $password) { token } }";
    let attempt = |password: &str| {
        let variables = json!({ "email": alice.email, "password": password });
        alice.run(login, variables)
    };

    attempt(PASSWORD).await.value();
    attempt("a wrong password").await.code();
    alice.with_token("no token").send(&json!({ "query": "{ me { id } }" })).await.code();
    let socket = node.handshake().open().await.unwrap();
    socket.send(json!({ "type": "connection_init" })).await;
    socket.expect_close().await;

    let meters = node.meters().await;
    for reason in ["wrong_credentials", "malformed", "missing"] {
        let name = format!("auth_failures_total{{reason=\"{reason}\"}}");
        assert_eq!(meters.value(&name), 1.0, "{reason}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn refusals_for_lack_of_access_are_counted_on_every_path() {
    let pair = Pair::meet().await;
    let Pair { node, document, alice, .. } = &pair;
    let mallory = node.person("Mallory").await;
    let (alices, mallorys) = (alice.connect().await, mallory.connect().await);

    mallory.write(*document, "Mine").await.code();
    assert_eq!(node.meters().await.value("permission_denials_total"), 1.0);
    mallorys.write(*document, "Mine").await.code();
    assert_eq!(node.meters().await.value("permission_denials_total"), 2.0);
    let id = mallorys.begin("documentChanged", *document).await;
    mallorys.expect_error(&id).await;
    assert_eq!(node.meters().await.value("permission_denials_total"), 3.0);
    mallory.naming(alices.session()).presence(*document).await.code();
    assert_eq!(node.meters().await.value("permission_denials_total"), 4.0);
    pair.end((alices, mallorys)).await;
}

#[actix_web::test]
async fn the_page_is_one_that_prometheus_reads() {
    let node = TestNode::start().await;
    let page = Reply::to(http_client().get(node.url("/metrics"))).await;
    assert_eq!(page.status, 200);
    assert!(page.header("Content-Type").starts_with("text/plain; version=0.0.4"), "{page:?}");
    node.stop().await;
}
