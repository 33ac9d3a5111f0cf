//! Sign-ins end: by signing out here or everywhere, by a new password, with time, and by the operator.

use std::time::Duration;

use coscribe::domain::UserId;
use kit::{
    Answer, Client as _, IdentityProvider, Node as _, PASSWORD, Person, SigningKey, TestNode,
    TokenMinter,
};
use serde_json::{Value, json};

use crate::SERVER;

const SIGN_OUT: &str = "mutation { signOut }";
const SIGN_OUT_EVERYWHERE: &str = "mutation { signOutEverywhere }";
const REFRESH: &str = "mutation { refreshToken { token expiresAt } }";

/// The close frame of a session whose sign-in has ended.
fn signed_out() -> (u16, String) {
    (4403, "Signed out; sign in again".to_owned())
}

async fn login(node: &impl kit::Node, email: &str, password: &str) -> Answer {
    let operation = "mutation($email: String!, $password: String!) {
        login(email: $email, password: $password) { token expiresAt } }";
    node.stranger().run(operation, json!({ "email": email, "password": password })).await
}

/// The same person with a sign-in of its own.
async fn another_sign_in(node: &impl kit::Node, person: &Person) -> Person {
    let signed_in = login(node, &person.email, PASSWORD).await.value();
    person.with_token(signed_in["token"].as_str().unwrap())
}

async fn change_password(who: &impl kit::Client, current: &str, new: &str) -> Answer {
    let operation = "mutation($current: String!, $new: String!) {
        changePassword(currentPassword: $current, newPassword: $new) { token } }";
    who.run(operation, json!({ "current": current, "new": new })).await
}

async fn is_refused(person: &Person) -> bool {
    let reply = person.send(&json!({ "query": "{ me { id } }" })).await;
    match reply.status {
        200 => false,
        401 => reply.code() == "UNAUTHENTICATED",
        other => panic!("status {other}"),
    }
}

#[actix_web::test]
async fn signing_out_ends_one_sign_in_with_all_its_tokens_and_connections() {
    let node = TestNode::start().await;
    let here = node.person("Alice").await;
    let there = another_sign_in(&node, &here).await;
    let bob = node.person("Bob").await;
    let document = here.create_shared_document(&[&bob]).await;
    let refreshed = here.run(REFRESH, json!({})).await.value();
    let refreshed = here.with_token(refreshed["token"].as_str().unwrap());
    let socket = here.connect().await;
    let of_refreshed = refreshed.connect().await;
    let editor = here.open_editor(document).await;
    let survivor = there.open(document).await;

    assert_eq!(here.run(SIGN_OUT, json!({})).await.value(), true);

    assert_eq!(socket.expect_close().await, signed_out());
    assert_eq!(of_refreshed.expect_close().await, signed_out());
    assert_eq!(editor.expect_close().await, signed_out());
    assert!(is_refused(&here).await && is_refused(&refreshed).await);
    assert_eq!(here.try_connect().await.err(), Some(signed_out()));
    assert!(!is_refused(&there).await);
    bob.write(document, "Still received.").await.value();
    assert_eq!(survivor.expect_change().await["content"], "Still received.");

    drop((socket, of_refreshed, editor, survivor));
    node.stop().await;
}

#[actix_web::test]
async fn signing_out_over_a_socket_answers_and_then_closes_it() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let socket = alice.connect().await;
    assert_eq!(socket.run(SIGN_OUT, json!({})).await.value(), true);
    assert_eq!(socket.expect_close().await, signed_out());
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn signing_out_everywhere_ends_all_sign_ins_and_later_ones_are_valid() {
    let node = TestNode::start().await;
    let here = node.person("Alice").await;
    let there = another_sign_in(&node, &here).await;
    let bob = node.person("Bob").await;
    let (one, two, other) = (here.connect().await, there.connect().await, bob.connect().await);

    assert_eq!(there.run(SIGN_OUT_EVERYWHERE, json!({})).await.value(), true);

    assert_eq!(one.expect_close().await, signed_out());
    assert_eq!(two.expect_close().await, signed_out());
    assert!(is_refused(&here).await && is_refused(&there).await);
    let again = another_sign_in(&node, &here).await;
    let socket = again.connect().await;
    assert!(socket.run("{ me { id } }", json!({})).await.is_ok());
    assert!(other.run("{ me { id } }", json!({})).await.is_ok());

    drop((one, two, other, socket));
    node.stop().await;
}

