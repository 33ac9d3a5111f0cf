//! Sequences of Yjs updates: each is rejected or merged, and delta, update and state of a merge have the same characters.
//!
//! The input is a list of updates, each with its length in two bytes in front. An update that passes inspection must not
//! make the library panic, hang or recurse without end. The order of characters is not compared, because hostile origins
//! may make it differ between replicas. The convergence tests compare it for valid editors.
#![no_main]

mod bounds;

use std::time::Duration;

use bounds::Bounds;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use protocol::domain::Budget;
use replica::{MergeBounds, Replica};

/// A document with a text, nested maps, a list and XML.
const BASE: &[u8] = include_bytes!("../base.yjs");

/// Returns the characters of the text, sorted.
fn sorted_chars(replica: &Replica) -> Vec<char> {
    let mut chars: Vec<_> = replica.content().to_string().chars().collect();
    chars.sort_unstable();
    chars
}

/// The most that an input may take.
const BOUNDS: Bounds = Bounds {
    bytes: 16 * 1024 * 1024,
    bytes_per_byte: 8 * 1_024,
    time: Duration::from_millis(2_000),
};

fuzz_target!(|data: &[u8]| BOUNDS.check(data, || try_input(data)));

fn try_input(data: &[u8]) {
    let mut replica = Replica::load(BASE, &Budget::unlimited()).expect("the base is a valid state");
    let mut mirror = BASE.to_vec();
    let mut rest = data;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (update, after) = after.split_at(length);
        rest = after;
        let bounds = MergeBounds {
            text: 10_000,
            state: 100_000,
            structs: 1_000,
            document_structs: usize::MAX,
            clients: 1_000,
            compare_until: tokio::time::Instant::now().into_std() + Duration::from_secs(1),
            budget: Budget::unlimited(),
        };
        let before = replica.content().clone();
        let (kept, merged) = replica.merge(&[Bytes::copy_from_slice(update)], &bounds);
        if let (Some(kept), Ok(Some(merged))) = (&kept, &merged) {
            let after = before.apply(&merged.delta).expect("the delta fits the old text");
            assert_eq!(after, *kept.content(), "the delta produces the text");
            let other = Replica::load(&mirror, &Budget::unlimited()).expect("merged states are valid");
            let other = other.followed_by([&*merged.update], &Budget::unlimited()).expect("the update is valid");
            assert_eq!(
                sorted_chars(&other),
                sorted_chars(&kept),
                "the update has the characters of the text"
            );
            mirror = other.state();
            let loaded = Replica::load(&kept.state(), &Budget::unlimited()).expect("merged states are valid");
            assert_eq!(
                sorted_chars(&loaded),
                sorted_chars(&kept),
                "the state has the characters of the text"
            );
        }
        replica = match kept {
            Some(kept) => kept,
            None => Replica::load(&mirror, &Budget::unlimited()).expect("merged states are valid"),
        };
    }
}
