//! Pages of a user's document list, and the cursors between them.
//!
//! A cursor names the last document of a page by time of change and id, not by a number of rows. Documents that are
//! created between two requests therefore cause no gap and no duplicate.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::{AccessLevel, Document, DocumentId, InvalidInput};

/// Which documents of a user a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentFilter {
    /// Those that they own and those that they were granted access to.
    All,
    /// Those that they own.
    Owned,
    /// Those that they were granted access to.
    Shared,
    /// Those that they own, those that they have accepted, and those that they may open otherwise.
    Accepted,
    /// Those that they were granted access to and have not accepted.
    Pending,
}

/// One page of the documents that a user may open, newest change first.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentPage {
    /// The documents, and the user's access level on each.
    pub documents: Vec<(Document, AccessLevel)>,
    /// Whether there are more documents after this page.
    pub has_next: bool,
}

/// A position in a user's document list, just after one document.
///
/// Its text form is the URL-safe base64 of the time in microseconds since 1970 (8 bytes, big-endian) and the id (16
/// bytes). Clients treat it as opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCursor {
    /// When the document last changed, in whole microseconds.
    pub updated_at: DateTime<Utc>,
    /// The id of the document.
    pub id: DocumentId,
}

impl PageCursor {
    /// Returns the position just after `document`.
    #[must_use]
    pub fn after(document: &Document) -> Self {
        Self { updated_at: document.updated_at, id: document.id }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (micros, id) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            updated_at: DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?,
            id: Uuid::from_slice(id).ok()?.into(),
        })
    }
}

impl fmt::Display for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.updated_at.timestamp_micros().to_be_bytes());
        bytes[8..].copy_from_slice(self.id.uuid().as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for PageCursor {
    type Err = InvalidInput;

    fn from_str(text: &str) -> Result<Self, InvalidInput> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        bytes.and_then(|bytes| Self::from_bytes(&bytes)).ok_or_else(|| {
            InvalidInput::new(
                "The page cursor is not valid. Use a cursor that the server returned, or none for the first page.",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_round_trips_through_text_to_the_microsecond() {
        let updated_at = DateTime::from_timestamp_micros(1_753_000_000_123_457).unwrap();
        let cursor = PageCursor { updated_at, id: DocumentId::new() };

        let text = cursor.to_string();

        assert_eq!(text.parse(), Ok(cursor));
        assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{text}");
    }

    #[test]
    fn malformed_cursors_are_invalid_input() {
        let good = PageCursor { updated_at: DateTime::UNIX_EPOCH, id: DocumentId::new() };
        let far = URL_SAFE_NO_PAD.encode([0x7f; 24]);
        let short = good.to_string()[..28].to_owned();
        let long = format!("{good}AAAA");
        for text in ["", "x", "äöü", "not a cursor at all, sorry", "====", &far, &short, &long] {
            assert!(text.parse::<PageCursor>().is_err(), "{text:?} was accepted");
        }
    }
}
