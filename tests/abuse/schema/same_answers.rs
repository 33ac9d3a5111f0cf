//! A document that a caller may not see looks like one that does not exist, to the byte, in every field that names one and
//! in Yjs editors.

use async_graphql::parser::types::TypeKind;
use coscribe::domain::DocumentId;
use kit::{
    Client as _, Handshake, Node as _, Person, RawSocket, ServerFrame, TestNode, http_client,
};
use serde_json::{Value, json};

use super::{
    arguments::{Names, Values, is_document},
    operations::{Builder, Operation, Repeat},
    sdl::{Argument, Field, Kind, Sdl, name_of, read_input},
};

/// The mutations that every level of access allows.
const FOR_VIEWERS: [&str; 4] = ["acceptAccess", "copyDocument", "createTicket", "updateCursor"];

/// The mutations that only applications may send. Others are refused before the document is read.
const FOR_APPLICATIONS: [&str; 1] = ["askAgain"];

/// The mutations for those who have a link to a document, with an account or without one.
const BY_LINKS: [&str; 2] = ["openLink", "enterAsGuest"];

/// Returns the root fields with an argument that names a document, directly or in an input object.
fn fields_about_documents(sdl: &Sdl) -> Vec<(Kind, Field)> {
    let roots = Kind::ALL.into_iter();
    let fields = roots.flat_map(|kind| sdl.fields(kind.root()).into_iter().map(move |f| (kind, f)));
    fields.filter(|(_, field)| field.arguments.iter().any(|a| names_document(sdl, a))).collect()
}

fn names_document(sdl: &Sdl, argument: &Argument) -> bool {
    let name = name_of(&argument.ty);
    let Some(TypeKind::InputObject(input)) = sdl.kind_of(name) else {
        return is_document(argument);
    };
    input.fields.iter().any(|field| names_document(sdl, &read_input(name, &field.node)))
}

fn operation(
    sdl: &Sdl,
    kind: Kind,
    field: &Field,
    document: DocumentId,
    peer: &Person,
) -> Operation {
    let names = Names {
        document: document.to_string(),
        peer: peer.id.to_string(),
        email: peer.email.clone(),
        new_email: "new@example.org".to_owned(),
        invitation: "none".to_owned(),
        link: "none".to_owned(),
    };
    let path = [field.clone()];
    Builder::new(kind, &path, &Values { sdl, names }).build(Repeat::ONCE)
}

/// Everything that a reply over HTTP shows, except for the time and the id.
async fn reply_over_http(
    node: &TestNode,
    caller: Option<&Person>,
    Operation { text, variables }: &Operation,
    document: DocumentId,
) -> String {
    let request = match caller {
        Some(caller) => caller.post(),
        None => http_client().post(node.url("/graphql")),
    };
    let reply =
        request.json(&json!({ "query": text, "variables": variables })).send().await.unwrap();
    let (status, mut headers) = (reply.status(), reply.headers().clone());
    headers.remove("date");
    let mut headers: Vec<_> = headers.iter().map(|header| format!("{header:?}")).collect();
    headers.sort();
    let body = reply.text().await.unwrap().replace(&document.to_string(), "DOCUMENT");
    format!("{status} {headers:?} {body}")
}

/// The messages that answer an operation over a socket.
async fn reply_over_socket(
    socket: &mut RawSocket,
    Operation { text, variables }: &Operation,
    document: DocumentId,
) -> String {
    socket.start_with("1", text, variables.clone()).await;
    let mut messages = String::new();
    loop {
        let ServerFrame::Text(message) = socket.expect_frame().await else { continue };
        let value: Value = serde_json::from_str(&message).unwrap();
        messages.push_str(&message.replace(&document.to_string(), "DOCUMENT"));
        if value["type"] == "complete" || value["type"] == "error" {
            return messages;
        }
    }
}

/// What a Yjs editor receives before it is closed.
async fn reply_to_editor(node: &TestNode, caller: &Person, document: DocumentId) -> String {
    let path = format!("/sync/{document}?token={}", caller.token);
    let mut socket = Handshake::to_path(node.address(), &path).open_raw().await;
    let mut frames = String::new();
    loop {
        let frame = socket.expect_frame().await;
        frames.push_str(&format!("{frame:?}"));
        if matches!(frame, ServerFrame::Close(..) | ServerFrame::End) {
            return frames;
        }
    }
}

/// Alice's documents, of which others had their parts, and the others.
struct Stage {
    node: TestNode,
    alice: Person,
    /// A person who never had access, a former owner and a former editor.
    callers: [Person; 3],
    /// A document that exists, one that was deleted, and one that never existed.
    documents: [DocumentId; 3],
}

