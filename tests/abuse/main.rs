//! What one user or a stranger may cost others. Each test has an attacker, a bystander, and a node of its own with small
//! limits, so that small attacks reach them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot do its work fails its test"
)]

mod allowances;
mod answers;
#[allow(
    dead_code,
    unused_imports,
    reason = "`examples/abuse` uses the same attacks, in their full size"
)]
mod attacks;
mod audiences;
mod bystanders;
mod fair_queues;
mod large_messages;
mod ordinary_use;
mod schema;
mod signing_in;
mod sync_answers;
mod texts;
mod unread_answers;
mod variables;
mod waiting_operations;

use peak_alloc::PeakAlloc;

/// Counts the memory of the test and the node in it.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
