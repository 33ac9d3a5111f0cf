//! Where documents stand and what authors may do with them, read in the transaction that stores their changes.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entity::{Level, document, document_access, user};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, FromQueryResult,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};
use uuid::Uuid;

use super::{Batch, CommitError, Committed, StoreError, rows};
use crate::domain::{AccessLevel, DocumentId, User, UserId, Version};

/// What is known of the documents and authors of some batches.
pub(super) struct CommitAuthorization {
    heads: HashMap<DocumentId, Version>,
    authors: HashMap<(DocumentId, UserId), Author>,
}

struct Author {
    user: User,
    level: Option<AccessLevel>,
}

#[derive(FromQueryResult)]
struct Row {
    document_id: Uuid,
    version: i64,
    owner_id: Uuid,
    user_id: Uuid,
    user_name: String,
    level: Option<Level>,
}

impl CommitAuthorization {
    /// Reads it.
    pub(super) async fn load(
        txn: &DatabaseTransaction,
        batches: &[Batch],
    ) -> Result<Self, StoreError> {
        let pairs: BTreeSet<_> = batches
            .iter()
            .flat_map(|batch| {
                batch.needed().map(|(author, _)| (batch.document.uuid(), author.uuid()))
            })
            .collect();
        let mut standing = Self { heads: HashMap::new(), authors: HashMap::new() };
        for row in txn.query_all(&question(pairs)).await? {
            let row = Row::from_query_result(&row, "")?;
            let (document, id) = (DocumentId::from(row.document_id), UserId::from(row.user_id));
            standing.heads.insert(document, Version::new(row.version));
            let level = rows::level_of(id, row.owner_id, row.level);
            let user = User { id, name: row.user_name.into() };
            standing.authors.insert((document, id), Author { user, level });
        }
        Ok(standing)
    }

    /// What is to be answered once the batch is stored at `at`, or why it is not to be stored.
    pub(super) fn judge(&self, batch: &Batch, at: DateTime<Utc>) -> Result<Committed, CommitError> {
        let author = |user: UserId| self.authors.get(&(batch.document, user));
        let level = |user: UserId| author(user).and_then(|author| author.level);
        let denied: BTreeSet<_> = batch
            .needed()
            .filter(|(user, needed)| !level(*user).is_some_and(|level| level.allows(*needed)))
            .map(|(user, _)| user)
            .collect();
        if !denied.is_empty() {
            return Err(CommitError::Denied(denied.into_iter().collect()));
        }
        if self.heads.get(&batch.document) != Some(&batch.seen) {
            return Err(CommitError::Overtaken);
        }
        let known = batch.needed().filter_map(|(user, _)| author(user));
        let authors = known.map(|author| (author.user.id, author.user.clone())).collect();
        Ok(Committed { at, authors })
    }
}

/// For pairs of a document and a user: the document's head and owner, the user's name and grant. A pair whose document
/// or user is not there has no row.
fn question(pairs: BTreeSet<(Uuid, Uuid)>) -> SelectStatement {
    use document_access::Column as Access;
    let asked = |number: u8| Expr::col(("asked", format!("column{number}")));
    let is_document = Expr::col((document::Entity, document::Column::Id)).eq(asked(1));
    let is_user = Expr::col((user::Entity, user::Column::Id)).eq(asked(2));
    let is_grant = Expr::col((document_access::Entity, Access::DocumentId))
        .eq(asked(1))
        .and(Expr::col((document_access::Entity, Access::UserId)).eq(asked(2)));
    Query::select()
        .expr_as(asked(1), "document_id")
        .expr_as(asked(2), "user_id")
        .column((document::Entity, document::Column::Version))
        .column((document::Entity, document::Column::OwnerId))
        .expr_as(Expr::col((user::Entity, user::Column::Name)), "user_name")
        .column((document_access::Entity, Access::Level))
        .from_values(pairs, "asked")
        .inner_join(document::Entity, is_document)
        .inner_join(user::Entity, is_user)
        .left_join(document_access::Entity, is_grant)
        .and_where(Expr::col((document::Entity, document::Column::DeletedAt)).is_null())
        .to_owned()
}
