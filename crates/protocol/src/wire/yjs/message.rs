//! The messages of y-websocket, which `docs/PROTOCOL.md` lists.

use bytes::Bytes;
use yrs::encoding::write::Write as _;

use super::{
    lib0::{Lib0Reader, Malformed},
    subdocuments::for_clients,
};
use crate::{domain::Version, wire::frame};

/// The kinds of messages (y-websocket).
const SYNC: u8 = 0;
const AWARENESS: u8 = 1;
const AUTH: u8 = 2;
const QUERY_AWARENESS: u8 = 3;
/// An extension of coscribe, sent only to editors that request it.
const SAVED: u8 = 100;

/// The kinds of sync messages (y-protocols, `sync.js`).
const STEP_1: u8 = 0;
const STEP_2: u8 = 1;
const UPDATE: u8 = 2;

/// The kind of auth message (y-protocols, `auth.js`).
const PERMISSION_DENIED: u8 = 0;
const AUTHENTICATED: u8 = 2;

/// The maximum number of messages in one binary message.
const MAX_MESSAGES: usize = 64;

/// A message from a Yjs editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditorMessage {
    /// Sync step 1, with the editor's state vector. Requests sync step 2.
    Step1(ClientClocks),
    /// Sync step 2, with everything that a sync step 1 of the server asked for.
    Step2(Bytes),
    /// An update, with changes of the document.
    Update(Bytes),
    /// Awareness entries.
    Awareness(Bytes),
    /// Requests the awareness of all clients.
    QueryAwareness,
}

/// Decodes the messages in one binary message, usually a single one. Ignores an unknown kind and all bytes after it.
///
/// # Errors
/// [`Malformed`] if a message is not validly encoded, or there is none, or there are too many.
pub fn parse(bytes: &Bytes) -> Result<Vec<EditorMessage>, Malformed> {
    let mut reader = Lib0Reader::new(bytes);
    let mut messages = Vec::new();
    if reader.remaining() == 0 {
        return Err(Malformed("the message is empty"));
    }
    while reader.remaining() > 0 {
        if messages.len() == MAX_MESSAGES {
            return Err(Malformed("the message contains too many messages"));
        }
        let message = match u8::try_from(reader.number()?) {
            Ok(SYNC) => {
                let kind = u8::try_from(reader.number()?);
                let content = bytes.slice_ref(reader.buffer()?);
                match kind {
                    Ok(STEP_1) => EditorMessage::Step1(ClientClocks::read(content)?),
                    Ok(STEP_2) => EditorMessage::Step2(content),
                    Ok(UPDATE) => EditorMessage::Update(content),
                    _ => return Err(Malformed("a sync message has an unknown kind")),
                }
            }
            Ok(AWARENESS) => EditorMessage::Awareness(bytes.slice_ref(reader.buffer()?)),
            Ok(QUERY_AWARENESS) => EditorMessage::QueryAwareness,
            _ => break,
        };
        messages.push(message);
    }
    Ok(messages)
}

/// A state vector: the clock of each client. It stays encoded, because it takes up to eight times as much memory decoded, and
/// has as many clients as fit a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientClocks {
    /// Pairs of client and clock; valid.
    pairs: Bytes,
    count: usize,
}

impl ClientClocks {
    /// Reads an encoded state vector.
    ///
    /// # Errors
    /// [`Malformed`] if it is not validly encoded.
    pub fn read(bytes: Bytes) -> Result<Self, Malformed> {
        let mut reader = Lib0Reader::new(&bytes);
        let count = reader.count(2)?;
        let start = reader.position();
        for _client in 0..count {
            read_clock(&mut reader)?;
        }
        Ok(Self { count, pairs: bytes.slice(start..) })
    }

    /// Returns the number of clients.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns whether it has no clients.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns each client with its clock.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        let mut reader = Lib0Reader::new(&self.pairs);
        (0..self.count).map_while(move |_client| read_clock(&mut reader).ok())
    }
}

fn read_clock(reader: &mut Lib0Reader<'_>) -> Result<(u64, u32), Malformed> {
    let (client, clock) = (reader.number()?, reader.number()?);
    let clock = u32::try_from(clock).map_err(|_large| Malformed("a clock is too large"))?;
    Ok((client, clock))
}

/// Encodes a state vector from pairs of client id and clock, each client once.
#[must_use]
pub fn encode_state_vector(
    clocks: impl IntoIterator<Item = (u64, u32), IntoIter: ExactSizeIterator>,
) -> Vec<u8> {
    let clocks = clocks.into_iter();
    let mut bytes = Vec::with_capacity(1 + 10 * clocks.len());
    bytes.write_var(clocks.len());
    for (client, clock) in clocks {
        bytes.write_var(client);
        bytes.write_var(clock);
    }
    bytes
}

