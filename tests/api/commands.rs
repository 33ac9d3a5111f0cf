//! The commands of the binary, and what a second start finds.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use kit::{Client as _, Node as _};
use serde_json::{Value, json};

use crate::SERVER;

#[actix_web::test]
async fn a_second_start_keeps_documents_and_the_signing_secret() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let alice = server.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    server.terminate().await;

    let server = SERVER.start(folder.path(), &[]).await;

    // The old token is valid: the secret was kept, readable by its owner only.
    assert_eq!(alice.at(&server).read(document).await["title"], "Plan");
    let secret = fs::metadata(folder.path().join("data/jwt-secret")).unwrap();
    assert_eq!(secret.permissions().mode() & 0o777, 0o600);
    server.signal("INT");
    assert_eq!(server.expect_exit().await.code(), Some(0));
}

/// Runs a command that must succeed. Returns what it printed.
async fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = SERVER.run(folder, arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[actix_web::test]
async fn help_explains_each_command() {
    let folder = tempfile::tempdir().unwrap();

    let help = run(folder.path(), &["--help"]).await;
    for command in [
        "serve",
        "migrate",
        "user",
        "key",
        "import",
        "token",
        "compact",
        "schema",
        "health",
        "--data-dir",
        "--config",
        "--demo",
    ] {
        let line = help.lines().find(|line| line.trim_start().starts_with(command));
        assert!(line.is_some_and(|line| line.contains("  ")), "{command} in\n{help}");
    }
    for arguments in [
        &["migrate", "--help"][..],
        &["token", "--help"],
        &["user", "--help"],
        &["user", "create", "--help"],
        &["compact", "--help"],
        &["serve", "--help"],
    ] {
        assert!(run(folder.path(), arguments).await.contains("Usage: coscribe"));
    }
    let of_users =
        ["list", "create", "confirm", "end-sessions", "block", "unblock", "export", "erase"];
    for (group, commands) in [
        ("user", &of_users[..]),
        ("key", &["list", "register", "remove"]),
        ("import", &["folder", "sqlite", "postgres"]),
    ] {
        let help = run(folder.path(), &[group, "--help"]).await;
        for command in commands {
            let line = help.lines().find(|line| line.trim_start().starts_with(command));
            assert!(line.is_some_and(|line| line.contains("  ")), "{command} in\n{help}");
            let own = run(folder.path(), &[group, command, "--help"]).await;
            assert!(own.contains(&format!("Usage: coscribe {group} {command}")), "{own}");
        }
    }
    // No file was created.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[actix_web::test]
async fn the_health_command_succeeds_while_the_server_answers() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let port = server.address().port().to_string();
    let health = ["health", "--host", "127.0.0.1", "--port", port.as_str()];
    assert_eq!(run(folder.path(), &health).await, "");

    server.terminate().await;
    let output = SERVER.run(folder.path(), &health).await;
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&format!("no server responds on http://127.0.0.1:{port}")), "{error}");
}

