//! What happened, compared with what should have happened.

mod arrivals;
mod board;
mod counts;
mod latencies;

pub(crate) use self::{
    arrivals::{Arrival, Arrivals},
    board::{Board, wait_until, wait_until_async},
    counts::{Counts, Promise},
    latencies::Latencies,
};
