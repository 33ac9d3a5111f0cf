//! What differs between two versions of a document, and how much an entry of the history changed.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::id::id;
use crate::{
    domain::{DocumentId, Version},
    editing::{ChangeCounts, EntryCounts},
    graphql::{
        ApiError,
        answer::{Encoded, FirstTime, answer_budget},
        complexity::CONTENT,
    },
};

/// What differs between two versions of a document.
pub(in crate::graphql) struct DifferenceType {
    document: DocumentId,
    from: Version,
    to: Version,
    json: Encoded<String>,
    json_field: FirstTime,
    counts: ChangeCounts,
}

impl DifferenceType {
    /// Creates the difference of two versions of `document`, whose bytes have been spent.
    pub(in crate::graphql) fn new(
        document: DocumentId,
        [from, to]: [Version; 2],
        json: Encoded<String>,
        counts: ChangeCounts,
    ) -> Self {
        Self { document, from, to, json, json_field: FirstTime::default(), counts }
    }
}

/// What differs between two versions of a document.
#[Object(name = "VersionDifference")]
impl DifferenceType {
    /// The id of the document.
    async fn document_id(&self) -> ID {
        id(self.document.uuid())
    }

    /// The version that was compared.
    async fn from_version(&self) -> i64 {
        self.from.number()
    }

    /// The version that it was compared with.
    async fn to_version(&self) -> i64 {
        self.to.number()
    }

    /// What differs, as a JSON object in a string. It has the root types of the Yjs document that differ, by their names. A text has
    /// `ops`, a Quill delta from the one version to the other; XML and lists have `content`, the steps `keep`, `delete`, `insert` and
    /// `change`; maps have `entries` and nodes `attrs`, with `from` and `to` for each that differs. See "Differences" in PROTOCOL.md.
    #[graphql(complexity = "CONTENT")]
    async fn json(&self, ctx: &Context<'_>) -> Result<Encoded<String>, ApiError> {
        if !self.json_field.take() {
            answer_budget(ctx)?.spend_bytes(self.json.bytes())?;
        }
        Ok(self.json.clone())
    }

    /// How much differs.
    async fn counts(&self) -> ChangeCountsType {
        self.counts.into()
    }
}

/// How much differs between two versions, in all root types. Characters are UTF-16 code units.
#[derive(SimpleObject)]
#[graphql(name = "ChangeCounts")]
pub(in crate::graphql) struct ChangeCountsType {
    /// The characters that only the later version has, also those in new nodes.
    inserted_characters: i64,
    /// The characters that only the earlier version has, also those in deleted nodes.
    deleted_characters: i64,
    /// The XML elements, embedded objects, values of lists and other shared types that only the later version has.
    inserted_nodes: i64,
    /// The same that only the earlier version has.
    deleted_nodes: i64,
    /// The entries of maps and attributes of nodes that were added, removed or changed.
    changed_entries: i64,
}

impl From<ChangeCounts> for ChangeCountsType {
    fn from(counts: ChangeCounts) -> Self {
        Self {
            inserted_characters: whole(counts.inserted_characters),
            deleted_characters: whole(counts.deleted_characters),
            inserted_nodes: whole(counts.inserted_nodes),
            deleted_nodes: whole(counts.deleted_nodes),
            changed_entries: whole(counts.changed_entries),
        }
    }
}

/// How much the changes of a history entry inserted and deleted, in all root types. What one of them inserts and a later one deletes
/// counts for both. Use `compare` for what is left of it.
#[derive(SimpleObject)]
#[graphql(name = "EntryCounts")]
pub(in crate::graphql) struct EntryCountsType {
    /// The characters that were inserted, in UTF-16 code units.
    inserted_characters: i64,
    /// The XML elements, embedded objects and other shared types that were inserted.
    inserted_nodes: i64,
    /// What was deleted: one for each UTF-16 code unit, shared type, embedded object, value and format.
    deleted_units: i64,
}

impl From<EntryCounts> for EntryCountsType {
    fn from(counts: EntryCounts) -> Self {
        Self {
            inserted_characters: whole(counts.inserted_characters),
            inserted_nodes: whole(counts.inserted_nodes),
            deleted_units: whole(counts.deleted_units),
        }
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
