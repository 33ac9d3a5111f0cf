//! Envelopes, signals and presence entries: any bytes decode or fail, and a decoded envelope can be encoded and decoded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{
    domain::DocumentId,
    wire::envelope::{Envelope, NEWEST_VERSION, PresenceEntry, SessionCall, Signal},
};

fuzz_target!(|data: &[u8]| {
    let document = DocumentId::new();
    if let Ok((node, envelope)) = Envelope::decode(data, document, NEWEST_VERSION) {
        let encoded = envelope.encode(node, NEWEST_VERSION);
        // The roster appends the sequence of `Joined` and `Left`.
        if !matches!(envelope, Envelope::Joined { .. } | Envelope::Left { .. }) {
            let decoded = Envelope::decode(&encoded, document, NEWEST_VERSION);
            assert!(decoded.is_ok_and(|(from, _)| from == node));
        }
    }
    let _signal = Signal::decode(data, NEWEST_VERSION);
    let _call = SessionCall::decode(data, NEWEST_VERSION);
    let _entry = PresenceEntry::decode(data, document);
});
