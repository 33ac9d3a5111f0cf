//! Accounts: registration, signing in and refreshing a token, over HTTP and over a socket alike.

use chrono::{DateTime, TimeDelta, Utc};
use kit::{Answer, Client, Node as _, PASSWORD, TestNode};
use serde_json::{Value, json};

const REGISTER: &str = "mutation($email: String!, $name: String!, $password: String!) {
    register(email: $email, name: $name, password: $password)
    { token expiresAt account { id name email createdAt } } }";

const LOGIN: &str = "mutation($email: String!, $password: String!) {
    login(email: $email, password: $password)
    { token expiresAt account { id name email createdAt } } }";

const REFRESH: &str = "mutation { refreshToken { token expiresAt account { id name email } } }";

const ME: &str = "{ me { id name email createdAt } }";

async fn register(client: &impl Client, email: &str, name: &str, password: &str) -> Answer {
    let variables = json!({ "email": email, "name": name, "password": password });
    client.run(REGISTER, variables).await
}

async fn login(client: &impl Client, email: &str, password: &str) -> Answer {
    client.run(LOGIN, json!({ "email": email, "password": password })).await
}

async fn carol_registers_and_signs_in(client: &impl Client) -> Value {
    let registered = register(client, "Carol@Example.org ", " Carol ", PASSWORD).await.value();
    assert_eq!(registered["account"]["name"], "Carol");
    assert_eq!(registered["account"]["email"], "carol@example.org");

    let signed_in = login(client, "CAROL@example.org", PASSWORD).await.value();

    assert_eq!(signed_in["account"], registered["account"]);
    signed_in
}

#[actix_web::test]
async fn a_user_registers_and_signs_in_over_http() {
    let node = TestNode::start().await;

    let carol = carol_registers_and_signs_in(&node.stranger()).await;

    let token = carol["token"].as_str().unwrap();
    let dave = node.person("Dave").await;
    assert_eq!(dave.with_token(token).run(ME, json!({})).await.value(), carol["account"]);
    node.stop().await;
}

#[actix_web::test]
async fn a_user_registers_and_signs_in_over_another_users_socket() {
    let node = TestNode::start().await;
    let socket = node.person("Dave").await.connect().await;

    let carol = carol_registers_and_signs_in(&socket).await;

    // The session is still Dave's.
    assert_eq!(socket.run(ME, json!({})).await.value()["name"], "Dave");
    let token = carol["token"].as_str().unwrap();
    let mut carols = node.handshake().open().await.unwrap();
    assert_eq!(carols.init(token).await["userId"], carol["account"]["id"]);
    assert_eq!(carols.run(ME, json!({})).await.value(), carol["account"]);
    drop((socket, carols));
    node.stop().await;
}

#[actix_web::test]
async fn a_refreshed_token_is_valid_for_a_full_lifetime() {
    let node = TestNode::start_with(&[("COSCRIBE__AUTH__TOKEN_LIFE", "30m")]).await;
    let alice = node.person("Alice").await;

    let socket = alice.connect().await;
    let over_http = alice.run(REFRESH, json!({})).await.value();
    let over_socket = socket.run(REFRESH, json!({})).await.value();

    for fresh in [over_http, over_socket] {
        assert_eq!(fresh["account"]["email"], alice.email.as_str());
        let expires_at: DateTime<Utc> = fresh["expiresAt"].as_str().unwrap().parse().unwrap();
        let left = expires_at - Utc::now();
        assert!(left <= TimeDelta::minutes(30) && left > TimeDelta::minutes(29), "{left}");
        let renewed = alice.with_token(fresh["token"].as_str().unwrap());
        assert_eq!(renewed.run(ME, json!({})).await.value()["id"], json!(alice.id));
    }
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn an_email_address_has_one_account() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let stranger = node.stranger();

    let taken = register(&stranger, "ALICE@example.org", "Another Alice", PASSWORD).await;

    assert_eq!(taken.code(), "CONFLICT");
    // The password of the refused registration is not accepted.
    assert_eq!(login(&stranger, &alice.email, "another password").await.code(), "UNAUTHENTICATED");
    login(&stranger, &alice.email, PASSWORD).await.value();
    node.stop().await;
}

