//! Messages of HocuspocusProvider: any bytes decode or fail, and what a message holds is a part of its bytes.
#![no_main]

mod bounds;

use std::time::Duration;

use bounds::Bounds;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use protocol::wire::hocuspocus::{self, DocumentMessage, PageMessage};

/// The most that an input may take.
const BOUNDS: Bounds =
    Bounds { bytes: 1024 * 1024, bytes_per_byte: 1_024, time: Duration::from_millis(500) };

fuzz_target!(|data: &[u8]| BOUNDS.check(data, || try_input(data)));

fn try_input(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(PageMessage::Document(name, message)) = hocuspocus::parse(&bytes) else { return };
    assert!(name.document().len() <= data.len());
    match message {
        DocumentMessage::Token { token, .. } => assert!(token.len() <= data.len()),
        DocumentMessage::Step1(step, clocks) => {
            assert!(step.len() <= data.len() && clocks.len() <= data.len() / 2);
        }
        DocumentMessage::Step2(bytes) | DocumentMessage::Awareness(bytes) => {
            assert!(bytes.len() <= data.len());
        }
        DocumentMessage::Update(bytes, update) => {
            assert!(bytes.len() <= data.len() && update.len() <= bytes.len());
        }
        DocumentMessage::Stateless(payload) => assert!(payload.len() <= data.len()),
        DocumentMessage::Close | DocumentMessage::Unknown => {}
    }
    // The name stands in front of every frame that answers the message.
    let frame = name.closed("The document is closed");
    assert!(frame.len() > name.document().len());
}
