//! Cursors, as input and in events.

use std::sync::Arc;

use async_graphql::{ID, InputObject, Object, SimpleObject};

use super::{Timestamp, UserType, id::id};
use crate::domain::{Cursor, CursorMove, InvalidInput, Position};

/// A position in the text. Lines and columns start at 0. Columns count UTF-16 code units.
#[derive(SimpleObject, Clone, Copy)]
#[graphql(name = "Position")]
pub(in crate::graphql) struct PositionType {
    line: u32,
    column: u32,
}

impl From<Position> for PositionType {
    fn from(position: Position) -> Self {
        Self { line: position.line(), column: position.column() }
    }
}

/// The cursor of a session. Lines and columns start at 0. Columns count UTF-16 code units.
#[derive(SimpleObject, Clone, Copy)]
#[graphql(name = "Cursor")]
pub(in crate::graphql) struct CursorType {
    line: u32,
    column: u32,
    /// The other end of the selection. Null if nothing is selected.
    anchor: Option<PositionType>,
}

impl From<Cursor> for CursorType {
    fn from(cursor: Cursor) -> Self {
        let PositionType { line, column } = cursor.head.into();
        Self { line, column, anchor: cursor.anchor.map(Into::into) }
    }
}

/// A position in the text. Lines and columns start at 0. Columns count UTF-16 code units.
#[derive(InputObject)]
pub(in crate::graphql) struct PositionInput {
    line: i32,
    column: i32,
}

/// The cursor of the caller. Lines and columns start at 0. Columns count UTF-16 code units.
#[derive(InputObject)]
pub(in crate::graphql) struct CursorInput {
    line: i32,
    column: i32,
    /// The other end of the selection. Null if nothing is selected.
    anchor: Option<PositionInput>,
}

impl TryFrom<CursorInput> for Cursor {
    type Error = InvalidInput;

    fn try_from(input: CursorInput) -> Result<Self, InvalidInput> {
        let head = Position::new(input.line, input.column)?;
        let anchor = input.anchor.map(|anchor| Position::new(anchor.line, anchor.column));
        Ok(Self { head, anchor: anchor.transpose()? })
    }
}

/// A move of a cursor.
pub(in crate::graphql) struct CursorMoveType(pub(in crate::graphql) Arc<CursorMove>);

/// A move of the cursor of another session.
#[Object(name = "CursorMove")]
impl CursorMoveType {
    async fn document_id(&self) -> ID {
        id(self.0.document.uuid())
    }

    /// The session whose cursor moved, as in `documentPresence`.
    async fn session_id(&self) -> ID {
        id(self.0.session.uuid())
    }

    async fn user(&self) -> UserType {
        UserType(self.0.user.clone())
    }

    /// A CSS colour for the user. It is always the same for a user in a document.
    async fn color(&self) -> &str {
        self.0.color.as_css()
    }

    async fn cursor(&self) -> CursorType {
        self.0.cursor.into()
    }

    async fn moved_at(&self) -> Timestamp {
        Timestamp(self.0.at)
    }
}
