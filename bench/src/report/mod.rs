//! The result of a run: as text, as JSON and as a picture.

pub(crate) mod console;
pub(crate) mod json;
mod outcome;
pub(crate) mod output_file;
pub(crate) mod summary;
pub(crate) mod svg;

pub(crate) use self::outcome::{Report, ScenarioOutcome, Series};
