//! What comes from other nodes: read or refused, and what was read is written in the same way again.
#![no_main]

use protocol::{
    domain::DocumentId,
    wire::envelope::{PresenceEntry, Envelope, NEWEST_VERSION, Signal},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let document = DocumentId::new();
    if let Ok((node, envelope)) = Envelope::decode(data, document, NEWEST_VERSION) {
        let again = envelope.encode(node, NEWEST_VERSION);
        // The number of an arrival or departure is added by whoever counts them.
        if !matches!(envelope, Envelope::Joined { .. } | Envelope::Left { .. }) {
            let read = Envelope::decode(&again, document, NEWEST_VERSION);
            assert!(read.is_ok_and(|(from, _)| from == node));
        }
    }
    let _signal = Signal::decode(data, NEWEST_VERSION);
    let _entry = PresenceEntry::decode(data, document);
});
