//! Presence: the sessions that have a document open.

use chrono::{DateTime, Utc};

use super::{Cursor, DocumentId, SessionId, User, UserId};

/// A CSS colour from the palette, as `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color(&'static str);

/// Distinguishable on white and on black.
const PALETTE: [&str; 16] = [
    "#c0392b", "#d35400", "#b7791f", "#7d8c1f", "#3f8f29", "#1e8449", "#138d75", "#117a8b",
    "#2471a3", "#3056d3", "#5b4bc4", "#7d3cc8", "#a626a4", "#c2267a", "#d12c56", "#8d6e63",
];

impl Color {
    /// Returns the colour of a user in a document. Every node computes the same one.
    #[must_use]
    pub fn of(document: DocumentId, user: UserId) -> Self {
        // FNV-1a (64 bit), because the results of std's hasher may change between releases.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in document.uuid().as_bytes().iter().chain(user.uuid().as_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let index = (hash >> 32) as usize % PALETTE.len();
        Self(PALETTE[index])
    }

    /// Returns the colour in CSS notation.
    #[must_use]
    pub const fn as_css(self) -> &'static str {
        self.0
    }
}

/// A session (a tab or a device) that has a document open.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    /// The document.
    pub document: DocumentId,
    /// The session.
    pub session: SessionId,
    /// The session's user.
    pub user: User,
    /// The user's colour in this document.
    pub color: Color,
    /// Its last known cursor.
    pub cursor: Option<Cursor>,
    /// The time at which it opened the document.
    pub joined_at: DateTime<Utc>,
    /// The time of its last cursor move, or of its joining.
    pub last_seen: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_color_is_stable_for_a_user_within_a_document() {
        let (document, user) = (DocumentId::new(), UserId::new());
        assert_eq!(Color::of(document, user), Color::of(document, user));
    }

    #[test]
    fn colors_spread_over_the_palette() {
        let document = DocumentId::new();
        let seen: std::collections::HashSet<_> =
            (0..400).map(|_| Color::of(document, UserId::new())).collect();
        assert_eq!(seen.len(), PALETTE.len());
    }
}
