//! Invitations to documents, links to them, and guests without an account.

use coscribe::domain::DocumentId;
use kit::{Client as _, Node as _, Pair, Person, TestNode, expect_eventually};
use serde_json::{Value, json};

async fn invite_until(who: &Person, document: DocumentId, ends_at: &str) -> kit::Answer {
    let operation = "mutation($id: ID!, $at: DateTime) {
        inviteToDocument(documentId: $id, level: VIEW, endsAt: $at) { secret } }";
    who.run(operation, json!({ "id": document, "at": ends_at })).await
}

async fn links(who: &Person, document: DocumentId) -> Value {
    let operation = "query($id: ID!) { documentLinks(documentId: $id) {
        id kind level usesLeft guests endsAt createdBy { id } } }";
    who.run(operation, json!({ "id": document })).await.value()
}

async fn visitors(who: &Person, document: DocumentId) -> Value {
    let operation = "query($id: ID!) { linkVisitors(documentId: $id) {
        nodes { user { id name } linkId level isGuest endsAt } } }";
    who.run(operation, json!({ "id": document })).await.value()["nodes"].take()
}

async fn publish(who: &Person, document: DocumentId, guests: i32) -> kit::Answer {
    let operation = "mutation($id: ID!, $guests: Int) {
        publishDocument(documentId: $id, guests: $guests) { id kind level } }";
    who.run(operation, json!({ "id": document, "guests": guests })).await
}

async fn open_public(who: &Person, document: DocumentId) -> kit::Answer {
    let operation = "mutation($id: ID) { openLink(documentId: $id) { id access } }";
    who.run(operation, json!({ "id": document })).await
}

#[actix_web::test]
async fn an_invitation_grants_as_often_as_it_may_be_used() {
    let pair = Pair::start().await;
    let Pair { node, alice, bob, .. } = &pair;
    let document = alice.create_document("Plan", "Hello").await;
    let invitation = alice.invite(document, "EDIT", Some(2)).await;
    assert_eq!(links(alice, document).await[0]["usesLeft"], 2);

    let accepted = bob.accept(&invitation.secret).await.value();
    assert_eq!((&accepted["id"], &accepted["access"]), (&json!(document), &json!("EDIT")));
    // Accepting again uses nothing up.
    assert_eq!(bob.accept(&invitation.secret).await.value()["access"], "EDIT");
    assert_eq!(alice.accept(&invitation.secret).await.value()["access"], "OWNER");
    let cleo = node.person("Cleo").await;
    assert_eq!(cleo.accept(&invitation.secret).await.value()["access"], "EDIT");
    let dan = node.person("Dan").await;
    assert_eq!(dan.accept(&invitation.secret).await.code(), "NOT_FOUND");
    assert_eq!(links(alice, document).await, json!([]));

    bob.write(document, "Bob was here").await.value();
    // What was granted outlasts the invitation, and ends as every grant does.
    assert_eq!(alice.revoke_link(document, &invitation.id).await.value(), true);
    cleo.write(document, "And so was Cleo").await.value();
    assert_eq!(alice.revoke(document, bob).await.value(), true);
    assert_eq!(bob.write(document, "x").await.code(), "FORBIDDEN");
    pair.stop(()).await;
}

#[actix_web::test]
async fn an_invitation_never_lowers_a_level() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let invitation = alice.invite(*document, "VIEW", Some(1)).await;
    assert_eq!(bob.accept(&invitation.secret).await.value()["access"], "EDIT");
    assert_eq!(links(alice, *document).await[0]["usesLeft"], 1);
    pair.stop(()).await;
}

