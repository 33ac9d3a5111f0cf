//! How much an update inserts and deletes, counted in its outline.

use super::{deletions::Deletion, outline::Outline};

impl Outline {
    /// Returns the number of structs.
    #[must_use]
    pub fn struct_count(&self) -> usize {
        self.structs.len()
    }

    /// Returns the number of values in its maps and lists, those in arrays and objects included.
    #[must_use]
    pub fn values(&self) -> usize {
        self.values
    }

    /// Returns the UTF-16 code units of text that it inserts, in all shared types.
    #[must_use]
    pub fn text_units(&self) -> u64 {
        self.text_units
    }

    /// Returns the number of shared types and embedded objects that it inserts.
    #[must_use]
    pub fn nodes(&self) -> u64 {
        self.nodes
    }

    /// Returns the number of clocks that it deletes: one for each UTF-16 code unit, shared type, embedded object, value and format.
    #[must_use]
    pub fn deleted_units(&self) -> u64 {
        let units = |range: &Deletion| u64::from(range.end - range.start);
        self.deletions.iter().map(units).sum()
    }
}

#[cfg(test)]
mod tests {
    use yrs::{
        Doc, ReadTxn as _, StateVector, Text as _, Transact as _, WriteTxn as _, XmlElementPrelim,
        XmlFragment as _, XmlTextPrelim,
    };

    use super::*;

    #[test]
    fn text_and_nodes_are_counted_in_all_types() {
        let doc = Doc::with_client_id(7_u64);
        let mut txn = doc.transact_mut();
        let text = txn.get_or_insert_text("content");
        text.insert(&mut txn, 0, "a🎈b");
        let body = txn.get_or_insert_xml_fragment("body");
        let paragraph = body.push_back(&mut txn, XmlElementPrelim::empty("p"));
        paragraph.push_back(&mut txn, XmlTextPrelim::new("words"));
        drop(txn);
        let state = doc.transact().encode_state_as_update_v1(&StateVector::default());
        let outline = Outline::read(&state, usize::MAX).unwrap();
        assert_eq!((outline.text_units(), outline.nodes(), outline.deleted_units()), (9, 2, 0));
        let mut txn = doc.transact_mut();
        body.remove_range(&mut txn, 0, 1);
        let outline = Outline::read(&txn.encode_update_v1(), usize::MAX).unwrap();
        // The paragraph, its text, and the five letters.
        assert_eq!((outline.text_units(), outline.nodes(), outline.deleted_units()), (0, 0, 7));
    }
}
