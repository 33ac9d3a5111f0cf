//! Operations that are expensive to read, to check or to carry out.

use futures_util::future::join;
use kit::{Client as _, PASSWORD, http_client, http_client_at};
use serde_json::json;

use super::{Attacker, attacker::aliases};

/// Asks for the schema under aliases, without a token.
pub(super) async fn schema_aliases(attacker: Attacker) {
    let texts = [
        format!("{{ __schema {{ types {{ fields {{ {} }} }} }} }}", aliases(1_900, "name")),
        format!("{{ __schema {{ types {{ fields {{ {} }} }} }} }}", aliases(490, "name")),
    ];
    attacker
        .repeat(10, async || {
            for text in &texts {
                let request = http_client().post(format!("{}/graphql", attacker.url));
                attacker.send(request.json(&json!({ "query": text }))).await;
            }
        })
        .await;
}

/// Sends texts that are as long as they may be, each another one.
pub(super) async fn long_texts(attacker: Attacker) {
    let socket = attacker.person.connect().await;
    let text = |unit: &str| {
        format!("{{ me {{ id }} # {}\n}}", uuid::Uuid::new_v4()) + &unit.repeat(60_000 / unit.len())
    };
    attacker
        .repeat(attacker.size(4, 32), async || {
            for unit in ["\n", "{a}", "#\n"] {
                attacker.ask(&text(unit), json!({})).await;
                let stranger = http_client().post(format!("{}/graphql", attacker.url));
                attacker.send(stranger.json(&json!({ "query": text(unit) }))).await;
                socket.run(&text(unit), json!({})).await;
            }
        })
        .await;
}

/// Sends as many values as a message may have bytes.
pub(super) async fn large_variables(attacker: Attacker) {
    let document = attacker.create("").await;
    let edit = "mutation($d: ID!, $x: [DeltaOpInput!]!) {
        editDocument(documentId: $d, baseVersion: 1, delta: $x) { version } }";
    let count = attacker.size(20_000, 1_000_000);
    // Written by hand, because a library would take longer for it than the server.
    let bodies = ["{\"a\":0}", "{}", "0"].map(|value| {
        let (query, values) = (json!(edit), format!("{value},").repeat(count));
        format!("{{\"query\":{query},\"variables\":{{\"d\":\"{document}\",\"x\":[{values}0]}}}}")
    });
    attacker
        .repeat(attacker.size(4, 20), async || {
            for body in &bodies {
                let request = attacker.person.post().header("Content-Type", "application/json");
                attacker.send(request.body(body.clone())).await;
            }
        })
        .await;
}

/// Uses a large variable in many fields.
pub(super) async fn repeated_variables(attacker: Attacker) {
    let create = aliases(36, "createDocument(title: \"x\", content: $c) { version }");
    let text = "x".repeat(attacker.size(100_000, 8_000_000));
    attacker
        .repeat(attacker.size(2, 8), async || {
            let operation = format!("mutation($c: String!) {{ {create} }}");
            attacker.ask(&operation, json!({ "c": text })).await;
        })
        .await;
}

/// Asks the database as often as an operation may.
pub(super) async fn database_questions(attacker: Attacker) {
    let document = attacker.target.document;
    let operations = [
        format!("{{ {} }}", aliases(90, &format!("document(id: \"{document}\") {{ id }}"))),
        format!("{{ {} }}", aliases(60, "documents { pageInfo { hasNextPage } }")),
        format!(
            "{{ {} }}",
            aliases(
                60,
                &format!(
                    "documentHistory(documentId: \"{document}\") {{ pageInfo {{ hasNextPage }} }}"
                )
            )
        ),
        format!(
            "{{ documents(first: 20) {{ nodes {{ {} }} }} }}",
            aliases(40, "collaborators { level }")
        ),
        format!(
            "{{ {} }}",
            aliases(
                36,
                &format!("documentAt(documentId: \"{document}\", version: 1) {{ version }}")
            )
        ),
    ];
    attacker
        .repeat(attacker.size(6, 60), async || {
            for operation in &operations {
                attacker.ask(operation, json!({})).await;
            }
        })
        .await;
}

/// Writes to the database as often as operations may: documents, grants, and revocations of access that nobody has.
pub(super) async fn database_writes(attacker: Attacker) {
    let document = attacker.create("").await;
    let nobody = uuid::Uuid::new_v4();
    let revoke = format!("revokeAccess(documentId: \"{document}\", userId: \"{nobody}\")");
    let grant = format!(
        "grantAccess(documentId: \"{document}\", level: VIEW, userId: \"{nobody}\") {{ level }}"
    );
    let create = "createDocument(title: \"x\") { version }";
    let operations = [revoke.as_str(), grant.as_str(), create].map(|field| {
        let fields = aliases(36, field);
        format!("mutation {{ {fields} }}")
    });
    attacker
        .repeat(attacker.size(20, 200), async || {
            for operation in &operations {
                attacker.ask(operation, json!({})).await;
            }
        })
        .await;
}

/// Sends requests with a token that is not valid, and more than are allowed.
pub(super) async fn bad_tokens(attacker: Attacker) {
    let client = http_client();
    attacker
        .repeat(attacker.size(10, 100), async || {
            let request =
                client.post(format!("{}/graphql", attacker.url)).bearer_auth("not.a.token");
            attacker.send(request.json(&json!({ "query": "{ me { id } }" }))).await;
            attacker.ask("{ me { id } }", json!({})).await;
        })
        .await;
}

/// Signs in with wrong passwords and as nobody.
pub(super) async fn wrong_passwords(attacker: Attacker) {
    let login = "mutation($e: String!, $p: String!) { login(email: $e, password: $p) { token } }";
    attacker
        .repeat(attacker.size(8, 64), async || {
            let nobody = format!("{}@example.org", uuid::Uuid::new_v4());
            attacker.ask(login, json!({ "e": nobody, "p": PASSWORD })).await;
            let stranger = http_client().post(format!("{}/graphql", attacker.url));
            let variables = json!({ "e": attacker.target.email, "p": "a wrong password" });
            attacker.send(stranger.json(&json!({ "query": login, "variables": variables }))).await;
        })
        .await;
}

/// Signs in with the right password from two networks, which the account knows.
pub(super) async fn right_passwords(attacker: Attacker) {
    let login = "mutation($e: String!, $p: String!) { login(email: $e, password: $p) { token } }";
    let body =
        json!({ "query": login, "variables": { "e": attacker.person.email, "p": PASSWORD } });
    let from = async |last: u8| {
        let client = http_client_at([127, 0, 0, last].into());
        attacker
            .repeat(attacker.size(8, 80), async || {
                // With a token, which has the higher rate.
                let request = client.post(format!("{}/graphql", attacker.url));
                attacker.send(request.bearer_auth(&attacker.person.token).json(&body)).await;
            })
            .await;
    };
    join(from(2), from(3)).await;
}

/// Looks up e-mail addresses by granting them access.
pub(super) async fn address_lookups(attacker: Attacker) {
    let document = attacker.create("").await;
    attacker.repeat(attacker.size(4, 32), async || {
        let grants: String = (0..37)
            .map(|n| format!("g{n}: grantAccess(documentId: \"{document}\", level: VIEW, email: \"a{n}@example.org\") {{ level }} "))
            .collect();
        attacker.ask(&format!("mutation {{ {grants} }}"), json!({})).await;
    })
    .await;
}
