//! The addresses that trusted proxies tell.

use kit::{HttpReply, Node as _, TestNode, http_client};
use serde_json::json;

const FEW: (&str, &str) = ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "5");

/// Sends requests of a client without a token through a proxy that tells this address in this header. Returns how many were
/// refused.
async fn refusals(node: &TestNode, requests: usize, header: &str, client: &str) -> usize {
    let send = |_| {
        let request = http_client().post(node.url("/graphql")).header(header, client);
        HttpReply::to(request.json(&json!({ "query": "{ __typename }" })))
    };
    let replies = futures_util::future::join_all((0..requests).map(send)).await;
    replies.iter().filter(|reply| reply.status == 429).count()
}

#[actix_web::test]
async fn each_client_of_a_trusted_proxy_has_limits_of_its_own() {
    let trusted = ("COSCRIBE__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1");
    let node = TestNode::start_with(&[FEW, trusted]).await;

    assert!(refusals(&node, 40, "X-Forwarded-For", "1.1.1.1, 198.51.100.1").await >= 20);
    assert_eq!(refusals(&node, 3, "X-Forwarded-For", "198.51.100.1, 198.51.100.2").await, 0);
    // The other header comes from the client.
    assert_eq!(refusals(&node, 1, "Forwarded", "for=198.51.100.1").await, 0);
    node.stop().await;
}

#[actix_web::test]
async fn the_header_of_rfc_7239_is_read_if_the_proxy_sets_it() {
    let node = TestNode::start_with(&[
        FEW,
        ("COSCRIBE__SERVER__TRUSTED_PROXIES", "127.0.0.0/8"),
        ("COSCRIBE__SERVER__FORWARDED_HEADER", "forwarded"),
    ])
    .await;

    let (one, other) = ("for=\"[2001:db8::1]:7\"", "for=\"[2001:db8:0:1::1]\"");
    assert!(refusals(&node, 40, "Forwarded", one).await >= 20);
    assert_eq!(refusals(&node, 3, "Forwarded", other).await, 0);
    node.stop().await;
}

#[actix_web::test]
async fn nobody_else_can_tell_an_address() {
    let node = TestNode::start_with(&[FEW]).await;
    let mut refused = 0;
    for client in 0..40 {
        refused += refusals(&node, 1, "X-Forwarded-For", &format!("198.51.100.{client}")).await;
    }
    // In turn, each refusal lasts long enough for one more request.
    assert!(refused > 0);
    node.stop().await;
}
