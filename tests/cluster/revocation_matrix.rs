//! Every way of having access ends within a second, in both protocols, on the node where it is ended and on another.

use std::time::Duration;

use coscribe::domain::DocumentId;
use kit::{Application, Client as _, Node as _, Pair, Person, TestNode};
use serde_json::{Value, json};
use tokio::time::Instant;

/// How long the end of access may take. It is wider than the second that is promised, because it has to hold on a busy machine.
const WITHIN: Duration = Duration::from_secs(5);

/// A way of having access to a document.
#[derive(Debug, Clone, Copy)]
enum Way {
    Grant,
    GrantThatEnds,
    Address,
    Invitation,
    Link,
    LinkToOneVisitor,
    Public,
    Guest,
    Group,
    GroupMember,
    DocumentToken,
    DeletedAccount,
}

impl Way {
    const ALL: [Self; 12] = [
        Self::Grant,
        Self::GrantThatEnds,
        Self::Address,
        Self::Invitation,
        Self::Link,
        Self::LinkToOneVisitor,
        Self::Public,
        Self::Guest,
        Self::Group,
        Self::GroupMember,
        Self::DocumentToken,
        Self::DeletedAccount,
    ];
}

/// A node, an application with a key there, and the owner of a document.
struct Scene<'a> {
    node: &'a TestNode,
    wiki: &'a Application,
    itself: &'a Person,
    alice: &'a Person,
    document: DocumentId,
}

/// What ends an access that was given.
enum Ending {
    Revoke,
    RevokeLink(String),
    RevokeGroup(Value),
    LeaveGroup,
    EndToken,
    DeleteAccount,
    Itself,
}

impl Scene<'_> {
    async fn run(&self, operation: &str, more: Value) -> Value {
        let mut variables = json!({ "id": self.document });
        variables.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.alice.run(operation, variables).await.value()
    }

    /// Gives a new person access. Returns them, and what ends it.
    async fn give(&self, way: Way, name: &str) -> (Person, Ending) {
        let document = self.document;
        let someone = async || self.node.person(name).await;
        match way {
            Way::Grant | Way::DeletedAccount => {
                let person = someone().await;
                self.alice.grant_by_id(document, &person, "EDIT").await.value();
                let ending =
                    if let Way::Grant = way { Ending::Revoke } else { Ending::DeleteAccount };
                (person, ending)
            }
            Way::GrantThatEnds => {
                let person = someone().await;
                let ends_at = chrono::Utc::now() + chrono::TimeDelta::seconds(3);
                let grant = "mutation($id: ID!, $user: ID!, $at: DateTime) { grantAccess(
                    documentId: $id, userId: $user, level: EDIT, endsAt: $at) { level } }";
                self.run(grant, json!({ "user": person.id, "at": ends_at })).await;
                (person, Ending::Itself)
            }
            Way::Address => {
                let person = someone().await;
                self.alice.grant(document, &person, "EDIT").await.value();
                (person, Ending::Revoke)
            }
            Way::Invitation => {
                let person = someone().await;
                let invitation = self.alice.invite(document, "EDIT", Some(1)).await;
                person.accept(&invitation.secret).await.value();
                (person, Ending::Revoke)
            }
            Way::Link | Way::LinkToOneVisitor => {
                let person = someone().await;
                let link = self.alice.create_link(document, "EDIT", 0).await;
                person.open_link(&link.secret).await.value();
                let ending =
                    if let Way::Link = way { Ending::RevokeLink(link.id) } else { Ending::Revoke };
                (person, ending)
            }
            Way::Public => {
                let person = someone().await;
                let publish = "mutation($id: ID!) { publishDocument(documentId: $id) { id } }";
                let link = self.run(publish, json!({})).await;
                let open = "mutation($id: ID) { openLink(documentId: $id) { access } }";
                person.run(open, json!({ "id": document })).await.value();
                (person, Ending::RevokeLink(link["id"].as_str().unwrap().to_owned()))
            }
            Way::Guest => {
                let link = self.alice.create_link(document, "EDIT", 1).await;
                let guest = Person::enter_as_guest(self.node, name, &link.secret).await;
                (guest.unwrap(), Ending::RevokeLink(link.id))
            }
            Way::Group | Way::GroupMember => {
                let person = someone().await;
                let grant = "mutation($id: ID!) { grantGroupAccess(documentId: $id, level: EDIT,
                    group: \"Writers\", source: \"wiki\") { group { id } } }";
                self.change_group(&[self.alice, &person], &[]).await;
                let granted = self.run(grant, json!({})).await;
                let ending = match way {
                    Way::Group => Ending::RevokeGroup(granted["group"]["id"].clone()),
                    _ => Ending::LeaveGroup,
                };
                (person, ending)
            }
            Way::DocumentToken => {
                let person = self.wiki.user(self.node, name, document, "EDIT").await;
                (person, Ending::EndToken)
            }
        }
    }

    async fn end(&self, person: &Person, ending: Ending) {
        match ending {
            Ending::Revoke => {
                assert_eq!(self.alice.revoke(self.document, person).await.value(), true);
            }
            Ending::RevokeLink(link) => {
                assert_eq!(self.alice.revoke_link(self.document, &link).await.value(), true);
            }
            Ending::RevokeGroup(group) => {
                let revoke = "mutation($id: ID!, $group: ID!) {
                    revokeGroupAccess(documentId: $id, groupId: $group) }";
                assert_eq!(self.run(revoke, json!({ "group": group })).await, true);
            }
            Ending::LeaveGroup => self.change_group(&[], &[person]).await,
            Ending::EndToken => {
                let end = "mutation($subject: String) { endDocumentTokens(subject: $subject) }";
                self.itself.run(end, json!({ "subject": person.name })).await.value();
            }
            Ending::DeleteAccount => {
                let delete = "mutation($password: String) { deleteAccount(password: $password) }";
                person.run(delete, json!({ "password": kit::PASSWORD })).await.value();
            }
            Ending::Itself => {}
        }
    }

    async fn change_group(&self, joining: &[&Person], leaving: &[&Person]) {
        let change = "mutation($joining: [ID!]!, $leaving: [ID!]!) {
            changeGroup(group: \"Writers\", joining: $joining, leaving: $leaving) }";
        let ids = |people: &[&Person]| people.iter().map(|one| one.id).collect::<Vec<_>>();
        let variables = json!({ "joining": ids(joining), "leaving": ids(leaving) });
        self.itself.run(change, variables).await.value();
    }
}

