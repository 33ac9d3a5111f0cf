//! Plain HTTP: bodies, methods, status codes, health and the GraphiQL page.

use kit::{Client as _, HttpReply, Node as _, TestNode, http_client, within};
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const ME: &str = r#"{"query":"{ me { name } }"}"#;

/// A request to `/graphql`.
fn graphql(node: &TestNode, method: Method, query: &[(&str, &str)]) -> reqwest::RequestBuilder {
    http_client().request(method, node.url("/graphql")).query(query)
}

#[actix_web::test]
async fn a_malformed_body_is_refused() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    for body in [
        "",
        "{",
        "null",
        "7",
        "\"{ me { id } }\"",
        "{}",
        r#"{"query":7}"#,
        r#"["{ me { id } }"]"#,
        "\u{feff}{}",
    ] {
        let request = alice.post().header("Content-Type", "application/json").body(body);
        let reply = HttpReply::to(request).await;
        assert_eq!((reply.status, &*reply.code()), (400, "BAD_USER_INPUT"), "{body}");
    }
    let not_utf8 = alice.post().header("Content-Type", "application/json").body(vec![0xff, 0xfe]);
    assert_eq!(HttpReply::to(not_utf8).await.status, 400);
    node.stop().await;
}

#[actix_web::test]
async fn a_body_must_be_json_and_declare_it() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let reply = HttpReply::to(alice.post().header("Content-Type", kind).body(ME)).await;
        assert_eq!((reply.status, &*reply.code()), (415, "BAD_USER_INPUT"), "{kind}");
    }
    assert_eq!(HttpReply::to(alice.post().body(ME)).await.status, 415);
    // A client that is still sending receives the reply.
    assert_eq!(HttpReply::to(alice.post().body(" ".repeat(4_000_000))).await.status, 415);
    for kind in ["application/json", "Application/JSON; charset=utf-8"] {
        let reply = HttpReply::to(alice.post().header("Content-Type", kind).body(ME)).await;
        assert_eq!(reply.answer().value()["name"], "Alice", "{kind}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_body_is_limited_with_and_without_a_length() {
    let limits = [
        ("COSCRIBE__LIMITS__FRAME", "4096"),
        ("COSCRIBE__LIMITS__MESSAGE", "4096"),
        ("COSCRIBE__LIMITS__OPERATION_TEXT", "4096"),
    ];
    let node = TestNode::start_with(&limits).await;
    let alice = node.person("Alice").await;
    let sized = |size: usize| format!("{ME}{}", " ".repeat(size - ME.len()));
    let whole = |size: usize| {
        HttpReply::to(alice.post().header("Content-Type", "application/json").body(sized(size)))
    };

    assert_eq!(whole(4_096).await.answer().value()["name"], "Alice");
    for size in [4_097, 4_000_000] {
        let reply = whole(size).await;
        assert_eq!((reply.status, &*reply.code()), (413, "BAD_USER_INPUT"), "{size}");
    }

    let chunked = send_chunked(&node, &alice.token, &sized(4_096)).await;
    assert!(chunked.starts_with("HTTP/1.1 200 "), "{chunked}");
    let chunked = send_chunked(&node, &alice.token, &sized(4_097)).await;
    assert!(chunked.starts_with("HTTP/1.1 413 "), "{chunked}");
    node.stop().await;
}

/// Sends a request without a length. Returns the whole reply.
async fn send_chunked(node: &TestNode, token: &str, body: &str) -> String {
    let mut request = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    for chunk in body.as_bytes().chunks(1_000) {
        let chunk = str::from_utf8(chunk).unwrap();
        request.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    }
    request.push_str("0\r\n\r\n");
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    within("a reply", stream.read_to_string(&mut reply)).await.unwrap();
    reply
}

#[actix_web::test]
async fn get_supports_queries_only() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let get = |query: &[(&str, &str)]| {
        HttpReply::to(graphql(&node, Method::GET, query).bearer_auth(&alice.token))
    };

    let reply = get(&[
        ("query", "query($id: ID!) { document(id: $id) { id } me { name } }"),
        ("variables", &json!({ "id": alice.id }).to_string()),
    ])
    .await;
    assert_eq!(reply.json()["data"], json!({ "document": null, "me": { "name": "Alice" } }));

    let mutation = "mutation { createDocument(title: \"By GET\") { id } }";
    let subscription = "subscription { documentChanged(documentId: \"x\") { version } }";
    for query in [mutation, subscription] {
        let reply = get(&[("query", query)]).await;
        assert_eq!((reply.status, &*reply.code()), (405, "BAD_USER_INPUT"), "{query}");
        assert_eq!(reply.header("Allow"), "POST");
    }
    let me = ("query", "{ me { id } }");
    for malformed in [
        &[][..],
        &[("variables", "{}")],
        &[me, ("variables", "{")],
        &[me, ("variables", "[]")],
        &[me, ("variables", "{} {}")],
    ] {
        let reply = get(malformed).await;
        assert_eq!((reply.status, &*reply.code()), (400, "BAD_USER_INPUT"), "{malformed:?}");
    }
    let list = alice.run("{ documents { nodes { id } } }", json!({})).await.value();
    assert_eq!(list["nodes"], json!([]));
    node.stop().await;
}

