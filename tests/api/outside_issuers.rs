//! Users of outside issuers: an identity provider signs their tokens, and its keys change.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use coscribe::domain::DocumentId;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kit::{
    Client as _, IdentityProvider, Node as _, Person, SigningKey, TestNode, expect_eventually,
};
use serde_json::{Value, json};

/// Starts a node that accepts tokens of these providers.
async fn node_for(providers: &[&IdentityProvider], more: &[(&str, &str)]) -> TestNode {
    let sections = ["COMPANY", "PARTNER"];
    let settings: Vec<_> =
        providers.iter().zip(sections).flat_map(|(one, name)| one.settings(name)).collect();
    let set = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let variables: Vec<_> = set.chain(more.iter().copied()).collect();
    TestNode::start_with(&variables).await
}

fn profile(name: &str) -> Value {
    let email = format!("{}@example.org", name.to_lowercase());
    json!({ "name": name, "email": email, "email_verified": true })
}

async fn person(node: &TestNode, provider: &IdentityProvider, name: &str) -> Person {
    let token = provider.token(&format!("subject of {name}"), profile(name));
    Person::with_outside_token(node, name, token).await
}

async fn grant(owner: &Person, document: DocumentId, email: &str) -> kit::Answer {
    let operation = "mutation($id: ID!, $email: String) {
        grantAccess(documentId: $id, level: EDIT, email: $email) { user { id } } }";
    owner.run(operation, json!({ "id": document, "email": email })).await
}

/// The status and code of a request with this token.
async fn status(someone: &Person, token: &str) -> (u16, String) {
    let reply = someone.with_token(token).send(&json!({ "query": "{ me { id } }" })).await;
    let code = if reply.status == 200 { String::new() } else { reply.code() };
    (reply.status, code)
}

#[actix_web::test]
async fn users_of_a_provider_share_a_document_over_both_protocols() {
    let provider = IdentityProvider::start(SigningKey::es256("e")).await;
    let node = node_for(&[&provider], &[]).await;
    let (alice, bob) =
        (person(&node, &provider, "Alice").await, person(&node, &provider, "Bob").await);
    assert_eq!(bob.email, "bob@example.org");

    let document = alice.create_document("T", "").await;
    grant(&alice, document, "bob@example.org").await.value();
    let tab = alice.open(document).await;
    let editor = bob.open_editor(document).await;
    editor.insert(0, "Hello").await;
    assert_eq!(tab.expect_change().await["content"], "Hello");

    // The same user with a newer token.
    let token = provider.token("subject of Alice", json!({}));
    let again = Person::with_outside_token(&node, "Alice", token).await;
    assert_eq!((again.id, &again.email), (alice.id, &alice.email));

    drop((tab, editor));
    node.stop().await;
}

#[actix_web::test]
async fn a_new_key_is_accepted_and_an_old_one_is_not() {
    let (older, newer) = (SigningKey::ed_dsa("older"), SigningKey::rs256("newer"));
    let provider = IdentityProvider::start(older.clone()).await;
    let node = node_for(&[&provider], &[("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000")]).await;
    let alice = person(&node, &provider, "Alice").await;

    provider.rotate(&[&older, &newer]);
    let renewed = provider.token("subject of Alice", json!({}));
    expect_eventually("the new key", async || status(&alice, &renewed).await.0 == 200).await;
    assert_eq!(status(&alice, &alice.token).await.0, 200);

    provider.rotate(&[&newer]);
    let fetches = provider.fetches();
    let unknown = SigningKey::ed_dsa("unknown").sign(&provider.claims("x", json!({})));
    expect_eventually("another fetch", async || {
        assert_eq!(status(&alice, &unknown).await, (401, "UNAUTHENTICATED".to_owned()));
        provider.fetches() > fetches
    })
    .await;
    assert_eq!(status(&alice, &alice.token).await, (401, "UNAUTHENTICATED".to_owned()));
    assert_eq!(status(&alice, &renewed).await.0, 200);
    node.stop().await;
}

