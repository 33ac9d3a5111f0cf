//! The ways of having access to a document, and what ends each of them.

use coscribe::domain::DocumentId;
use kit::{
    Application, Client as _, Editor, Handshake, IdentityProvider, Node, Person, Questioned,
    TestNode,
};
use serde_json::{Value, json};

/// A way of having access to a document.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Grant,
    GrantThatEnds,
    Address,
    UnacceptedGrant,
    Invitation,
    Link,
    LinkToOneVisitor,
    Public,
    Guest,
    Group,
    GroupMember,
    GroupOfProvider,
    DocumentToken,
    Answer,
    SignIn,
    Ticket,
    BlockedAccount,
    DeletedAccount,
}

impl Way {
    /// Those whose end the relay brings to other nodes.
    pub(super) const RELAYED: [Self; 16] = [
        Self::Grant,
        Self::GrantThatEnds,
        Self::Address,
        Self::UnacceptedGrant,
        Self::Invitation,
        Self::Link,
        Self::LinkToOneVisitor,
        Self::Public,
        Self::Guest,
        Self::Group,
        Self::GroupMember,
        Self::GroupOfProvider,
        Self::DocumentToken,
        Self::SignIn,
        Self::Ticket,
        Self::DeletedAccount,
    ];
}

/// A node, what surrounds it, and the owner of a document.
pub(super) struct Scene<'a> {
    pub(super) node: &'a TestNode,
    /// An application with a key there.
    pub(super) wiki: &'a Application,
    /// The same application as a client.
    pub(super) itself: &'a Person,
    /// A provider whose users have groups.
    pub(super) provider: &'a IdentityProvider,
    /// The application that is asked, if one is.
    pub(super) asked: Option<&'a Questioned>,
    pub(super) alice: &'a Person,
    pub(super) document: DocumentId,
}

/// What ends an access that was given.
pub(super) enum Ending {
    Answer,
    SignOut,
    BlockOwner,
    BlockAccount,
    NextToken(String),
    Revoke,
    RevokeLink(String),
    RevokeGroup(Value),
    LeaveGroup,
    EndToken,
    DeleteAccount,
    Itself,
}

impl Ending {
    /// Whether it closes the sockets of the user. Otherwise only their subscriptions end.
    pub(super) fn closes_sockets(&self) -> bool {
        match self {
            Self::SignOut | Self::BlockAccount | Self::EndToken | Self::DeleteAccount => true,
            Self::Answer
            | Self::BlockOwner
            | Self::NextToken(_)
            | Self::Revoke
            | Self::RevokeLink(_)
            | Self::RevokeGroup(_)
            | Self::LeaveGroup
            | Self::Itself => false,
        }
    }
}

impl Scene<'_> {
    async fn run(&self, operation: &str, more: Value) -> Value {
        let mut variables = json!({ "id": self.document });
        variables.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.alice.run(operation, variables).await.value()
    }

    /// Gives a new person access. Returns them, and what ends it.
    pub(super) async fn give(&self, way: Way, name: &str) -> (Person, Ending) {
        let document = self.document;
        let someone = async || self.node.person(name).await;
        match way {
            Way::Grant
            | Way::UnacceptedGrant
            | Way::SignIn
            | Way::Ticket
            | Way::BlockedAccount
            | Way::DeletedAccount => {
                let person = someone().await;
                self.alice.grant_by_id(document, &person, "EDIT").await.value();
                let ending = match way {
                    Way::UnacceptedGrant => Ending::BlockOwner,
                    Way::SignIn | Way::Ticket => Ending::SignOut,
                    Way::BlockedAccount => Ending::BlockAccount,
                    Way::DeletedAccount => Ending::DeleteAccount,
                    _ => Ending::Revoke,
                };
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
            Way::GroupOfProvider => {
                let issued = chrono::Utc::now().timestamp();
                let token = |later: i64, groups: Value| {
                    let claims = json!({ "name": name, "groups": groups, "iat": issued + later });
                    self.provider.token(name, claims)
                };
                // The name of the provider's groups is known since one of its users has it.
                let person =
                    Person::with_outside_token(self.node, name, token(0, json!(["Readers"]))).await;
                let grant =
                    "mutation($id: ID!, $source: String) { grantGroupAccess(documentId: $id,
                    level: EDIT, group: \"Readers\", source: $source) { level } }";
                let owner =
                    self.provider.token("owner", json!({ "name": "Owner", "groups": ["Readers"] }));
                let owner = Person::with_outside_token(self.node, "Owner", owner).await;
                self.alice.grant_by_id(document, &owner, "OWNER").await.value();
                let variables = json!({ "id": document, "source": self.provider.issuer() });
                owner.run(grant, variables).await.value();
                (person, Ending::NextToken(token(1, json!([]))))
            }
            Way::Answer => {
                let person = someone().await;
                self.asked.unwrap().decide(person.id, document, Some("EDIT"));
                (person, Ending::Answer)
            }
            Way::DocumentToken => {
                let person = self.wiki.user(self.node, name, document, "EDIT").await;
                (person, Ending::EndToken)
            }
        }
    }

    pub(super) async fn end(&self, person: &Person, ending: Ending) {
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
            Ending::Answer => {
                self.asked.unwrap().decide(person.id, self.document, None);
                let again = "mutation($id: ID!) { askAgain(documentId: $id) }";
                let variables = json!({ "id": self.document });
                assert_eq!(self.itself.run(again, variables).await.value(), 1);
            }
            Ending::SignOut => {
                person.run("mutation { signOutEverywhere }", json!({})).await.value();
            }
            Ending::BlockOwner => {
                let block = "mutation($user: ID!) { blockUser(userId: $user) }";
                let blocked = person.run(block, json!({ "user": self.alice.id })).await;
                assert_eq!(blocked.value(), true);
            }
            Ending::BlockAccount => {
                self.node.store().block(person.id).await.unwrap();
            }
            Ending::NextToken(token) => {
                person.with_token(token).run("{ me { id } }", json!({})).await.value();
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

    /// Opens an editor of a person on a node in the way that they have access.
    pub(super) async fn open_editor(&self, way: Way, person: &Person, node: &impl Node) -> Editor {
        let person = person.at(node);
        if let Way::Ticket = way {
            let issued = person.create_ticket(self.document).await.value();
            let ticket = format!("?ticket={}", issued["ticket"].as_str().unwrap());
            let handshake = Handshake::to_document(node.address(), self.document, &ticket);
            return Editor::open_by(handshake).await;
        }
        person.open_editor(self.document).await
    }
}
