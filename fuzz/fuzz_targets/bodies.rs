//! JSON trees for the content of a root type: any tree is refused or written, and writing it again changes nothing.
//!
//! The input is two JSON values, with a line break between them: the second one replaces the first one.
#![no_main]

mod bounds;

use std::time::Duration;

use bounds::Bounds;
use libfuzzer_sys::fuzz_target;
use protocol::domain::Budget;
use replica::{DocumentBody, MergeBounds, Replica};
use serde_json::Value;

/// The most that an input may take.
const BOUNDS: Bounds = Bounds {
    bytes: 16 * 1024 * 1024,
    bytes_per_byte: 8 * 1_024,
    time: Duration::from_millis(2_000),
};

fuzz_target!(|data: &[u8]| BOUNDS.check(data, || try_input(data)));

fn try_input(data: &[u8]) {
    let mut replica = Replica::of("");
    for json in data.splitn(2, |byte| *byte == b'\n') {
        let Ok(json) = serde_json::from_slice::<Value>(json) else { return };
        let Ok(body) = DocumentBody::new("default", None, json) else { return };
        let Some(written) = write(replica, &body) else { return };
        let shown = written.root_json("default");
        let Some(again) = write(written, &body) else { panic!("the content was written before") };
        assert_eq!(again.root_json("default"), shown, "the same content changes nothing");
        replica = Replica::load(&again.state(), &Budget::unlimited()).expect("the state is valid");
        assert_eq!(replica.root_json("default"), shown, "the state has the content");
    }
}

fn write(replica: Replica, body: &DocumentBody) -> Option<Replica> {
    let bounds = MergeBounds {
        text: 100_000,
        state: 1_000_000,
        structs: 10_000,
        document_structs: usize::MAX,
        clients: 1_000,
        compare_until: tokio::time::Instant::now().into_std() + Duration::from_secs(1),
        budget: Budget::unlimited(),
    };
    replica.replace_body(body, &bounds).0
}