#[actix_web::test]
async fn revoked_ended_and_unknown_secrets_look_alike() {
    let pair = Pair::start().await;
    let Pair { alice, bob, .. } = &pair;
    let document = alice.create_document("Plan", "").await;
    let (invitation, link) =
        (alice.invite(document, "EDIT", None).await, alice.create_link(document, "VIEW", 0).await);
    for id in [&invitation.id, &link.id] {
        assert_eq!(alice.revoke_link(document, id).await.value(), true);
        assert_eq!(alice.revoke_link(document, id).await.value(), false);
    }
    let deleted = alice.create_document("Gone", "").await;
    let gone = alice.create_link(deleted, "VIEW", 0).await;
    alice.delete(deleted).await.value();

    let unknown = bob.open_link("nonsense").await;
    assert_eq!(unknown.code(), "NOT_FOUND");
    // An invitation is no link, and a link no invitation.
    let (other_invitation, other_link) =
        (alice.invite(document, "EDIT", None).await, alice.create_link(document, "VIEW", 0).await);
    for answer in [
        bob.accept(&invitation.secret).await,
        bob.open_link(&link.secret).await,
        bob.open_link(&gone.secret).await,
        bob.open_link(&other_invitation.secret).await,
        bob.accept(&other_link.secret).await,
        open_public(bob, document).await,
    ] {
        assert_eq!(answer.error()["message"], unknown.error()["message"]);
    }
    assert_eq!(bob.read(document).await, Value::Null);
    let past = invite_until(alice, document, "2020-01-01T00:00:00Z").await;
    assert_eq!(past.code(), "BAD_USER_INPUT");
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_link_opens_the_document_until_it_is_revoked() {
    let pair = Pair::start().await;
    let Pair { node, alice, .. } = &pair;
    let document = alice.create_document("Plan", "Hello").await;
    let link = alice.create_link(document, "EDIT", 0).await;
    let (cleo, dan) = (node.person("Cleo").await, node.person("Dan").await);
    for person in [&cleo, &dan] {
        assert_eq!(person.open_link(&link.secret).await.value()["access"], "EDIT");
    }
    assert_eq!(visitors(alice, document).await.as_array().unwrap().len(), 2);
    let mine = cleo.run("{ documents(filter: SHARED) { nodes { id } } }", json!({})).await.value();
    assert_eq!(mine["nodes"], json!([{ "id": document }]));
    let (tab, editor) = (cleo.open(document).await, dan.open_editor(document).await);
    tab.expect_joined(&dan).await;
    editor.insert(0, "Dan: ").await;
    assert_eq!(tab.expect_change().await["content"], "Dan: Hello");

    assert_eq!(alice.revoke_link(document, &link.id).await.value(), true);
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    assert_eq!(editor.expect_close().await.0, 4403);
    assert_eq!(cleo.write(document, "x").await.code(), "FORBIDDEN");
    assert_eq!(cleo.open_link(&link.secret).await.code(), "NOT_FOUND");
    assert_eq!(visitors(alice, document).await, json!([]));
    pair.stop((tab, editor)).await;
}

#[actix_web::test]
async fn a_visitor_who_was_removed_cannot_come_back_by_a_link() {
    let pair = Pair::start().await;
    let Pair { node, alice, .. } = &pair;
    let document = alice.create_document("Plan", "Hello").await;
    let (link, other) = (
        alice.create_link(document, "EDIT", 0).await,
        alice.create_link(document, "VIEW", 0).await,
    );
    let invitation = alice.invite(document, "VIEW", None).await;
    let (cleo, dan) = (node.person("Cleo").await, node.person("Dan").await);
    cleo.open_link(&link.secret).await.value();
    dan.open_link(&link.secret).await.value();
    let (cleos, dans) = (cleo.open_editor(document).await, dan.open_editor(document).await);

    assert_eq!(alice.revoke(document, &cleo).await.value(), true);
    assert_eq!(cleos.expect_close().await.0, 4403);
    for answer in [
        cleo.open_link(&link.secret).await,
        cleo.open_link(&other.secret).await,
        cleo.accept(&invitation.secret).await,
    ] {
        assert_eq!(answer.code(), "NOT_FOUND");
    }
    // Dan stays, and may come back after leaving.
    dans.insert(0, "Dan: ").await;
    assert_eq!(dan.revoke(document, &dan).await.value(), true);
    assert_eq!(dans.expect_close().await.0, 4403);
    assert_eq!(dan.open_link(&link.secret).await.value()["access"], "EDIT");
    // A grant lets Cleo in again.
    alice.grant(document, &cleo, "VIEW").await.value();
    assert_eq!(cleo.open_link(&link.secret).await.value()["access"], "EDIT");
    pair.stop((cleos, dans)).await;
}

#[actix_web::test]
async fn guests_are_named_limited_and_removable() {
    let pair = Pair::start().await;
    let Pair { node, alice, .. } = &pair;
    let document = alice.create_document("Plan", "Hello").await;
    let link = alice.create_link(document, "EDIT", 2).await;
    let tab = alice.open(document).await;
    let gus = Person::enter_as_guest(node, "Gus", &link.secret).await.unwrap();
    let editor = gus.open_editor(document).await;
    tab.expect_joined(&gus).await;
    editor.insert(0, "Gus: ").await;
    let change = tab.expect_change().await;
    assert_eq!(
        (&change["content"], &change["author"]["name"]),
        (&json!("Gus: Hello"), &json!("Gus"))
    );
    let gina = Person::enter_as_guest(node, "Gina", &link.secret).await.unwrap();
    let refused = Person::enter_as_guest(node, "Gil", &link.secret).await;
    assert_eq!(refused.err().unwrap(), "FORBIDDEN");
    assert_eq!(
        Person::enter_as_guest(node, " ", &link.secret).await.err().unwrap(),
        "BAD_USER_INPUT"
    );
    let shown = visitors(alice, document).await;
    assert!(shown.as_array().unwrap().iter().all(|visitor| visitor["isGuest"] == true));

    // A guest has this document and nothing else.
    let create = "mutation { createDocument(title: \"Mine\") { id } }";
    assert_eq!(gus.run(create, json!({})).await.code(), "FORBIDDEN");
    let other = alice.create_document("Other", "").await;
    let others_link = alice.create_link(other, "VIEW", 0).await;
    assert_eq!(gus.open_link(&others_link.secret).await.code(), "FORBIDDEN");
    let invitation = alice.invite(other, "VIEW", None).await;
    assert_eq!(gus.accept(&invitation.secret).await.code(), "FORBIDDEN");
    assert_eq!(alice.grant_by_id(other, &gus, "VIEW").await.code(), "BAD_USER_INPUT");

    assert_eq!(alice.revoke(document, &gus).await.value(), true);
    assert_eq!(editor.expect_close().await.0, 4403);
    assert_eq!(gus.read(document).await, Value::Null);
    // Their place is free again.
    let gil = Person::enter_as_guest(node, "Gil", &link.secret).await.unwrap();
    assert_eq!(gil.read(document).await["content"], "Gus: Hello");
    alice.revoke_link(document, &link.id).await.value();
    for guest in [&gina, &gil] {
        assert_eq!(guest.read(document).await, Value::Null);
    }
    assert_eq!(Person::enter_as_guest(node, "Gus", &link.secret).await.err().unwrap(), "NOT_FOUND");
    pair.stop((tab, editor)).await;
}

#[actix_web::test]
async fn guests_leave_when_their_time_is_over() {
    let node = TestNode::start_with(&[("COSCRIBE__AUTH__GUEST_LIFE", "1m")]).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "Hello").await;
    let link = alice.create_link(document, "VIEW", 1).await;
    Person::enter_as_guest(&node, "Gus", &link.secret).await.unwrap();
    let ends_at = visitors(&alice, document).await[0]["endsAt"].clone();
    let ends_at: chrono::DateTime<chrono::Utc> = serde_json::from_value(ends_at).unwrap();
    let left = ends_at - chrono::Utc::now();
    assert!(left <= chrono::TimeDelta::minutes(1) && left > chrono::TimeDelta::zero());
    node.stop().await;
}