#[actix_web::test]
async fn the_schema_is_printed_without_a_database() {
    let folder = tempfile::tempdir().unwrap();

    let schema = run(folder.path(), &["schema"]).await;

    assert_eq!(schema, coscribe::graphql::sdl());
    assert!(schema.contains("type Subscription {"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[actix_web::test]
async fn migrations_go_up_and_down_and_report_their_state() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| run(folder.path(), arguments).await;
    let states = async || {
        let status = run(&["migrate", "status"]).await;
        let states: Vec<_> = status.lines().map(|line| line.split(' ').next().unwrap()).collect();
        (states.iter().filter(|state| **state == "applied").count(), states.len())
    };
    let (applied, all) = states().await;
    assert!(applied == 0 && all > 0);

    let up = run(&["migrate", "up"]).await;
    assert_eq!(up.lines().filter(|line| line.starts_with("applied ")).count(), all);
    assert_eq!(states().await, (all, all));
    assert_eq!(run(&["migrate", "up"]).await, "nothing to do\n");

    assert!(run(&["migrate", "down"]).await.starts_with("reverted "));
    assert_eq!(states().await, (all - 1, all));
    run(&["migrate", "down", "--steps", "100"]).await;
    assert_eq!(states().await, (0, all));
    run(&["migrate", "up"]).await;
    assert_eq!(states().await, (all, all));
}

#[actix_web::test]
async fn the_token_command_prints_a_token_for_an_id_or_address() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let alice = server.person("Alice").await;

    for name in [&alice.id.to_string(), &alice.email] {
        let token = run(folder.path(), &["token", "--user", name]).await;
        let me = alice.with_token(token.trim()).run("{ me { id } }", json!({})).await.value();
        assert_eq!(me["id"], json!(alice.id));
    }
    let unknown = SERVER.run(folder.path(), &["token", "--user", "nobody@example.org"]).await;
    assert!(!unknown.status.success() && unknown.stdout.is_empty());
    let error = String::from_utf8(unknown.stderr).unwrap();
    assert!(error.contains("nobody@example.org"), "{error}");

    server.terminate().await;
}

#[actix_web::test]
async fn all_invalid_settings_are_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("wrong.toml");
    fs::write(&config, "[limits]\nframe = \"many\"\n[sesion]\nping_every = \"1s\"\n").unwrap();
    let output = SERVER
        .command(folder.path())
        .args(["--config", "wrong.toml"])
        .env("COSCRIBE__SESSION__PING_EVERY", "soon")
        .env("COSCRIBE__OUTBOX__BOUND", "1")
        .env("COSCRIBE__AUTH__SECRET", "short")
        .env("PORT", "99999")
        .output()
        .await
        .unwrap();

    assert!(!output.status.success());
    assert_eq!(output.stdout, b"");
    let error = String::from_utf8(output.stderr).unwrap();
    for key in [
        "limits.frame",
        "sesion.ping_every",
        "session.ping_every",
        "outbox.bound",
        "auth.secret",
        "server.port",
        "wrong.toml",
    ] {
        assert!(error.contains(key), "{key} in\n{error}");
    }
    assert!(!error.contains("short\""), "{error}");
    assert!(!folder.path().join("data").exists());
}

#[actix_web::test]
async fn commands_without_a_database_create_none_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let owner = ["--owner", "ana@example.org"];
    let commands = [
        &["user", "list"][..],
        &["key", "list"],
        &["token", "--user", "ana@example.org"],
        &["compact", "0190f3f1-0000-7000-8000-000000000000"],
        &["import", "folder", ".", owner[0], owner[1]],
    ];
    for arguments in commands {
        let output = SERVER.run(folder.path(), arguments).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(error.contains("there is no database in "), "{arguments:?}: {error}");
        assert!(error.contains("`coscribe migrate up`"), "{arguments:?}: {error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    run(folder.path(), &["migrate", "up"]).await;
    run(folder.path(), &["migrate", "down"]).await;
    for arguments in commands {
        let output = SERVER.run(folder.path(), arguments).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(error.contains("Run `coscribe migrate up` first"), "{arguments:?}: {error}");
    }
}

#[actix_web::test]
async fn operators_create_list_and_confirm_accounts() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["migrate", "up"]).await;
    assert_eq!(run(folder.path(), &["user", "list"]).await, "");

    let created =
        run(folder.path(), &["user", "create", "--email", "Ana@example.org", "--name", "Ana"])
            .await;
    let value = |name: &str| {
        let line = created.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {created}")).trim().to_owned()
    };
    let (id, password) = (value("id:"), value("password:"));
    let closed = [("COSCRIBE__AUTH__REGISTRATION", "closed")];
    let server = SERVER.start(folder.path(), &closed).await;
    let login = "mutation($email: String!, $password: String!) {
        login(email: $email, password: $password) { account { id } } }";
    let variables = json!({ "email": "ana@example.org", "password": password });
    let signed_in = server.stranger().run(login, variables).await.value();
    assert_eq!(signed_in["account"]["id"], *id);
    // Beside the server.
    let listed = run(folder.path(), &["user", "list"]).await;
    assert!(
        listed.starts_with(&id) && listed.ends_with(" ana@example.org confirmed Ana\n"),
        "{listed}"
    );
    server.terminate().await;

    let server = SERVER.start(folder.path(), &[]).await;
    server.person("Bob").await;
    let unconfirmed = "bob@example.org unconfirmed Bob";
    assert!(run(folder.path(), &["user", "list"]).await.contains(unconfirmed));
    run(folder.path(), &["user", "confirm", "bob@example.org"]).await;
    assert!(!run(folder.path(), &["user", "list"]).await.contains(unconfirmed));
    server.terminate().await;

    let twice = ["user", "create", "--email", "ana@example.org", "--name", "Ana"];
    let refused = SERVER.run(folder.path(), &twice).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("already exists"));
    let unknown = SERVER.run(folder.path(), &["user", "confirm", "x@example.org"]).await;
    assert!(
        String::from_utf8_lossy(&unknown.stderr)
            .contains("no account has the id or e-mail address")
    );
}

