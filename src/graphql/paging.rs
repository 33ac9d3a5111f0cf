//! How long pages may be, of whatever is listed.

use crate::domain::InvalidInput;

/// The length of a page for whoever does not say.
pub(super) const DEFAULT_LENGTH: i32 = 20;

/// The largest page.
const MAX_LENGTH: i32 = 100;

/// How many entries are wanted.
///
/// # Errors
/// None, or too many.
pub(super) fn length(first: Option<i32>) -> Result<u32, InvalidInput> {
    let first = first.unwrap_or(DEFAULT_LENGTH);
    match u32::try_from(first) {
        Ok(length) if (1..=MAX_LENGTH).contains(&first) => Ok(length),
        _ => Err(InvalidInput::new(format!(
            "`first` is {first}; ask for 1 to {MAX_LENGTH} entries."
        ))),
    }
}

/// How many entries a page counts for before anything is checked.
pub(super) fn weight(first: Option<i32>) -> usize {
    usize::try_from(first.unwrap_or(DEFAULT_LENGTH)).unwrap_or_default()
}
