//! Updates as another client would have written them: the same structs under another client id.
//!
//! Invariant: everything but the client ids stays as it was, also in the origins, the parents and the deleted ranges.

use yrs::encoding::write::Write as _;

use super::{
    deletions::write_deletions,
    lib0::{Lib0Reader, Malformed},
    outline::{GC, HAS_LEFT, HAS_RIGHT, Outline},
};

/// A client in whose place another one is written.
#[derive(Clone, Copy)]
struct RenamedClient {
    from: u64,
    to: u64,
}

impl Outline {
    /// Returns `update`, which this outlines, as if the client `to` had written what the client `from` has. `to` must not be in it.
    ///
    /// # Errors
    /// The update leaves out clocks between its structs.
    pub fn with_client(&self, update: &[u8], from: u64, to: u64) -> Result<Vec<u8>, Malformed> {
        if self.has_skips {
            return Err(Malformed("it leaves out a part of itself"));
        }
        let renamed = RenamedClient { from, to };
        let sections = || self.structs.chunk_by(|one, next| one.id.client == next.id.client);
        let mut bytes = Vec::with_capacity(update.len());
        bytes.write_var(sections().count());
        for structs in sections() {
            let Some(first) = structs.first() else { continue };
            bytes.write_var(structs.len());
            bytes.write_var(renamed.rename(first.id.client));
            bytes.write_var(first.id.clock);
            for part in structs {
                let encoded = update.get(part.encoded.0..part.encoded.1).unwrap_or_default();
                renamed.write_struct(&mut bytes, encoded)?;
            }
        }
        let mut deletions = self.deletions.clone();
        for range in &mut deletions {
            range.client = renamed.rename(range.client);
        }
        write_deletions(&mut bytes, &deletions);
        Ok(bytes)
    }
}

impl RenamedClient {
    fn rename(self, client: u64) -> u64 {
        if client == self.from { self.to } else { client }
    }

    /// Writes a struct. Only its origins, or its parent without them, have ids.
    fn write_struct(self, bytes: &mut Vec<u8>, encoded: &[u8]) -> Result<(), Malformed> {
        let mut reader = Lib0Reader::new(encoded);
        let info = reader.byte()?;
        bytes.push(info);
        for origin in [HAS_LEFT, HAS_RIGHT] {
            if info & origin != 0 {
                self.write_id(bytes, &mut reader)?;
            }
        }
        if info != GC && info & (HAS_LEFT | HAS_RIGHT) == 0 {
            // 1: the name of a root type follows.
            let is_root = reader.number()? == 1;
            bytes.write_var(u32::from(is_root));
            if !is_root {
                self.write_id(bytes, &mut reader)?;
            }
        }
        bytes.extend(encoded.get(reader.position()..).unwrap_or_default());
        Ok(())
    }

    fn write_id(self, bytes: &mut Vec<u8>, reader: &mut Lib0Reader<'_>) -> Result<(), Malformed> {
        let (client, clock) = (reader.number()?, reader.number()?);
        bytes.write_var(self.rename(client));
        bytes.write_var(clock);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use yrs::{
        Doc, GetString as _, Map as _, ReadTxn as _, StateVector, Text as _, Transact as _, Update,
        XmlElementPrelim, XmlFragment as _, XmlTextPrelim, updates::decoder::Decode as _,
    };

    use super::*;

    #[test]
    fn an_update_of_one_client_becomes_one_of_another_and_back() {
        let doc = Doc::with_client_id(900_u64);
        let (text, body) =
            (doc.get_or_insert_text("content"), doc.get_or_insert_xml_fragment("default"));
        let map = doc.get_or_insert_map("cells");
        let mut txn = doc.transact_mut();
        text.insert(&mut txn, 0, "Helo");
        text.insert(&mut txn, 2, "l");
        text.remove_range(&mut txn, 4, 1);
        let paragraph = body.insert(&mut txn, 0, XmlElementPrelim::empty("p"));
        paragraph.insert(&mut txn, 0, XmlTextPrelim::new("One"));
        map.insert(&mut txn, "a1", 1);
        map.insert(&mut txn, "a1", 2);
        drop(txn);
        let original = doc.transact().encode_state_as_update_v1(&StateVector::default());

        let renamed =
            Outline::read(&original, 100).unwrap().with_client(&original, 900, 0).unwrap();

        let outline = Outline::read(&renamed, 100).unwrap();
        assert!(outline.ranges().all(|(client, ..)| client == 0));
        assert_eq!(outline.with_client(&renamed, 0, 900).unwrap(), original);
        let copy = Doc::with_client_id(5_u64);
        let (text, body) =
            (copy.get_or_insert_text("content"), copy.get_or_insert_xml_fragment("default"));
        copy.transact_mut().apply_update(Update::decode_v1(&renamed).unwrap()).unwrap();
        let txn = copy.transact();
        assert_eq!(text.get_string(&txn), "Hell");
        assert_eq!(body.get_string(&txn), "<p>One</p>");
        assert!(txn.state_vector().iter().all(|(client, _clock)| client.get() == 0));
    }
}
