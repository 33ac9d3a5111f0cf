//! Messages of graphql-transport-ws: taken or refused, and a refusal fits a close frame.
#![no_main]

use protocol::wire::{CloseReason, graphql_ws};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Err(bad) = graphql_ws::parse(data) {
        let reason = CloseReason::from(bad);
        assert!(reason.text().len() <= CloseReason::MAX_TEXT);
    }
});
