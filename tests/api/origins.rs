//! Requests from other origins: refused, unless the operator allows the origin.

use kit::{HttpReply, Node as _, TestNode, http_client};
use reqwest::Method;

const ALLOWED: &str = "https://app.example.org";
const FOREIGN: &str = "https://evil.example.org";

/// Starts a node that allows one other origin.
async fn start_node() -> TestNode {
    TestNode::start_with(&[("COSCRIBE__SERVER__ALLOWED_ORIGINS", ALLOWED)]).await
}

/// Sends the preflight request with which a browser asks whether a page may use another origin.
async fn preflight(node: &TestNode, origin: &str, method: &str) -> HttpReply {
    let request = http_client()
        .request(Method::OPTIONS, node.url("/graphql"))
        .header("Origin", origin)
        .header("Access-Control-Request-Method", method)
        .header("Access-Control-Request-Headers", "authorization,content-type,x-session-id");
    HttpReply::to(request).await
}

#[actix_web::test]
async fn an_allowed_origin_may_send_a_token_and_a_session() {
    let node = start_node().await;

    for method in ["POST", "GET"] {
        let reply = preflight(&node, ALLOWED, method).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("Access-Control-Allow-Origin"), ALLOWED);
        assert!(reply.header("Access-Control-Allow-Methods").contains(method), "{reply:?}");
        let headers = reply.header("Access-Control-Allow-Headers").to_lowercase();
        for header in ["authorization", "content-type", "x-session-id"] {
            assert!(headers.contains(header), "{headers}");
        }
    }
    let alice = node.person("Alice").await;
    let request = alice.post().header("Origin", ALLOWED);
    let reply =
        HttpReply::to(request.json(&serde_json::json!({ "query": "{ me { name } }" }))).await;
    assert_eq!(reply.answer().value()["name"], "Alice");
    assert_eq!(reply.header("Access-Control-Allow-Origin"), ALLOWED);
    node.stop().await;
}

#[actix_web::test]
async fn a_foreign_origin_gets_no_cors_headers() {
    let node = start_node().await;
    for origin in [FOREIGN, "https://app.example.org.evil.example", "null"] {
        let reply = preflight(&node, origin, "POST").await;
        assert_eq!(reply.header("Access-Control-Allow-Origin"), "", "{origin}");
    }
    assert_ne!(preflight(&node, ALLOWED, "DELETE").await.status, 200);
    node.stop().await;
}

#[actix_web::test]
async fn the_nodes_own_origin_is_served() {
    let node = start_node().await;
    let alice = node.person("Alice").await;
    let request = alice.post().header("Origin", node.url(""));
    let reply =
        HttpReply::to(request.json(&serde_json::json!({ "query": "{ me { name } }" }))).await;
    assert_eq!(reply.answer().value()["name"], "Alice");
    node.stop().await;
}

#[actix_web::test]
async fn a_foreign_origin_gets_no_socket() {
    let node = start_node().await;
    let alice = node.person("Alice").await;

    for origin in [FOREIGN, "null", "http://127.0.0.1"] {
        let with_token = node.handshake().header("Origin", origin);
        let with_token = with_token.header("Authorization", &format!("Bearer {}", alice.token));
        for handshake in [node.handshake().header("Origin", origin), with_token] {
            let refused = handshake.open().await.err().unwrap();
            assert_eq!((refused.status, &*refused.code), (403, "FORBIDDEN"), "{origin}");
        }
    }

    for origin in [ALLOWED.to_owned(), node.url("")] {
        let mut socket = node.handshake().header("Origin", &origin).open().await.unwrap();
        socket.init(&alice.token).await;
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_page_with_tracing_and_error_tracking_may_use_the_api() {
    let ask = async |node: &TestNode, headers: &str| {
        let request = http_client()
            .request(Method::OPTIONS, node.url("/graphql"))
            .header("Origin", ALLOWED)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", headers);
        HttpReply::to(request).await
    };
    let traced = "authorization,baggage,content-type,sentry-trace,traceparent,x-datadog-trace-id";

    let node = start_node().await;
    let reply = ask(&node, traced).await;
    assert_eq!(reply.status, 200);
    let allowed = reply.header("Access-Control-Allow-Headers").to_lowercase();
    for header in traced.split(',') {
        assert!(allowed.contains(header), "{header} in {allowed}");
    }
    node.stop().await;

    let settings = [
        ("COSCRIBE__SERVER__ALLOWED_ORIGINS", ALLOWED),
        ("COSCRIBE__SERVER__ALLOWED_HEADERS", "traceparent"),
    ];
    let node = TestNode::start_with(&settings).await;
    assert_eq!(ask(&node, "authorization,traceparent").await.status, 200);
    assert_ne!(ask(&node, "authorization,sentry-trace").await.status, 200);
    node.stop().await;
}