/// Encodes sync step 1, which requests all changes missing from the state vector.
#[must_use]
pub fn sync_step_1(state_vector: &[u8]) -> Bytes {
    sync(STEP_1, state_vector)
}

/// Encodes sync step 2, the answer to an editor's sync step 1, from a stored update.
#[must_use]
pub fn sync_step_2(update: &[u8]) -> Bytes {
    sync(STEP_2, &for_clients(update))
}

/// Encodes a stored update.
#[must_use]
pub fn update(update: &[u8]) -> Bytes {
    sync(UPDATE, &for_clients(update))
}

fn sync(kind: u8, content: &[u8]) -> Bytes {
    let mut head = vec![SYNC, kind];
    head.write_var(content.len());
    frame::binary(&[&head, content])
}

/// Encodes a message with entries of [`super::awareness`].
pub(super) fn awareness_frame(entries: &[u8]) -> Bytes {
    let mut head = vec![AWARENESS];
    head.write_var(entries.len());
    frame::binary(&[&head, entries])
}

/// Encodes the refusal of an update, with its reason.
#[must_use]
pub fn permission_denied(reason: &str) -> Bytes {
    let mut message = vec![AUTH, PERMISSION_DENIED];
    message.write_string(reason);
    frame::binary(&[&message])
}

/// Encodes whether the editor's user may edit the document, as the scopes of Hocuspocus do: `read-write` or `readonly`.
#[must_use]
pub fn scope(may_edit: bool) -> Bytes {
    let mut message = vec![AUTH, AUTHENTICATED];
    message.write_string(if may_edit { "read-write" } else { "readonly" });
    frame::binary(&[&message])
}

/// Encodes a save acknowledgement: the stored version, its state vector, and the number of updates from this connection
/// that it contains.
#[must_use]
pub fn saved(version: Version, state_vector: &[u8], updates: u64) -> Bytes {
    let mut content = Vec::with_capacity(20 + state_vector.len());
    content.write_var(u64::try_from(version.number()).unwrap_or(0));
    content.extend_from_slice(state_vector);
    content.write_var(updates);
    let mut head = vec![SAVED];
    head.write_var(content.len());
    frame::binary(&[&head, &content])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_static(bytes: &'static [u8]) -> Result<Vec<EditorMessage>, Malformed> {
        parse(&Bytes::from_static(bytes))
    }

    #[test]
    fn several_messages_are_decoded_in_order() {
        let step = EditorMessage::Step1(ClientClocks::default());
        assert_eq!(parse_static(&[0, 0, 1, 0]), Ok(vec![step.clone()]));
        let update = EditorMessage::Update(Bytes::from_static(&[0, 0]));
        assert_eq!(parse_static(&[0, 0, 1, 0, 0, 2, 2, 0, 0]), Ok(vec![step, update.clone()]));
        let step_2 = EditorMessage::Step2(Bytes::from_static(&[0, 0]));
        assert_eq!(parse_static(&[0, 1, 2, 0, 0]), Ok(vec![step_2]));
        assert_eq!(parse_static(&[3]), Ok(vec![EditorMessage::QueryAwareness]));
    }

    #[test]
    fn unknown_kinds_are_ignored_and_malformed_messages_are_rejected() {
        assert_eq!(parse_static(&[100, 7, 7]), Ok(vec![]));
        assert_eq!(parse_static(&[2, 0, 0]), Ok(vec![]), "auth");
        for malformed in
            [&[][..], &[0], &[0, 3, 0], &[0, 2, 9, 1], &[1, 0xFF, 0xFF, 0xFF, 0x7F], &[0x80]]
        {
            assert!(parse_static(malformed).is_err(), "{malformed:?}");
        }
    }

    #[test]
    fn a_state_vector_with_a_count_over_its_size_is_rejected() {
        let read = |bytes: &'static [u8]| ClientClocks::read(Bytes::from_static(bytes));
        let clocks = read(&[2, 1, 5, 0x80, 1, 6]).unwrap();
        assert_eq!((clocks.len(), clocks.iter().collect::<Vec<_>>()), (2, vec![(1, 5), (128, 6)]));
        assert!(read(&[0xFF, 0xFF, 0xFF, 0x7F, 1, 1]).is_err());
        assert!(read(&[1, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]).is_err());
    }

    #[test]
    fn frames_have_the_form_that_the_protocol_requires() {
        assert_eq!(&*update(&[7, 8]), [0x82, 5, 0, 2, 2, 7, 8]);
        assert_eq!(&*sync_step_1(&[0]), [0x82, 4, 0, 0, 1, 0]);
        assert_eq!(&*permission_denied("no"), [0x82, 5, 2, 0, 2, b'n', b'o']);
        assert_eq!(&*saved(Version::new(300), &[0], 9), [0x82, 6, 100, 4, 0xAC, 2, 0, 9]);
    }
}