#[actix_web::test]
async fn a_socket_belongs_to_the_sign_in_of_its_newest_token() {
    let node = TestNode::start().await;
    let older = node.person("Alice").await;
    let longer = Duration::from_secs(100_000);
    let newer = older.with_token(TokenMinter::of(&node).token(older.id, longer));
    let mut socket = node.handshake().open_raw().await;
    socket.init(&older.token).await;
    socket.send(json!({ "type": "ping", "payload": { "authToken": newer.token } })).await;
    assert_eq!(socket.expect_message().await["payload"]["error"], json!(null));

    older.run(SIGN_OUT, json!({})).await.value();
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.expect_message().await["type"], "pong");
    newer.run(SIGN_OUT, json!({})).await.value();
    assert_eq!(socket.expect_close().await, signed_out());

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_token_that_expires_sooner_does_not_keep_a_socket_beyond_its_sign_in() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let sooner = TokenMinter::of(&node).token(alice.id, Duration::from_secs(100));
    let mut socket = node.handshake().open_raw().await;
    let expires_at = socket.init(&alice.token).await["tokenExpiresAt"].clone();
    socket.send(json!({ "type": "ping", "payload": { "authToken": sooner } })).await;
    assert_eq!(socket.expect_message().await["payload"]["tokenExpiresAt"], expires_at);

    // It lives by the first token, so it ends with the sign-in of that token.
    alice.run(SIGN_OUT, json!({})).await.value();
    assert_eq!(socket.expect_close().await, signed_out());

    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_new_password_ends_the_other_sign_ins_and_keeps_this_socket() {
    let node = TestNode::start().await;
    let here = node.person("Alice").await;
    let there = another_sign_in(&node, &here).await;
    let (socket, other) = (here.connect().await, there.connect().await);

    let wrong = change_password(&socket, "not the password", "another long password").await;
    assert_eq!(wrong.code(), "BAD_USER_INPUT");
    let short = change_password(&socket, PASSWORD, "short").await;
    assert_eq!(short.code(), "BAD_USER_INPUT");
    assert!(!is_refused(&there).await);

    let changed = change_password(&socket, PASSWORD, "another long password").await.value();

    assert_eq!(other.expect_close().await, signed_out());
    assert!(is_refused(&here).await && is_refused(&there).await);
    let renewed = here.with_token(changed["token"].as_str().unwrap());
    assert!(!is_refused(&renewed).await);
    // The socket that changed it goes on, and gets new tokens.
    assert!(socket.run(REFRESH, json!({})).await.is_ok());
    assert_eq!(login(&node, &here.email, PASSWORD).await.code(), "UNAUTHENTICATED");
    assert!(login(&node, &here.email, "another long password").await.is_ok());

    // Over HTTP the request names the socket.
    let named = renewed.with_session(socket.session());
    let changed = change_password(&named, "another long password", PASSWORD).await.value();
    assert!(is_refused(&renewed).await);
    assert!(socket.run(REFRESH, json!({})).await.is_ok());
    // It belongs to the new sign-in.
    let renewed = here.with_token(changed["token"].as_str().unwrap());
    renewed.run(SIGN_OUT, json!({})).await.value();
    assert_eq!(socket.expect_close().await, signed_out());

    drop((socket, other));
    node.stop().await;
}

#[actix_web::test]
async fn guesses_of_the_current_password_are_limited() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut code = String::new();
    for _ in 0..50 {
        code = change_password(&alice, "a wrong guess", "another long password")
            .await
            .code()
            .to_owned();
        if code != "BAD_USER_INPUT" {
            break;
        }
    }
    assert_eq!(code, "RATE_LIMITED");
    node.stop().await;
}