#[actix_web::test]
async fn every_way_of_having_access_ends_on_every_node_and_in_both_protocols() {
    // No node compares in time, so only the relay can bring the end, or the node's own clock.
    let pair = Pair::start_with(&[
        ("COSCRIBE__ROOM__COMPARE_EVERY", "1h"),
        ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000"),
    ])
    .await;
    let Pair { node, alice, .. } = &pair;
    let wiki = Application::register(node, "wiki").await;
    let itself = wiki.itself(node).await;
    let peer = node.start_peer().await;
    for (number, way) in Way::ALL.into_iter().enumerate() {
        let document = alice.create_document("Plan", "Hello").await;
        let scene = Scene { node, wiki: &wiki, itself: &itself, alice, document };
        let (person, ending) = scene.give(way, &format!("Visitor{number}")).await;
        let there = person.at(&peer);
        let tabs = [person.open(document).await, there.open(document).await];
        let editors = [person.open_editor(document).await, there.open_editor(document).await];

        let closes_socket = matches!(ending, Ending::EndToken | Ending::DeleteAccount);
        let asked_at = Instant::now();
        scene.end(&person, ending).await;
        for editor in &editors {
            assert_eq!(editor.expect_close().await.0, 4403, "{way:?}");
        }
        for tab in &tabs {
            if closes_socket {
                assert_eq!(tab.socket.expect_close().await.0, 4403, "{way:?}");
            } else {
                assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN", "{way:?}");
            }
        }
        assert!(asked_at.elapsed() < WITHIN, "{way:?}: {:?}", asked_at.elapsed());
        // Nothing follows.
        alice.write(document, "Secret").await.value();
        for person in [&person, &there] {
            let read = "query($id: ID!) { document(id: $id) { content } }";
            let reply =
                person.send(&json!({ "query": read, "variables": { "id": document } })).await;
            assert!(!reply.text().contains("Secret"), "{way:?}");
            let write = "mutation($id: ID!) { updateDocument(id: $id, content: \"Mine\") { id } }";
            let body = json!({ "query": write, "variables": { "id": document } });
            let reply = person.send(&body).await;
            assert!(reply.text().contains("FORBIDDEN") || reply.status == 401, "{way:?}");
        }
        for editor in &editors {
            assert_eq!(editor.content(), "Hello", "{way:?}");
        }
        for tab in &tabs {
            assert!(!format!("{:?}", tab.socket.unread()).contains("Secret"), "{way:?}");
        }
        assert_eq!(alice.read_text(document).await, "Secret", "{way:?}");
    }
    pair.stop_with(peer, ()).await;
}
