//! Inbound frames: the result does not depend on the chunks, and no accepted frame announces more than its limit.
#![no_main]

mod bounds;

use std::time::Duration;

use bounds::Bounds;
use libfuzzer_sys::fuzz_target;
use protocol::wire::{CloseReason, FrameGuard, FrameLimits};

const LIMITS: FrameLimits = FrameLimits { frame: 1_000, message: 4_000 };

/// The most that an input may take.
const BOUNDS: Bounds =
    Bounds { bytes: 64 * 1024, bytes_per_byte: 16, time: Duration::from_millis(200) };

fuzz_target!(|data: &[u8]| BOUNDS.check(data, || try_input(data)));

fn try_input(data: &[u8]) {
    let whole = FrameGuard::new(LIMITS).inspect(data).map_err(CloseReason::from);
    let mut guard = FrameGuard::new(LIMITS);
    let chunk_length = data.first().map_or(1, |byte| usize::from(*byte % 7) + 1);
    let mut chunked = Ok(());
    for chunk in data.chunks(chunk_length) {
        chunked = guard.inspect(chunk).map_err(CloseReason::from);
        if chunked.is_err() {
            break;
        }
        assert!(guard.announced() <= 1_000 + 14);
    }
    assert_eq!(whole.is_ok(), chunked.is_ok());
}
