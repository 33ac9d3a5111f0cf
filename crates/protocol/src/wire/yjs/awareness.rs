//! Awareness: what clients say of themselves, each under its client id with a clock that grows (y-protocols,
//! `awareness.js`). An entry without a state says that the client has gone.

use bytes::Bytes;
use yrs::encoding::write::Write as _;

use super::{
    lib0::{Lib0Reader, Malformed},
    message::awareness_frame,
};

/// A client's entry, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwarenessEntry<'a> {
    /// The client.
    pub client: u64,
    /// How often it has said something.
    pub clock: u64,
    /// What it says, as JSON; none when it says that it has gone.
    pub state: Option<&'a str>,
}

/// The entries of a message, one by one: there may be as many as have a document open, and few are of interest.
///
/// # Errors
/// What is wrong with it; after an entry that cannot be read there are no more.
pub fn read(
    bytes: &[u8],
) -> Result<impl Iterator<Item = Result<AwarenessEntry<'_>, Malformed>>, Malformed> {
    let mut reader = Lib0Reader::new(bytes);
    let mut left = reader.count(3)?;
    Ok(std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let entry = read_entry(&mut reader);
        if entry.is_err() {
            left = 0;
        }
        Some(entry)
    }))
}

fn read_entry<'a>(reader: &mut Lib0Reader<'a>) -> Result<AwarenessEntry<'a>, Malformed> {
    let (client, clock, state) = (reader.number()?, reader.number()?, reader.text()?);
    Ok(AwarenessEntry { client, clock, state: (state != "null").then_some(state) })
}

/// A client's entry, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// The client.
    pub client: u32,
    /// Larger than in all entries of the client before.
    pub clock: u32,
    /// What it says, as JSON; none when it has gone.
    pub state: Option<&'a str>,
}

/// The frame that tells these entries.
#[must_use]
pub fn frame<'a>(entries: impl IntoIterator<Item = Said<'a>>) -> Bytes {
    let mut body = Vec::new();
    let mut count = 0_u64;
    for Said { client, clock, state } in entries {
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
    fn entries_are_read_as_they_are_written() {
        let said = [
            Said { client: 300, clock: 7, state: Some(r#"{"a":1}"#) },
            Said { client: 1, clock: 8, state: None },
        ];
        let frame = frame(said);
        // FIN and binary, a length, the kind, another length.
        let heard: Vec<_> = read(&frame[4..]).unwrap().map(Result::unwrap).collect();
        assert_eq!(
            heard,
            [
                AwarenessEntry { client: 300, clock: 7, state: Some(r#"{"a":1}"#) },
                AwarenessEntry { client: 1, clock: 8, state: None },
            ]
        );
    }

    #[test]
    fn entries_that_are_not_there_are_missed() {
        assert!(read(&[0xFF, 0xFF, 0x7F, 1, 1, 0]).is_err());
        let cut: Vec<_> = read(&[1, 1, 1, 9, b'x']).unwrap().collect();
        assert!(matches!(cut[..], [Err(_)]));
        assert_eq!(read(&[0]).unwrap().count(), 0);
    }
}
