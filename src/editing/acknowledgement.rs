//! What a Yjs editor is told of the stored state vector when its updates are stored.
//!
//! Each page that ever edited a document is a client in its state vector. So an acknowledgement carries only the clients
//! that have changed since the version of the previous one, however old the document is.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::{job::Job, loader::MAX_INLINE_BYTES, turn_document::TurnDocument};
use crate::{
    domain::{Change, Party, Version},
    wire::yjs::{Outline, encode_state_vector},
};

/// What the answer to a merge carries of the stored state vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Nothing.
    None,
    /// All clients.
    Whole,
    /// At least the clients that have changed after this version. All of them if that is not known.
    Since(Version),
}

/// Encodes a state vector of the clients that these changes have advanced. None if reading the changes would take long.
pub(super) fn changed_clocks<'a>(changes: impl Iterator<Item = &'a Change>) -> Option<Vec<u8>> {
    let (mut clocks, mut bytes) = (BTreeMap::new(), 0);
    for update in changes.filter_map(|change| change.update.as_ref()) {
        bytes += update.len();
        if bytes > MAX_INLINE_BYTES {
            return None;
        }
        let outline = Outline::read(update, usize::MAX).ok()?;
        for (client, _start, end) in outline.ranges() {
            let clock = clocks.entry(client).or_insert(end);
            *clock = end.max(*clock);
        }
    }
    Some(encode_state_vector(clocks))
}

/// Adds to the answers of a turn what they must carry of the stored state vector. Everything in the replica is stored by
/// now. `merged` are the versions that Yjs updates made in this turn.
pub(super) async fn add_state_vectors(
    document: &mut TurnDocument,
    jobs: &mut [Job],
    merged: &[Version],
) {
    let mut parts: HashMap<Version, Option<Bytes>> = HashMap::new();
    let mut wants_whole = false;
    for job in jobs.iter_mut() {
        let wanted = job.request.acknowledgement();
        let Some(stored) = job.stored_mut() else { continue };
        stored.state_vector = match wanted {
            Acknowledgement::None => continue,
            Acknowledgement::Whole => None,
            // After lost changes, the last acknowledgement may have had a number that was assigned again.
            Acknowledgement::Since(version)
                if version >= stored.version && merged.contains(&stored.version) =>
            {
                None
            }
            Acknowledgement::Since(version) => {
                let part = || document.clocks_since(version).map(Bytes::from);
                parts.entry(version).or_insert_with(part).clone()
            }
        };
        wants_whole |= stored.state_vector.is_none();
    }
    if wants_whole {
        add_whole_state_vector(document, jobs).await;
    }
}

async fn add_whole_state_vector(document: &mut TurnDocument, jobs: &mut [Job]) {
    let Some(head) = document.head().cloned() else { return };
    // After a lookup the replica is gone. If it cannot be loaded, the next answer carries the state vector.
    let party = jobs.last().map_or(Party::Node, |job| Party::User(job.request.author));
    if let Err(error) = document.present_content(&head, party).await {
        let error: &dyn std::error::Error = &error;
        tracing::debug!(error, "could not compute the stored state vector");
    }
    let Some(replica) = document.loaded_replica() else { return };
    let state_vector = Bytes::from(replica.state_vector());
    for job in jobs {
        let is_wanted = job.request.acknowledgement() != Acknowledgement::None;
        if let Some(stored) = job.stored_mut().filter(|_| is_wanted) {
            stored.state_vector.get_or_insert_with(|| state_vector.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use yrs::{
        Doc, ReadTxn as _, StateVector, Text as _, Transact as _, updates::decoder::Decode as _,
    };

    use super::*;
    use crate::domain::examples::title_change;

    #[test]
    fn each_client_has_its_last_clock() {
        let mut changes = vec![title_change(1)];
        let docs = [Doc::with_client_id(7), Doc::with_client_id(9)];
        for (number, doc) in [&docs[0], &docs[1], &docs[0]].into_iter().enumerate() {
            let text = doc.get_or_insert_text("content");
            let mut txn = doc.transact_mut();
            text.insert(&mut txn, 0, "ab");
            let update = txn.encode_update_v1().into();
            changes.push(Change { update: Some(update), ..title_change(number as i64 + 2) });
        }
        let clocks = |changes: &[Change]| {
            let encoded = changed_clocks(changes.iter()).unwrap();
            let vector = StateVector::decode_v1(&encoded).unwrap();
            let mut clocks: Vec<_> = vector.iter().map(|(id, clock)| (id.get(), *clock)).collect();
            clocks.sort_unstable();
            clocks
        };
        assert_eq!(clocks(&changes), [(7, 4), (9, 2)]);
        assert_eq!(clocks(&changes[2..3]), [(9, 2)]);
        assert_eq!(clocks(&[]), []);
        assert_eq!(docs[0].transact().state_vector().len(), 1);

        let large =
            Change { update: Some(vec![0; MAX_INLINE_BYTES + 1].into()), ..title_change(2) };
        assert_eq!(changed_clocks([large].iter()), None);
    }
}
