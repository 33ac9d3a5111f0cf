//! Subdocuments as values of a document. The library holds them as binary data ([`WrappedSubdocument`]).
//!
//! Binary data is written as an item of its own. The library joins values to one item, in which subdocuments would not be found.

use std::sync::Arc;

use protocol::wire::yjs::WrappedSubdocument;
use yrs::{
    Any, Map as _, MapRef, Out, ReadTxn, TransactionMut,
    block::{ItemContent, Prelim, Unused},
    branch::BranchPtr,
};

use super::{branches::branch_of, list_values::list_values};

/// A subdocument to write.
pub(crate) struct SubdocumentPrelim(Arc<[u8]>);

impl SubdocumentPrelim {
    /// Returns what writes a value that is a subdocument. `None` if it is none.
    pub(crate) fn of(value: &Any) -> Option<Self> {
        let Any::Buffer(data) = value else { return None };
        WrappedSubdocument::read(data).map(|_subdocument| Self(Arc::clone(data)))
    }
}

impl Prelim for SubdocumentPrelim {
    type Return = Unused;

    fn into_content(self, _txn: &mut TransactionMut<'_>) -> (ItemContent, Option<Self>) {
        (ItemContent::Binary(self.0.to_vec()), None)
    }

    fn integrate(self, _txn: &mut TransactionMut<'_>, _inner: BranchPtr) {}
}

/// Returns the guid of a value that is a subdocument.
pub(crate) fn guid_of(value: &Any) -> Option<&str> {
    let Any::Buffer(data) = value else { return None };
    WrappedSubdocument::read(data).map(|subdocument| subdocument.guid)
}

/// Returns whether a shared type within this one has a subdocument. Reads everything in it. Shared types nest 128 deep at most.
pub(crate) fn has_nested_subdocument(branch: BranchPtr, txn: &impl ReadTxn) -> bool {
    values(branch, txn)
        .iter()
        .filter_map(branch_of)
        .any(|inner| has_subdocument(inner, txn) || has_nested_subdocument(inner, txn))
}

fn has_subdocument(branch: BranchPtr, txn: &impl ReadTxn) -> bool {
    let is_subdocument = |value: &Out| matches!(value, Out::Any(value) if guid_of(value).is_some());
    values(branch, txn).iter().any(is_subdocument)
}

/// Returns the entries of a shared type, and the elements of its sequence.
fn values(branch: BranchPtr, txn: &impl ReadTxn) -> Vec<Out> {
    let map = MapRef::from(branch);
    let mut values: Vec<Out> = map.iter(txn).map(|(_key, value)| value).collect();
    values.extend(list_values(branch, txn).unwrap_or_default());
    values
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use protocol::{
        domain::Budget,
        wire::yjs::{Outline, count_subdocuments, for_clients},
    };
    use serde_json::json;
    use yrs::{
        Array as _, ClientID, Doc, In, MapPrelim, Options, StateVector, Transact as _, Update,
        WriteTxn as _, updates::decoder::Decode as _,
    };

    use crate::{DocumentBody, MergeBounds, Replica, RestoreError, Uncopied};

    use super::*;

    fn bounds() -> MergeBounds {
        MergeBounds {
            text: 1_000,
            state: 10_000,
            structs: 100,
            document_structs: 1_000,
            clients: 1_000,
            compare_until: tokio::time::Instant::now().into_std() + Duration::from_secs(5),
            budget: Budget::unlimited(),
        }
    }

    fn subdocument(guid: &str) -> Doc {
        let mut options = Options::with_client_id(ClientID::new(5));
        options.guid = guid.into();
        Doc::with_options(options)
    }

    /// Merges what an editor of the replica does.
    fn edited(
        replica: Replica,
        client: u64,
        work: impl FnOnce(&mut TransactionMut<'_>),
    ) -> Replica {
        let doc = Doc::with_client_id(client);
        let state = for_clients(&replica.state()).into_owned();
        doc.transact_mut().apply_update(Update::decode_v1(&state).unwrap()).unwrap();
        let mut txn = doc.transact_mut();
        work(&mut txn);
        txn.commit();
        let update: Bytes = txn.encode_update_v1().into();
        let (replica, merged) = replica.merge(&[update], &bounds());
        assert!(!merged.unwrap().unwrap().drops_content);
        replica.unwrap()
    }

    /// A document with a subdocument in a map and one in a list between numbers.
    fn with_subdocuments() -> Replica {
        edited(Replica::of("Book"), 1, |txn| {
            let chapters = txn.get_or_insert_map("chapters");
            chapters.insert(txn, "first", subdocument("one"));
            let list = txn.get_or_insert_array("list");
            list.push_back(txn, 1);
            list.push_back(txn, subdocument("two"));
            list.push_back(txn, 2);
        })
    }

    /// Returns the guids of the subdocuments that a client finds in the map and in the list.
    fn guids(replica: &Replica) -> Vec<String> {
        let doc = Doc::with_client_id(99_u64);
        let (map, list) = (doc.get_or_insert_map("chapters"), doc.get_or_insert_array("list"));
        let state = for_clients(&replica.state()).into_owned();
        doc.transact_mut().apply_update(Update::decode_v1(&state).unwrap()).unwrap();
        let txn = doc.transact();
        let values: Vec<Out> =
            map.iter(&txn).map(|(_, value)| value).chain(list.iter(&txn)).collect();
        let guids = values.into_iter().filter_map(|value| match value {
            Out::YDoc(doc) => Some(doc.guid().to_string()),
            _ => None,
        });
        guids.collect()
    }

    #[test]
    fn subdocuments_are_stored_shown_and_delivered() {
        let replica = with_subdocuments();
        assert_eq!(guids(&replica), ["one", "two"]);
        let roots = &replica.content_json()["roots"];
        assert_eq!(roots["chapters"], json!({ "first": { "guid": "one" } }));
        assert_eq!(roots["list"][1], json!({ "guid": "two" }));
        let loaded = Replica::load(&replica.state(), &Budget::unlimited()).unwrap();
        assert_eq!(guids(&loaded), ["one", "two"]);
    }

    #[test]
    fn deleted_subdocuments_come_back_with_an_earlier_version() {
        let then = with_subdocuments();
        let copy = Replica::load(&then.state(), &Budget::unlimited()).unwrap();
        let now = edited(copy, 2, |txn| {
            txn.get_or_insert_map("chapters").remove(txn, "first");
            let list = txn.get_or_insert_array("list");
            list.remove_range(txn, 0, 3);
        });
        assert!(guids(&now).is_empty());
        let (now, restored) = now.restore(&then, &bounds());
        let (now, update) = (now.unwrap(), restored.unwrap().unwrap().update);
        assert_eq!(guids(&now), ["one", "two"]);
        assert_eq!(now.content_json(), then.content_json());
        assert_eq!(count_subdocuments(&update), 2);
        // The options come back as well.
        let options = |replica: &Replica| {
            let state = for_clients(&replica.state()).into_owned();
            let name = b"one";
            let at = state.windows(3).position(|bytes| bytes == name).unwrap();
            state[at..at + 40].to_vec()
        };
        assert_eq!(options(&now)[..20], options(&then)[..20]);
    }

    #[test]
    fn a_json_tree_keeps_the_subdocuments_of_a_map_and_is_refused_for_a_list_with_some() {
        let mut shown = with_subdocuments().content_json()["roots"]["chapters"].clone();
        shown["pages"] = json!(2);
        let tree = DocumentBody::new("chapters", None, shown).unwrap();
        let (replica, written) = with_subdocuments().replace_body(&tree, &bounds());
        let (replica, written) = (replica.unwrap(), written.unwrap().unwrap());
        assert_eq!(guids(&replica), ["one", "two"]);
        assert_eq!(Outline::read(&written.update, usize::MAX).unwrap().struct_count(), 1);

        let list = DocumentBody::new("list", None, json!([1, 2])).unwrap();
        let refused = replica.replace_body(&list, &bounds()).1.err();
        let name = "list".to_owned();
        assert_eq!(refused, Some(RestoreError::Unrestorable { name }));
    }

    #[test]
    fn compaction_keeps_subdocuments_of_root_types_and_refuses_others() {
        let replica = with_subdocuments();
        assert_eq!(guids(&replica.compacted().unwrap()), ["one", "two"]);
        let nested = edited(replica, 2, |txn| {
            let books = txn.get_or_insert_map("books");
            let inner = books.insert(txn, "a", In::Map(MapPrelim::default()));
            let Out::YMap(inner) = inner else { panic!("a map") };
            inner.insert(txn, "b", subdocument("three"));
        });
        let name = "books".to_owned();
        assert_eq!(nested.compacted().err(), Some(Uncopied { name }));
        let doc = nested.doc.transact().encode_diff_v1(&StateVector::default());
        assert_eq!(count_subdocuments(&doc), 3);
    }
}
