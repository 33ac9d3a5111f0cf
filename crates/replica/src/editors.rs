//! What tests of several files need: documents and the editors who change them.

use std::time::Duration;

use bytes::Bytes;
use protocol::domain::Budget;
use yrs::{
    ClientID, Doc, OffsetKind, Options, Transact as _, TransactionMut, Update, types::Attrs,
    updates::decoder::Decode as _,
};

use super::{MergeBounds, Replica};

/// Limits that no small document reaches.
pub(crate) fn bounds() -> MergeBounds {
    MergeBounds {
        text: 100_000,
        state: 10_000_000,
        structs: 1_000_000,
        document_structs: 1_000_000,
        clients: 1_000,
        compare_until: tokio::time::Instant::now().into_std() + Duration::from_secs(60),
        budget: Budget::unlimited(),
    }
}

/// Returns an editor that has a document open.
pub(crate) fn editor(replica: &Replica, client: u64) -> Doc {
    let mut options = Options::with_client_id(ClientID::new(client));
    options.offset_kind = OffsetKind::Utf16;
    let doc = Doc::with_options(options);
    doc.transact_mut().apply_update(Update::decode_v1(&replica.state()).unwrap()).unwrap();
    doc
}

/// Returns the update of an editor's transaction.
pub(crate) fn update_of(doc: &Doc, work: impl FnOnce(&mut TransactionMut<'_>)) -> Bytes {
    let mut txn = doc.transact_mut();
    work(&mut txn);
    txn.commit();
    txn.encode_update_v1().into()
}

/// Returns the document after what an editor does.
pub(crate) fn edited(
    replica: &Replica,
    client: u64,
    work: impl FnOnce(&mut TransactionMut<'_>),
) -> Replica {
    let update = update_of(&editor(replica, client), work);
    let (replica, merged) = copy(replica).merge(&[update], &bounds());
    merged.unwrap();
    replica.unwrap()
}

pub(crate) fn copy(replica: &Replica) -> Replica {
    Replica::load(&replica.state(), &Budget::unlimited()).unwrap()
}

pub(crate) fn bold() -> Attrs {
    Attrs::from([("bold".into(), true.into())])
}
