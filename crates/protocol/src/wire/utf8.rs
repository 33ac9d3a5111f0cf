//! UTF-8 that comes in pieces, and text that has to be cut.

/// Checks text that arrives masked and in arbitrary pieces, without keeping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Utf8Check {
    /// The beginning of a character whose end has not come yet.
    pending: [u8; 3],
    pending_len: usize,
}

/// How much is unmasked at a time, on the stack.
const BLOCK: usize = 512;

impl Utf8Check {
    /// Takes in a piece as it was masked, `mask` turned so that its first byte belongs to the piece's first.
    ///
    /// False as soon as no continuation could make it UTF-8.
    #[must_use]
    pub(super) fn accepts(&mut self, masked: &[u8], mask: [u8; 4]) -> bool {
        // Pieces of a whole number of masks, so that the mask need not be turned again.
        for piece in masked.chunks(BLOCK) {
            let mut block = [0_u8; BLOCK + 3];
            let Some((old, rest)) = block.split_at_mut_checked(self.pending_len) else {
                return false;
            };
            for (to, from) in old.iter_mut().zip(self.pending) {
                *to = from;
            }
            for (to, from) in rest.chunks_mut(4).zip(piece.chunks(4)) {
                for ((to, from), key) in to.iter_mut().zip(from).zip(mask) {
                    *to = from ^ key;
                }
            }
            let text = block.get(..self.pending_len + piece.len()).unwrap_or_default();
            let Err(error) = std::str::from_utf8(text) else {
                self.pending_len = 0;
                continue;
            };
            if error.error_len().is_some() {
                return false;
            }
            let unfinished = text.get(error.valid_up_to()..).unwrap_or_default();
            self.pending_len = unfinished.len();
            for (to, from) in self.pending.iter_mut().zip(unfinished) {
                *to = *from;
            }
        }
        true
    }

    /// Whether the text so far ends with a whole character.
    #[must_use]
    pub(super) fn is_complete(self) -> bool {
        self.pending_len == 0
    }
}

/// The longest beginning of `text` that has at most `limit` bytes and ends with a whole character.
pub(super) fn shortened(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_character_may_come_in_pieces() {
        let mut check = Utf8Check::default();
        for byte in "🦀".as_bytes() {
            assert!(check.accepts(&[*byte], [0; 4]));
        }
        assert!(check.is_complete());
        assert!(check.accepts(&[0xf0], [0; 4]));
        assert!(!check.is_complete());
        assert!(!check.accepts(&[0x28], [0; 4]));
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(shortened("aö", 2), "a");
        assert_eq!(shortened("aö", 3), "aö");
        assert_eq!(shortened("aö", 99), "aö");
        assert_eq!(shortened("ö", 0), "");
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(
            text in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                ".{0,900}".prop_map(String::into_bytes),
            ],
            mask in any::<[u8; 4]>(),
            cut in 0_usize..4000,
        ) {
            let masked: Vec<u8> =
                text.iter().enumerate().map(|(index, byte)| byte ^ mask[index % 4]).collect();
            let cut = cut.min(masked.len());
            let mut turned = mask;
            turned.rotate_left(cut % 4);

            let mut check = Utf8Check::default();
            let valid = check.accepts(&masked[..cut], mask) && check.accepts(&masked[cut..], turned);
            prop_assert_eq!(valid && check.is_complete(), std::str::from_utf8(&text).is_ok());
        }
    }
}
