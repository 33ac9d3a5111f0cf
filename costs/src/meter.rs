//! The marks between which instructions are counted. callgrind ends a part of its profile where one of them is called.

use std::hint::black_box;

/// Calls of these functions end a part, as callgrind names them.
pub(crate) const MARKS: [&str; 2] =
    ["coscribe_costs::meter::begin*", "coscribe_costs::meter::end*"];

/// Operations before those that are counted. They fill caches and grow buffers.
const WARM_UP: usize = 20;

/// Does an operation with each input, and counts those after the first twenty.
///
/// # Errors
/// An operation fails.
pub(crate) fn count<T>(
    inputs: impl IntoIterator<Item = T>,
    mut operation: impl FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let inputs: Vec<T> = inputs.into_iter().collect();
    let mut inputs = inputs.into_iter();
    inputs.by_ref().take(WARM_UP).try_for_each(&mut operation)?;
    begin();
    inputs.try_for_each(operation)?;
    end();
    Ok(())
}

/// Returns the numbers of an interval: of the operations before it, and of those in it.
pub(crate) fn numbers(counted: u32) -> std::ops::Range<u32> {
    0..WARM_UP as u32 + counted
}

#[inline(never)]
fn begin() {
    black_box("begin");
}

#[inline(never)]
fn end() {
    black_box("end");
}
