//! Unique marks in the text, by which an edit is found again: `<12.34>` is edit 34 of sender 12.

/// The mark of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Marker {
    /// Who wrote it.
    pub(crate) sender: usize,
    /// Its number among those of the sender.
    pub(crate) place: u64,
}

impl Marker {
    /// Returns the mark that a document gets after the load, in the name of one of its senders.
    pub(crate) const fn closing(sender: usize) -> Self {
        Self { sender, place: u64::MAX }
    }

    /// Returns whether it is a mark of [`Marker::closing`].
    pub(crate) const fn is_closing(self) -> bool {
        self.place == u64::MAX
    }

    /// Returns all marks in a text, in its order. Anything between them is skipped.
    pub(crate) fn find_all(text: &[u8]) -> impl Iterator<Item = Self> + '_ {
        let begins = text.iter().enumerate().filter(|(_, byte)| **byte == b'<');
        begins.filter_map(|(index, _)| Self::parse(&text[index + 1..]))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().take(40).position(|byte| *byte == b'>')?;
        let (sender, place) = std::str::from_utf8(&text[..end]).ok()?.split_once('.')?;
        Some(Self { sender: sender.parse().ok()?, place: place.parse().ok()? })
    }
}

impl std::fmt::Display for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}.{}>", self.sender, self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_among_other_bytes() {
        let text = b"\xff<1.2>a < b <3.4><x.y><5.6";
        let found: Vec<_> = Marker::find_all(text).map(|marker| marker.to_string()).collect();
        assert_eq!(found, ["<1.2>", "<3.4>"]);
    }

    #[test]
    fn a_closing_mark_is_found_like_others() {
        let text = Marker::closing(70_000).to_string();
        let found: Vec<_> = Marker::find_all(text.as_bytes()).collect();
        assert_eq!(found, [Marker::closing(70_000)]);
        assert!(found[0].is_closing());
    }
}
