//! The rows that a batch inserts, and what they take.

use chrono::{DateTime, Utc};
use entity::{document_change, document_receipt};
use sea_orm::{
    ActiveValue::Set,
    sea_query::{IntoValueTuple, ValueTuple},
};

use super::{
    Batch, NewChange, NewReceipt, StoreError,
    metadata::metadata_bytes,
    rows,
    stored_bytes::{row_bytes, signed},
};
use crate::domain::{ChangeKind, DocumentId, Fingerprint, SessionId, UserId, Version};

/// The rows of one batch.
pub(super) struct BatchRows<'a> {
    pub(super) batch: &'a Batch,
    pub(super) changes: Vec<document_change::ActiveModel>,
    pub(super) receipts: Vec<document_receipt::ActiveModel>,
    /// What each row takes, with its author.
    charges: Vec<(UserId, u64)>,
    /// What new metadata takes, with its author. It is counted where it is stored, since it replaces other metadata.
    metadata: Vec<(UserId, u64)>,
}

impl<'a> BatchRows<'a> {
    /// Returns the rows of a batch that is stored at `at`.
    ///
    /// # Errors
    /// [`StoreError::Internal`] if a delta cannot be written as JSON, which is a bug.
    pub(super) fn new(batch: &'a Batch, at: DateTime<Utc>) -> Result<Self, StoreError> {
        let (changes, receipts) = (vec![], vec![]);
        let mut rows = Self { batch, changes, receipts, charges: vec![], metadata: vec![] };
        let mut version = batch.base;
        for change in &batch.changes {
            version = version.next();
            rows.add_change(batch.document, version, change, at)?;
        }
        for receipt in &batch.receipts {
            rows.add_receipt(batch.document, receipt, at);
        }
        Ok(rows)
    }

    /// Whether the batch deletes the document.
    pub(super) fn is_deletion(&self) -> bool {
        self.batch.changes.iter().any(|change| change.kind == ChangeKind::Deleted)
    }

    /// Returns what the rows add to the counter of the document. A deletion counts nothing, so that no quota refuses it, until the
    /// document is brought back.
    pub(super) fn counted_bytes(&self) -> i64 {
        match self.is_deletion() {
            true => 0,
            false => signed(self.charges.iter().map(|(_, bytes)| bytes).sum()),
        }
    }

    /// Returns what each row takes, with its author.
    pub(super) fn charges(&self) -> impl Iterator<Item = (UserId, u64)> {
        self.charges.iter().chain(&self.metadata).copied()
    }

    /// Returns the values that update the document: its id, its present version, the number of new versions, the new size,
    /// the new title and the bytes that the rows add. The size is -1 if it stays. `None` if the batch has no changes.
    pub(super) fn new_head(&self) -> Option<ValueTuple> {
        let last = self.batch.changes.last()?;
        let count = i64::try_from(self.batch.changes.len()).unwrap_or(i64::MAX);
        // A document in a bin keeps its text.
        let size = match self.is_deletion() {
            true => -1,
            false => i64::try_from(last.size).unwrap_or(i64::MAX),
        };
        let (id, base) = (self.batch.document.uuid(), self.batch.base.number());
        let title = last.title.to_string();
        Some((id, base, count, size, title, self.counted_bytes()).into_value_tuple())
    }

    fn add_change(
        &mut self,
        document: DocumentId,
        version: Version,
        change: &NewChange,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let delta = change.delta.as_deref().map(serde_json::to_string).transpose();
        let delta = delta.map_err(StoreError::internal)?;
        let (edit, fingerprint) = match &change.edit {
            Some((edit, fingerprint)) => (Some(edit), Some(fingerprint)),
            None => (None, None),
        };
        let values = [
            change.title.len(),
            delta.as_ref().map_or(0, String::len),
            change.update.as_ref().map_or(0, bytes::Bytes::len),
        ];
        self.charges.push((change.author, row_bytes(values)));
        let metadata = change.metadata.as_ref().map(metadata_bytes);
        self.metadata.extend(metadata.map(|bytes| (change.author, bytes)));
        self.changes.push(document_change::ActiveModel {
            document_id: Set(document.uuid()),
            version: Set(version.number()),
            kind: Set(rows::stored_kind(change.kind)),
            author_id: Set(Some(change.author.uuid())),
            session_id: Set(change.session.map(SessionId::uuid)),
            edit_id: Set(edit.map(|edit| edit.as_str().to_owned())),
            fingerprint: Set(fingerprint.map(|Fingerprint(bytes)| bytes.to_vec())),
            title: Set(change.title.to_string()),
            at: Set(at),
            delta: Set(delta),
            update: Set(change.update.as_ref().map(|update| update.to_vec())),
            taken_from: Set(change.takes_back.map(|taken| taken.from.number())),
            taken_to: Set(change.takes_back.map(|taken| taken.to.number())),
        });
        Ok(())
    }

    fn add_receipt(&mut self, document: DocumentId, receipt: &NewReceipt, at: DateTime<Utc>) {
        self.charges.push((receipt.author, row_bytes([receipt.title.len()])));
        self.receipts.push(document_receipt::ActiveModel {
            document_id: Set(document.uuid()),
            author_id: Set(receipt.author.uuid()),
            edit_id: Set(receipt.edit.as_str().to_owned()),
            version: Set(receipt.version.number()),
            title: Set(receipt.title.to_string()),
            fingerprint: Set(receipt.fingerprint.0.to_vec()),
            at: Set(at),
        });
    }
}
