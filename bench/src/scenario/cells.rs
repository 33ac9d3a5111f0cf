//! Content besides the text: a Yjs map with many entries, as of a spreadsheet.

use std::ops::Range;

use yrs::{Doc, Map as _, Transact as _, Update, updates::decoder::Decode as _};

use crate::driver::new_doc;

/// The name of the map.
const CELLS: &str = "cells";

/// Returns updates that add these cells, each of at most `per_update`. The value of a cell has at least `length` characters.
/// `prefix` keeps the cells of several writers apart.
pub(crate) fn updates(
    prefix: &str,
    cells: Range<usize>,
    per_update: usize,
    length: usize,
) -> Vec<Vec<u8>> {
    let digits = length.saturating_sub("value ".len());
    let doc = new_doc();
    let map = doc.get_or_insert_map(CELLS);
    let starts = cells.clone().step_by(per_update.max(1));
    starts
        .map(|start| {
            let mut txn = doc.transact_mut();
            for cell in start..(start + per_update).min(cells.end) {
                map.insert(&mut txn, format!("{prefix}{cell}"), format!("value {cell:0digits$}"));
            }
            txn.encode_update_v1()
        })
        .collect()
}

/// Returns the number of cells in a state.
///
/// # Errors
/// The state is not a Yjs update.
pub(crate) fn count(state: &[u8]) -> anyhow::Result<usize> {
    let doc = Doc::new();
    doc.transact_mut().apply_update(Update::decode_v1(state)?)?;
    let map = doc.get_or_insert_map(CELLS);
    let txn = doc.transact();
    Ok(map.len(&txn) as usize)
}

#[cfg(test)]
mod tests {
    use yrs::ReadTxn as _;

    use super::*;

    #[test]
    fn the_cells_of_all_updates_are_counted() {
        let updates = updates("a", 0..25, 10, 100);
        assert_eq!(updates.len(), 3);
        assert!(updates[0].len() > 10 * 100);
        assert_eq!(count(&updates[0]).unwrap(), 10);
        let doc = new_doc();
        for update in &updates {
            doc.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
        }
        let state = doc.transact().encode_state_as_update_v1(&yrs::StateVector::default());
        assert_eq!(count(&state).unwrap(), 25);
    }
}
