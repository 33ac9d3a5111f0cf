//! Tickets, with which an editor opens one document once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use coscribe::domain::DocumentId;
use futures_util::future::join_all;
use kit::{Answer, Client as _, Editor, Handshake, Node as _, Pair, Person, TokenMinter};
use serde_json::json;

fn refused(reason: &str) -> (u16, String) {
    (4403, reason.to_owned())
}

/// Gets a ticket for a document.
async fn ticket(person: &Person, document: DocumentId) -> String {
    let issued = person.create_ticket(document).await.value();
    issued["ticket"].as_str().unwrap().to_owned()
}

/// The time from which the ticket in an answer is refused.
fn expiry(answer: Answer) -> DateTime<Utc> {
    answer.value()["expiresAt"].as_str().unwrap().parse().unwrap()
}

/// The handshake of an editor that shows a ticket.
fn with_ticket(pair: &Pair, document: DocumentId, ticket: &str) -> Handshake {
    Handshake::to_document(pair.node.address(), document, &format!("?ticket={ticket}"))
}

/// The code and the reason with which the node closes the socket.
async fn refusal(handshake: Handshake) -> (u16, String) {
    handshake.open_raw().await.expect_close().await
}

#[actix_web::test]
async fn a_ticket_opens_its_document_once() {
    let pair = Pair::start().await;
    let shown = ticket(&pair.bob, pair.document).await;
    let editor = Editor::open_by(with_ticket(&pair, pair.document, &shown)).await;
    editor.insert(0, "Read: ").await;
    let alices = pair.alice.open_editor(pair.document).await;
    alices.expect_text("Read: Welcome.").await;

    let again = refusal(with_ticket(&pair, pair.document, &shown)).await;

    assert_eq!(again, refused("Ticket used before; get another one"));
    assert_eq!(pair.node.metric("auth_failures_total{reason=\"ticket_used\"}").await, 1);
    assert_eq!(pair.node.metric("coscribe_session_closes_total{reason=\"ticket_used\"}").await, 1);
    let another = ticket(&pair.bob, pair.document).await;
    let second = Editor::open_by(with_ticket(&pair, pair.document, &another)).await;
    pair.stop((editor, alices, second)).await;
}

#[actix_web::test]
async fn of_many_connections_with_a_ticket_one_is_accepted() {
    let pair = Pair::start().await;
    let shown = ticket(&pair.bob, pair.document).await;
    let handshakes = (0..5).map(|_| with_ticket(&pair, pair.document, &shown));
    let editors = join_all(handshakes.map(Editor::connect_by)).await;
    let admitted = join_all(editors.iter().map(Editor::is_admitted)).await;
    assert_eq!(admitted.iter().filter(|is_admitted| **is_admitted).count(), 1);
    for (editor, _) in editors.iter().zip(&admitted).filter(|(_, is_admitted)| !**is_admitted) {
        assert_eq!(editor.expect_close().await, refused("Ticket used before; get another one"));
    }
    pair.stop(editors).await;
}

#[actix_web::test]
async fn a_ticket_is_for_one_document_and_for_editors_only() {
    let pair = Pair::start().await;
    let other = pair.bob.create_document("Other", "").await;
    let shown = ticket(&pair.bob, other).await;
    let invalid = refused("Invalid ticket; get one for this document");
    assert_eq!(refusal(with_ticket(&pair, pair.document, &shown)).await, invalid);
    for wrong in ["", "nonsense", &*format!("{shown}x"), &*pair.bob.token] {
        assert_eq!(refusal(with_ticket(&pair, other, wrong)).await, invalid, "{wrong}");
    }
    let as_token = Handshake::to_document(pair.node.address(), other, "");
    let as_token = as_token.token_beside("coscribe", &shown);
    assert_eq!(refusal(as_token).await, refused("Invalid token"));
    let over_http = pair.bob.with_token(&*shown).send(&json!({ "query": "{ me { id } }" })).await;
    assert_eq!(over_http.status, 401);

    // None of them has redeemed it.
    let editor = Editor::open_by(with_ticket(&pair, other, &shown)).await;
    pair.stop(editor).await;
}

#[actix_web::test]
async fn a_wrong_address_does_not_redeem_a_ticket() {
    let pair = Pair::start().await;
    let shown = ticket(&pair.bob, pair.document).await;
    let wrong = format!("{shown}&saved=yes");
    assert_eq!(refusal(with_ticket(&pair, pair.document, &wrong)).await.0, 4400);
    let broken = with_ticket(&pair, pair.document, &shown).replace("Sec-WebSocket-Version", "12");
    assert_eq!(broken.send().await.status, 400);

    let editor = Editor::open_by(with_ticket(&pair, pair.document, &shown)).await;
    pair.stop(editor).await;
}

#[actix_web::test]
async fn a_ticket_requires_access_and_grants_none() {
    let pair = Pair::start().await;
    let mallory = pair.node.person("Mallory").await;
    for document in [pair.document, DocumentId::new()] {
        assert_eq!(mallory.create_ticket(document).await.code(), "FORBIDDEN");
    }
    pair.alice.grant(pair.document, &mallory, "VIEW").await.value();
    let shown = ticket(&mallory, pair.document).await;
    pair.alice.revoke(pair.document, &mallory).await.value();
    let (code, reason) = refusal(with_ticket(&pair, pair.document, &shown)).await;
    assert_eq!(code, 4403);
    assert!(reason.contains("ask its owner"), "{reason}");
    pair.stop(()).await;
}

#[actix_web::test]
async fn the_end_of_the_sign_in_ends_its_tickets_and_their_sessions() {
    let pair = Pair::start().await;
    let [first, second] =
        [ticket(&pair.bob, pair.document).await, ticket(&pair.bob, pair.document).await];
    let editor = Editor::open_by(with_ticket(&pair, pair.document, &first)).await;

    pair.bob.run("mutation { signOut }", json!({})).await.value();

    let signed_out = refused("Signed out; sign in again");
    assert_eq!(editor.expect_close().await, signed_out);
    assert_eq!(refusal(with_ticket(&pair, pair.document, &second)).await, signed_out);
    pair.stop(editor).await;
}

#[actix_web::test]
async fn a_ticket_and_its_session_expire_with_the_token() {
    let settings =
        [("COSCRIBE__AUTH__TOKEN_LIFE", "60s"), ("COSCRIBE__SESSION__WARN_BEFORE_EXPIRY", "1s")];
    let pair = Pair::start_with(&settings).await;
    let before = Utc::now();
    let in_time = expiry(pair.alice.create_ticket(pair.document).await);
    assert!(in_time > before + TimeDelta::seconds(29), "{in_time}");
    assert!(in_time < Utc::now() + TimeDelta::seconds(31), "{in_time}");

    let token = TokenMinter::of(&pair.node).token(pair.bob.id, Duration::from_secs(6));
    let bob = pair.bob.with_token(token);
    assert!(expiry(bob.create_ticket(pair.document).await) < before + TimeDelta::seconds(29));
    let shown = ticket(&bob, pair.document).await;
    let editor = Editor::open_by(with_ticket(&pair, pair.document, &shown)).await;
    assert_eq!(editor.expect_close().await, (3000, "Token expired".to_owned()));
    let expired = refusal(with_ticket(&pair, pair.document, &shown)).await;
    assert_eq!(expired, refused("Ticket expired; get another one"));
    pair.stop(editor).await;
}