#[actix_web::test]
async fn a_subscription_over_http_is_refused() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;

    let query = "subscription($id: ID!) { documentChanged(documentId: $id) { version } }";
    let reply = alice.send(&json!({ "query": query, "variables": { "id": alice.id } })).await;

    assert_eq!((reply.status, &*reply.code()), (400, "BAD_USER_INPUT"));
    node.stop().await;
}

#[actix_web::test]
async fn a_client_that_sends_requests_and_reads_no_reply_is_disconnected() {
    let impatient = [
        ("COSCRIBE__SESSION__PING_EVERY", "500ms"),
        ("COSCRIBE__SESSION__SILENCE_ALLOWED", "1s"),
        ("COSCRIBE__SESSION__STALL_ALLOWED", "1s"),
        ("COSCRIBE__SERVER__TCP_USER_TIMEOUT", "1s"),
        // The other limit on clients that read nothing.
        ("COSCRIBE__SERVER__ANSWER_PATIENCE", "10m"),
    ];
    let node = TestNode::start_with(&impatient).await;
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    // The replies fill the kernel's buffers, and every request is another sign of life.
    let request = b"GET /graphiql/graphiql.js HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let sending = async { while stream.write_all(request).await.is_ok() {} };
    within("the end of the connection", sending).await;
    node.stop().await;
}

#[actix_web::test]
async fn a_connection_without_requests_is_closed_after_its_keep_alive() {
    let node = TestNode::start_with(&[("COSCRIBE__SERVER__KEEP_ALIVE", "300ms")]).await;
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    // The reply, and then the end of the connection.
    let mut reply = String::new();
    within("the end of the connection", stream.read_to_string(&mut reply)).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    node.stop().await;
}

