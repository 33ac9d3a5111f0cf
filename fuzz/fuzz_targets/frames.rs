//! Bytes of a socket, in chunks as they may come: judged alike however they are cut, and never more announced than may be.
#![no_main]

use protocol::wire::{CloseReason, FrameGuard, FrameLimits};
use libfuzzer_sys::fuzz_target;

const LIMITS: FrameLimits = FrameLimits { frame: 1_000, message: 4_000 };

fuzz_target!(|data: &[u8]| {
    let whole = FrameGuard::new(LIMITS).inspect(data).map_err(CloseReason::from);
    let mut guard = FrameGuard::new(LIMITS);
    let step = data.first().map_or(1, |byte| usize::from(*byte % 7) + 1);
    let mut cut = Ok(());
    for chunk in data.chunks(step) {
        cut = guard.inspect(chunk).map_err(CloseReason::from);
        if cut.is_err() {
            break;
        }
        assert!(guard.announced() <= 1_000 + 14);
    }
    assert_eq!(whole.is_ok(), cut.is_ok());
});
