//! The encoded bodies of envelopes.
//!
//! Invariant: the order of variants and fields is the wire format, so variants and fields are only appended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{
    AccessLevel, Change, ChangeKind, Cursor, Delta, DeltaStep, DocumentId, Op, Position, SessionId,
    User, UserId, Version,
};

/// A body on the channel of a document.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Body<'a> {
    Stored {
        version: i64,
    },
    CursorMoved {
        session: Uuid,
        #[serde(borrow)]
        user: UserBody<'a>,
        cursor: CursorBody,
        at: i64,
    },
    MoveCursor {
        session: Uuid,
        cursor: CursorBody,
    },
    Joined {
        #[serde(borrow)]
        presence: PresenceBody<'a>,
    },
    Left {
        session: Uuid,
    },
    AccessChanged {
        user: Uuid,
        level: Option<u8>,
        request: Option<u64>,
    },
    Compare,
    Changed {
        #[serde(borrow)]
        change: ChangeBody<'a>,
    },
    AwarenessUpdated {
        session: Uuid,
        user: Uuid,
        client: u32,
        clock: u32,
        state: Option<&'a str>,
    },
    QueryAwareness,
    ChangedAfter {
        #[serde(borrow)]
        change: ChangeBody<'a>,
        previous_at: i64,
    },
    AccessChangedAt {
        user: Uuid,
        level: Option<u8>,
        request: Option<u64>,
        access_version: i64,
    },
    Stateless {
        session: Uuid,
        payload: &'a str,
    },
}

/// A body on the channel of a node.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SignalBody {
    Canary { number: u64 },
    Done { request: u64 },
}

/// A body on the channel of all nodes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SessionCallBody {
    Replace { user: Uuid, predecessor: PredecessorBody, successor: Uuid },
    FreeSlot { user: Uuid },
    EndSignIn { user: Uuid, sign_in: Uuid },
    EndAllSignIns { user: Uuid, generation: i64, at: i64, kept: Option<KeptSessionBody> },
}

/// A session that stays open.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptSessionBody {
    pub(super) session: Uuid,
    pub(super) sign_in: Uuid,
    pub(super) expires_at: i64,
}

/// A session, as its successor names it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum PredecessorBody {
    Session(Uuid),
    Editor { document: Uuid, client: u64 },
}

/// A user.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UserBody<'a> {
    id: Uuid,
    name: &'a str,
}

impl<'a> UserBody<'a> {
    pub(super) fn of(user: &'a User) -> Self {
        Self { id: user.id.uuid(), name: &user.name }
    }

    pub(super) fn user(&self) -> User {
        User { id: UserId::from(self.id), name: self.name.into() }
    }
}

/// A cursor: the head, then the anchor, each as line and column.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct CursorBody {
    head: (u32, u32),
    anchor: Option<(u32, u32)>,
}

impl CursorBody {
    pub(super) fn of(cursor: Cursor) -> Self {
        let pair = |position: Position| (position.line(), position.column());
        Self { head: pair(cursor.head), anchor: cursor.anchor.map(pair) }
    }

    /// Returns the cursor. `None` if a number is out of range.
    pub(super) fn cursor(self) -> Option<Cursor> {
        let position = |(line, column): (u32, u32)| {
            Position::new(i32::try_from(line).ok()?, i32::try_from(column).ok()?).ok()
        };
        let anchor = match self.anchor {
            Some(pair) => Some(position(pair)?),
            None => None,
        };
        Some(Cursor { head: position(self.head)?, anchor })
    }
}

/// The presence of a session. Times are microseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PresenceBody<'a> {
    pub(super) session: Uuid,
    #[serde(borrow)]
    pub(super) user: UserBody<'a>,
    pub(super) cursor: Option<CursorBody>,
    pub(super) joined_at: i64,
    pub(super) last_seen: i64,
}

/// A change of the text or the title.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChangeBody<'a> {
    version: i64,
    #[serde(borrow)]
    author: Option<UserBody<'a>>,
    session: Option<Uuid>,
    title: &'a str,
    /// `None` if only the title changed.
    #[serde(borrow)]
    text: Option<EditBody<'a>>,
    at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct EditBody<'a> {
    #[serde(borrow)]
    delta: Vec<StepBody<'a>>,
    update: &'a [u8],
}

#[derive(Debug, Serialize, Deserialize)]
enum StepBody<'a> {
    Retain(u32),
    Insert(&'a str),
    Delete(u32),
}

impl<'a> ChangeBody<'a> {
    /// Returns the body of a change. `None` for a deletion, a compaction and a change of formats or embedded objects, which nodes read
    /// from the change log.
    pub(super) fn of(change: &'a Change) -> Option<Self> {
        let text = match change.kind {
            ChangeKind::Edited => {
                let (delta, update) = (change.delta.as_ref()?, change.update.as_ref()?);
                let delta = delta.ops().iter().map(StepBody::of).collect::<Option<_>>()?;
                Some(EditBody { delta, update })
            }
            ChangeKind::Renamed => None,
            ChangeKind::Deleted | ChangeKind::Compacted | ChangeKind::Resync => return None,
        };
        Some(Self {
            version: change.version.number(),
            author: change.author.as_ref().map(UserBody::of),
            session: change.session.map(SessionId::uuid),
            title: &change.title,
            text,
            at: change.at.timestamp_micros(),
        })
    }

    /// Returns the change. `None` if the delta or the time is not valid.
    pub(super) fn change(self, document: DocumentId) -> Option<Change> {
        let (kind, delta, update) = match self.text {
            Some(EditBody { delta, update }) => {
                let delta = Delta::from_steps(delta.into_iter().map(StepBody::step)).ok()?;
                (ChangeKind::Edited, Some(delta.into()), Some(update.to_vec().into()))
            }
            None => (ChangeKind::Renamed, None, None),
        };
        Some(Change {
            document,
            kind,
            version: Version::new(self.version),
            author: self.author.map(|author| author.user()),
            session: self.session.map(Into::into),
            title: self.title.into(),
            delta,
            update,
            content: None,
            at: time(self.at)?,
            previous_at: None,
        })
    }
}

impl<'a> StepBody<'a> {
    fn of(op: &'a Op) -> Option<Self> {
        Some(match op {
            Op::Retain(units, formats) if formats.is_empty() => {
                Self::Retain(u32::try_from(*units).ok()?)
            }
            Op::Insert(text, formats) if formats.is_empty() => Self::Insert(text),
            Op::Delete(units) => Self::Delete(u32::try_from(*units).ok()?),
            // This kind has no formats and no embedded objects.
            Op::Retain(..) | Op::Insert(..) | Op::Embed(..) => return None,
        })
    }

    fn step(self) -> DeltaStep {
        match self {
            Self::Retain(units) => DeltaStep { retain: Some(units.into()), ..DeltaStep::default() },
            Self::Insert(text) => DeltaStep { insert: Some(text.into()), ..DeltaStep::default() },
            Self::Delete(units) => DeltaStep { delete: Some(units.into()), ..DeltaStep::default() },
        }
    }
}

/// Returns the number of a level, which never changes.
pub(super) fn number_of(level: AccessLevel) -> u8 {
    match level {
        AccessLevel::View => 1,
        AccessLevel::Edit => 2,
        AccessLevel::Owner => 3,
    }
}

pub(super) fn level_of(number: u8) -> Option<AccessLevel> {
    match number {
        1 => Some(AccessLevel::View),
        2 => Some(AccessLevel::Edit),
        3 => Some(AccessLevel::Owner),
        _ => None,
    }
}

pub(super) fn time(microseconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(microseconds)
}