#[actix_web::test]
async fn an_operator_may_forbid_guests() {
    let node = TestNode::start_with(&[("COSCRIBE__AUTH__GUESTS_PER_LINK", "0")]).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "Hello").await;
    let link = alice.create_link(document, "VIEW", 0).await;
    let refused = Person::enter_as_guest(&node, "Gus", &link.secret).await;
    assert_eq!(refused.err().unwrap(), "FORBIDDEN");
    assert_eq!(publish(&alice, document, 1).await.code(), "BAD_USER_INPUT");
    node.stop().await;
}

#[actix_web::test]
async fn a_public_document_is_readable_by_everybody_who_has_its_id() {
    let pair = Pair::start().await;
    let Pair { node, alice, .. } = &pair;
    let document = alice.create_document("News", "Hello").await;
    let cleo = node.person("Cleo").await;
    let link = publish(alice, document, 1).await.value();
    assert_eq!((&link["kind"], &link["level"]), (&json!("PUBLIC"), &json!("VIEW")));
    assert_eq!(publish(alice, document, 1).await.code(), "CONFLICT");

    assert_eq!(open_public(&cleo, document).await.value()["access"], "VIEW");
    let editor = cleo.open_editor(document).await;
    editor.expect("the level", |state| state.may_edit == Some(false)).await;
    assert_eq!(cleo.write(document, "x").await.code(), "FORBIDDEN");
    let enter = "mutation($id: ID) { enterAsGuest(name: \"Gus\", documentId: $id) { token } }";
    let stranger = node.stranger();
    let entered = stranger.run(enter, json!({ "id": document })).await.value();
    let guest = Person::with_token_at(node, entered["token"].as_str().unwrap().to_owned());
    assert_eq!(guest.read(document).await["content"], "Hello");

    let id = link["id"].as_str().unwrap();
    assert_eq!(alice.revoke_link(document, id).await.value(), true);
    assert_eq!(editor.expect_close().await.0, 4403);
    assert_eq!(guest.read(document).await, Value::Null);
    assert_eq!(open_public(&cleo, document).await.code(), "NOT_FOUND");
    pair.stop(editor).await;
}

