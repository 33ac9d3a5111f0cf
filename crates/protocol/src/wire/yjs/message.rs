//! The messages of y-websocket, as `docs/PROTOCOL.md` lists them.

use bytes::Bytes;
use yrs::encoding::write::Write as _;

use super::lib0::{Lib0Reader, Malformed};
use crate::{domain::Version, wire::frame};

/// The kinds of messages (y-websocket) ...
const SYNC: u8 = 0;
const AWARENESS: u8 = 1;
const AUTH: u8 = 2;
const QUERY_AWARENESS: u8 = 3;
/// ... and one of our own, which goes only to those who ask for it.
const SAVED: u8 = 100;

/// The kinds of sync messages (y-protocols, `sync.js`).
const STEP_1: u8 = 0;
const STEP_2: u8 = 1;
const UPDATE: u8 = 2;

/// The kind of an auth message that the server sends (y-protocols, `auth.js`).
const PERMISSION_DENIED: u8 = 0;

/// A state vector has at most so many bytes: some hundred thousand clients.
pub const MAX_STATE_VECTOR: usize = 1024 * 1024;

/// So many messages may stand in one.
const MAX_MESSAGES: usize = 64;

/// What an editor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditorMessage {
    /// It has this state vector, and wants what it misses.
    Step1(Bytes),
    /// It has these changes.
    Update(Bytes),
    /// It knows this of who is there.
    Awareness(Bytes),
    /// It wants to know who is there.
    QueryAwareness,
}

/// The messages in one binary message of a socket; most often there is one. Kinds that are not known are left out, with
/// everything after them.
///
/// # Errors
/// What is wrong with it.
pub fn parse(bytes: &Bytes) -> Result<Vec<EditorMessage>, Malformed> {
    let mut reader = Lib0Reader::new(bytes);
    let mut messages = Vec::new();
    if reader.left() == 0 {
        return Err(Malformed("it is empty"));
    }
    while reader.left() > 0 {
        if messages.len() == MAX_MESSAGES {
            return Err(Malformed("it holds too many messages"));
        }
        let message = match u8::try_from(reader.number()?) {
            Ok(SYNC) => {
                let kind = u8::try_from(reader.number()?);
                let content = bytes.slice_ref(reader.buffer()?);
                match kind {
                    Ok(STEP_1) if content.len() > MAX_STATE_VECTOR => {
                        return Err(Malformed("the state vector is too large"));
                    }
                    Ok(STEP_1) => EditorMessage::Step1(content),
                    Ok(STEP_2 | UPDATE) => EditorMessage::Update(content),
                    _ => return Err(Malformed("no kind of sync message")),
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

/// The clocks of a state vector.
///
/// # Errors
/// What is wrong with it.
pub fn state_vector(bytes: &[u8]) -> Result<Vec<(u64, u32)>, Malformed> {
    let mut reader = Lib0Reader::new(bytes);
    let count = reader.count(2)?;
    let mut clocks = Vec::with_capacity(count);
    for _client in 0..count {
        let (client, clock) = (reader.number()?, reader.number()?);
        clocks.push((
            client,
            u32::try_from(clock).map_err(|_large| Malformed("a clock is too large"))?,
        ));
    }
    Ok(clocks)
}

/// The frame that asks an editor for what the server misses.
#[must_use]
pub fn sync_step_1(state_vector: &[u8]) -> Bytes {
    sync(STEP_1, state_vector)
}

/// The frame that answers an editor's state vector with what it misses.
#[must_use]
pub fn sync_step_2(update: &[u8]) -> Bytes {
    sync(STEP_2, update)
}

/// The frame that tells a change.
#[must_use]
pub fn update(update: &[u8]) -> Bytes {
    sync(UPDATE, update)
}

fn sync(kind: u8, content: &[u8]) -> Bytes {
    let mut head = vec![SYNC, kind];
    head.write_var(content.len());
    frame::binary(&[&head, content])
}

/// The frame with entries of [`super::awareness`].
pub(super) fn awareness_frame(entries: &[u8]) -> Bytes {
    let mut head = vec![AWARENESS];
    head.write_var(entries.len());
    frame::binary(&[&head, entries])
}

/// The frame that refuses a change, and says why.
#[must_use]
pub fn permission_denied(reason: &str) -> Bytes {
    let mut message = vec![AUTH, PERMISSION_DENIED];
    message.write_string(reason);
    frame::binary(&[&message])
}

/// The frame that says up to where everything is stored: the version, the state vector at that version, and how many of
/// the updates that came over this connection are in it.
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

    fn parsed(bytes: &'static [u8]) -> Result<Vec<EditorMessage>, Malformed> {
        parse(&Bytes::from_static(bytes))
    }

    #[test]
    fn messages_are_read_one_after_the_other() {
        let step = EditorMessage::Step1(Bytes::from_static(&[0]));
        assert_eq!(parsed(&[0, 0, 1, 0]), Ok(vec![step.clone()]));
        let update = EditorMessage::Update(Bytes::from_static(&[0, 0]));
        assert_eq!(parsed(&[0, 0, 1, 0, 0, 2, 2, 0, 0]), Ok(vec![step, update.clone()]));
        assert_eq!(parsed(&[0, 1, 2, 0, 0]), Ok(vec![update]));
        assert_eq!(parsed(&[3]), Ok(vec![EditorMessage::QueryAwareness]));
    }

    #[test]
    fn what_is_not_known_is_left_out_and_what_is_broken_is_not() {
        assert_eq!(parsed(&[100, 7, 7]), Ok(vec![]));
        assert_eq!(parsed(&[2, 0, 0]), Ok(vec![]), "auth");
        for broken in
            [&[][..], &[0], &[0, 3, 0], &[0, 2, 9, 1], &[1, 0xFF, 0xFF, 0xFF, 0x7F], &[0x80]]
        {
            assert!(parsed(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn a_state_vector_that_announces_too_much_is_refused() {
        assert_eq!(state_vector(&[2, 1, 5, 0x80, 1, 6]), Ok(vec![(1, 5), (128, 6)]));
        assert!(state_vector(&[0xFF, 0xFF, 0xFF, 0x7F, 1, 1]).is_err());
        assert!(state_vector(&[1, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]).is_err());
    }

    #[test]
    fn frames_are_binary_and_hold_what_the_protocol_says() {
        assert_eq!(&*update(&[7, 8]), [0x82, 5, 0, 2, 2, 7, 8]);
        assert_eq!(&*sync_step_1(&[0]), [0x82, 4, 0, 0, 1, 0]);
        assert_eq!(&*permission_denied("no"), [0x82, 5, 2, 0, 2, b'n', b'o']);
        assert_eq!(&*saved(Version::new(300), &[0], 9), [0x82, 6, 100, 4, 0xAC, 2, 0, 9]);
    }
}
