//! Cursors: as they come in, and as they are told.

use std::sync::Arc;

use async_graphql::{ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{UserType, id};
use crate::domain::{Cursor, CursorMove, InvalidInput, Position};

/// A place in the text; lines and columns start at 0, columns count UTF-16 code units.
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

/// Where somebody is in the text; lines and columns start at 0, columns count UTF-16 code units.
#[derive(SimpleObject, Clone, Copy)]
#[graphql(name = "Cursor")]
pub(in crate::graphql) struct CursorType {
    line: u32,
    column: u32,
    /// The other end of a selection, if there is one.
    anchor: Option<PositionType>,
}

impl From<Cursor> for CursorType {
    fn from(cursor: Cursor) -> Self {
        let PositionType { line, column } = cursor.head.into();
        Self { line, column, anchor: cursor.anchor.map(Into::into) }
    }
}

/// A place in the text; lines and columns start at 0, columns count UTF-16 code units.
#[derive(InputObject)]
pub(in crate::graphql) struct PositionInput {
    line: i32,
    column: i32,
}

/// Where the caller is in the text; lines and columns start at 0, columns count UTF-16 code units.
#[derive(InputObject)]
pub(in crate::graphql) struct CursorInput {
    line: i32,
    column: i32,
    /// The other end of a selection, if there is one.
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

/// A cursor moved.
pub(in crate::graphql) struct CursorMoveType(pub(in crate::graphql) Arc<CursorMove>);

/// A cursor moved.
#[Object(name = "CursorMove")]
impl CursorMoveType {
    async fn document_id(&self) -> ID {
        id(self.0.document.uuid())
    }

    async fn session_id(&self) -> ID {
        id(self.0.session.uuid())
    }

    async fn user(&self) -> UserType {
        UserType(self.0.user.clone())
    }

    /// CSS colour, stable for a user within a document.
    async fn color(&self) -> &str {
        self.0.color.as_css()
    }

    async fn cursor(&self) -> CursorType {
        self.0.cursor.into()
    }

    async fn moved_at(&self) -> DateTime<Utc> {
        self.0.at
    }
}
