//! Messages of graphql-transport-ws: any bytes parse or fail, and the text of a failure fits a close frame.
#![no_main]

mod bounds;

use std::time::Duration;

use bounds::Bounds;
use libfuzzer_sys::fuzz_target;
use protocol::wire::{CloseReason, graphql_ws};

/// The most that an input may take.
const BOUNDS: Bounds =
    Bounds { bytes: 256 * 1024, bytes_per_byte: 256, time: Duration::from_millis(200) };

fuzz_target!(|data: &[u8]| BOUNDS.check(data, || try_input(data)));

fn try_input(data: &[u8]) {
    if let Err(error) = graphql_ws::parse(data) {
        let reason = CloseReason::from(error);
        assert!(reason.text().len() <= CloseReason::MAX_TEXT);
    }
}
