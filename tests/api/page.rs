//! The GraphiQL page, the headers of all responses, and where the metrics are served.

use kit::{HttpReply, Node as _, TestNode, http_client};

const SCRIPT: &str = "/graphiql/graphiql.js";

#[actix_web::test]
async fn a_file_of_the_page_is_compressed_and_not_sent_again() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000")]).await;
    let get = |name: &'static str, value: &str| {
        http_client().get(node.url(SCRIPT)).header(name, value).send()
    };

    let plain = get("Accept-Encoding", "identity").await.unwrap();
    let tag = plain.headers()["ETag"].to_str().unwrap().to_owned();
    assert!(plain.headers().get("Content-Encoding").is_none());
    assert_eq!(plain.headers()["Cache-Control"], "no-cache");
    let length = plain.bytes().await.unwrap().len();

    for accepted in ["gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8"] {
        let zipped = get("Accept-Encoding", accepted).await.unwrap();
        assert_eq!(zipped.headers()["Content-Encoding"], "gzip", "{accepted}");
        assert!(zipped.headers()["Vary"].to_str().unwrap().contains("accept-encoding"));
        assert_ne!(zipped.headers()["ETag"], tag.as_str());
        let bytes = zipped.bytes().await.unwrap();
        assert!(bytes.starts_with(&[0x1f, 0x8b]) && bytes.len() < length / 2, "{}", bytes.len());
    }
    for not_accepted in ["gzip;q=0", "br"] {
        let plain = get("Accept-Encoding", not_accepted).await.unwrap();
        assert_eq!(plain.bytes().await.unwrap().len(), length, "{not_accepted}");
    }

    let again = get("If-None-Match", &format!("\"other\", {tag}")).await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(again.headers()["ETag"], tag.as_str());
    assert_eq!(again.bytes().await.unwrap().len(), 0);
    assert_eq!(get("If-None-Match", "\"other\"").await.unwrap().status(), 200);
    node.stop().await;
}

#[actix_web::test]
async fn every_path_counts_for_the_address_and_large_files_count_more() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "60")]).await;
    let refusals = async |path: &str, token: Option<&str>| {
        let request = || {
            let request = http_client().get(node.url(path));
            HttpReply::to(token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth))
        };
        let replies = futures_util::future::join_all((0..20).map(|_| request())).await;
        replies.iter().filter(|reply| reply.status == 429).count()
    };
    // Each counts 21.
    assert!((10..20).contains(&refusals(SCRIPT, None).await));
    // What is left and what comes meanwhile is less than this.
    let mut refused = 0;
    for _ in 0..10 {
        refused += refusals("/nothing", None).await;
        refused += refusals("/graphql?query={__typename}", Some("not.a.token")).await;
    }
    assert!(refused > 0);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(refusals(path, None).await, 0, "{path}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn every_response_forbids_guessing_its_type_and_telling_its_address() {
    let node = TestNode::start().await;
    let paths = ["/", "/graphql?query={__typename}", "/graphql?query=", "/sync/x", "/healthz"];
    for path in paths.into_iter().chain(["/readyz", "/metrics", "/nothing", SCRIPT]) {
        let reply = HttpReply::to(http_client().get(node.url(path))).await;
        assert_eq!(reply.header("X-Content-Type-Options"), "nosniff", "{path}");
        assert_eq!(reply.header("Referrer-Policy"), "no-referrer", "{path}");
        let cached = if path == SCRIPT { "no-cache" } else { "no-store" };
        assert_eq!(reply.header("Cache-Control"), cached, "{path}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn the_metrics_may_have_an_address_of_their_own() {
    let node = TestNode::start_with(&[("COSCRIBE__SERVER__METRICS_ADDRESS", "127.0.0.1:0")]).await;
    let at = async |address: std::net::SocketAddr, path: &str| {
        HttpReply::to(http_client().get(format!("http://{address}{path}"))).await.status
    };

    assert_ne!(node.metrics_address(), node.address());
    for path in ["/metrics", "/%6detrics"] {
        assert_eq!(at(node.address(), path).await, 404);
    }
    assert_eq!(at(node.metrics_address(), "/metrics").await, 200);
    for path in ["/graphql?query={__typename}", "/healthz", "/graphiql/graphiql.js"] {
        assert_eq!(at(node.metrics_address(), path).await, 404, "{path}");
    }
    node.stop().await;
}
