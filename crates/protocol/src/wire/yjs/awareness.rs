//! Awareness messages (y-protocols, `awareness.js`): the state of each client, with a clock that grows. An entry without
//! a state announces that the client has gone.

use bytes::Bytes;
use yrs::encoding::write::Write as _;

use super::{
    lib0::{Lib0Reader, Malformed},
    message::awareness_frame,
};

/// A received entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwarenessEntry<'a> {
    /// The client id.
    pub client: u64,
    /// The clock of the state.
    pub clock: u64,
    /// The state as JSON. `None` if the client has gone.
    pub state: Option<&'a str>,
}

/// Decodes the entries of a message lazily: there may be one for each client of the document, of which few matter.
///
/// # Errors
/// [`Malformed`] if the number of entries is not valid. An entry that is not valid is the last item.
pub fn read(
    bytes: &[u8],
) -> Result<impl Iterator<Item = Result<AwarenessEntry<'_>, Malformed>>, Malformed> {
    let mut reader = Lib0Reader::new(bytes);
    let mut remaining = reader.count(3)?;
    Ok(std::iter::from_fn(move || {
        remaining = remaining.checked_sub(1)?;
        let entry = read_entry(&mut reader);
        if entry.is_err() {
            remaining = 0;
        }
        Some(entry)
    }))
}

fn read_entry<'a>(reader: &mut Lib0Reader<'a>) -> Result<AwarenessEntry<'a>, Malformed> {
    let (client, clock, state) = (reader.number()?, reader.number()?, reader.text()?);
    Ok(AwarenessEntry { client, clock, state: (state != "null").then_some(state) })
}

/// An entry to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutgoingEntry<'a> {
    /// The client id.
    pub client: u32,
    /// The clock of the state, larger than in all earlier entries of the client.
    pub clock: u32,
    /// The state as JSON. `None` if the client has gone.
    pub state: Option<&'a str>,
}

/// Encodes a frame with these entries.
#[must_use]
pub fn frame<'a>(entries: impl IntoIterator<Item = OutgoingEntry<'a>>) -> Bytes {
    let mut body = Vec::new();
    let mut count = 0_u64;
    for OutgoingEntry { client, clock, state } in entries {
        count += 1;
        body.write_var(u64::from(client));
        body.write_var(u64::from(clock));
        body.write_string(state.unwrap_or("null"));
    }
    let mut bytes = Vec::with_capacity(body.len() + 10);
    bytes.write_var(count);
    bytes.extend_from_slice(&body);
    awareness_frame(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_entries_decode_to_the_original() {
        let sent = [
            OutgoingEntry { client: 300, clock: 7, state: Some(r#"{"a":1}"#) },
            OutgoingEntry { client: 1, clock: 8, state: None },
        ];
        let frame = frame(sent);
        // Skips FIN and opcode, the length of the frame, the kind of message and its length.
        let received: Vec<_> = read(&frame[4..]).unwrap().map(Result::unwrap).collect();
        assert_eq!(
            received,
            [
                AwarenessEntry { client: 300, clock: 7, state: Some(r#"{"a":1}"#) },
                AwarenessEntry { client: 1, clock: 8, state: None },
            ]
        );
    }

    #[test]
    fn missing_entries_are_rejected() {
        assert!(read(&[0xFF, 0xFF, 0x7F, 1, 1, 0]).is_err());
        let truncated: Vec<_> = read(&[1, 1, 1, 9, b'x']).unwrap().collect();
        assert!(matches!(truncated[..], [Err(_)]));
        assert_eq!(read(&[0]).unwrap().count(), 0);
    }
}
