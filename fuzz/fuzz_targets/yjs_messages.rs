//! Messages of Yjs editors and their contents: any bytes decode or fail, without more items than the bytes can hold.
#![no_main]

mod bounds;

use std::time::Duration;

use bounds::Bounds;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use protocol::wire::yjs::{self, EditorMessage, Outline, awareness};

/// The most that an input may take.
const BOUNDS: Bounds =
    Bounds { bytes: 1024 * 1024, bytes_per_byte: 1_024, time: Duration::from_millis(500) };

fuzz_target!(|data: &[u8]| BOUNDS.check(data, || try_input(data)));

fn try_input(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(messages) = yjs::parse(&bytes) else { return };
    for message in messages {
        match message {
            EditorMessage::Step1(clocks) => {
                assert!(clocks.len() <= data.len() / 2);
                assert_eq!(clocks.iter().count(), clocks.len());
            }
            EditorMessage::Step2(update) | EditorMessage::Update(update) => {
                if let Ok(outline) = Outline::read(&update, 1_000) {
                    assert!(outline.struct_count() <= 1_000);
                    let _is_complete = outline.is_complete(|_client| 0);
                }
            }
            EditorMessage::Awareness(entries) => {
                if let Ok(entries) = awareness::read(&entries) {
                    assert!(entries.count() <= data.len() / 3);
                }
            }
            EditorMessage::QueryAwareness => {}
        }
    }
}