#[actix_web::test]
async fn only_owners_make_see_and_revoke_links() {
    let pair = Pair::start().await;
    let Pair { node, alice, bob, document } = &pair;
    let link = alice.create_link(*document, "VIEW", 0).await;
    let mallory = node.person("Mallory").await;
    for person in [bob, &mallory] {
        let make = "mutation($id: ID!) { createLink(documentId: $id) { secret } }";
        assert_eq!(person.run(make, json!({ "id": document })).await.code(), "FORBIDDEN");
        assert_eq!(person.revoke_link(*document, &link.id).await.code(), "FORBIDDEN");
        let see = "query($id: ID!) { documentLinks(documentId: $id) { id } }";
        assert_eq!(person.run(see, json!({ "id": document })).await.code(), "FORBIDDEN");
    }
    // A link gives nobody the right to share.
    let own = alice.create_document("Own", "").await;
    let link = alice.create_link(own, "EDIT", 0).await;
    mallory.open_link(&link.secret).await.value();
    assert_eq!(mallory.grant_by_id(own, bob, "VIEW").await.code(), "FORBIDDEN");
    let as_owner = "mutation($id: ID!) { createLink(documentId: $id, level: OWNER) { secret } }";
    assert_eq!(alice.run(as_owner, json!({ "id": own })).await.code(), "BAD_USER_INPUT");
    pair.stop(()).await;
}

