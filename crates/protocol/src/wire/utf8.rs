//! Incremental UTF-8 validation, and truncation of text.

/// Validates text that arrives masked and in arbitrary pieces, without buffering it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Utf8Check {
    /// The first bytes of a character whose last bytes have not arrived.
    pending: [u8; 3],
    pending_len: usize,
}

/// The number of bytes unmasked at a time, on the stack. A multiple of the mask length.
const BLOCK: usize = 512;

impl Utf8Check {
    /// Validates the next masked piece. `mask` is rotated so that its first byte applies to the first byte of the piece.
    ///
    /// Returns false once no continuation can make the text valid.
    #[must_use]
    pub(super) fn accepts(&mut self, masked: &[u8], mask: [u8; 4]) -> bool {
        // A block has a whole number of masks, so the mask needs no rotation.
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

    /// Returns whether the text so far ends with a complete character.
    #[must_use]
    pub(super) fn is_complete(self) -> bool {
        self.pending_len == 0
    }
}

/// Returns the longest prefix of `text` of at most `limit` bytes that ends at a character boundary.
#[must_use]
pub fn shortened(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_character_may_be_split_into_pieces() {
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
    fn text_is_cut_at_a_character_boundary() {
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
            let mut rotated = mask;
            rotated.rotate_left(cut % 4);

            let mut check = Utf8Check::default();
            let valid = check.accepts(&masked[..cut], mask) && check.accepts(&masked[cut..], rotated);
            prop_assert_eq!(valid && check.is_complete(), std::str::from_utf8(&text).is_ok());
        }
    }
}
