use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;
use crate::{
    domain::{AccessLevel, ChangeKind, Delta, DeltaStep, Position, User},
    wire::envelope::{Incarnation, NEWEST_VERSION, PresenceEntry, Signal},
};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap()
}

fn user() -> User {
    User { id: UserId::new(), name: "Ana María".into() }
}

fn cursor() -> Cursor {
    Cursor { head: Position::new(3, 14).unwrap(), anchor: Some(Position::new(0, 0).unwrap()) }
}

fn presence(document: DocumentId) -> Presence {
    let user = user();
    Presence {
        document,
        session: SessionId::new(),
        color: Color::of(document, user.id),
        user,
        cursor: Some(cursor()),
        joined_at: now(),
        last_seen: now(),
    }
}

fn change(document: DocumentId, text: &str) -> Change {
    let insert = DeltaStep { insert: Some(text.into()), ..DeltaStep::default() };
    let retain = DeltaStep { retain: Some(7), ..DeltaStep::default() };
    Change {
        document,
        kind: ChangeKind::Edited,
        version: Version::new(12),
        author: Some(user()),
        session: Some(SessionId::new()),
        title: "Plan".into(),
        delta: Some(Arc::new(Delta::from_steps([retain, insert]).unwrap())),
        update: Some(vec![1, 2, 3].into()),
        content: None,
        at: now(),
        previous_at: None,
    }
}

fn access(level: Option<AccessLevel>, access_version: Option<i64>) -> AccessChange {
    AccessChange { level, access_version }
}

