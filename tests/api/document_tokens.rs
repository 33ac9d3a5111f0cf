//! Document tokens: an application signs them with a registered key, and ends them.

use chrono::{TimeDelta, Utc};
use kit::{
    Answer, Application, Client as _, Node as _, Pair, Person, SigningKey, expect_eventually,
};
use serde_json::{Value, json};

use crate::SERVER;

const SIGNED_OUT: (u16, &str) = (4403, "Signed out; sign in again");

async fn end_tokens(who: &Person, variables: Value) -> Answer {
    let operation = "mutation($tokenId: String, $subject: String) {
        endDocumentTokens(tokenId: $tokenId, subject: $subject) }";
    who.run(operation, variables).await
}

fn signed_out() -> (u16, String) {
    (SIGNED_OUT.0, SIGNED_OUT.1.to_owned())
}

async fn is_refused(person: &Person) -> bool {
    person.send(&json!({ "query": "{ me { id } }" })).await.status == 401
}

/// The setting of a test that tries many tokens.
const MANY_TOKENS: (&str, &str) = ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000");

/// The same user with a token that grants nothing and was issued after all their tokens have ended.
async fn with_later_token(wiki: &Application, name: &str, person: &Person) -> Person {
    // Tokens name whole seconds.
    let accepted = std::cell::RefCell::new(None);
    expect_eventually("a later token", async || {
        let id = uuid::Uuid::new_v4().to_string();
        let again = person.with_token(wiki.token(name, json!({ "jti": id })));
        let is_accepted = !is_refused(&again).await;
        accepted.replace(Some(again));
        is_accepted
    })
    .await;
    accepted.take().unwrap()
}

#[actix_web::test]
async fn a_token_opens_its_documents_with_its_levels_over_both_protocols() {
    let pair = Pair::start().await;
    let Pair { node, alice, document, .. } = &pair;
    let wiki = Application::register(node, "wiki").await;
    let editor = wiki.user(node, "Eve", *document, "EDIT").await;
    let viewer = wiki.user(node, "Vic", *document, "VIEW").await;
    let tab = alice.open(*document).await;

    let typing = editor.open_editor(*document).await;
    tab.expect_joined(&editor).await;
    typing.insert(0, "Eve: ").await;
    assert_eq!(tab.expect_change().await["content"], "Eve: Welcome.");
    let reading = viewer.open(*document).await;
    tab.expect_joined(&viewer).await;
    assert_eq!(viewer.write(*document, "x").await.code(), "FORBIDDEN");
    editor.write(*document, "Done").await.value();
    assert_eq!(reading.expect_change().await["content"], "Done");

    let listed = viewer.run("{ documents { edges { node { id } } } }", json!({})).await.value();
    assert_eq!(listed["edges"][0]["node"]["id"], document.to_string());
    let other = alice.create_document("Other", "").await;
    assert_eq!(viewer.read(other).await, Value::Null);
    pair.stop((tab, typing, reading)).await;
}

#[actix_web::test]
async fn the_application_ends_a_token_by_its_id() {
    let pair = Pair::start().await;
    let Pair { node, document, .. } = &pair;
    let wiki = Application::register(node, "wiki").await;
    let (itself, eve) = (wiki.itself(node).await, wiki.user(node, "Eve", *document, "EDIT").await);
    // Another token of the same user, which grants nothing.
    let other = eve.with_token(wiki.token("Eve", json!({ "jti": "other" })));
    let (socket, editor) = (eve.connect().await, eve.open_editor(*document).await);
    let tab = other.open(*document).await;

    end_tokens(&itself, json!({ "tokenId": "id of Eve" })).await.value();

    assert_eq!(socket.expect_close().await, signed_out());
    assert_eq!(editor.expect_close().await, signed_out());
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    assert!(is_refused(&eve).await);
    assert_eq!(other.read(*document).await, Value::Null);
    assert_eq!(other.write(*document, "x").await.code(), "FORBIDDEN");
    pair.stop((socket, editor, tab)).await;
}

