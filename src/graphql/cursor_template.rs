//! The JSON of cursor moves, without running the selection again for each of them. Pure.
//!
//! A cursor moves many times a second, and the JSON of its moves differs only in a few values. So the selection runs for a
//! sample, whose values differ from each other. Where one of them stands after the colon of a field, the values of each move
//! are inserted; a name, which may look like a number, stands before a colon. Fragments, aliases and directives need no rules
//! of their own that way.
//!
//! Moves with and without a selection of text have a template each, since `anchor` is null in one and an object in the other.

use std::{io::Write as _, ops::Range};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::{Cursor, CursorMove, DocumentId, Position, SessionId, User, UserId};

/// The moves of an audience that are rendered by the selection before a template is made. Making one costs about as much as two.
const MOVES_BEFORE: u32 = 3;

/// The numbers of the sample.
const SAMPLE_HEAD: (usize, usize) = (2_147_400_001, 2_147_400_002);
const SAMPLE_ANCHOR: (usize, usize) = (2_147_400_003, 2_147_400_004);

/// The templates of an audience.
#[derive(Default)]
pub(super) struct CursorTemplates {
    moves: u32,
    caret: Option<CursorTemplate>,
    selection: Option<CursorTemplate>,
    /// Whether a template has differed from the selection, which is a bug.
    is_given_up: bool,
}

/// The JSON of the sample, cut at its values.
struct CursorTemplate {
    json: Bytes,
    parts: Vec<TemplatePart>,
}

/// A part of the JSON, and the value that follows it, if it is not the last.
struct TemplatePart {
    text: Range<usize>,
    value: Option<MoveValue>,
}

/// A value of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MoveValue {
    Document,
    Session,
    UserId,
    UserName,
    Color,
    Line,
    Column,
    AnchorLine,
    AnchorColumn,
    MovedAt,
}

impl MoveValue {
    const ALL: [Self; 10] = [
        Self::Document,
        Self::Session,
        Self::UserId,
        Self::UserName,
        Self::Color,
        Self::Line,
        Self::Column,
        Self::AnchorLine,
        Self::AnchorColumn,
        Self::MovedAt,
    ];

    /// Writes the value of a move as the schema represents it. Writes nothing for the anchor of a move without one.
    fn write(self, moved: &CursorMove, out: &mut Vec<u8>) {
        let Cursor { head, anchor } = moved.cursor;
        match self {
            Self::Document => write_id(moved.document.uuid(), out),
            Self::Session => write_id(moved.session.uuid(), out),
            Self::UserId => write_id(moved.user.id.uuid(), out),
            Self::UserName => write_text(&moved.user.name, out),
            Self::Color => write_text(moved.color.as_css(), out),
            Self::Line => write_number(head.line(), out),
            Self::Column => write_number(head.column(), out),
            Self::AnchorLine => anchor.iter().for_each(|at| write_number(at.line(), out)),
            Self::AnchorColumn => anchor.iter().for_each(|at| write_number(at.column(), out)),
            Self::MovedAt => write_text(&moved.at.to_rfc3339(), out),
        }
    }
}

fn write_id(id: Uuid, out: &mut Vec<u8>) {
    let mut text = Uuid::encode_buffer();
    out.push(b'"');
    out.extend_from_slice(id.hyphenated().encode_lower(&mut text).as_bytes());
    out.push(b'"');
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    #[allow(clippy::expect_used, reason = "a text is always JSON, and a vector takes every byte")]
    serde_json::to_writer(out, text).expect("a text is JSON");
}

fn write_number(number: u32, out: &mut Vec<u8>) {
    #[allow(clippy::expect_used, reason = "a vector takes every byte")]
    write!(out, "{number}").expect("a vector takes every byte");
}

impl CursorTemplates {
    /// Returns the JSON of a move, if there is a template for it and the JSON has at most `max` bytes.
    pub(super) fn render(&self, moved: &CursorMove, max: usize) -> Option<Bytes> {
        let template = if moved.cursor.anchor.is_some() { &self.selection } else { &self.caret };
        template.as_ref().map(|template| template.fill(moved)).filter(|json| json.len() <= max)
    }

    /// Notes a move that was rendered by the selection, as `json`. Makes a template if it is time, for which `render` renders the
    /// sample.
    pub(super) fn note<E>(
        &mut self,
        moved: &CursorMove,
        json: &Bytes,
        render: impl FnOnce(CursorMove) -> Result<Bytes, E>,
    ) {
        self.moves = self.moves.saturating_add(1);
        let template =
            if moved.cursor.anchor.is_some() { &mut self.selection } else { &mut self.caret };
        if self.moves <= MOVES_BEFORE || self.is_given_up || template.is_some() {
            return;
        }
        let sample = sample_of(moved);
        // If the sample is too long for the audience, moves are rendered as before.
        let Ok(sampled) = render(sample.clone()) else { return };
        let made = CursorTemplate::of(&sample, sampled);
        if made.fill(moved) == json {
            *template = Some(made);
        } else {
            tracing::error!("the template of a selection of cursors differs from the selection");
            self.is_given_up = true;
        }
    }
}

impl CursorTemplate {
    /// Cuts the JSON of a sample at the sample's values.
    fn of(sample: &CursorMove, json: Bytes) -> Self {
        let values = MoveValue::ALL.map(|value| {
            let mut text = Vec::new();
            value.write(sample, &mut text);
            (value, text)
        });
        let value_at = |from: usize| {
            let rest = &json[from..];
            let found =
                |(_, text): &&(MoveValue, Vec<u8>)| !text.is_empty() && rest.starts_with(text);
            values.iter().find(found).map(|(value, text)| (*value, text.len()))
        };
        let (mut parts, mut begin, mut at) = (Vec::new(), 0, 0);
        while at < json.len() {
            // A value follows the name of its field. A name has no quotes and no colon.
            match value_at(at).filter(|_value| at > 0 && json[at - 1] == b':') {
                Some((value, length)) => {
                    parts.push(TemplatePart { text: begin..at, value: Some(value) });
                    at += length;
                    begin = at;
                }
                None => at += 1,
            }
        }
        parts.push(TemplatePart { text: begin..json.len(), value: None });
        Self { json, parts }
    }

    /// Returns the JSON of a move.
    fn fill(&self, moved: &CursorMove) -> Bytes {
        let mut out = Vec::with_capacity(self.json.len());
        for TemplatePart { text, value } in &self.parts {
            out.extend_from_slice(&self.json[text.clone()]);
            if let Some(value) = value {
                value.write(moved, &mut out);
            }
        }
        out.into()
    }
}

/// Returns a move like `moved`, whose values differ from each other.
fn sample_of(moved: &CursorMove) -> CursorMove {
    let at = |(line, column)| Position::at(line, column);
    CursorMove {
        document: DocumentId::new(),
        session: SessionId::new(),
        user: User { id: UserId::new(), name: UserId::new().to_string().into() },
        // The palette has no colour to spare, and no other value looks like one.
        color: moved.color,
        cursor: Cursor {
            head: at(SAMPLE_HEAD),
            anchor: moved.cursor.anchor.map(|_anchor| at(SAMPLE_ANCHOR)),
        },
        at: DateTime::<Utc>::UNIX_EPOCH,
    }
}

#[cfg(test)]
#[path = "cursor_template_tests.rs"]
mod tests;