fn every_kind(document: DocumentId) -> Vec<Envelope> {
    let sequence = Sequence::default();
    let user = user();
    let moved = CursorMove {
        document,
        session: SessionId::new(),
        color: Color::of(document, user.id),
        user: user.clone(),
        cursor: cursor(),
        at: now(),
    };
    let update = AwarenessUpdate {
        session: SessionId::new(),
        user: user.id,
        client: 7,
        clock: 300,
        state: Some(r#"{"a":1}"#.into()),
    };
    let renamed =
        Change { kind: ChangeKind::Renamed, delta: None, update: None, ..change(document, "x") };
    let following = Change { previous_at: Some(now()), ..change(document, "x") };
    vec![
        Envelope::Stored { version: Version::new(7) },
        Envelope::Changed(Arc::new(change(document, "hello"))),
        Envelope::Changed(Arc::new(renamed)),
        Envelope::Changed(Arc::new(following)),
        Envelope::CursorMoved(Arc::new(moved)),
        Envelope::MoveCursor { session: SessionId::new(), cursor: cursor() },
        Envelope::Joined { presence: presence(document), sequence },
        Envelope::Left { session: SessionId::new(), sequence },
        Envelope::AccessChanged {
            user: user.id,
            access: access(Some(AccessLevel::Edit), None),
            request: None,
        },
        Envelope::AccessChanged { user: user.id, access: access(None, None), request: Some(9) },
        Envelope::AccessChanged { user: user.id, access: access(None, Some(7)), request: Some(9) },
        Envelope::Compare,
        Envelope::AwarenessUpdated(Arc::new(update)),
        Envelope::QueryMoves,
        Envelope::Stateless { session: SessionId::new(), payload: "Lunch?".into() },
    ]
}

/// Appends the sequence of `Joined` and `Left`, as the roster does.
fn with_sequence(mut bytes: Vec<u8>, envelope: &Envelope) -> Vec<u8> {
    if matches!(envelope, Envelope::Joined { .. } | Envelope::Left { .. }) {
        bytes.extend([0; Sequence::BYTES]);
    }
    bytes
}

#[test]
fn envelopes_decode_as_they_were_encoded() {
    let (document, node) = (DocumentId::new(), NodeId::new());
    for envelope in every_kind(document) {
        let bytes = with_sequence(envelope.encode(node, NEWEST_VERSION), &envelope);
        let is_for_sender = matches!(
            envelope,
            Envelope::Joined { .. } | Envelope::Left { .. } | Envelope::AccessChanged { .. }
        );
        assert_eq!(Envelope::sender(&bytes, NEWEST_VERSION), Ok((node, is_for_sender)));
        assert_eq!(Envelope::decode(&bytes, document, NEWEST_VERSION), Ok((node, envelope)));
    }
    for signal in [Signal::Canary { number: 1 }, Signal::Done { request: u64::MAX }] {
        assert_eq!(Signal::decode(&signal.encode(node), OLDEST_VERSION), Ok((node, signal)));
    }
    let entry = PresenceEntry { incarnation: Incarnation::nil(), presence: presence(document) };
    assert_eq!(PresenceEntry::decode(&entry.encode(), document), Ok(entry));
}

#[test]
fn nodes_receive_a_change_as_their_version_knows_it() {
    let (document, node) = (DocumentId::new(), NodeId::new());
    let envelope = Envelope::Changed(Arc::new(change(document, "hello")));
    let bytes = envelope.encode(node, OLDEST_VERSION);
    let stored = Envelope::Stored { version: Version::new(12) };
    assert_eq!(Envelope::decode(&bytes, document, OLDEST_VERSION), Ok((node, stored)));
    for version in CHANGES_SINCE..PREVIOUS_SINCE {
        let sent = Change { previous_at: Some(now()), ..change(document, "hello") };
        let read = Change { previous_at: None, ..sent.clone() };
        let bytes = Envelope::Changed(Arc::new(sent)).encode(node, version);
        let read = Envelope::Changed(Arc::new(read));
        assert_eq!(Envelope::decode(&bytes, document, version), Ok((node, read)));
    }

    // All kinds of the oldest version are encoded as it knows them, also for newer nodes.
    for envelope in every_kind(document) {
        let bytes = with_sequence(envelope.encode(node, NEWEST_VERSION), &envelope);
        let read = Envelope::decode(&bytes, document, OLDEST_VERSION);
        match envelope {
            Envelope::Changed(_)
            | Envelope::AccessChanged {
                access: AccessChange { access_version: Some(_), .. },
                ..
            } => {
                assert_eq!(read, Err(BadEnvelope::UnknownVersion));
            }
            // Kinds that such a node does not know are not sent to it.
            Envelope::AwarenessUpdated(_) | Envelope::QueryMoves | Envelope::Stateless { .. } => {
                assert!(!envelope.is_known_to(OLDEST_VERSION));
                assert!(envelope.is_known_to(NEWEST_VERSION));
            }
            envelope => assert_eq!(read, Ok((node, envelope))),
        }
    }
}

#[test]
fn deletions_large_changes_and_formats_are_sent_as_stored() {
    let (document, node) = (DocumentId::new(), NodeId::new());
    let deleted = Change { kind: ChangeKind::Deleted, ..change(document, "x") };
    let large = change(document, &"x".repeat(MAX_CHANGE_BYTES + 1));
    let bold = serde_json::json!([{ "retain": 3, "attributes": { "bold": true } }]);
    let image = serde_json::json!([{ "embed": { "image": "x.png" } }]);
    let [bold, image] = [bold, image].map(|delta| {
        let delta: Delta = serde_json::from_value(delta).unwrap();
        Change { delta: Some(Arc::new(delta)), ..change(document, "x") }
    });
    for change in [deleted, large, bold, image] {
        let bytes = Envelope::Changed(Arc::new(change)).encode(node, NEWEST_VERSION);
        let stored = Envelope::Stored { version: Version::new(12) };
        assert_eq!(Envelope::decode(&bytes, document, NEWEST_VERSION), Ok((node, stored)));
    }
}

#[test]
fn unknown_versions_and_malformed_bytes_are_distinguished() {
    let document = DocumentId::new();
    let decode = |bytes: &[u8]| Envelope::decode(bytes, document, NEWEST_VERSION);
    assert_eq!(decode(b""), Err(BadEnvelope::Garbage));
    assert_eq!(decode(&[0; 40]), Err(BadEnvelope::Garbage));
    assert_eq!(decode(b"\x05anything at all"), Err(BadEnvelope::UnknownVersion));
    let cut = Envelope::Left { session: SessionId::new(), sequence: Sequence::default() };
    assert_eq!(decode(&cut.encode(NodeId::new(), 1)), Err(BadEnvelope::Garbage), "no sequence");
}

#[test]
fn the_format_of_the_first_version_never_changes() {
    let node = NodeId::from(uuid::Uuid::nil());
    let session = SessionId::from(uuid::Uuid::nil());
    let stored = Envelope::Stored { version: Version::new(300) }.encode(node, 1);
    assert_eq!(stored[17..], [0, 0xd8, 0x04]);
    let left = Envelope::Left { session, sequence: Sequence::default() }.encode(node, 1);
    assert_eq!(left[17..19], [4, 16]);
    let user = UserId::from(uuid::Uuid::nil());
    let revoked = Envelope::AccessChanged { user, access: access(None, Some(7)), request: Some(5) };
    let revoked = revoked.encode(node, 1);
    assert_eq!(revoked[17..19], [5, 16]);
    assert_eq!(revoked[35..], [0, 1, 5]);
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), version in 0_u8..5) {
        let document = DocumentId::new();
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = version;
        }
        if let Ok((node, envelope)) = Envelope::decode(&bytes, document, NEWEST_VERSION) {
            // A decoded envelope can be encoded.
            let encoded = envelope.encode(node, NEWEST_VERSION);
            prop_assert!(!encoded.is_empty());
        }
        if let Ok((node, signal)) = Signal::decode(&bytes, NEWEST_VERSION) {
            prop_assert_eq!(Signal::decode(&signal.encode(node), OLDEST_VERSION), Ok((node, signal)));
        }
        if let Ok(entry) = PresenceEntry::decode(&bytes, document) {
            prop_assert_eq!(PresenceEntry::decode(&entry.encode(), document), Ok(entry));
        }
    }
}
