//! Pages of a user's document list, and the cursors between them.
//!
//! A cursor names the last document of a page, not a number of rows. Documents that are created between two requests therefore
//! cause no gap and no duplicate.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::{AccessLevel, Document, DocumentId, InvalidInput, MetadataLabel};

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
    /// Those that they own and that are in their bin.
    Bin,
}

/// The order of a list of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentOrder {
    /// The most recent change first. A change moves a document to the beginning.
    Updated,
    /// The most recently created first, by the ids. No document moves.
    Created,
}

/// What a page of a user's documents holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentQuery {
    /// Which documents the list holds.
    pub filter: DocumentFilter,
    /// The order of the list.
    pub order: DocumentOrder,
    /// The most documents of the page.
    pub first: u32,
    /// Where the page begins, if it is not the first. A cursor of the same order.
    pub after: Option<PageCursor>,
    /// The labels that each of the documents has.
    pub labels: Vec<MetadataLabel>,
}

impl DocumentQuery {
    /// Returns the query of the documents that have changed last.
    #[must_use]
    pub fn newest(first: u32) -> Self {
        let (filter, order) = (DocumentFilter::All, DocumentOrder::Updated);
        Self { filter, order, first, after: None, labels: Vec::new() }
    }
}

/// One page of the documents that a user may open, in the order of the query.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentPage {
    /// The documents, and the user's access level on each.
    pub documents: Vec<(Document, AccessLevel)>,
    /// Whether there are more documents after this page.
    pub has_next: bool,
    /// Where the next page begins, if that is not after the last of these documents.
    pub ends_at: Option<PageCursor>,
}

/// A position in a user's document list, just after one document.
///
/// Its text form is URL-safe base64: of the id (16 bytes), and before it, in the order of changes, of the time in microseconds
/// since 1970 (8 bytes, big-endian). Clients treat it as opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageCursor {
    /// In the order of changes.
    Updated {
        /// When the document last changed, in whole microseconds.
        updated_at: DateTime<Utc>,
        /// The id of the document.
        id: DocumentId,
    },
    /// In the order of creation, just after the document with this id.
    Created(DocumentId),
}

impl PageCursor {
    /// Returns the position just after `document` in a list of this order.
    #[must_use]
    pub fn after(document: &Document, order: DocumentOrder) -> Self {
        match order {
            DocumentOrder::Updated => {
                Self::Updated { updated_at: document.updated_at, id: document.id }
            }
            DocumentOrder::Created => Self::Created(document.id),
        }
    }

    /// Reads a cursor that a client sends back for a list of this order.
    ///
    /// # Errors
    /// It is not valid, or belongs to a list of another order.
    pub fn parse(text: &str, order: DocumentOrder) -> Result<Self, InvalidInput> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let cursor = bytes.and_then(|bytes| Self::from_bytes(&bytes)).ok_or_else(invalid_cursor)?;
        if cursor.order() != order {
            return Err(InvalidInput::new(
                "The page cursor belongs to a list in another order. Send it with the same `orderBy`, or none for the first page.",
            ));
        }
        Ok(cursor)
    }

    /// Returns the order of the lists that it belongs to.
    fn order(self) -> DocumentOrder {
        match self {
            Self::Updated { .. } => DocumentOrder::Updated,
            Self::Created(_) => DocumentOrder::Created,
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(id) = Uuid::from_slice(bytes) {
            return Some(Self::Created(id.into()));
        }
        let (micros, id) = bytes.split_first_chunk::<8>()?;
        Some(Self::Updated {
            updated_at: DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?,
            id: Uuid::from_slice(id).ok()?.into(),
        })
    }
}

/// The error of a page cursor that the server cannot have returned.
#[must_use]
pub fn invalid_cursor() -> InvalidInput {
    InvalidInput::new(
        "The page cursor is not valid. Use a cursor that the server returned, or none for the first page.",
    )
}

impl fmt::Display for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, bytes) = match self {
            Self::Updated { updated_at, id } => {
                (id, updated_at.timestamp_micros().to_be_bytes().to_vec())
            }
            Self::Created(id) => (id, Vec::new()),
        };
        f.write_str(&URL_SAFE_NO_PAD.encode([&bytes[..], id.uuid().as_bytes()].concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_round_trips_through_text_to_the_microsecond() {
        let updated_at = DateTime::from_timestamp_micros(1_753_000_000_123_457).unwrap();
        let id = DocumentId::new();
        for (cursor, order, other) in [
            (
                PageCursor::Updated { updated_at, id },
                DocumentOrder::Updated,
                DocumentOrder::Created,
            ),
            (PageCursor::Created(id), DocumentOrder::Created, DocumentOrder::Updated),
        ] {
            let text = cursor.to_string();
            assert_eq!(PageCursor::parse(&text, order), Ok(cursor));
            let refusal = PageCursor::parse(&text, other).unwrap_err().to_string();
            assert!(refusal.contains("another order"), "{refusal}");
            assert!(
                text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'),
                "{text}"
            );
        }
    }

    #[test]
    fn malformed_cursors_are_invalid_input() {
        let (updated_at, id) = (DateTime::UNIX_EPOCH, DocumentId::new());
        let good = PageCursor::Updated { updated_at, id }.to_string();
        let far = URL_SAFE_NO_PAD.encode([0x7f; 24]);
        let short = good[..28].to_owned();
        let long = format!("{good}AAAA");
        for text in ["", "x", "äöü", "not a cursor at all, sorry", "====", &far, &short, &long] {
            for order in [DocumentOrder::Updated, DocumentOrder::Created] {
                assert!(PageCursor::parse(text, order).is_err(), "{text:?} was accepted");
            }
        }
    }
}