#[actix_web::test]
async fn an_address_is_the_same_however_its_domain_is_written() {
    let node = TestNode::start().await;
    let stranger = node.stranger();
    let spellings = ["carol@xn--mnchen-3ya.de", "Carol@mu\u{308}nchen.DE", "carol@münchen.de"];

    let carol = register(&stranger, spellings[0], "Caroli\u{301}n  C.", PASSWORD).await.value();

    assert_eq!(carol["account"]["email"], "carol@münchen.de");
    assert_eq!(carol["account"]["name"], "Carol\u{ed}n C.");
    for spelling in spellings {
        let signed_in = login(&stranger, spelling, PASSWORD).await.value();
        assert_eq!(signed_in["account"], carol["account"], "{spelling}");
        let again = register(&stranger, spelling, "Mallory", PASSWORD).await;
        assert_eq!(again.code(), "CONFLICT", "{spelling}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn of_two_simultaneous_registrations_of_one_address_one_succeeds() {
    let node = TestNode::start().await;
    let (one, other) = (node.stranger(), node.stranger());
    let attempt = |client, name| register(client, "carol@example.org", name, PASSWORD);

    let (first, second) = tokio::join!(attempt(&one, "One"), attempt(&other, "Other"));

    let (won, lost) = if first.is_ok() { (first, second) } else { (second, first) };
    assert_eq!(lost.code(), "CONFLICT");
    let carol = login(&one, "carol@example.org", PASSWORD).await.value();
    assert_eq!(carol["account"], won.value()["account"]);
    node.stop().await;
}

#[actix_web::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let stranger = node.stranger();

    let wrong = login(&stranger, &alice.email, "wrong password").await;
    let unknown = login(&stranger, "nobody@example.org", PASSWORD).await;

    assert_eq!(wrong.code(), "UNAUTHENTICATED");
    assert_eq!(wrong.error()["message"], unknown.error()["message"]);
    assert_eq!(wrong.code(), unknown.code());
    node.stop().await;
}

#[actix_web::test]
async fn invalid_accounts_are_refused_with_the_rule() {
    let node = TestNode::start().await;
    let socket = node.person("Alice").await.connect().await;
    let stranger = node.stranger();
    let (long_name, long_address) = ("n".repeat(101), format!("{}@example.org", "a".repeat(250)));
    let long_password = "p".repeat(5_000);
    for (email, name, password) in [
        ("", "Carol", PASSWORD),
        ("carol", "Carol", PASSWORD),
        ("carol@", "Carol", PASSWORD),
        ("@example.org", "Carol", PASSWORD),
        ("ca rol@example.org", "Carol", PASSWORD),
        ("carol@example@org", "Carol", PASSWORD),
        (&long_address, "Carol", PASSWORD),
        ("carol@example.org", "", PASSWORD),
        ("carol@example.org", "  ", PASSWORD),
        ("carol@example.org", "Ca\nrol", PASSWORD),
        ("carol@example.org", "Carol\u{202e}", PASSWORD),
        ("carol@example.org", "\u{200b}", PASSWORD),
        ("\u{ff43}arol@example.org", "Carol", PASSWORD),
        ("carol\u{200b}@example.org", "Carol", PASSWORD),
        // The second letter is Cyrillic.
        ("c\u{430}rol@example.org", "Carol", PASSWORD),
        ("carol@%ü.example", "Carol", PASSWORD),
        ("carol@example.org", "\u{301}", PASSWORD),
        ("carol@example.org", "Carol\u{fe0f}", PASSWORD),
        ("carol@example.org", &long_name, PASSWORD),
        ("carol@example.org", "Carol", ""),
        ("carol@example.org", "Carol", "short"),
        ("carol@example.org", "Carol", &long_password),
    ] {
        let case = format!("{email:.20} {name:.20} {password:.20}");
        let over_http = register(&stranger, email, name, password).await;
        assert_eq!(over_http.code(), "BAD_USER_INPUT", "{case}");
        let over_socket = register(&socket, email, name, password).await;
        assert_eq!(over_socket.error()["message"], over_http.error()["message"], "{case}");
    }
    assert_eq!(login(&stranger, "carol", PASSWORD).await.code(), "BAD_USER_INPUT");
    // None of them created an account.
    register(&stranger, "carol@example.org", "Carol", PASSWORD).await.value();
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn all_other_operations_need_a_token() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Project Alpha", "Welcome.").await;
    let operations = [
        ME.to_owned(),
        REFRESH.to_owned(),
        "{ documents { nodes { id } } }".to_owned(),
        format!("{{ document(id: \"{document}\") {{ title }} }}"),
        format!("{{ documentPresence(documentId: \"{document}\") {{ color }} }}"),
        "mutation { createDocument(title: \"Mine\") { id } }".to_owned(),
        format!("mutation {{ updateDocument(id: \"{document}\", title: \"Mine\") {{ id }} }}"),
        format!("mutation {{ deleteDocument(id: \"{document}\") }}"),
        format!(
            "mutation {{ grantAccess(documentId: \"{document}\", level: EDIT, userId: \"{}\")
                {{ level }} }}",
            alice.id
        ),
        format!(
            "mutation {{ revokeAccess(documentId: \"{document}\", userId: \"{}\") }}",
            alice.id
        ),
        format!(
            "mutation {{ updateCursor(documentId: \"{document}\", cursor: {{ line: 0, column: 0 }}) }}"
        ),
    ];
    for operation in operations {
        let answer = node.stranger().run(&operation, json!({})).await;
        assert_eq!(answer.code(), "UNAUTHENTICATED", "{operation}");
    }
    assert_eq!(alice.read(document).await["title"], "Project Alpha");
    node.stop().await;
}
