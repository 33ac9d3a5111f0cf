//! Replacement of content that the server cannot keep.
//!
//! Later changes of an editor depend on the earlier ones, so an update without one of its structs would keep all that follows
//! from being stored. An item with unsupported content is therefore replaced by a deleted item of the same length at the same
//! place, which is how Yjs encodes what was inserted and deleted again. In JSON, half a surrogate pair becomes U+FFFD.

use yrs::encoding::write::Write as _;

use super::{
    item_content::BINARY,
    outline::{DELETED, KIND, Outline},
    subdocuments::wrapped,
    update_struct::Id,
};
use crate::wire::json_surrogates;

/// Bytes of an update that have to be replaced.
#[derive(Debug)]
pub(super) enum Replacement {
    /// JSON from here to there, with halves of surrogate pairs.
    Json(usize, usize),
    /// An item whose content is not supported.
    LeftOut(ReplacedItem),
    /// An item with a subdocument, which is stored wrapped.
    Subdocument(ReplacedItem),
    /// An item with binary data that is, or looks like, a wrapped subdocument.
    Wrapped(ReplacedItem),
}

/// An item whose content has to be replaced.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplacedItem {
    pub(super) id: Id,
    pub(super) length: u32,
    /// Where its info byte is.
    pub(super) info: usize,
    /// Where its content begins and ends.
    pub(super) content: (usize, usize),
}

/// An update with supported content only.
#[derive(Debug, PartialEq, Eq)]
pub struct SupportedUpdate {
    /// The update.
    pub update: Vec<u8>,
    /// The items that were replaced by deleted ones, as clients and clocks.
    pub left_out: Vec<(u64, u32)>,
}

/// A copy of an update in which some bytes are replaced, from the first to the last.
pub(super) struct Rewriter<'a> {
    update: &'a [u8],
    bytes: Vec<u8>,
    /// Up to where the update was copied or replaced.
    end: usize,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(update: &'a [u8]) -> Self {
        Self { update, bytes: Vec::with_capacity(update.len()), end: 0 }
    }

    /// Returns the bytes of the update from one place to another.
    pub(super) fn original(&self, from: usize, to: usize) -> &'a [u8] {
        self.update.get(from..to).unwrap_or_default()
    }

    /// Replaces the bytes from one place to another.
    fn replace(&mut self, (from, to): (usize, usize), by: &[u8]) {
        let before = self.original(self.end, from);
        self.bytes.extend(before);
        self.bytes.extend(by);
        self.end = to;
    }

    /// Replaces the content of an item by content of another kind.
    pub(super) fn replace_content(&mut self, item: &ReplacedItem, kind: u8, content: &[u8]) {
        let info: Vec<u8> = self
            .original(item.info, item.info + 1)
            .iter()
            .map(|info| info & !KIND | kind)
            .collect();
        self.replace((item.info, item.info + 1), &info);
        self.replace(item.content, content);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let rest = self.original(self.end, self.update.len());
        self.bytes.extend(rest);
        self.bytes
    }
}

impl Outline {
    /// Returns `update`, which this outlines, with its subdocuments wrapped and its unsupported content replaced. `None` if it can
    /// stay as it is.
    #[must_use]
    pub fn supported(&self, update: &[u8]) -> Option<SupportedUpdate> {
        if self.replacements.is_empty() {
            return None;
        }
        let (mut rewriter, mut left_out) = (Rewriter::new(update), Vec::new());
        for replacement in &self.replacements {
            match replacement {
                Replacement::Json(from, to) => {
                    let json = String::from_utf8_lossy(rewriter.original(*from, *to));
                    let replaced = json_surrogates::replaced(&json);
                    rewriter.replace((*from, *to), replaced.as_bytes());
                }
                Replacement::Subdocument(item) => {
                    let subdocument = rewriter.original(item.content.0, item.content.1);
                    rewriter.replace_content(item, BINARY, &wrapped(subdocument));
                }
                // No client has a wrapped subdocument: it would become one for the others only.
                Replacement::LeftOut(item) | Replacement::Wrapped(item) => {
                    let mut length = Vec::new();
                    length.write_var(item.length);
                    rewriter.replace_content(item, DELETED, &length);
                    left_out.push((item.id.client, item.id.clock));
                }
            }
        }
        Some(SupportedUpdate { update: rewriter.finish(), left_out })
    }
}

#[cfg(test)]
mod tests {
    use yrs::{
        Any, Doc, GetString as _, Map as _, ReadTxn as _, Text as _, Transact as _, Update,
        updates::decoder::Decode as _,
    };

    use super::*;

