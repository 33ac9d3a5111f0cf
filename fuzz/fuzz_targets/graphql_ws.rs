//! Messages of graphql-transport-ws: any bytes parse or fail, and the text of a failure fits a close frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::wire::{CloseReason, graphql_ws};

fuzz_target!(|data: &[u8]| {
    if let Err(error) = graphql_ws::parse(data) {
        let reason = CloseReason::from(error);
        assert!(reason.text().len() <= CloseReason::MAX_TEXT);
    }
});