#[actix_web::test]
async fn a_line_of_a_head_must_end_with_crlf() {
    let node = TestNode::start().await;
    let answers = async |request: &str| {
        let mut stream = TcpStream::connect(node.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        within("the end of the connection", stream.read_to_string(&mut reply)).await.unwrap();
        reply
    };
    let head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let reply = answers(&format!("{head}\r\n")).await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    // A proxy may take the end of the first line for a part of its value.
    for request in [
        format!("{head}X: a\nContent-Length: 5\r\n\r\n12345"),
        format!("{head}\n"),
        "GET /healthz HTTP/1.1\nHost: localhost\n\n".to_owned(),
        format!("\n{head}\r\n"),
    ] {
        let reply = answers(&request).await;
        assert!(reply.starts_with("HTTP/1.1 400 "), "{request:?}: {reply}");
        assert_eq!(reply.matches("HTTP/1.1").count(), 1, "{reply}");
    }
    // A body may have any lines, and the next head on the connection is checked like the first.
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let body = "{\n\"query\":\n\n\"{ __typename }\"}";
    let post = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(post.as_bytes()).await.unwrap();
    let mut reply = vec![];
    while !String::from_utf8_lossy(&reply).ends_with('}') {
        within("an answer", stream.read_buf(&mut reply)).await.unwrap();
    }
    assert!(String::from_utf8_lossy(&reply).contains("__typename"));
    let lines = format!("{}\n", head.replace("\r\n", "\n"));
    stream.write_all(lines.as_bytes()).await.unwrap();
    let mut reply = String::new();
    within("the end of the connection", stream.read_to_string(&mut reply)).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    node.stop().await;
}

#[actix_web::test]
async fn a_connection_ends_with_a_request_in_chunks() {
    let node = TestNode::start().await;
    let head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    // The answer does not wait for the body. What follows it would be taken for the next head, or the other way round.
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut reply = vec![];
    while !String::from_utf8_lossy(&reply).contains("\r\n\r\n") {
        within("an answer", stream.read_buf(&mut reply)).await.unwrap();
    }
    let rest =
        "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\nContent-Length: 9\r\n\r\n";
    // The connection may have been closed already.
    let _sent = stream.write_all(rest.as_bytes()).await;
    let mut replies = String::from_utf8(reply).unwrap();
    let _end = within("the end of the connection", stream.read_to_string(&mut replies)).await;
    assert!(replies.starts_with("HTTP/1.1 200"), "{replies}");
    assert!(replies.to_lowercase().contains("connection: close"), "{replies}");
    assert_eq!(replies.matches("HTTP/1.1 200").count(), 1, "{replies}");
    node.stop().await;
}

#[actix_web::test]
async fn a_connection_ends_with_the_refusal_of_a_request_after_one_in_chunks() {
    let node = TestNode::start().await;
    let head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
    let all = format!("{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{head}\r\n{head}\r\n");
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    stream.write_all(all.as_bytes()).await.unwrap();
    let mut replies = String::new();
    let _end = within("the end of the connection", stream.read_to_string(&mut replies)).await;
    let replies = replies.to_lowercase();
    assert!(replies.starts_with("http/1.1 200"), "{replies}");
    let count = |part: &str| replies.matches(part).count();
    let (answers, refusals) = (count("http/1.1 200"), count("http/1.1 400"));
    assert_eq!((answers, refusals), (1, count("http/1.1 ") - 1), "{replies}");
    assert_eq!(count("connection: close"), answers + refusals, "{replies}");
    node.stop().await;
}

#[actix_web::test]
async fn other_methods_and_paths_are_not_served() {
    let node = TestNode::start().await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let reply = HttpReply::to(graphql(&node, method, &[])).await;
        assert_eq!((reply.status, &*reply.code()), (405, "BAD_USER_INPUT"));
        assert_eq!(reply.header("Allow"), "GET, HEAD, POST");
    }
    let pages = ["/", "/healthz", "/readyz", "/metrics", "/graphiql/graphiql.js", "/sync/x"];
    for (path, method) in pages
        .into_iter()
        .flat_map(|path| [Method::POST, Method::PUT, Method::OPTIONS].map(|method| (path, method)))
    {
        let reply = HttpReply::to(http_client().request(method.clone(), node.url(path))).await;
        assert_eq!((reply.status, &*reply.code()), (405, "BAD_USER_INPUT"), "{method} {path}");
        assert_eq!(reply.header("Allow"), "GET, HEAD", "{method} {path}");
    }
    for path in ["/nothing", "/graphql/", "/graphiql/nothing.js", "/graphiql/..%2f..%2fCargo.toml"]
    {
        assert_eq!(node.get(path).await.status, 404, "{path}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_head_request_gets_the_headers_of_a_get_request() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000")]).await;
    let pages = ["/", "/healthz", "/readyz", "/metrics", "/graphiql/graphiql.js", "/sync/x"];
    let query = "/graphql?query=%7B__typename%7D";
    for path in pages.into_iter().chain([query, "/graphql", "/nothing"]) {
        let ask = |method: Method| HttpReply::to(http_client().request(method, node.url(path)));
        let (get, head) = (ask(Method::GET).await, ask(Method::HEAD).await);
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("Content-Type"), get.header("Content-Type"), "{path}");
        assert_eq!(head.text(), "", "{path}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn the_status_depends_on_the_accepted_media_type() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let ask = |accept: &'static str, query: &'static str| {
        HttpReply::to(alice.post().header("Accept", accept).json(&json!({ "query": query })))
    };
    let (newer, older) = ("application/graphql-response+json", "application/json");

    for (accept, query, status) in [
        (newer, "{ me { name } }", 200),
        (newer, "{ nothing }", 400),
        (newer, "{ document(id: \"x\") { id } }", 200),
        (older, "{ me { name } }", 200),
        (older, "{ nothing }", 200),
        ("*/*", "{ me { name } }", 200),
    ] {
        let reply = ask(accept, query).await;
        assert_eq!(reply.status, status, "{accept} {query}");
        let kind = if accept == newer { newer } else { older };
        assert!(reply.header("Content-Type").starts_with(kind), "{reply:?}");
        assert_eq!(reply.header("Cache-Control"), "no-store");
    }
    assert_eq!(ask("text/plain", "{ me { name } }").await.status, 406);
    node.stop().await;
}