impl Stage {
    async fn start() -> Self {
        let node = TestNode::start().await;
        let alice = node.person("Alice").await;
        let callers =
            [node.person("Mallory").await, node.person("Olga").await, node.person("Eve").await];
        let [existing, deleted] =
            [alice.create_document("Secret", "text").await, alice.create_document("Old", "").await];
        for document in [existing, deleted] {
            for (person, level) in callers[1..].iter().zip(["OWNER", "EDIT"]) {
                alice.grant(document, person, level).await.value();
                person.write(document, "theirs").await.value();
            }
        }
        for person in &callers[1..] {
            alice.revoke(existing, person).await.value();
        }
        alice.delete(deleted).await.value();
        Self { node, alice, callers, documents: [existing, deleted, DocumentId::new()] }
    }
}

fn assert_same(field: &str, replies: &[String]) {
    for reply in replies {
        assert_eq!(*reply, replies[0], "{field}");
    }
}

#[actix_web::test]
async fn a_document_without_access_looks_like_none_in_every_field() {
    let (stage, sdl) = (Stage::start().await, Sdl::of_the_server());
    let Stage { node, alice, callers, documents } = &stage;
    let fields = fields_about_documents(&sdl);
    assert!(fields.len() > 10, "the schema was read");
    let mut sockets = vec![];
    for caller in callers {
        sockets.push(caller.connect_raw().await);
    }
    for (kind, field) in &fields {
        let (mut of_strangers, mut over_http, mut over_socket) = (vec![], vec![], vec![]);
        for &document in documents {
            let asked = operation(&sdl, *kind, field, document, alice);
            of_strangers.push(reply_over_http(node, None, &asked, document).await);
            for (caller, socket) in callers.iter().zip(&mut sockets) {
                over_http.push(reply_over_http(node, Some(caller), &asked, document).await);
                over_socket.push(reply_over_socket(socket, &asked, document).await);
            }
        }
        let is_by_link = BY_LINKS.contains(&&*field.name);
        assert!(
            of_strangers[0].contains("UNAUTHENTICATED")
                || *kind == Kind::Subscription
                || is_by_link
        );
        assert!(
            over_socket[0].contains(if is_by_link { "NOT_FOUND" } else { "FORBIDDEN" })
                || field.title() == "Query.document"
                || field.title() == "Query.node"
                || field.title() == "Mutation.updateCursor",
            "{}",
            over_socket[0]
        );
        for replies in [of_strangers, over_http, over_socket] {
            assert_same(&field.title(), &replies);
        }
    }
    drop(sockets);
    assert_eq!(alice.read_text(documents[0]).await, "theirs");
    stage.node.stop().await;
}

#[actix_web::test]
async fn a_document_without_access_looks_like_none_to_an_editor() {
    let stage = Stage::start().await;
    let Stage { node, callers, documents, .. } = &stage;
    let mut replies = vec![];
    for &document in documents {
        for caller in callers {
            replies.push(reply_to_editor(node, caller, document).await);
        }
        let mut stranger = Handshake::to_document(node.address(), document, "").open_raw().await;
        let refusal = (4403, "Missing authentication token".to_owned());
        assert_eq!(stranger.expect_close().await, refusal);
    }
    assert!(replies[0].contains("Close(Some(4403)"), "{}", replies[0]);
    assert_same("/sync", &replies);
    stage.node.stop().await;
}

#[actix_web::test]
async fn a_viewer_is_refused_in_every_field_that_requires_more() {
    let (stage, sdl) = (Stage::start().await, Sdl::of_the_server());
    let Stage { node, alice, callers: [viewer, ..], documents: [document, ..] } = &stage;
    alice.grant(*document, viewer, "VIEW").await.value();
    let version = alice.read_version(*document).await;
    let mut socket = viewer.connect_raw().await;
    let mut tried = 0;
    for (kind, field) in fields_about_documents(&sdl) {
        let requires_more = field.description.contains("Requires `EDIT`")
            || field.description.contains("Requires `OWNER`");
        if !requires_more {
            let known = [&FOR_VIEWERS[..], &FOR_APPLICATIONS, &BY_LINKS].concat();
            let is_known = kind != Kind::Mutation || known.contains(&&*field.name);
            assert!(
                is_known,
                "{}: its description does not say which level it requires",
                field.name
            );
            continue;
        }
        tried += 1;
        let asked = operation(&sdl, kind, &field, *document, alice);
        for reply in [
            reply_over_http(node, Some(viewer), &asked, *document).await,
            reply_over_socket(&mut socket, &asked, *document).await,
        ] {
            assert!(reply.contains("\"code\":\"FORBIDDEN\""), "{}: {reply}", field.name);
        }
    }
    assert!(tried > 4, "the schema was read");
    assert_eq!(alice.read_version(*document).await, version);
    drop(socket);
    stage.node.stop().await;
}
