//! Envelopes, signals and presence entries: any bytes are verified or refused, and decode or fail. A decoded envelope can be
//! encoded and decoded, and signed and verified.
#![no_main]

mod bounds;

use std::{sync::LazyLock, time::Duration};

use bounds::Bounds;
use libfuzzer_sys::fuzz_target;
use protocol::{
    domain::DocumentId,
    wire::envelope::{
        Envelope, NEWEST_VERSION, PresenceEntry, RelayKey, Serial, SerialSeries, SessionCall,
        Signal, unverified,
    },
};

static KEY: LazyLock<RelayKey> = LazyLock::new(|| RelayKey::derive(b"the secret of the fuzzer"));

/// The most that an input may take.
const BOUNDS: Bounds =
    Bounds { bytes: 256 * 1024, bytes_per_byte: 256, time: Duration::from_millis(200) };

fuzz_target!(|data: &[u8]| BOUNDS.check(data, || try_input(data)));

fn try_input(data: &[u8]) {
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
    // Nobody without the secret can make a tag.
    assert!(KEY.verify(b"channel", data).is_err());
    if let Some(envelope) = unverified(data) {
        let _sender = Envelope::sender(envelope, NEWEST_VERSION);
    }
    let serial = Serial { series: SerialSeries::Relay, number: data.len() as u64 };
    let signed = KEY.sign("channel", serial, data);
    assert_eq!(KEY.verify(b"channel", &signed), Ok((serial, data)));
}
