//! The keys of documents, and the documents that clients name by them.
//!
//! Every interface has a document that a client names found here. An unknown key becomes [`DocumentId::NONE`], so all that
//! follows treats it like an id that no document has.

use std::collections::HashMap;

use entity::document_key;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, SqlErr,
};

use super::{Store, StoreError, access_state::AccessState, purge::delete_all};
use crate::domain::{DocumentId, DocumentKey, DocumentName, Party, UserId};

impl Store {
    /// Returns the document with a name, or [`DocumentId::NONE`] if no document has this key. An id is returned as it is, without
    /// reading anything. Reads in the turns of a party. The caller checks whether the viewer may see the document.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn resolve(
        &self,
        name: &DocumentName,
        party: Party,
    ) -> Result<DocumentId, StoreError> {
        match name {
            DocumentName::Id(id) => Ok(*id),
            DocumentName::Key(key) => {
                let found = self.read_for(party, self.list_by_keys([key])).await??;
                Ok(found.get(key).copied().unwrap_or(DocumentId::NONE))
            }
        }
    }

    /// Returns the documents with these keys, also those in a bin. An unknown key has no entry.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_by_keys<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a DocumentKey>,
    ) -> Result<HashMap<DocumentKey, DocumentId>, StoreError> {
        let keys: Vec<&str> = keys.into_iter().map(DocumentKey::as_str).collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = document_key::Entity::find()
            .filter(document_key::Column::Key.is_in(keys))
            .all(&self.readers)
            .await?;
        let found = |row: document_key::Model| {
            (DocumentKey::stored(row.key), DocumentId::from(row.document_id))
        };
        Ok(rows.into_iter().map(found).collect())
    }

    /// Returns the keys of documents. One without a key has no entry. The caller checks whether the viewer may see them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_keys(
        &self,
        documents: impl IntoIterator<Item = DocumentId>,
    ) -> Result<HashMap<DocumentId, DocumentKey>, StoreError> {
        let ids = documents.into_iter().map(DocumentId::uuid);
        let rows = document_key::Entity::find()
            .filter(document_key::Column::DocumentId.is_in(ids))
            .all(&self.readers)
            .await?;
        let key = |row: document_key::Model| {
            (DocumentId::from(row.document_id), DocumentKey::stored(row.key))
        };
        Ok(rows.into_iter().map(key).collect())
    }

    /// Gives a document a key, which replaces the one before, or removes it.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` does not have owner access, [`StoreError::KeyTaken`], [`StoreError::Busy`].
    pub async fn set_key(
        &self,
        actor: UserId,
        document: DocumentId,
        key: Option<&DocumentKey>,
    ) -> Result<(), StoreError> {
        self.write(Party::User(actor), async {
            let txn = self.begin().await?;
            AccessState::load_for_owner(&txn, document, actor).await?;
            // Before the document gives its own key up: two documents that swap their keys would wait for each other otherwise.
            if let Some(key) = key
                && let Some(named) = find_named(&txn, key).await?
            {
                return if named == document { Ok(()) } else { Err(StoreError::KeyTaken) };
            }
            delete_key(&txn, document).await?;
            if let Some(key) = key {
                insert_key(&txn, document, key).await?;
            }
            txn.commit().await?;
            Ok(())
        })
        .await
    }
}

/// Returns the document with a key, also one in a bin.
async fn find_named(
    txn: &DatabaseTransaction,
    key: &DocumentKey,
) -> Result<Option<DocumentId>, StoreError> {
    let found = document_key::Entity::find()
        .filter(document_key::Column::Key.eq(key.as_str()))
        .one(txn)
        .await?;
    Ok(found.map(|row| row.document_id.into()))
}

/// Gives a document without a key one.
///
/// # Errors
/// [`StoreError::KeyTaken`] if another document has it, also one in a bin.
pub(super) async fn insert_key(
    txn: &DatabaseTransaction,
    document: DocumentId,
    key: &DocumentKey,
) -> Result<(), StoreError> {
    let row = document_key::ActiveModel {
        document_id: Set(document.uuid()),
        key: Set(key.as_str().to_owned()),
    };
    let inserted = document_key::Entity::insert(row).exec_without_returning(txn).await;
    inserted.map(drop).map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => StoreError::KeyTaken,
        _ => error.into(),
    })
}

/// Removes the key of a document.
pub(super) async fn delete_key(
    txn: &DatabaseTransaction,
    document: DocumentId,
) -> Result<(), StoreError> {
    delete_all::<document_key::Entity>(txn, document_key::Column::DocumentId, document.uuid()).await
}

#[cfg(test)]
#[path = "document_keys_tests.rs"]
mod tests;