#[actix_web::test]
async fn tokens_with_unknown_keys_do_not_flood_the_provider() {
    let provider = IdentityProvider::start(SigningKey::ed_dsa("known")).await;
    let settings = [
        ("COSCRIBE__AUTH__ISSUERS__COMPANY__KEYS_RETRY", "1h"),
        ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000"),
    ];
    let node = node_for(&[&provider], &settings).await;
    let alice = person(&node, &provider, "Alice").await;
    for number in 0..50 {
        let key = SigningKey::ed_dsa(&format!("unknown {number}"));
        let token = key.sign(&provider.claims("subject of Alice", json!({})));
        assert_eq!(status(&alice, &token).await, (401, "UNAUTHENTICATED".to_owned()));
    }
    assert_eq!(provider.fetches(), 1);
    node.stop().await;
}

#[actix_web::test]
async fn a_token_is_refused_unless_the_provider_signed_it_for_this_server() {
    let provider = IdentityProvider::start(SigningKey::rs256("r")).await;
    let other = IdentityProvider::start(SigningKey::ed_dsa("r")).await;
    let settings = [("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000")];
    let node = node_for(&[&provider], &settings).await;
    let alice = person(&node, &provider, "Alice").await;
    let claims = provider.claims("subject of Alice", json!({}));

    let rsa = SigningKey::rs256("r").public();
    let modulus = URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap();
    let header = Header { kid: Some("r".to_owned()), ..Header::new(Algorithm::HS256) };
    let with_public_key = encode(&header, &claims, &EncodingKey::from_secret(&modulus)).unwrap();
    let [_, body, signature] = alice.token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"r"}"#);
    for (token, why) in [
        (with_public_key, "the public key as the secret of HS256"),
        (format!("{none}.{body}."), "no signature"),
        (format!("{none}.{body}.{signature}"), "the algorithm none"),
        (SigningKey::ed_dsa("r").sign(&claims), "another key with the id of a known one"),
        (other.token("subject of Alice", json!({})), "an issuer that is not accepted"),
        (other.token("subject of Alice", json!({ "iss": provider.issuer() })), "a false issuer"),
        (provider.token("subject of Alice", json!({ "iss": other.issuer() })), "another issuer"),
        (provider.token("subject of Alice", json!({ "iss": null })), "no issuer"),
        (provider.token("subject of Alice", json!({ "aud": "another" })), "another audience"),
        (provider.token("subject of Alice", json!({ "aud": null })), "no audience"),
        (provider.token("subject of Alice", json!({ "exp": 1 })), "an expired token"),
        (provider.token("subject of Alice", json!({ "exp": null })), "no expiry"),
        (provider.token("", json!({})), "no subject"),
        (provider.token("subject of Alice", json!({ "events": {} })), "a message about a sign-out"),
    ] {
        assert_eq!(status(&alice, &token).await, (401, "UNAUTHENTICATED".to_owned()), "{why}");
        let refused = alice.with_token(&token).try_connect().await.err();
        assert_eq!(refused.map(|(code, _)| code), Some(4403), "{why}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn an_address_counts_only_if_the_provider_has_verified_it() {
    let provider = IdentityProvider::start(SigningKey::ed_dsa("d")).await;
    let settings =
        [("COSCRIBE__AUTH__LOCAL", "on"), ("COSCRIBE__AUTH__UNCONFIRMED_ADDRESSES", "false")];
    let node = node_for(&[&provider], &settings).await;
    let alice = person(&node, &provider, "Alice").await;
    let document = alice.create_document("T", "").await;

    // One registers here with the address of another, and one claims it without proof.
    node.person("Bob").await;
    let unverified = json!({ "email": "bob@example.org", "email_verified": false });
    let sly = provider.token("subject of Sly", unverified);
    let sly = Person::with_outside_token(&node, "Sly", sly).await;
    assert!(sly.email.ends_with("@enrolled.invalid"), "{}", sly.email);
    grant(&alice, document, "bob@example.org").await.value();
    assert_eq!(sly.read(document).await, Value::Null);

    // It is Bob's when the provider says so.
    let bob = person(&node, &provider, "Bob").await;
    assert_eq!(bob.read(document).await["access"], "EDIT");
    node.stop().await;
}

#[actix_web::test]
async fn an_older_token_does_not_take_an_address_back() {
    let provider = IdentityProvider::start(SigningKey::ed_dsa("d")).await;
    let node = node_for(&[&provider], &[]).await;
    let issued = provider.claims("", json!({}))["iat"].as_i64().unwrap();
    let token = |name: &str, email: &str, seconds: i64| {
        let claims = json!({ "email": email, "email_verified": true, "iat": issued + seconds, "jti": seconds });
        provider.token(name, claims)
    };
    let first = token("ana", "team@example.org", -30);
    let ana = Person::with_outside_token(&node, "Ana", first.clone()).await;
    Person::with_outside_token(&node, "Ana", token("ana", "ana@example.org", -20)).await;
    let bo = Person::with_outside_token(&node, "Bo", token("bo", "team@example.org", -10)).await;

    let again = Person::with_outside_token(&node, "Ana", first).await;

    assert_eq!((again.id, &*again.email), (ana.id, "ana@example.org"));
    let document = ana.create_document("T", "").await;
    grant(&ana, document, "team@example.org").await.value();
    assert_eq!(bo.read(document).await["access"], "EDIT");
    node.stop().await;
}

#[actix_web::test]
async fn a_key_that_was_taken_back_is_refused_although_no_token_causes_a_fetch() {
    let key = SigningKey::ed_dsa("leaked");
    let provider = IdentityProvider::start(key.clone()).await;
    let settings = [("COSCRIBE__AUTH__ISSUERS__COMPANY__KEYS_EVERY", "1s")];
    let node = node_for(&[&provider], &settings).await;
    let alice = person(&node, &provider, "Alice").await;

    provider.rotate(&[&SigningKey::ed_dsa("new")]);
    let fetches = provider.fetches();
    expect_eventually("a fetch after the change", async || provider.fetches() > fetches + 1).await;

    let forged = key.sign(&provider.claims("subject of Alice", json!({ "jti": "forged" })));
    assert_eq!(status(&alice, &forged).await, (401, "UNAUTHENTICATED".to_owned()));
    assert_eq!(status(&alice, &alice.token).await, (401, "UNAUTHENTICATED".to_owned()));
    node.stop().await;
}

#[actix_web::test]
async fn a_provider_that_is_down_makes_its_users_wait_and_not_fail() {
    let provider = IdentityProvider::start(SigningKey::ed_dsa("d")).await;
    provider.set_up(false);
    let node = node_for(&[&provider], &[("COSCRIBE__AUTH__LOCAL", "on")]).await;
    let carol = node.person("Carol").await;

    let token = provider.token("subject of Alice", json!({}));
    assert_eq!(status(&carol, &token).await, (503, "UNAVAILABLE".to_owned()));
    let refused = carol.with_token(&token).try_connect().await.err();
    assert_eq!(refused.map(|(code, _)| code), Some(1013));
    // Others are not concerned.
    assert_eq!(status(&carol, &carol.token).await.0, 200);

    provider.set_up(true);
    expect_eventually("the keys", async || status(&carol, &token).await.0 == 200).await;
    // Known keys are used while it is down again.
    provider.set_up(false);
    let another = provider.token("subject of Bob", json!({}));
    assert_eq!(status(&carol, &another).await.0, 200);
    node.stop().await;
}

#[actix_web::test]
async fn the_same_subject_of_two_providers_is_two_users() {
    let company = IdentityProvider::start(SigningKey::ed_dsa("d")).await;
    let partner = IdentityProvider::start(SigningKey::es256("e")).await;
    // The keys of one are found by its configuration, those of the other at their address.
    let keys = format!("{}/keys", partner.issuer());
    let settings = [("COSCRIBE__AUTH__ISSUERS__PARTNER__KEYS", keys.as_str())];
    let node = node_for(&[&company, &partner], &settings).await;
    let here = company.token("4711", profile("Alice"));
    let here = Person::with_outside_token(&node, "Alice", here).await;
    let there = partner.token("4711", profile("Alicia"));
    let there = Person::with_outside_token(&node, "Alicia", there).await;
    assert_ne!(here.id, there.id);
    let document = here.create_document("T", "").await;
    assert_eq!(there.write(document, "x").await.code(), "FORBIDDEN");
    node.stop().await;
}

#[actix_web::test]
async fn without_enrolment_an_unknown_user_is_refused() {
    let provider = IdentityProvider::start(SigningKey::ed_dsa("d")).await;
    let settings =
        [("COSCRIBE__AUTH__ISSUERS__COMPANY__ENROL", "false"), ("COSCRIBE__AUTH__LOCAL", "on")];
    let node = node_for(&[&provider], &settings).await;
    let carol = node.person("Carol").await;
    let token = provider.token("subject of Alice", json!({}));
    assert_eq!(status(&carol, &token).await, (401, "UNAUTHENTICATED".to_owned()));
    node.stop().await;
}

#[actix_web::test]
async fn a_node_with_an_issuer_has_no_passwords_unless_it_is_told_to() {
    let provider = IdentityProvider::start(SigningKey::ed_dsa("d")).await;
    let node = node_for(&[&provider], &[]).await;
    let register = "mutation { register(email: \"a@example.org\", name: \"A\", password: \"correct horse\") { token } }";
    let login =
        "mutation { login(email: \"a@example.org\", password: \"correct horse\") { token } }";
    let stranger = node.stranger();
    assert_eq!(stranger.run(register, json!({})).await.code(), "FORBIDDEN");
    assert_eq!(stranger.run(login, json!({})).await.code(), "FORBIDDEN");
    node.stop().await;

    let settings = [("COSCRIBE__AUTH__LOCAL", "on"), ("COSCRIBE__AUTH__REGISTRATION", "closed")];
    let node = node_for(&[&provider], &settings).await;
    let stranger = node.stranger();
    assert_eq!(stranger.run(register, json!({})).await.code(), "FORBIDDEN");
    assert_eq!(stranger.run(login, json!({})).await.code(), "UNAUTHENTICATED");
    node.stop().await;
}

#[actix_web::test]
async fn a_token_of_a_provider_is_not_exchanged_for_one_of_ours() {
    let provider = IdentityProvider::start(SigningKey::ed_dsa("d")).await;
    let node = node_for(&[&provider], &[]).await;
    let alice = person(&node, &provider, "Alice").await;
    let refresh = "mutation { refreshToken { token } }";
    assert_eq!(alice.run(refresh, json!({})).await.code(), "FORBIDDEN");
    let socket = alice.connect().await;
    assert_eq!(socket.run(refresh, json!({})).await.code(), "FORBIDDEN");
    socket.close().await;
    node.stop().await;
}

#[actix_web::test]
async fn a_socket_is_kept_open_by_a_newer_token_of_the_provider() {
    let provider = IdentityProvider::start(SigningKey::ed_dsa("d")).await;
    let node = node_for(&[&provider], &[]).await;
    let alice = person(&node, &provider, "Alice").await;
    let mut socket = node.handshake().open_raw().await;
    socket.init(&alice.token).await;
    let newer = provider.claims("subject of Alice", json!({}))["exp"].as_i64().unwrap() + 600;
    let renewal = provider.token("subject of Alice", json!({ "exp": newer }));
    socket.send(json!({ "type": "ping", "payload": { "authToken": renewal } })).await;
    let pong = socket.expect_message().await;
    let expires_at = pong["payload"]["tokenExpiresAt"].as_str().unwrap();
    let expires_at: chrono::DateTime<chrono::Utc> = expires_at.parse().unwrap();
    assert_eq!(expires_at.timestamp(), newer);
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_user_who_was_switched_off_at_the_provider_is_out_when_the_last_token_ends() {
    let provider = IdentityProvider::start(SigningKey::ed_dsa("d")).await;
    let node = node_for(&[&provider], &[("COSCRIBE__AUTH__LEEWAY", "0s")]).await;
    let alice = person(&node, &provider, "Alice").await;
    let document = alice.create_document("T", "Hello").await;
    // The provider issues no token after this one.
    let exp = chrono::Utc::now().timestamp() + 4;
    let last = alice.with_token(provider.token("subject of Alice", json!({ "exp": exp })));
    let (socket, editor) = (last.connect().await, last.open_editor(document).await);

    assert_eq!(socket.expect_close().await, (4403, "Token expired".to_owned()));
    assert_eq!(editor.expect_close().await.0, 3000);
    assert_eq!(status(&alice, &last.token).await, (401, "UNAUTHENTICATED".to_owned()));
    // coscribe renews no token of a provider.
    let refresh = alice.run("mutation { refreshToken { token } }", json!({})).await;
    assert_eq!(refresh.code(), "FORBIDDEN");
    node.stop().await;
}
