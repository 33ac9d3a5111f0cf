//! Updates of Yjs editors, one after the other: refused, or merged; and what was merged is the same everywhere, but for its order.
//!
//! The input is a number of updates, each with its length in two bytes before it. Whatever passes the outline must not make
//! the library panic, hang or nest without end. The delta must make the text, and nothing may be missing or twice in what
//! the update and the state hold. That they hold it in the same order is only so where what an insertion stands between is
//! in the order that it says, as honest editors write it; those are what the convergence tests are about.
#![no_main]

use std::time::Duration;

use bytes::Bytes;
use replica::{MergeBounds, Replica};
use libfuzzer_sys::fuzz_target;

/// A document with a text, a map with a map in it, a list, and XML.
const BASE: &[u8] = include_bytes!("../base.yjs");

/// What the text consists of, in no order.
fn letters(replica: &Replica) -> Vec<char> {
    let mut letters: Vec<_> = replica.content().to_string().chars().collect();
    letters.sort_unstable();
    letters
}

fuzz_target!(|data: &[u8]| {
    let mut replica = Replica::load(BASE).expect("it is one");
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
            compare_until: tokio::time::Instant::now().into_std() + Duration::from_secs(1),
        };
        let before = replica.content().clone();
        let (kept, merged) = replica.merge(&[Bytes::copy_from_slice(update)], &bounds);
        if let (Some(kept), Ok(Some(merged))) = (&kept, &merged) {
            let after = before.apply(merged.delta()).expect("the delta fits the text before it");
            assert_eq!(after, *kept.content(), "the delta makes the text");
            let other = Replica::load(&mirror).expect("it was merged");
            let other = other.followed_by([&**merged.update()]).expect("the update was merged");
            assert_eq!(letters(&other), letters(&kept), "the update makes the text");
            mirror = other.state();
            let loaded = Replica::load(&kept.state()).expect("it was merged");
            assert_eq!(letters(&loaded), letters(&kept), "the state holds the text");
        }
        replica = match kept {
            Some(kept) => kept,
            None => Replica::load(&mirror).expect("it was merged"),
        };
    }
});
