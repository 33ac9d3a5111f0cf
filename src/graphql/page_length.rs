//! The lengths of pages.

use crate::domain::InvalidInput;

/// The length of a page without `first`.
pub(super) const DEFAULT_LENGTH: i32 = 20;

/// The largest length of a page.
const MAX_LENGTH: i32 = 100;

/// Returns the length of the requested page.
///
/// # Errors
/// `first` is not between 1 and [`MAX_LENGTH`].
pub(super) fn length(first: Option<i32>) -> Result<u32, InvalidInput> {
    let first = first.unwrap_or(DEFAULT_LENGTH);
    match u32::try_from(first) {
        Ok(length) if (1..=MAX_LENGTH).contains(&first) => Ok(length),
        Ok(_) | Err(_) => Err(InvalidInput::new(format!(
            "`first` is {first}. Use a number from 1 to {MAX_LENGTH}."
        ))),
    }
}

/// Returns by how much a page multiplies the complexity of its selection. `first` has not been checked yet.
pub(super) fn weight(first: Option<i32>) -> usize {
    usize::try_from(first.unwrap_or(DEFAULT_LENGTH)).unwrap_or_default()
}
