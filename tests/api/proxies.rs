//! The addresses that trusted proxies tell.

use futures_util::future::join_all;
use kit::{HttpReply, Node as _, TestNode, http_client};
use serde_json::json;

/// So few that twenty requests at once exceed it on any machine.
const FEW: (&str, &str) = ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1");
const REQUESTS: usize = 20;

/// Sends requests without a token at once, each with a header as a proxy sets it: it has one of these values for each of
/// them. Returns how many were refused.
async fn refusals(node: &TestNode, header: &str, value: impl Fn(usize) -> String) -> usize {
    let client = http_client();
    let send = |number| {
        let request = client.post(node.url("/graphql")).header(header, value(number));
        HttpReply::to(request.json(&json!({ "query": "{ __typename }" })))
    };
    let replies = join_all((1..=REQUESTS).map(send)).await;
    replies.iter().filter(|reply| reply.status == 429).count()
}

/// Checks that requests with these values of a header count for one address: the first is served, and others are refused.
async fn expect_one_client(node: &TestNode, header: &str, value: impl Fn(usize) -> String) {
    let refused = refusals(node, header, value).await;
    assert!((1..REQUESTS).contains(&refused), "{refused}");
}

/// Checks that requests with these values of a header count for an address each.
async fn expect_many_clients(node: &TestNode, header: &str, value: impl Fn(usize) -> String) {
    assert_eq!(refusals(node, header, value).await, 0);
}

#[actix_web::test]
async fn each_client_of_a_trusted_proxy_has_limits_of_its_own() {
    let trusted = ("COSCRIBE__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1");
    let node = TestNode::start_with(&[FEW, trusted]).await;
    expect_one_client(&node, "X-Forwarded-For", |n| format!("1.1.1.{n}, 198.51.100.1")).await;
    expect_many_clients(&node, "X-Forwarded-For", |n| format!("1.1.1.1, 198.51.101.{n}")).await;
    // The other header comes from the client.
    expect_one_client(&node, "Forwarded", |n| format!("for=198.51.102.{n}")).await;
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
    // One network, and many.
    expect_one_client(&node, "Forwarded", |n| format!("for=\"[2001:db8::{n}]:7\"")).await;
    expect_many_clients(&node, "Forwarded", |n| format!("for=\"[2001:db8:0:{n}::1]\"")).await;
    node.stop().await;
}

#[actix_web::test]
async fn nobody_else_can_tell_an_address() {
    let node = TestNode::start_with(&[FEW]).await;
    expect_one_client(&node, "X-Forwarded-For", |n| format!("198.51.100.{n}")).await;
    node.stop().await;
}
