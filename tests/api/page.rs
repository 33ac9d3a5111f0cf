//! The demo page and the GraphiQL page, the headers of all responses, and where the metrics are served.

use futures_util::future::join_all;
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
async fn the_pages_name_no_path_outside_of_their_own() {
    let node = TestNode::start().await;
    // As behind a proxy that removes `/collab`.
    let base = reqwest::Url::parse("https://example.org/collab/").unwrap();
    for page in ["/", "/graphql"] {
        let address = base.join(page.trim_start_matches('/')).unwrap();
        let request = http_client().get(node.url(page)).header("Accept", "text/html");
        let reply = HttpReply::to(request).await;
        let text = reply.text();
        let references = ["src=\"", "href=\""].into_iter();
        let references = references.flat_map(|name| text.split(name).skip(1));
        let references = references.map(|rest| rest.split_once('"').unwrap().0);
        let files: Vec<_> = references.filter(|file| !file.starts_with("data:")).collect();
        assert_eq!(files.len(), 2, "{text}");
        for file in files {
            let inside = address.join(file).unwrap();
            let path = inside.as_str().strip_prefix(base.as_str()).unwrap();
            assert_eq!(node.get(&format!("/{path}")).await.status, 200, "{file}");
        }
    }
    node.stop().await;
}

#[actix_web::test]
async fn every_path_counts_for_the_address_and_large_files_count_more() {
    const REQUESTS: usize = 20;
    let start = async |per_second: &str| {
        TestNode::start_with(&[
            ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", per_second),
            // So that the test has any number of addresses.
            ("COSCRIBE__SERVER__TRUSTED_PROXIES", "127.0.0.1"),
        ])
        .await
    };
    // Sends requests from one address at once. Returns how many were refused.
    let refusals = async |node: &TestNode, address: &str, path: &str| {
        let client = http_client();
        let request = || {
            let request = client.get(node.url(path)).header("X-Forwarded-For", address);
            HttpReply::to(request.bearer_auth("not.a.token"))
        };
        let replies = join_all((0..REQUESTS).map(|_| request())).await;
        replies.iter().filter(|reply| reply.status == 429).count()
    };

    // As many small requests as are allowed at once, and large ones, of which each counts as many.
    let node = start("22").await;
    assert_eq!(refusals(&node, "198.51.100.1", "/nothing").await, 0);
    let refused = refusals(&node, "198.51.100.2", SCRIPT).await;
    assert!((1..REQUESTS).contains(&refused), "{refused}");
    node.stop().await;

    let node = start("1").await;
    for (number, path) in
        (1..).zip(["/nothing", "/graphql?query={__typename}", "/graphiql/LICENSES.txt"])
    {
        let refused = refusals(&node, &format!("198.51.100.{number}"), path).await;
        assert!((1..REQUESTS).contains(&refused), "{path}: {refused}");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(refusals(&node, "198.51.100.100", path).await, 0, "{path}");
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
        let cached = if ["/", SCRIPT].contains(&path) { "no-cache" } else { "no-store" };
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