#[actix_web::test]
async fn a_token_that_was_not_used_can_be_ended() {
    let pair = Pair::start().await;
    let Pair { node, document, .. } = &pair;
    let wiki = Application::register(node, "wiki").await;
    let chat = Application::register(node, "chat").await;
    let itself = wiki.itself(node).await;
    // The id is that of this application's token only.
    end_tokens(&chat.itself(node).await, json!({ "tokenId": "id of Eve" })).await.value();
    end_tokens(&itself, json!({ "tokenId": "id of Zoe" })).await.value();

    let granted = json!({ "documents": { document.to_string(): "EDIT" } });
    let zoe = Person::with_token_at(node, wiki.token("Zoe", granted));
    assert!(is_refused(&zoe).await);
    let eve = wiki.user(node, "Eve", *document, "EDIT").await;
    assert_eq!(eve.read(*document).await["title"], "Project Alpha");
    pair.stop(()).await;
}

#[actix_web::test]
async fn the_application_ends_all_tokens_of_a_user() {
    let pair = Pair::start_with(&[MANY_TOKENS]).await;
    let Pair { node, document, .. } = &pair;
    let wiki = Application::register(node, "wiki").await;
    let itself = wiki.itself(node).await;
    let eve = wiki.user(node, "Eve", *document, "EDIT").await;
    let granted = json!({ "jti": "second", "documents": { document.to_string(): "VIEW" } });
    let second = eve.with_token(wiki.token("Eve", granted.clone()));
    let sockets = (eve.connect().await, second.open_editor(*document).await);
    let not_used = Person::with_token_at(node, wiki.token("Zoe", granted));

    for subject in ["Eve", "Zoe"] {
        end_tokens(&itself, json!({ "subject": subject })).await.value();
    }

    assert_eq!(sockets.0.expect_close().await, signed_out());
    assert_eq!(sockets.1.expect_close().await, signed_out());
    for person in [&eve, &second, &not_used] {
        assert!(is_refused(person).await);
    }
    // One that is issued later is another sign-in, and grants only what it says.
    let again = with_later_token(&wiki, "Eve", &eve).await;
    let me = again.run("{ me { id } }", json!({})).await.value();
    assert_eq!(me["id"], eve.id.to_string());
    assert_eq!(again.read(*document).await, Value::Null);
    pair.stop(sockets).await;
}

#[actix_web::test]
async fn only_an_application_ends_tokens() {
    let pair = Pair::start().await;
    let Pair { node, alice, document, .. } = &pair;
    let wiki = Application::register(node, "wiki").await;
    let eve = wiki.user(node, "Eve", *document, "OWNER").await;
    for person in [alice, &eve] {
        let refused = end_tokens(person, json!({ "subject": "Eve" })).await;
        assert_eq!(refused.code(), "FORBIDDEN");
    }
    let itself = wiki.itself(node).await;
    for variables in
        [json!({}), json!({ "tokenId": "x", "subject": "x" }), json!({ "subject": "" })]
    {
        assert_eq!(end_tokens(&itself, variables).await.code(), "BAD_USER_INPUT");
    }
    pair.stop(()).await;
}

#[actix_web::test]
async fn signing_out_ends_what_the_token_has_granted() {
    let pair = Pair::start_with(&[MANY_TOKENS]).await;
    let Pair { node, document, .. } = &pair;
    let wiki = Application::register(node, "wiki").await;
    for (name, mutation) in
        [("Eve", "mutation { signOut }"), ("Zoe", "mutation { signOutEverywhere }")]
    {
        let person = wiki.user(node, name, *document, "EDIT").await;
        person.run(mutation, json!({})).await.value();
        let again = with_later_token(&wiki, name, &person).await;
        assert_eq!(again.read(*document).await, Value::Null, "{mutation}");
    }
    pair.stop(()).await;
}

