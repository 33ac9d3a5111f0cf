//! Subdocuments: Yjs documents that are values of another one, of which it has the guid and the options only.
//!
//! The library decodes a subdocument into a document of its own, drops options that it does not know, and leaks both documents. So
//! coscribe stores a subdocument as binary data of the same length at the same place: [`MARK`], and then the bytes of its guid and
//! options as the client sent them ([ADR 62](../../../../../docs/adr/0062-subdocuments.md)). `unsupported` wraps it on the way in,
//! and [`for_clients`] unwraps it on the way out.
//!
//! Invariant: what clients receive has the bytes that a client has sent. Binary data of clients never begins with the mark.

use std::borrow::Cow;

use yrs::encoding::write::Write as _;

use super::{
    item_content::SUBDOCUMENT,
    lib0::{Lib0Reader, Malformed},
    outline::Outline,
    unsupported::{ReplacedItem, Replacement, Rewriter},
};

/// The first bytes of a wrapped subdocument. The first of them occurs in no text.
const MARK: &[u8] = b"\xFFcoscribe-subdoc";

/// A subdocument that is stored as binary data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrappedSubdocument<'a> {
    /// What identifies the document: its name for providers.
    pub guid: &'a str,
    /// The guid and the options, as Yjs encodes them.
    content: &'a [u8],
}

impl<'a> WrappedSubdocument<'a> {
    /// Reads binary data. `None` if it is no wrapped subdocument.
    #[must_use]
    pub fn read(data: &'a [u8]) -> Option<Self> {
        let content = data.strip_prefix(MARK)?;
        let guid = read_guid(content).ok()?;
        Some(Self { guid, content })
    }
}

/// Reads the content of an item with a subdocument. Returns its guid.
fn read_guid(content: &[u8]) -> Result<&str, Malformed> {
    let mut reader = Lib0Reader::new(content);
    let guid = reader.text()?;
    reader.skip_value()?;
    match reader.remaining() {
        0 => Ok(guid),
        _ => Err(Malformed("data follows a subdocument")),
    }
}

/// Whether binary data begins like a wrapped subdocument.
pub(super) fn is_wrapped(data: &[u8]) -> bool {
    data.starts_with(MARK)
}

/// Returns the content of an item with binary data that holds a subdocument with this content.
pub(super) fn wrapped(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MARK.len() + content.len() + 5);
    bytes.write_var(MARK.len() + content.len());
    bytes.extend(MARK);
    bytes.extend(content);
    bytes
}

/// Returns a stored update as clients receive it: with subdocuments as they sent them. Passes over the bytes once; only an update
/// with subdocuments is read.
#[must_use]
pub fn for_clients(update: &[u8]) -> Cow<'_, [u8]> {
    if !may_have_subdocuments(update) {
        return Cow::Borrowed(update);
    }
    match Outline::read(update, usize::MAX) {
        Ok(outline) => Cow::Owned(outline.unwrapped(update)),
        // It is stored, so it was read before.
        Err(_malformed) => Cow::Borrowed(update),
    }
}

/// Returns the number of subdocuments in a stored update that are not deleted.
#[must_use]
pub fn count_subdocuments(update: &[u8]) -> usize {
    if !may_have_subdocuments(update) {
        return 0;
    }
    let outline = Outline::read(update, usize::MAX);
    outline.map_or(0, |outline| outline.wrapped_contents(update).count())
}

fn may_have_subdocuments(update: &[u8]) -> bool {
    // Few updates of a keystroke have this byte.
    MARK.first().is_some_and(|first| update.contains(first))
        && update.windows(MARK.len()).any(|bytes| bytes == MARK)
}

impl Outline {
    /// Returns `update`, which this outlines, with its wrapped subdocuments unwrapped.
    fn unwrapped(&self, update: &[u8]) -> Vec<u8> {
        let mut rewriter = Rewriter::new(update);
        for (item, content) in self.wrapped_contents(update) {
            rewriter.replace_content(item, SUBDOCUMENT, content);
        }
        rewriter.finish()
    }

    /// Returns the items with wrapped subdocuments, and the content of each subdocument.
    fn wrapped_contents<'a>(
        &'a self,
        update: &'a [u8],
    ) -> impl Iterator<Item = (&'a ReplacedItem, &'a [u8])> {
        self.replacements.iter().filter_map(move |replacement| {
            let Replacement::Wrapped(item) = replacement else { return None };
            let content = update.get(item.content.0..item.content.1)?;
            let data = Lib0Reader::new(content).buffer().ok()?;
            Some((item, WrappedSubdocument::read(data)?.content))
        })
    }
}