    fn supported(update: &[u8]) -> Option<SupportedUpdate> {
        Outline::read(update, 100).unwrap().supported(update)
    }

    /// Returns an update with these items of client 9, one after another, without deletions.
    fn update(items: &[&[u8]]) -> Vec<u8> {
        let head = [1, u8::try_from(items.len()).unwrap(), 9, 0];
        [&head[..], &items.concat(), &[0]].concat()
    }

    /// Returns an item in the root map `m` under the key `k`, with content of this kind.
    fn map_item(kind: u8, content: &[u8]) -> Vec<u8> {
        [&[0x20 | kind, 1, 1, b'm', 1, b'k'][..], content].concat()
    }

    /// Inserts `a` at the start of the text.
    const LETTER: &[u8] = &[4, 1, 7, b'c', b'o', b'n', b't', b'e', b'n', b't', 1, b'a'];

    #[test]
    fn unsupported_content_is_replaced_by_a_deleted_item_and_what_follows_is_kept() {
        // A hook of XML with the name `h`.
        let hook = map_item(7, &[5, 1, b'h']);
        let original = update(&[&hook, LETTER]);
        let SupportedUpdate { update, left_out } = supported(&original).unwrap();
        assert_eq!(left_out, [(9, 0)]);
        assert_eq!(supported(&update), None);
        assert_eq!(Outline::read(&update, 100).unwrap().ranges().last(), Some((9, 1, 2)));

        let doc = Doc::new();
        let (map, text) = (doc.get_or_insert_map("m"), doc.get_or_insert_text("content"));
        doc.transact_mut().apply_update(Update::decode_v1(&update).unwrap()).unwrap();
        let txn = doc.transact();
        assert_eq!((map.len(&txn), text.get_string(&txn)), (0, "a".to_owned()));
        // An editor that has the hook deletes it when it receives the state.
        assert!(txn.snapshot().delete_set.contains(&yrs::ID::new(yrs::ClientID::new(9), 0)));
    }

    #[test]
    fn json_and_values_that_no_parser_accepts_are_left_out() {
        let nested = |levels| [b"[".repeat(levels), b"]".repeat(levels)].concat();
        let embed = |json: &[u8]| {
            let length = u8::try_from(json.len()).unwrap();
            assert!(length < 128, "one byte");
            map_item(5, &[&[length][..], json].concat())
        };
        let mut deep_json = map_item(5, &[0x90, 0x02]);
        deep_json.extend(nested(136));
        let deep_value = map_item(8, &[&[1][..], &[117, 1].repeat(200), &[126]].concat());
        let old_json = map_item(2, &[2, 1, b'1', 1, b'2']);
        let hook = map_item(7, &[5, 1, b'h']);
        for item in [embed(b"{"), embed(b"undefined"), deep_json, deep_value, old_json, hook] {
            let left_out = supported(&update(&[&item])).unwrap().left_out;
            assert_eq!(left_out, [(9, 0)], "{item:?}");
        }
        for item in [embed(b"{\"a\":1e3}"), embed(&nested(60)), map_item(8, &[1, 117, 1, 126])] {
            assert_eq!(supported(&update(&[&item])), None, "{item:?}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_in_an_embed_or_a_format_becomes_a_replacement_character() {
        let json = r#"{"alt":"\ud83d"}"#;
        let length = u8::try_from(json.len()).unwrap();
        let at_start = [1, 7, b'c', b'o', b'n', b't', b'e', b'n', b't'];
        let embed = [&[5][..], &at_start, &[length], json.as_bytes()].concat();
        let format = [&[6][..], &at_start, &[1, b'k', length], json.as_bytes()].concat();
        for item in [&embed, &format] {
            let letter = &[0x84, 9, 0, 1, b'a'];
            let original = update(&[item, letter]);
            let SupportedUpdate { update, left_out } = supported(&original).unwrap();
            assert_eq!((update.len(), left_out), (original.len(), vec![]));
            assert!(Update::decode_v1(&original).is_err() && supported(&update).is_none());

            let doc = Doc::new();
            let text = doc.get_or_insert_text("content");
            doc.transact_mut().apply_update(Update::decode_v1(&update).unwrap()).unwrap();
            let chunks = text.diff(&doc.transact(), yrs::types::text::YChange::identity);
            let any = Any::from_json(r#"{"alt":"\ufffd"}"#).unwrap();
            let has_value = chunks.iter().any(|chunk| {
                let attributes = chunk.attributes.as_ref();
                chunk.insert == yrs::Out::Any(any.clone())
                    || attributes.is_some_and(|all| all.values().any(|value| *value == any))
            });
            assert!(has_value, "{chunks:?}");
        }
    }
}
