//! Web pages of other origins: kept out, unless the operator lets them in.

use reqwest::Method;

use crate::support::{Reply, TestNode, http_client};

const FRIEND: &str = "https://app.example.org";
const FOREIGN: &str = "https://evil.example.org";

async fn node_with_a_friend() -> TestNode {
    TestNode::start_with(&[("COSCRIBE__SERVER__ALLOWED_ORIGINS", FRIEND)]).await
}

/// What a browser asks before it lets a page send a request to another origin.
async fn preflight(node: &TestNode, origin: &str, method: &str) -> Reply {
    let request = http_client()
        .request(Method::OPTIONS, node.url("/graphql"))
        .header("Origin", origin)
        .header("Access-Control-Request-Method", method)
        .header("Access-Control-Request-Headers", "authorization,content-type,x-session-id");
    Reply::to(request).await
}

#[actix_web::test]
async fn a_page_that_is_let_in_may_send_requests_with_a_token_and_a_session() {
    let node = node_with_a_friend().await;

    for method in ["POST", "GET"] {
        let reply = preflight(&node, FRIEND, method).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("Access-Control-Allow-Origin"), FRIEND);
        assert!(reply.header("Access-Control-Allow-Methods").contains(method), "{reply:?}");
        let headers = reply.header("Access-Control-Allow-Headers").to_lowercase();
        for header in ["authorization", "content-type", "x-session-id"] {
            assert!(headers.contains(header), "{headers}");
        }
    }
    let alice = node.person("Alice").await;
    let request = alice.post().header("Origin", FRIEND);
    let reply = Reply::to(request.json(&serde_json::json!({ "query": "{ me { name } }" }))).await;
    assert_eq!(reply.answer().value()["name"], "Alice");
    assert_eq!(reply.header("Access-Control-Allow-Origin"), FRIEND);
    node.stop().await;
}

#[actix_web::test]
async fn a_foreign_page_is_told_no() {
    let node = node_with_a_friend().await;
    for origin in [FOREIGN, "https://app.example.org.evil.example", "null"] {
        let reply = preflight(&node, origin, "POST").await;
        assert_eq!(reply.header("Access-Control-Allow-Origin"), "", "{origin}");
    }
    assert_ne!(preflight(&node, FRIEND, "DELETE").await.status, 200);
    node.stop().await;
}

#[actix_web::test]
async fn the_nodes_own_pages_send_their_origin_and_are_served() {
    let node = node_with_a_friend().await;
    let alice = node.person("Alice").await;
    let request = alice.post().header("Origin", node.url(""));
    let reply = Reply::to(request.json(&serde_json::json!({ "query": "{ me { name } }" }))).await;
    assert_eq!(reply.answer().value()["name"], "Alice");
    node.stop().await;
}

#[actix_web::test]
async fn a_foreign_page_gets_no_socket() {
    let node = node_with_a_friend().await;
    let alice = node.person("Alice").await;

    for origin in [FOREIGN, "null", "http://127.0.0.1"] {
        let with_token = node.handshake().header("Origin", origin);
        let with_token = with_token.header("Authorization", &format!("Bearer {}", alice.token));
        for handshake in [node.handshake().header("Origin", origin), with_token] {
            let refused = handshake.open().await.err().unwrap();
            assert_eq!((refused.status, &*refused.code), (403, "FORBIDDEN"), "{origin}");
        }
    }

    for origin in [FRIEND.to_owned(), node.url("")] {
        let socket = node.handshake().header("Origin", &origin).open().await.unwrap();
        drop(socket.introduce(&alice.token).await);
    }
    node.stop().await;
}