#[actix_web::test]
async fn links_end_with_the_grant_of_the_one_who_made_them() {
    let pair = Pair::start().await;
    let Pair { alice, bob, .. } = &pair;
    let document = alice.create_document("Plan", "").await;
    let ends_at = "2027-06-01T00:00:00+00:00";
    let grant = "mutation($id: ID!, $user: ID!, $at: DateTime) {
        grantAccess(documentId: $id, userId: $user, level: OWNER, endsAt: $at) { endsAt } }";
    let variables = json!({ "id": document, "user": bob.id, "at": ends_at });
    alice.run(grant, variables).await.value();
    bob.create_link(document, "EDIT", 0).await;
    bob.invite(document, "EDIT", None).await;
    let shown = links(alice, document).await;
    assert_eq!(shown[0]["endsAt"], ends_at);
    let cleo = pair.node.person("Cleo").await;
    let later = "mutation($id: ID!) { inviteToDocument(documentId: $id, level: VIEW, uses: null,
        endsAt: \"2999-01-01T00:00:00Z\") { secret link { endsAt } } }";
    let invited = bob.run(later, json!({ "id": document })).await.value();
    assert_eq!(invited["link"]["endsAt"], ends_at);
    cleo.accept(invited["secret"].as_str().unwrap()).await.value();
    let collaborators = "query($id: ID!) { document(id: $id) { collaborators { endsAt } } }";
    let shown = alice.run(collaborators, json!({ "id": document })).await.value();
    assert_eq!(shown["collaborators"], json!([{ "endsAt": ends_at }, { "endsAt": ends_at }]));
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_document_has_a_hundred_links_at_most() {
    let node = TestNode::start_with(&[("COSCRIBE__LIMITS__GRANTS_PER_HOUR", "1000")]).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "").await;
    for _ in 0..100 {
        alice.create_link(document, "VIEW", 0).await;
    }
    let refused = alice
        .run(
            "mutation($id: ID!) { createLink(documentId: $id) { secret } }",
            json!({ "id": document }),
        )
        .await;
    assert_eq!(refused.code(), "CONFLICT");
    node.stop().await;
}

#[actix_web::test]
async fn a_link_that_a_stopped_node_has_revoked_ends_on_the_next() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "Hello").await;
    let link = alice.create_link(document, "EDIT", 0).await;
    let cleo = node.person("Cleo").await;
    cleo.open_link(&link.secret).await.value();
    // As if the node had stopped between the two steps of a revocation.
    let id = link.id.parse().unwrap();
    assert!(node.store().revoke_link(alice.id, document, id).await.unwrap());
    expect_eventually("the end of the access", async || cleo.read(document).await == Value::Null)
        .await;
    node.stop().await;
}

#[actix_web::test]
async fn the_visitors_of_a_document_are_listed_page_by_page() {
    let pair = Pair::start().await;
    let Pair { node, alice, bob, .. } = &pair;
    let document = alice.create_document("Plan", "Hello").await;
    let links = [
        alice.create_link(document, "VIEW", 3).await,
        alice.create_link(document, "EDIT", 0).await,
    ];
    for link in &links {
        bob.open_link(&link.secret).await.value();
    }
    for name in ["Cleo", "Dan", "Eve"] {
        Person::enter_as_guest(node, name, &links[0].secret).await.unwrap();
    }
    let operation = "query($id: ID!, $after: String) {
        linkVisitors(documentId: $id, first: 2, after: $after) {
            edges { cursor node { user { id } linkId } }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    let (mut seen, mut after, mut pages) = (vec![], Value::Null, 0);
    loop {
        let variables = json!({ "id": document, "after": after });
        let page = alice.run(operation, variables).await.value();
        let (edges, info) = (page["edges"].as_array().unwrap(), &page["pageInfo"]);
        assert_eq!(info["hasPreviousPage"], pages > 0);
        assert_eq!(info["endCursor"], edges.last().unwrap()["cursor"]);
        seen.extend(edges.iter().map(|edge| edge["node"].clone()));
        pages += 1;
        after = info["endCursor"].clone();
        if info["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!((pages, seen.len()), (3, 5));
    let of_bob = seen.iter().filter(|node| node["user"]["id"] == json!(bob.id));
    assert_eq!(of_bob.count(), 2);
    seen.dedup();
    assert_eq!(seen.len(), 5);
    let wrong = json!({ "id": document, "after": "2" });
    assert_eq!(alice.run(operation, wrong).await.code(), "BAD_USER_INPUT");
    assert_eq!(bob.run(operation, json!({ "id": document })).await.code(), "FORBIDDEN");
    pair.stop(()).await;
}