/// Reads a JSON file.
fn json_in(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

#[actix_web::test]
async fn operators_export_what_is_stored_of_a_user() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let (alice, bob) = (server.person("Alice").await, server.person("Bob").await);
    let document = alice.create_shared_document(&[&bob]).await;
    alice.write(document, "Hello 🎈").await.value();
    bob.write(document, "Hello 🎈 world").await.value();
    let shared = bob.create_shared_document(&[&alice]).await;
    alice.create_document("Empty", "").await;
    bob.write(shared, "By Bob.").await.value();
    alice.write(shared, "By Alice.").await.value();
    let link = bob.create_link(shared, "VIEW", 0).await;
    alice.open_link(&link.secret).await.value();

    let set_key = "mutation($id: ID!, $key: String) { updateDocument(id: $id, key: $key) { key } }";
    alice.run(set_key, json!({ "id": document, "key": "plan" })).await.value();
    let binned = alice.create_document("Binned", "").await;
    alice.run(set_key, json!({ "id": binned, "key": "binned" })).await.value();
    alice.delete(binned).await.value();
    // An export does not show documents in the bins of other users.
    let binned_by_bob = bob.create_shared_document(&[&alice]).await;
    alice.write(binned_by_bob, "By Alice.").await.value();
    bob.delete(binned_by_bob).await.value();

    let to = folder.path().join("export");
    let arguments = ["user", "export", "alice@example.org", "--to", to.to_str().unwrap()];
    let printed = run(folder.path(), &arguments).await;

    assert!(printed.starts_with("exported 2 documents"), "{printed}");
    let account = json_in(&to, "account.json");
    assert_eq!(
        (&account["id"], &account["email"]),
        (&json!(alice.id), &json!("alice@example.org"))
    );
    assert_eq!(account["identities"], json!([]));
    assert_eq!(account["grants"][0]["documentId"], json!(shared));
    assert_eq!(account["grants"][0]["level"], "EDIT");
    let entitlement = &account["entitlements"][0];
    assert_eq!(
        (&entitlement["documentId"], &entitlement["title"]),
        (&json!(shared), &json!("Plan"))
    );
    assert_eq!((&entitlement["source"], &entitlement["level"]), (&json!("LINK"), &json!("VIEW")));
    let documents = account["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 2);
    assert_eq!((&documents[0]["id"], &documents[0]["key"]), (&json!(document), &json!("plan")));
    assert_eq!(documents[1]["key"], Value::Null);
    let bin = account["bin"].as_array().unwrap();
    assert_eq!(bin.len(), 1);
    assert_eq!((&bin[0]["id"], &bin[0]["key"]), (&json!(binned), &json!("binned")));
    assert!(bin[0]["deletedAt"].is_string(), "{bin:?}");
    // The export has what Alice changed in Bob's document, and nothing that Bob changed.
    let contributions = json_in(&to, "contributions.json");
    let changes = contributions["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["documentId"], json!(shared));
    assert!(changes[0]["delta"].to_string().contains("Alice"), "{}", changes[0]);
    let of_document = to.join("documents").join(document.to_string());
    assert_eq!(fs::read_to_string(of_document.join("text.txt")).unwrap(), "Hello 🎈 world");
    assert!(!fs::read(of_document.join("state.yjs")).unwrap().is_empty());
    let exported = json_in(&of_document, "document.json");
    assert_eq!((&exported["title"], &exported["version"]), (&json!("Plan"), &json!(3)));
    assert_eq!(exported["key"], "plan");
    assert_eq!(exported["collaborators"][0]["user"]["name"], "bob@example.org");
    assert_eq!(
        exported["content"]["ops"][0]["insert"].as_str().map(|text| &text[..5]),
        Some("Hello")
    );
    let history = json_in(&of_document, "history.json");
    let changes = history["changes"].as_array().unwrap();
    let authors: Vec<_> = changes.iter().map(|change| &change["authorId"]).collect();
    assert_eq!(authors, [&json!(alice.id), &json!(bob.id)]);
    assert_eq!((&changes[0]["kind"], &changes[0]["version"]), (&json!("EDITED"), &json!(2)));
    assert_eq!(changes[0]["delta"], json!([{ "insert": "Hello 🎈" }]));
    assert_eq!(history["entries"].as_array().unwrap().len(), 2);
    let mode = fs::metadata(&to).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);

    let refused = SERVER.run(folder.path(), &arguments).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not empty"));
    server.terminate().await;
}

#[actix_web::test]
async fn operators_erase_users_with_and_without_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let (alice, bob) = (server.person("Alice").await, server.person("Bob").await);
    let carol = server.person("Carol").await;
    let document = alice.create_shared_document(&[&bob]).await;
    let others = bob.create_shared_document(&[&alice]).await;
    alice.write(others, "By Alice.").await.value();
    let (socket, tab) = (alice.connect().await, bob.open(document).await);
    let itself = ["user", "erase", "carol@example.org", "--hand-over-to", "carol@example.org"];
    assert!(!SERVER.run(folder.path(), &itself).await.status.success());

    // The server tells everybody who has the documents open.
    let erased = run(folder.path(), &["user", "erase", "alice@example.org"]).await;
    assert_eq!(erased, format!("erased {}\n", alice.id));
    assert_eq!(socket.expect_close().await.0, 4403);
    assert_eq!(tab.expect_change().await["kind"], "DELETED");
    assert_eq!(bob.read(document).await, Value::Null);
    assert_eq!(bob.read(others).await["collaborators"], json!([]));
    let history =
        "query($id: ID!) { documentHistory(documentId: $id) { nodes { author { name } } } }";
    let history = bob.run(history, json!({ "id": others })).await.value();
    assert_eq!(history["nodes"][0]["author"], Value::Null);
    drop((socket, tab));
    server.terminate().await;

    let id = bob.id.to_string();
    let hand_over = ["user", "erase", id.as_str(), "--hand-over-to", "carol@example.org"];
    let erased = run(folder.path(), &hand_over).await;
    assert_eq!(erased, format!("erased {}\n", bob.id));
    let unknown = SERVER.run(folder.path(), &hand_over).await;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no account has the id"));
    let listed = run(folder.path(), &["user", "list"]).await;
    assert!(listed.lines().count() == 1 && listed.contains("carol@example.org"), "{listed}");
    let server = SERVER.start(folder.path(), &[]).await;
    let carol = carol.at(&server);
    let read = carol.read(others).await;
    assert_eq!((&read["content"], &read["access"]), (&json!("By Alice."), &json!("OWNER")));
    server.terminate().await;
}
