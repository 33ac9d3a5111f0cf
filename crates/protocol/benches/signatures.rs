//! Benchmarks of signing and verifying an envelope.
//!
//! Run them with `cargo bench -p protocol`. The sizes are those of a cursor, a keystroke and the largest change.

use divan::{Bencher, black_box};
use protocol::wire::envelope::{RelayKey, Serial, SerialSeries};

const CHANNEL: &str = "coscribe:doc:{01a21a4f-d62d-7477-aa67-2ae140264e41}";

const SIZES: [usize; 3] = [90, 170, 64 * 1024];

fn main() {
    divan::main();
}

fn serial() -> Serial {
    Serial { series: SerialSeries::Relay, number: 7 }
}

#[divan::bench(args = SIZES)]
fn sign(bencher: Bencher<'_, '_>, bytes: usize) {
    let (key, envelope) = (RelayKey::derive(b"the secret of a benchmark"), vec![1; bytes]);
    bencher.bench_local(|| key.sign(CHANNEL, serial(), black_box(&envelope)));
}

#[divan::bench(args = SIZES)]
fn verify(bencher: Bencher<'_, '_>, bytes: usize) {
    let key = RelayKey::derive(b"the secret of a benchmark");
    let signed = key.sign(CHANNEL, serial(), &vec![1; bytes]);
    assert!(key.verify(CHANNEL.as_bytes(), &signed).is_ok());
    bencher.bench_local(|| key.verify(CHANNEL.as_bytes(), black_box(&signed)).is_ok());
}
