//! The metrics that operators depend on: connections, subscriptions, failed authentication and denied access.

use kit::{Client as _, Node as _, PASSWORD, Pair, TestNode};
use serde_json::json;

#[actix_web::test]
async fn connections_and_subscriptions_are_counted_while_they_are_open() {
    let pair = Pair::start().await;
    let Pair { node, .. } = &pair;
    let by_topic = |topic: &str| format!("active_subscriptions_total{{topic=\"{topic}\"}}");
    let metrics = node.metrics().await;
    assert_eq!(metrics.value("active_websocket_connections"), 0);
    assert_eq!(metrics.value(&by_topic("changes")), 0);

    let (alices_tab, bobs_tab) = pair.open().await;

    let metrics = node.metrics().await;
    assert_eq!(metrics.value("active_websocket_connections"), 2);
    for topic in ["changes", "presence", "cursors"] {
        assert_eq!(metrics.value(&by_topic(topic)), 2, "{topic}");
    }
    bobs_tab.socket.complete(&bobs_tab.changes).await;
    node.expect_metric(&by_topic("changes"), 1).await;
    drop((alices_tab, bobs_tab));
    node.expect_metric("active_websocket_connections", 0).await;
    node.expect_metric(&by_topic("presence"), 0).await;
    pair.stop(()).await;
}

#[actix_web::test]
async fn authentication_failures_are_counted_by_reason() {
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

    let metrics = node.metrics().await;
    for reason in ["wrong_credentials", "malformed", "missing"] {
        let name = format!("auth_failures_total{{reason=\"{reason}\"}}");
        assert_eq!(metrics.value(&name), 1, "{reason}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn permission_denials_are_counted_on_every_path() {
    let pair = Pair::start().await;
    let Pair { node, document, alice, .. } = &pair;
    let mallory = node.person("Mallory").await;
    let (alices, mallorys) = (alice.connect().await, mallory.connect().await);

    mallory.write(*document, "Mine").await.code();
    assert_eq!(node.metric("permission_denials_total").await, 1);
    mallorys.write(*document, "Mine").await.code();
    assert_eq!(node.metric("permission_denials_total").await, 2);
    let id = mallorys.start_subscription("documentChanged", *document).await;
    mallorys.expect_error(&id).await;
    assert_eq!(node.metric("permission_denials_total").await, 3);
    mallory.with_session(alices.session()).presence(*document).await.code();
    assert_eq!(node.metric("permission_denials_total").await, 4);
    pair.stop((alices, mallorys)).await;
}

#[actix_web::test]
async fn the_page_has_the_prometheus_text_format() {
    let node = TestNode::start().await;
    let page = node.get("/metrics").await;
    assert_eq!(page.status, 200);
    assert!(page.header("Content-Type").starts_with("text/plain; version=0.0.4"), "{page:?}");
    node.stop().await;
}
