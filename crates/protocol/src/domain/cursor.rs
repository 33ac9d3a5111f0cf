//! Where somebody is in the text.

use serde::{Deserialize, Serialize};

use super::InvalidInput;

/// A place in the text; line and column start at 0, columns count UTF-16 code units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    line: u32,
    column: u32,
}

impl Position {
    /// The place at `line` and `column`.
    ///
    /// # Errors
    /// Neither may be negative.
    pub fn new(line: i32, column: i32) -> Result<Self, InvalidInput> {
        let part = |value: i32, name: &str| {
            u32::try_from(value).map_err(|_negative| {
                InvalidInput::new(format!(
                    "The cursor's {name} is {value}; lines and columns start at 0."
                ))
            })
        };
        Ok(Self { line: part(line, "line")?, column: part(column, "column")? })
    }

    /// The place at a line and column that were counted.
    #[must_use]
    pub fn at(line: usize, column: usize) -> Self {
        let part = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).min(i32::MAX as u32);
        Self { line: part(line), column: part(column) }
    }

    /// The line, from 0.
    #[must_use]
    pub const fn line(self) -> u32 {
        self.line
    }

    /// The column, from 0, in UTF-16 code units.
    #[must_use]
    pub const fn column(self) -> u32 {
        self.column
    }
}

/// A cursor, and the other end of the selection if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// Where the cursor is.
    pub head: Position,
    /// Where the selection began.
    pub anchor: Option<Position>,
}
