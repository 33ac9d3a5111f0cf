//! Strangers who guess passwords and try addresses, and the people who want to sign in meanwhile.

use std::cell::Cell;

use futures_util::future::join_all;
use kit::{Answer, Client as _, HttpReply, Node as _, PASSWORD, TestNode, http_client};
use serde_json::{Value, json};
use tokio::select;

const LOGIN: &str = "mutation($email: String!, $password: String!) { login(email: $email, password: $password) { token } }";

const REGISTER: &str = "mutation($email: String!) {
    register(email: $email, name: \"Somebody\", password: \"a long password\") { token } }";

/// The setting with which a test tells the address of each client.
const PROXY: (&str, &str) = ("COSCRIBE__SERVER__TRUSTED_PROXIES", "127.0.0.0/8");

/// Runs an operation of a client without a token at an address.
async fn run_at(node: &TestNode, source: &str, operation: &str, variables: Value) -> Answer {
    let body = json!({ "query": operation, "variables": variables });
    let request = http_client().post(node.url("/graphql")).header("X-Forwarded-For", source);
    HttpReply::to(request.json(&body)).await.answer()
}

async fn login_at(node: &TestNode, source: &str, email: &str, password: &str) -> Answer {
    run_at(node, source, LOGIN, json!({ "email": email, "password": password })).await
}

/// Guesses until an answer is not that the password is wrong. Returns how many were wrong, and the code.
async fn guess(node: &TestNode, source: &str, email: &str) -> (usize, String) {
    for wrong in 0..100 {
        let answer = login_at(node, source, email, "a wrong password").await;
        if answer.code() != "UNAUTHENTICATED" {
            return (wrong, answer.code().to_owned());
        }
    }
    panic!("nobody stops the guesses");
}

#[actix_web::test]
async fn wrong_passwords_of_others_never_refuse_the_right_one() {
    let node = TestNode::start_with(&[PROXY, FEW_OF_PAIR]).await;
    let alice = node.person("Alice").await;

    assert_eq!(guess(&node, "198.51.100.1", &alice.email).await, (5, "RATE_LIMITED".to_owned()));
    assert_eq!(
        login_at(&node, "198.51.100.1", &alice.email, PASSWORD).await.code(),
        "RATE_LIMITED"
    );

    assert!(login_at(&node, "198.51.100.2", &alice.email, PASSWORD).await.is_ok());
    // An address of the same IPv6 network is the same source.
    guess(&node, "2001:db8::1", &alice.email).await;
    assert_eq!(login_at(&node, "2001:db8::2", &alice.email, PASSWORD).await.code(), "RATE_LIMITED");
    assert!(login_at(&node, "2001:db8:0:1::1", &alice.email, PASSWORD).await.is_ok());
    node.stop().await;
}

const FEW_OF_PAIR: (&str, &str) = ("COSCRIBE__LIMITS__FAILED_SIGN_INS_OF_PAIR", "5");

#[actix_web::test]
async fn a_token_gives_no_more_guesses() {
    let node = TestNode::start_with(&[PROXY, FEW_OF_PAIR]).await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    // A session at the address of the test itself.
    let socket = mallory.connect().await;
    let variables = json!({ "email": alice.email, "password": "a wrong password" });
    let mut wrong = 0;
    while socket.run(LOGIN, variables.clone()).await.code() == "UNAUTHENTICATED" {
        wrong += 1;
    }
    assert_eq!(wrong, 5);
    assert_eq!(mallory.run(LOGIN, variables).await.code(), "RATE_LIMITED");
    assert!(login_at(&node, "198.51.100.2", &alice.email, PASSWORD).await.is_ok());
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn one_source_guesses_at_few_accounts() {
    let node = TestNode::start_with(&[
        PROXY,
        FEW_OF_PAIR,
        ("COSCRIBE__LIMITS__FAILED_SIGN_INS_OF_SOURCE", "12"),
    ])
    .await;
    let alice = node.person("Alice").await;
    let source = "198.51.100.1";
    assert!(login_at(&node, source, &alice.email, PASSWORD).await.is_ok());
    let mut wrong = 0;
    for account in 0..4 {
        wrong += guess(&node, source, &format!("nobody-{account}@example.org")).await.0;
    }
    assert_eq!(wrong, 12);
    // Alice has been there before, and others have not.
    assert!(login_at(&node, source, &alice.email, PASSWORD).await.is_ok());
    let bob = node.person("Bob").await;
    assert_eq!(login_at(&node, source, &bob.email, PASSWORD).await.code(), "RATE_LIMITED");
    node.stop().await;
}

#[actix_web::test]
async fn an_account_that_many_sources_attack_admits_its_owner() {
    let node =
        TestNode::start_with(&[PROXY, ("COSCRIBE__LIMITS__FAILED_SIGN_INS_OF_ACCOUNT", "12")])
            .await;
    let alice = node.person("Alice").await;
    let home = "203.0.113.7";
    assert!(login_at(&node, home, &alice.email, PASSWORD).await.is_ok());
    let attack = |email: String| {
        let node = &node;
        async move {
            let attempts = (0..12).map(|n| format!("198.51.100.{n}"));
            let attempts: Vec<_> = attempts.collect();
            join_all(
                attempts.iter().map(|source| login_at(node, source, &email, "wrong password")),
            )
            .await;
            // Three attempts remain for each source, and each waits.
            guess(node, "198.51.100.100", &email).await
        }
    };
    let (of_alice, of_nobody) =
        tokio::join!(attack(alice.email.clone()), attack("nobody@example.org".to_owned()));
    assert_eq!(of_alice, (3, "RATE_LIMITED".to_owned()));
    assert_eq!(of_nobody, of_alice);

    assert!(login_at(&node, home, &alice.email, PASSWORD).await.is_ok());
    assert!(login_at(&node, "203.0.113.8", &alice.email, PASSWORD).await.is_ok());
    node.stop().await;
}

#[actix_web::test]
async fn people_sign_in_while_many_sources_flood_the_node() {
    const SOURCES: usize = 8;
    let node = TestNode::start_with(&[
        PROXY,
        ("COSCRIBE__AUTH__ARGON2_MEMORY_KIB", "4096"),
        ("COSCRIBE__AUTH__HASHES_AT_ONCE", "1"),
        // Fewer than there are sources.
        ("COSCRIBE__AUTH__HASHES_WAITING", "4"),
        // None of them is refused for its failures.
        ("COSCRIBE__LIMITS__FAILED_SIGN_INS_OF_SOURCE", "1000"),
    ])
    .await;
    let people = [node.person("Alice").await, node.person("Bob").await, node.person("Carol").await];
    let failures = [const { Cell::new(0) }; SOURCES];
    let flood = join_all((0..2 * SOURCES).map(|guess| {
        let (node, failures) = (&node, &failures[guess % SOURCES]);
        async move {
            let source = format!("198.51.100.{}", guess % SOURCES);
            for number in 0.. {
                let email = format!("nobody-{guess}-{number}@example.org");
                let answer = login_at(node, &source, &email, PASSWORD).await;
                if answer.code() == "UNAUTHENTICATED" {
                    failures.set(failures.get() + 1);
                }
            }
        }
    }));
    let sign_ins = async {
        // From then on no source of the flood is quiet.
        let have_failed = async || failures.iter().all(|failures| failures.get() >= 3);
        kit::expect_eventually("failures of all", have_failed).await;
        for round in 0..3 {
            for (number, person) in people.iter().enumerate() {
                let source = format!("203.0.113.{number}");
                let signed_in = login_at(&node, &source, &person.email, PASSWORD).await;
                assert!(signed_in.is_ok(), "round {round}: {:?}", signed_in.errors());
            }
        }
    };
    select! {
        _ = flood => unreachable!("it has no end"),
        () = sign_ins => {}
    }
    node.stop().await;
}

#[actix_web::test]
async fn right_passwords_of_others_refuse_nobody() {
    const ACCOUNTS: usize = 10;
    let node = TestNode::start_with(&[
        PROXY,
        ("COSCRIBE__AUTH__ARGON2_MEMORY_KIB", "4096"),
        ("COSCRIBE__AUTH__HASHES_AT_ONCE", "1"),
        // One network may fill half of it.
        ("COSCRIBE__AUTH__HASHES_WAITING", "8"),
        ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "100000"),
    ])
    .await;
    let alice = node.person("Alice").await;
    let mut accounts = vec![];
    for number in 0..ACCOUNTS {
        accounts.push(node.person(&format!("Mallory{number}")).await);
    }
    let sources = ["198.51.100.1", "198.51.100.2"];
    // Each account knows both sources.
    for account in &accounts {
        for source in sources {
            assert!(login_at(&node, source, &account.email, PASSWORD).await.is_ok());
        }
    }
    let refused = [const { Cell::new(0) }; 2];
    let flood = join_all((0..32).map(|number| {
        let (node, refused, source) = (&node, &refused[number % 2], sources[number % 2]);
        let accounts = &accounts;
        async move {
            for attempt in 0.. {
                let account = &accounts[(number + attempt) % ACCOUNTS];
                let answer = login_at(node, source, &account.email, PASSWORD).await;
                if !answer.is_ok() {
                    assert_eq!(answer.code(), "UNAVAILABLE");
                    refused.set(refused.get() + 1);
                }
            }
        }
    }));
    let others = async {
        let is_full = async || refused.iter().all(|refused| refused.get() > 0);
        kit::expect_eventually("a full queue", is_full).await;
        for number in 0..8 {
            let source = format!("203.0.113.{number}");
            let signed_in = login_at(&node, &source, &alice.email, PASSWORD).await;
            assert!(signed_in.is_ok(), "sign-in {number}: {:?}", signed_in.errors());
            let email = json!({ "email": format!("new-{number}@example.org") });
            let registered = run_at(&node, &source, REGISTER, email).await;
            assert!(registered.is_ok(), "registration {number}: {:?}", registered.errors());
        }
    };
    select! {
        _ = flood => unreachable!("it has no end"),
        () = others => {}
    }
    node.stop().await;
}

#[actix_web::test]
async fn accounts_of_one_source_are_few() {
    let node = TestNode::start_with(&[
        PROXY,
        ("COSCRIBE__LIMITS__REGISTRATIONS_PER_HOUR", "4"),
        ("COSCRIBE__LIMITS__FAILED_SIGN_INS_OF_SOURCE", "3"),
    ])
    .await;
    let register_at = async |source: &str, email: &str| {
        run_at(&node, source, REGISTER, json!({ "email": email })).await
    };
    let here = "198.51.100.1";
    for number in 0..4 {
        assert!(register_at(here, &format!("m{number}@example.org")).await.is_ok());
    }
    assert_eq!(register_at(here, "m5@example.org").await.code(), "RATE_LIMITED");
    // Somewhere else: addresses that have an account are failures.
    let there = "198.51.100.2";
    for _ in 0..3 {
        assert_eq!(register_at(there, "m1@example.org").await.code(), "CONFLICT");
    }
    assert_eq!(register_at(there, "new@example.org").await.code(), "RATE_LIMITED");
    assert!(register_at("198.51.100.3", "new@example.org").await.is_ok());
    node.stop().await;
}

#[actix_web::test]
async fn documents_are_shared_with_a_few_addresses_an_hour() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__ADDRESS_LOOK_UPS_PER_HOUR", "20")]).await;
    let [alice, bob, mallory] =
        [node.person("Alice").await, node.person("Bob").await, node.person("Mallory").await];
    let document = mallory.create_document("Mine", "").await;
    let of_alice = alice.create_document("Hers", "").await;
    for number in 0..20 {
        let mut nobody = bob.clone();
        nobody.email = format!("nobody-{number}@example.org");
        mallory.grant(document, &nobody, "VIEW").await.value();
    }
    assert_eq!(mallory.grant(document, &bob, "VIEW").await.code(), "RATE_LIMITED");
    // By id, and for others, nothing changes.
    let by_id = "mutation($document: ID!, $user: ID!) {
        grantAccess(documentId: $document, level: VIEW, userId: $user) { level } }";
    let by_id = mallory.run(by_id, json!({ "document": document, "user": bob.id })).await;
    assert!(by_id.is_ok(), "{:?}", by_id.errors());
    for _ in 0..10 {
        assert!(alice.grant(of_alice, &bob, "VIEW").await.is_ok());
    }
    node.stop().await;
}
