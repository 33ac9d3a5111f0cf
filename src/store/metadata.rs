//! The metadata of documents: one row each, and a row for every label.
//!
//! Invariant: the labels of a document are those of its metadata, and both count in `document.stored_bytes`.

use std::collections::HashMap;

use entity::{document, document_label, document_metadata};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait as _, Query},
};

use super::{
    Store, StoreError,
    purge::delete_all,
    stored_bytes::{ROW_BYTES, row_bytes, signed},
};
use crate::domain::{DocumentId, Metadata, MetadataLabel};

impl Store {
    /// Returns the metadata of documents. One without members has no entry. The caller checks whether the viewer may see them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_metadata(
        &self,
        documents: impl IntoIterator<Item = DocumentId>,
    ) -> Result<HashMap<DocumentId, Metadata>, StoreError> {
        let ids = documents.into_iter().map(DocumentId::uuid);
        let rows = document_metadata::Entity::find()
            .filter(document_metadata::Column::DocumentId.is_in(ids))
            .all(&self.readers)
            .await?;
        let metadata = |row: document_metadata::Model| {
            (DocumentId::from(row.document_id), Metadata::stored(row.json))
        };
        Ok(rows.into_iter().map(metadata).collect())
    }

    /// Returns the metadata of a document. The caller checks whether the viewer may see it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn load_metadata(&self, document: DocumentId) -> Result<Metadata, StoreError> {
        let found =
            document_metadata::Entity::find_by_id(document.uuid()).one(&self.readers).await?;
        Ok(found.map(|row| Metadata::stored(row.json)).unwrap_or_default())
    }
}

/// Returns what metadata takes, in bytes.
pub(super) fn metadata_bytes(metadata: &Metadata) -> u64 {
    match metadata.is_empty() {
        true => 0,
        false => labels_bytes(metadata) + row_bytes([metadata.as_json().len()]),
    }
}

fn labels_bytes(metadata: &Metadata) -> u64 {
    metadata.labels().len() as u64 * ROW_BYTES
}

/// Replaces the metadata of a document, which the transaction has locked. Returns how many more bytes it takes than before. The
/// caller counts them.
pub(super) async fn store_metadata(
    txn: &DatabaseTransaction,
    document: DocumentId,
    metadata: &Metadata,
) -> Result<i64, StoreError> {
    let id = document.uuid();
    let before = document_metadata::Entity::find_by_id(id).one(txn).await?;
    if before.is_some() {
        delete_metadata(txn, document).await?;
    }
    let bytes = signed(metadata_bytes(metadata));
    if !metadata.is_empty() {
        let row = document_metadata::ActiveModel {
            document_id: Set(id),
            json: Set(metadata.as_json().to_owned()),
            stored_bytes: Set(bytes),
        };
        document_metadata::Entity::insert(row).exec_without_returning(txn).await?;
        let label = |MetadataLabel { name, value }| document_label::ActiveModel {
            document_id: Set(id),
            name: Set(name),
            value: Set(value),
        };
        let labels: Vec<_> = metadata.labels().into_iter().map(label).collect();
        if !labels.is_empty() {
            document_label::Entity::insert_many(labels).exec_without_returning(txn).await?;
        }
    }
    Ok(bytes - before.map_or(0, |row| row.stored_bytes))
}

/// Deletes the metadata of a document.
pub(super) async fn delete_metadata(
    txn: &DatabaseTransaction,
    document: DocumentId,
) -> Result<(), StoreError> {
    let id = document.uuid();
    delete_all::<document_label::Entity>(txn, document_label::Column::DocumentId, id).await?;
    delete_all::<document_metadata::Entity>(txn, document_metadata::Column::DocumentId, id).await
}

/// Returns the condition that the document of a query's row has a label.
pub(super) fn has_label(label: &MetadataLabel) -> Expr {
    let column = |column: document_label::Column| Expr::col((document_label::Entity, column));
    let labels = Query::select()
        .expr(Expr::val(1))
        .from(document_label::Entity)
        .and_where(
            column(document_label::Column::DocumentId)
                .equals((document::Entity, document::Column::Id)),
        )
        .and_where(column(document_label::Column::Name).eq(label.name.as_str()))
        .and_where(column(document_label::Column::Value).eq(label.value.as_str()))
        .take();
    Expr::exists(labels)
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