#[actix_web::test]
async fn refreshing_does_not_extend_a_sign_in_beyond_its_life() {
    let settings = [("COSCRIBE__AUTH__TOKEN_LIFE", "90s"), ("COSCRIBE__AUTH__SIGN_IN_LIFE", "90s")];
    let node = TestNode::start_with(&settings).await;
    let alice = node.person("Alice").await;
    let signed_in = login(&node, &alice.email, PASSWORD).await.value();
    let mut token = signed_in["token"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        let refreshed = alice.with_token(token).run(REFRESH, json!({})).await.value();
        assert_eq!(refreshed["expiresAt"], signed_in["expiresAt"]);
        token = refreshed["token"].as_str().unwrap().to_owned();
    }
    node.stop().await;
}

#[actix_web::test]
async fn signing_out_ends_the_tokens_of_one_session_of_a_provider() {
    let provider = IdentityProvider::start(SigningKey::ed_dsa("d")).await;
    let settings = provider.settings("COMPANY");
    let settings: Vec<_> = settings.iter().map(|(name, value)| (&**name, &**value)).collect();
    let node = TestNode::start_with(&settings).await;
    let token = |claims: Value| provider.token("subject of Alice", claims);
    let here = Person::with_outside_token(&node, "Alice", token(json!({ "sid": "one" }))).await;
    let later = here.with_token(token(json!({ "sid": "one", "jti": "another token" })));
    let there = here.with_token(token(json!({ "sid": "two" })));
    let (socket, other) = (later.connect().await, there.connect().await);

    here.run(SIGN_OUT, json!({})).await.value();

    assert_eq!(socket.expect_close().await, signed_out());
    assert!(is_refused(&here).await && is_refused(&later).await);
    assert!(other.run("{ me { id } }", json!({})).await.is_ok());
    assert_eq!(change_password(&there, "x", "another long password").await.code(), "FORBIDDEN");

    there.run(SIGN_OUT_EVERYWHERE, json!({})).await.value();
    assert_eq!(other.expect_close().await, signed_out());
    assert!(is_refused(&there).await);
    let now = provider.claims("", json!({}))["iat"].as_i64().unwrap();
    let newer = there.with_token(token(json!({ "sid": "three", "iat": now + 2 })));
    assert!(!is_refused(&newer).await);

    drop((socket, other));
    node.stop().await;
}

#[actix_web::test]
async fn an_operator_ends_sign_ins_and_blocks_accounts_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let alice = server.person("Alice").await;
    let bob = server.person("Bob").await;
    let (socket, other) = (alice.connect().await, bob.connect().await);
    let run = async |arguments: &[&str]| {
        let output = SERVER.run(folder.path(), arguments).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };

    run(&["user", "end-sessions", "alice@example.org"]).await;
    assert_eq!(socket.expect_close().await, signed_out());
    assert!(is_refused(&alice).await);
    let again = another_sign_in(&server, &alice).await;
    let socket = again.connect().await;

    run(&["user", "block", &alice.id.to_string()]).await;
    assert_eq!(socket.expect_close().await, signed_out());
    let signed_in = login(&server, &alice.email, PASSWORD).await;
    assert_eq!(signed_in.code(), "FORBIDDEN");
    let refused = again.try_connect().await.err().unwrap();
    assert!(refused.0 == 4403 && refused.1.contains("blocked"), "{refused:?}");

    run(&["user", "unblock", "alice@example.org"]).await;
    let again = another_sign_in(&server, &alice).await;
    assert!(!is_refused(&again).await && is_refused(&alice).await);
    assert!(other.run("{ me { id } }", json!({})).await.is_ok());
    let unknown = SERVER.run(folder.path(), &["user", "block", &UserId::new().to_string()]).await;
    assert!(!unknown.status.success());

    drop((socket, other));
    server.terminate().await;
}