#[actix_web::test]
async fn access_ends_when_the_token_expires() {
    let pair = Pair::start().await;
    let Pair { node, alice, document, .. } = &pair;
    let wiki = Application::register(node, "wiki").await;
    let soon = Utc::now().timestamp() + 3;
    let granted = json!({ "exp": soon, "documents": { document.to_string(): "EDIT" } });
    let eve = Person::with_outside_token(node, "Eve", wiki.token("Eve", granted)).await;
    // The user is still there, with another token.
    let other = eve.with_token(wiki.token("Eve", json!({ "jti": "other" })));
    let (editor, tab) = (eve.open_editor(*document).await, other.open(*document).await);

    assert_eq!(editor.expect_close().await.0, 3000);
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    assert_eq!(other.write(*document, "x").await.code(), "FORBIDDEN");
    assert_eq!(alice.read(*document).await["content"], "Welcome.");
    pair.stop((editor, tab)).await;
}

#[actix_web::test]
async fn a_grant_ends_by_itself() {
    let pair = Pair::start().await;
    let Pair { node, alice, bob, document } = &pair;
    let grant = async |ends_at: Value| {
        let operation = "mutation($id: ID!, $user: ID!, $endsAt: DateTime) {
            grantAccess(documentId: $id, level: EDIT, userId: $user, endsAt: $endsAt) { endsAt } }";
        let variables = json!({ "id": document, "user": bob.id, "endsAt": ends_at });
        alice.run(operation, variables).await
    };
    let (tab, editor) = (bob.open(*document).await, bob.open_editor(*document).await);
    let past = Utc::now() - TimeDelta::seconds(1);
    assert_eq!(grant(json!(past)).await.code(), "BAD_USER_INPUT");

    let end = Utc::now() + TimeDelta::seconds(2);
    let granted = grant(json!(end)).await.value();
    assert!(granted["endsAt"].is_string());

    assert_eq!(editor.expect_close().await.0, 4403);
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    assert!(Utc::now() >= end);
    assert_eq!(bob.write(*document, "x").await.code(), "FORBIDDEN");
    let collaborators = "query($id: ID!) { document(id: $id) { collaborators { user { id } } } }";
    let left = alice.run(collaborators, json!({ "id": document })).await.value();
    assert_eq!(left["collaborators"], json!([]));
    assert_eq!(grant(Value::Null).await.value()["endsAt"], Value::Null);
    assert_eq!(bob.open(*document).await.write(*document, "Back").await.value()["version"], 2);
    node.expect_seats(0).await;
    pair.stop((tab, editor)).await;
}

#[actix_web::test]
async fn an_operator_registers_and_removes_a_key_of_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let alice = server.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    let key = SigningKey::es256("key of the wiki");
    let file = folder.path().join("wiki.json");
    std::fs::write(&file, key.public().to_string()).unwrap();
    let run = async |arguments: &[&str]| {
        let output = SERVER.run(folder.path(), arguments).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    let path = file.to_str().unwrap();
    let register = ["key", "register", "--application", "wiki", "--public-key", path];
    let (registered, output) = run(&register).await;
    assert_eq!((registered, output.as_str()), (false, output.as_str()), "a space is no id");
    let with_id: Vec<_> = register.into_iter().chain(["--id", "wiki-1"]).collect();
    assert_eq!(run(&with_id).await, (true, "id: wiki-1\n".to_owned()));
    assert!(run(&["key", "list"]).await.1.starts_with("wiki-1 wiki 2"));

    let wiki = Application { name: "wiki".to_owned(), key: key.named("wiki-1") };
    let granted = json!({ "documents": { document.to_string(): "EDIT" } });
    let eve = Person::with_token_at(&server, wiki.token("Eve", granted));
    expect_eventually("the key", async || !is_refused(&eve).await).await;
    let editor = eve.open_editor(document).await;

    assert_eq!(run(&["key", "remove", "wiki-1"]).await, (true, "removed wiki-1\n".to_owned()));

    assert_eq!(editor.expect_close().await, signed_out());
    expect_eventually("the end of the key", async || is_refused(&eve).await).await;
    assert!(!run(&["key", "remove", "wiki-1"]).await.0);
    let (registered, output) = run(&with_id).await;
    assert!(!registered && output.contains("another one with --id"), "{output}");
    drop(editor);
    server.terminate().await;
}
