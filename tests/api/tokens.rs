//! Tokens: invalid ones are refused on every path, and those of an external provider are accepted.

use chrono::Utc;
use coscribe::domain::UserId;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kit::{Client as _, HttpReply, Node as _, ON_FILE, Person, TestNode, http_client};
use serde_json::{Value, json};

const SECRET: &str = "a secret of a test, which is long enough";
const OTHER_SECRET: &str = "another secret of a test, long enough too";

/// The `WWW-Authenticate` header of a response to a request without a bearer token.
const CHALLENGE: &str = r#"Bearer realm="coscribe""#;

/// The `WWW-Authenticate` header of a response to a request with an invalid token.
const INVALID_TOKEN: &str = r#"Bearer realm="coscribe", error="invalid_token""#;

fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// A valid token for `user`, except that some claims are changed or, with null, removed.
fn minted(user: UserId, changes: Value) -> String {
    let now = Utc::now().timestamp();
    let mut claims = json!({ "sub": user, "name": "Alice", "iat": now, "exp": now + 600 });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    signed(Algorithm::HS256, SECRET, &claims)
}

/// Copies of a token with another header, without a signature, or with other claims.
fn forged(token: &str) -> Vec<String> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    vec![
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(r#"{"sub":"another user"}"#)),
    ]
}

/// Shows that a token is refused on every path: over HTTP, in all forms of the handshake, and in the init.
async fn expect_refused(node: &TestNode, alice: &Person, token: &str, closes_with: &str) {
    let reply = alice.with_token(token).send(&json!({ "query": "{ me { id } }" })).await;
    assert_eq!((reply.status, &*reply.code()), (401, "UNAUTHENTICATED"), "{token}");
    assert_eq!(reply.header("WWW-Authenticate"), INVALID_TOKEN, "{token}");

    let bearer = format!("Bearer {token}");
    let by_header = node.handshake().header("Authorization", &bearer);
    let by_address = node.handshake().token_in_address(token);
    let by_subprotocol = node.handshake().token_beside("graphql-transport-ws", token);
    for handshake in [by_header, by_address, by_subprotocol] {
        let refused = handshake.open().await.err().unwrap();
        assert_eq!((refused.status, &*refused.code), (401, "UNAUTHENTICATED"), "{token}");
        assert_eq!(refused.challenge.as_deref(), Some(INVALID_TOKEN), "{token}");
    }

    let socket = node.handshake().open().await.unwrap();
    let init = json!({ "type": "connection_init", "payload": { "authToken": token } });
    socket.send(init).await;
    assert_eq!(socket.expect_close().await, (4403, closes_with.to_owned()), "{token}");
}