#[actix_web::test]
async fn operations_over_http_are_rate_limited() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "3")]).await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let me = json!({ "query": "{ me { name } }" });

    let replies = futures_util::future::join_all((0..40).map(|_| alice.send(&me))).await;

    let refused: Vec<_> = replies.iter().filter(|reply| reply.status != 200).collect();
    assert!(!refused.is_empty() && refused.len() < 38, "{} were refused", refused.len());
    for reply in refused {
        assert_eq!((reply.status, &*reply.code()), (429, "RATE_LIMITED"));
    }
    assert_eq!(bob.send(&me).await.status, 200);
    node.stop().await;
}

#[actix_web::test]
async fn health_and_readiness_are_reported() {
    let node = TestNode::start().await;
    let health = node.get("/healthz").await;
    assert_eq!((health.status, health.json()), (200, json!({ "status": "ok" })));
    let ready = node.get("/readyz").await;
    assert_eq!((ready.status, ready.json()), (200, json!({ "status": "ready" })));
    node.stop().await;
}

#[actix_web::test]
async fn a_browser_gets_a_page_and_a_program_gets_an_answer() {
    let node = TestNode::start().await;
    let get = |path: &str, accept: &'static str| {
        HttpReply::to(http_client().get(node.url(path)).header("Accept", accept))
    };

    let page = get("/graphql", "text/html,application/xhtml+xml,*/*;q=0.8").await;
    assert_eq!(page.status, 200);
    assert!(page.header("Content-Type").starts_with("text/html"), "{page:?}");
    let answer = get("/graphql?query={__typename}", "application/json").await;
    assert_eq!(answer.answer().value(), "Query");
    let home = get("/", "text/html").await;
    assert_eq!(home.status, 200);
    assert!(home.header("Content-Type").starts_with("text/html"), "{home:?}");
    node.stop().await;
}

#[actix_web::test]
async fn a_persisted_query_is_answered_so_that_clients_send_its_text() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": "00" } });
    let expect = |reply: &HttpReply| {
        let error = &reply.json()["errors"][0];
        assert_eq!(reply.status, 200);
        assert_eq!(error["message"], "PersistedQueryNotSupported");
        assert_eq!(error["extensions"]["code"], "PERSISTED_QUERY_NOT_SUPPORTED");
    };
    for accept in ["application/json", "application/graphql-response+json"] {
        let body = json!({ "operationName": "Me", "variables": {}, "extensions": extensions });
        let request = alice.post().header("Accept", accept).json(&body);
        expect(&HttpReply::to(request).await);
        let query = [("extensions", extensions.to_string()), ("operationName", "Me".to_owned())];
        let request = http_client()
            .get(node.url("/graphql"))
            .bearer_auth(&alice.token)
            .header("Accept", accept)
            .query(&query);
        expect(&HttpReply::to(request).await);
    }
    // With the text it is an operation like any other, and without both it is none.
    let body = json!({ "query": "{ me { name } }", "extensions": extensions });
    assert_eq!(alice.send(&body).await.answer().value()["name"], "Alice");
    for extensions in [json!({}), json!({ "persistedQuery": null }), json!(null)] {
        let reply = alice.send(&json!({ "extensions": extensions })).await;
        assert_eq!((reply.status, &*reply.code()), (400, "BAD_USER_INPUT"));
    }

    let socket = alice.connect().await;
    let payload = json!({ "extensions": extensions });
    socket.send(json!({ "type": "subscribe", "id": "1", "payload": payload })).await;
    let refused = socket.expect_errors("1").await;
    assert_eq!(refused.errors()[0]["extensions"]["code"], "PERSISTED_QUERY_NOT_SUPPORTED");
    socket.close().await;
    node.stop().await;
}

#[actix_web::test]
async fn a_compressed_body_is_refused_and_the_client_told_what_to_send() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let post = |encoding: &'static str| {
        let request = alice.post().header("Content-Type", "application/json");
        HttpReply::to(request.header("Content-Encoding", encoding).body(ME))
    };
    for encoding in ["gzip", "br", "identity, gzip"] {
        let reply = post(encoding).await;
        assert_eq!((reply.status, &*reply.code()), (415, "BAD_USER_INPUT"), "{encoding}");
        assert_eq!(reply.header("Accept-Encoding"), "identity");
    }
    assert_eq!(post("identity").await.answer().value()["name"], "Alice");
    node.stop().await;
}
