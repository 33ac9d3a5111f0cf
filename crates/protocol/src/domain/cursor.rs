//! Positions and cursors in a text.

use serde::{Deserialize, Serialize};

use super::InvalidInput;

/// A position in a text. Lines and columns start at 0, and columns count UTF-16 code units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    line: u32,
    column: u32,
}

impl Position {
    /// Creates the position at `line` and `column`.
    ///
    /// # Errors
    /// If one of them is negative.
    pub fn new(line: i32, column: i32) -> Result<Self, InvalidInput> {
        let checked = |value: i32, name: &str| {
            u32::try_from(value).map_err(|_negative| {
                InvalidInput::new(format!(
                    "The cursor's {name} is {value}; lines and columns start at 0."
                ))
            })
        };
        Ok(Self { line: checked(line, "line")?, column: checked(column, "column")? })
    }

    /// Creates the position at a line and column counted in a text. Clamps both to `i32::MAX`.
    #[must_use]
    pub fn at(line: usize, column: usize) -> Self {
        let clamped = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).min(i32::MAX as u32);
        Self { line: clamped(line), column: clamped(column) }
    }

    /// Returns the line, from 0.
    #[must_use]
    pub const fn line(self) -> u32 {
        self.line
    }

    /// Returns the column, from 0, in UTF-16 code units.
    #[must_use]
    pub const fn column(self) -> u32 {
        self.column
    }
}

/// A cursor, with the other end of the selection if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// The position of the cursor.
    pub head: Position,
    /// The position at which the selection began.
    pub anchor: Option<Position>,
}