#[cfg(test)]
mod tests {
    use yrs::{
        Any, Array as _, Doc, Map as _, Out, ReadTxn as _, StateVector, Transact as _, Update,
        updates::decoder::Decode as _,
    };

    use super::*;
    use crate::wire::yjs::SupportedUpdate;

    /// The guid `id`, and options with `autoLoad` and an unknown one.
    const CONTENT: &[u8] = &[
        2, b'i', b'd', 118, 2, 8, b'a', b'u', b't', b'o', b'L', b'o', b'a', b'd', 120, 1, b'x',
        125, 7,
    ];

    /// Returns an update of client 9 with a value of this kind of content in the root map `m` under the key `k`.
    fn update(kind: u8, content: &[u8]) -> Vec<u8> {
        [&[1, 1, 9, 0, 0x20 | kind, 1, 1, b'm', 1, b'k'][..], content, &[0]].concat()
    }

    fn stored(update: &[u8]) -> SupportedUpdate {
        Outline::read(update, 100).unwrap().supported(update).unwrap()
    }

    #[test]
    fn a_subdocument_is_stored_and_comes_back_byte_for_byte() {
        let original = update(SUBDOCUMENT, CONTENT);
        let SupportedUpdate { update, left_out } = stored(&original);
        assert!(left_out.is_empty());
        assert_eq!(count_subdocuments(&update), 1);
        assert_eq!(*for_clients(&update), *original);

        let doc = Doc::new();
        let map = doc.get_or_insert_map("m");
        doc.transact_mut().apply_update(Update::decode_v1(&update).unwrap()).unwrap();
        let txn = doc.transact();
        let Some(Out::Any(Any::Buffer(data))) = map.get(&txn, "k") else { panic!("a value") };
        assert_eq!(WrappedSubdocument::read(&data).unwrap().guid, "id");
        let state = txn.encode_state_as_update_v1(&StateVector::default());
        assert_eq!(*for_clients(&state), *original);
    }

    #[test]
    fn a_subdocument_in_a_list_does_not_become_one_item_with_its_neighbours() {
        let doc = Doc::with_client_id(9_u64);
        let list = doc.get_or_insert_array("list");
        list.push_back(&mut doc.transact_mut(), 1);
        let state = |doc: &Doc| doc.transact().encode_state_as_update_v1(&StateVector::default());
        // Client 8 inserts a subdocument after it.
        let insertion = [&[1, 1, 8, 0, 0x80 | SUBDOCUMENT, 9, 0][..], CONTENT, &[0]].concat();
        let SupportedUpdate { update, .. } = stored(&insertion);
        doc.transact_mut().apply_update(Update::decode_v1(&update).unwrap()).unwrap();
        list.push_back(&mut doc.transact_mut(), 2);
        assert_eq!(list.len(&doc.transact()), 3);
        assert_eq!(count_subdocuments(&state(&doc)), 1);
        let delivered = for_clients(&state(&doc)).into_owned();
        assert_eq!(count_subdocuments(&stored(&delivered).update), 1);
    }

    #[test]
    fn a_subdocument_without_an_object_of_options_is_left_out() {
        for options in [&[126][..], &[127], &[125, 1], &[117, 0], &[119, 1, b'x']] {
            let update = update(SUBDOCUMENT, &[&[2, b'i', b'd'][..], options].concat());
            let SupportedUpdate { left_out, update: stored } = stored(&update);
            assert_eq!(left_out, [(9, 0)], "{options:?}");
            assert_eq!(count_subdocuments(&stored), 0);
        }
    }

    #[test]
    fn a_client_cannot_send_what_is_wrapped() {
        let binary = update(3, &wrapped(CONTENT));
        let value = update(8, &[&[1, 116][..], &wrapped(CONTENT)].concat());
        for update in [binary, value] {
            let SupportedUpdate { left_out, update: stored } = stored(&update);
            assert_eq!(left_out, [(9, 0)]);
            assert_eq!(count_subdocuments(&stored), 0);
            assert!(!may_have_subdocuments(&stored));
        }
        // Other binary data is kept.
        let value = update(8, &[2, 116, 2, 0xFF, b'c', 116, 0]);
        assert_eq!(Outline::read(&value, 100).unwrap().supported(&value), None);
    }

    #[test]
    fn other_content_is_delivered_as_it_is() {
        let marked_only = update(3, &wrapped(b"no subdocument"));
        let in_a_value = update(8, &[&[1, 116][..], &wrapped(CONTENT)].concat());
        let binary = update(3, &[2, 0xFF, b'c']);
        for update in [marked_only, in_a_value, binary] {
            assert_eq!(*for_clients(&update), *update);
        }
        assert_eq!(*for_clients(MARK), *MARK);
    }
}