/// Starts a node that signs with [`SECRET`].
async fn node_with_a_secret(more: &[(&str, &str)]) -> TestNode {
    // Refused tokens are many here.
    let mut variables =
        vec![("JWT_SECRET", SECRET), ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000")];
    variables.extend_from_slice(more);
    TestNode::start_with(&variables).await
}

#[actix_web::test]
async fn a_token_with_an_invalid_signature_is_refused() {
    let node = node_with_a_secret(&[]).await;
    let alice = &node.person("Alice").await;
    let now = Utc::now().timestamp();
    let claims = json!({ "sub": alice.id, "iat": now, "exp": now + 600 });

    for token in forged(&minted(alice.id, json!({}))) {
        expect_refused(&node, alice, &token, "Invalid token").await;
    }
    for (algorithm, secret) in
        [(Algorithm::HS256, OTHER_SECRET), (Algorithm::HS384, SECRET), (Algorithm::HS512, SECRET)]
    {
        let token = signed(algorithm, secret, &claims);
        expect_refused(&node, alice, &token, "Invalid token").await;
    }
    for nonsense in ["x", "x.y.z", "....", "null", &"x".repeat(9_000)] {
        expect_refused(&node, alice, nonsense, "Invalid token").await;
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_token_is_refused_outside_its_validity() {
    let node = node_with_a_secret(&[]).await;
    let alice = &node.person("Alice").await;
    let now = Utc::now().timestamp();

    let expired = minted(alice.id, json!({ "exp": now - 1 }));
    expect_refused(&node, alice, &expired, "Token expired").await;
    for claims in [json!({ "nbf": now + 60 }), json!({ "exp": null })] {
        let token = minted(alice.id, claims);
        expect_refused(&node, alice, &token, "Invalid token").await;
    }

    // The clock of the server that issued a token may be ahead.
    for claims in [json!({ "nbf": now - 1 }), json!({ "iat": now + 3600 })] {
        let good = alice.with_token(minted(alice.id, claims));
        assert_eq!(good.run("{ me { name } }", json!({})).await.value()["name"], "Alice");
    }
    let metrics = node.metrics().await;
    for (reason, times) in [("expired", 5), ("not_yet_valid", 5), ("no_expiry", 5)] {
        let name = format!("auth_failures_total{{reason=\"{reason}\"}}");
        assert_eq!(metrics.value(&name), times, "{reason}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_token_must_name_a_known_user() {
    let node = node_with_a_secret(&[]).await;
    let alice = &node.person("Alice").await;
    for sub in [Value::Null, json!("alice"), json!(""), json!(7), json!(UserId::new())] {
        let token = minted(alice.id, json!({ "sub": sub }));
        expect_refused(&node, alice, &token, "Invalid token").await;
    }
    node.stop().await;
}

#[actix_web::test]
async fn issuer_and_audience_are_checked_when_configured() {
    let set = [
        ("COSCRIBE__AUTH__AUDIENCE", "coscribe"),
        ("COSCRIBE__AUTH__ISSUER", "https://id.example.org"),
    ];
    let node = node_with_a_secret(&set).await;
    let alice = &node.person("Alice").await;
    let parties = |iss: Value, aud: Value| minted(alice.id, json!({ "iss": iss, "aud": aud }));
    let ours = json!("https://id.example.org");

    for token in [
        parties(ours.clone(), json!("another service")),
        parties(ours.clone(), json!(["another", "third"])),
        parties(ours.clone(), Value::Null),
        parties(json!("https://evil.example.org"), json!("coscribe")),
        parties(Value::Null, json!("coscribe")),
    ] {
        expect_refused(&node, alice, &token, "Invalid token").await;
    }
    // The tokens of the node have both claims. Others may name several audiences.
    alice.run("{ me { name } }", json!({})).await.value();
    let several = alice.with_token(parties(ours, json!(["another", "coscribe"])));
    several.run("{ me { name } }", json!({})).await.value();
    node.stop().await;
}

#[actix_web::test]
async fn an_authorization_without_a_bearer_token_is_refused() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    for value in ["Basic YWxpY2U6c2VjcmV0", "Bearer", &alice.token, "Token x"] {
        let refused = node.handshake().header("Authorization", value).open().await.err().unwrap();
        assert_eq!((refused.status, &*refused.code), (401, "UNAUTHENTICATED"), "{value}");
        assert_eq!(refused.challenge.as_deref(), Some(CHALLENGE), "{value}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_missing_token_is_challenged_without_an_error_code() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Project Alpha", "").await;
    let upgrade = |query: &str| {
        let url = node.url(&format!("/sync/{document}{query}"));
        HttpReply::to(http_client().get(url).header("Upgrade", "websocket"))
    };

    for (query, challenge) in [("", CHALLENGE), ("?token=x", INVALID_TOKEN)] {
        let reply = upgrade(query).await;
        assert_eq!((reply.status, &*reply.code()), (401, "UNAUTHENTICATED"), "{query}");
        assert_eq!(reply.header("WWW-Authenticate"), challenge, "{query}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_valid_token_in_the_upgrade_is_sufficient() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let by_header = node.handshake().header("Authorization", &format!("bearer {}", alice.token));
    let by_address = node.handshake().token_in_address(&alice.token);
    let by_subprotocol = node.handshake().token_beside("graphql-transport-ws", &alice.token);

    for handshake in [by_header, by_address, by_subprotocol] {
        let mut socket = handshake.open().await.unwrap();
        socket.send(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.expect_ack().await["userId"], json!(alice.id));
        assert_eq!(socket.run("{ me { name } }", json!({})).await.value()["name"], "Alice");
    }

    let socket = node.handshake().open().await.unwrap();
    socket.send(json!({ "type": "connection_init" })).await;
    let closed = socket.expect_close().await;
    assert_eq!(closed, (4403, "Missing authentication token".to_owned()));
    node.stop().await;
}

#[actix_web::test]
async fn an_offered_token_is_not_repeated_in_the_answer() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let handshake = node.handshake().token_beside("graphql-transport-ws", &alice.token);
    let reply = handshake.send().await;
    assert_eq!(reply.status, 101);
    assert_eq!(reply.header("Sec-WebSocket-Protocol"), Some("graphql-transport-ws"));
    drop(reply);
    node.stop().await;
}

#[actix_web::test]
async fn tokens_that_differ_are_refused_in_words() {
    let node = TestNode::start().await;
    let [alice, bob] = [node.person("Alice").await, node.person("Bob").await];
    let bearer = format!("Bearer {}", alice.token);
    let by_alice = || node.handshake().token_beside("graphql-transport-ws", &alice.token);
    for handshake in [
        by_alice().token_in_address(&bob.token),
        by_alice().header("Authorization", &format!("Bearer {}", bob.token)),
        node.handshake().header("Authorization", &bearer).token_in_address(&bob.token),
    ] {
        let refused = handshake.open().await.err().unwrap();
        assert_eq!((refused.status, &*refused.code), (400, "BAD_USER_INPUT"));
    }
    let same = by_alice().header("Authorization", &bearer).token_in_address(&alice.token);
    let mut socket = same.open().await.unwrap();
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.expect_ack().await["userId"], json!(alice.id));
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_node_without_a_secret_generates_a_private_one() {
    use std::{fs, os::unix::fs::PermissionsExt as _};
    let mut node = TestNode::start_with(&[ON_FILE]).await;
    let alice = node.person("Alice").await;
    let file = node.folder().join("jwt-secret");

    let secret = fs::read_to_string(&file).unwrap();
    assert!(secret.trim().len() >= 32, "{} bytes", secret.trim().len());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    node.restart().await;

    assert_eq!(fs::read_to_string(&file).unwrap(), secret);
    let me = alice.at(&node).run("{ me { name } }", json!({})).await.value();
    assert_eq!(me["name"], "Alice");
    node.stop().await;
}

#[actix_web::test]
async fn a_user_of_an_external_provider_gets_an_account() {
    let node = node_with_a_secret(&[("COSCRIBE__AUTH__ENROL", "true")]).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Project Alpha", "").await;
    let (carol, dave) = (UserId::new(), UserId::new());
    let token = minted(carol, json!({ "name": "Carol", "email": "carol@example.org" }));
    let me = "{ me { id name email } }";

    let mut over_socket = node.handshake().open().await.unwrap();
    over_socket.init(&token).await;
    let account = over_socket.run(me, json!({})).await.value();
    let over_http = alice.with_token(token).run(me, json!({})).await.value();

    assert_eq!(account, json!({ "id": carol, "name": "Carol", "email": "carol@example.org" }));
    assert_eq!(over_http, account);
    // A taken address does not give access to the account that has it.
    let impostor = alice.with_token(minted(dave, json!({ "email": alice.email })));
    let account = impostor.run(me, json!({})).await.value();
    assert_eq!(account["id"], json!(dave));
    assert_ne!(account["email"], alice.email.as_str());
    assert_eq!(impostor.read(document).await, Value::Null);
    // An account without a password accepts no password.
    let login =
        "mutation { login(email: \"carol@example.org\", password: \"password\") { token } }";
    assert_eq!(alice.run(login, json!({})).await.code(), "UNAUTHENTICATED");
    drop(over_socket);
    node.stop().await;
}
