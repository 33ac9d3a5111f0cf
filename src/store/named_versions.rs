//! Named versions: their names, and their whole content.
//!
//! A named version has its content in its own row. So neither retention, which shortens the log, nor the snapshots, which come and
//! go, have to regard it.
//!
//! Once the log no longer has the version, its row is the only copy. So only the user who named it, and owners of the document, rename
//! it or remove its name.
//!
//! Invariant: a named version has been a version of the document, and its row counts in `document.stored_bytes`.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use entity::{document, named_version};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, FromQueryResult, PaginatorTrait as _,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait as _, Select,
    sea_query::{Expr, Query},
};
use uuid::Uuid;

use super::{
    FoundSnapshot, SnapshotState, Store, StoreError,
    access_state::AccessState,
    quotas::WantedBytes,
    rows,
    snapshots::{has_version, if_small, is_kept, size_of_column, whole},
    stored_bytes::{CountedBytes, count_bytes, delete_counted, row_bytes, signed},
};
use crate::domain::{AccessLevel, DocumentId, Party, UserId, Version, VersionName};

/// The most named versions of a document.
pub(super) const MAX_NAMED: u64 = 100;

/// A version with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedVersion {
    /// The version.
    pub version: Version,
    /// Its name.
    pub name: Arc<str>,
    /// Who gave it the name, unless the account was deleted.
    pub named_by: Option<UserId>,
    /// When it got the name.
    pub named_at: DateTime<Utc>,
}

/// A name to be given to a version.
pub struct NewNamedVersion {
    /// Who gives it.
    pub actor: UserId,
    /// The document.
    pub document: DocumentId,
    /// The version.
    pub version: Version,
    /// When that version was stored, if it is known.
    pub at: Option<DateTime<Utc>>,
    /// The name.
    pub name: VersionName,
    /// The content of the version as one Yjs v1 update.
    pub state: Vec<u8>,
}

/// A row without the content.
#[derive(FromQueryResult)]
struct NamedVersionRow {
    document_id: Uuid,
    version: i64,
    name: String,
    named_by: Option<Uuid>,
    named_at: DateTime<Utc>,
}

impl NamedVersionRow {
    fn into_named(self) -> (DocumentId, NamedVersion) {
        let named = NamedVersion {
            version: Version::new(self.version),
            name: self.name.into(),
            named_by: self.named_by.map(UserId::from),
            named_at: self.named_at,
        };
        (self.document_id.into(), named)
    }
}

impl Store {
    /// Returns the named versions of documents, newest version first, at most 100 of each. A document without any has no entry. The
    /// caller checks whether the viewer may see them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_named_versions(
        &self,
        documents: impl IntoIterator<Item = DocumentId>,
    ) -> Result<HashMap<DocumentId, Vec<NamedVersion>>, StoreError> {
        let ids = documents.into_iter().map(DocumentId::uuid);
        let rows = named_version::Entity::find()
            .select_only()
            .columns(SHOWN)
            .filter(named_version::Column::DocumentId.is_in(ids))
            .order_by_desc(named_version::Column::Version)
            .into_model::<NamedVersionRow>()
            .all(&self.readers)
            .await?;
        let mut found: HashMap<DocumentId, Vec<NamedVersion>> = HashMap::new();
        for (document, named) in rows.into_iter().map(NamedVersionRow::into_named) {
            found.entry(document).or_default().push(named);
        }
        Ok(found)
    }

    /// Returns the versions that a user has named in documents that are not deleted: in at most `limit` documents, in the order of
    /// their ids, beginning behind the document `after`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn list_versions_named_by(
        &self,
        user: UserId,
        after: Option<DocumentId>,
        limit: u64,
    ) -> Result<Vec<(DocumentId, NamedVersion)>, StoreError> {
        use named_version::Column::{DocumentId as Document, NamedBy, Version};
        let live = document::Entity::find()
            .select_only()
            .column(document::Column::Id)
            .filter(document::Column::DeletedAt.is_null())
            .into_query();
        let mut next = named_version::Entity::find()
            .select_only()
            .column(Document)
            .distinct()
            .filter(NamedBy.eq(user.uuid()))
            .filter(Document.in_subquery(live))
            .order_by_asc(Document)
            .limit(limit);
        if let Some(after) = after {
            next = next.filter(Document.gt(after.uuid()));
        }
        let next: Vec<Uuid> = next.into_tuple().all(&self.readers).await?;
        let rows = named_version::Entity::find()
            .select_only()
            .columns(SHOWN)
            .filter(NamedBy.eq(user.uuid()))
            .filter(Document.is_in(next))
            .order_by_asc(Document)
            .order_by_asc(Version)
            .into_model::<NamedVersionRow>()
            .all(&self.readers)
            .await?;
        Ok(rows.into_iter().map(NamedVersionRow::into_named).collect())
    }

    /// Returns whether a version of a document has a name. The caller checks whether the viewer may see it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn is_named(
        &self,
        document: DocumentId,
        version: Version,
    ) -> Result<bool, StoreError> {
        let found = self.find_named_content(document, version, 0).await?;
        Ok(found.is_some())
    }

    /// Returns the content of a named version, which is read only if it has at most `max_bytes` bytes. `None` if the version has no
    /// name, or the document was deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_named_content(
        &self,
        document: DocumentId,
        version: Version,
        max_bytes: usize,
    ) -> Result<Option<FoundSnapshot>, StoreError> {
        let state = || named_version::Column::State.into_expr();
        let row: Option<(i64, Option<Vec<u8>>)> = select(document, version)
            .select_only()
            .expr(size_of_column(state()))
            .expr(if_small(state(), max_bytes))
            .filter(is_kept(named_version::Column::DocumentId, document))
            .into_tuple()
            .one(&self.readers)
            .await?;
        Ok(row.map(|(bytes, state)| match state {
            Some(state) => FoundSnapshot::Whole(whole(version.number(), SnapshotState::Yjs(state))),
            None => FoundSnapshot::TooLarge { bytes: usize::try_from(bytes).unwrap_or(usize::MAX) },
        }))
    }

    /// Gives a version a name, or another one. It stays readable and restorable until it has no name any more.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` may not edit the document, or it no longer has the version. [`StoreError::OverQuota`],
    /// [`StoreError::TooManyNamed`], [`StoreError::NotNamer`] if another user has named it, [`StoreError::Busy`].
    pub async fn name_version(&self, new: NewNamedVersion) -> Result<NamedVersion, StoreError> {
        let NewNamedVersion { actor, document, version, at, name, state } = new;
        let now = rows::now();
        self.write(Party::User(actor), async {
            let txn = self.begin().await?;
            let editor = check_editor(&txn, document, actor).await?;
            if !has_version(&txn, document, version, at).await? {
                return Err(StoreError::Denied);
            }
            let before = find_present_name(&txn, document, version).await?;
            let length = name.as_str().len();
            let bytes = match &before {
                Some(before) if !editor.may_change(before) => return Err(StoreError::NotNamer),
                Some(before) => signed(length as u64) - signed(before.name.len() as u64),
                None => signed(row_bytes([length, state.len()])),
            };
            let counted = CountedBytes { owner: editor.owner, bytes };
            let wanted = WantedBytes { counted, lengthens: true };
            let (reserved, admitted) = self.quotas.reserve(&txn, &[wanted]).await?;
            admitted.into_iter().collect::<Result<(), _>>()?;
            match before {
                Some(_) => rename(&txn, document, version, (&name, actor, now)).await?,
                None => {
                    check_count(&txn, document).await?;
                    let row = named_version::ActiveModel {
                        document_id: Set(document.uuid()),
                        version: Set(version.number()),
                        name: Set(name.as_str().to_owned()),
                        named_by: Set(Some(actor.uuid())),
                        named_at: Set(now),
                        state: Set(state),
                    };
                    named_version::Entity::insert(row).exec_without_returning(&txn).await?;
                }
            }
            count_bytes(&txn, [(document, bytes)]).await?;
            txn.commit().await?;
            reserved.keep();
            self.quotas.charge([(actor, Ord::max(bytes, 0).unsigned_abs())]);
            let name = name.as_str().into();
            Ok(NamedVersion { version, name, named_by: Some(actor), named_at: now })
        })
        .await
    }

    /// Removes the name of a version, which is then kept like any other. Returns false if it has none.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` may not edit the document, [`StoreError::NotNamer`] if another user has named the version,
    /// [`StoreError::Busy`].
    pub async fn unname_version(
        &self,
        actor: UserId,
        document: DocumentId,
        version: Version,
    ) -> Result<bool, StoreError> {
        self.write(Party::User(actor), async {
            let txn = self.begin().await?;
            let editor = check_editor(&txn, document, actor).await?;
            let Some(present) = find_present_name(&txn, document, version).await? else {
                return Ok(false);
            };
            if !editor.may_change(&present) {
                return Err(StoreError::NotNamer);
            }
            let is_this = named_version::Column::Version.eq(version.number());
            let freed = delete_named_where(&txn, document, is_this).await?;
            let counted = count_bytes(&txn, [(document, freed)]).await?;
            txn.commit().await?;
            self.quotas.note(counted);
            Ok(freed != 0)
        })
        .await
    }
}

/// The columns that are shown: all but the content.
const SHOWN: [named_version::Column; 5] = {
    use named_version::Column::{DocumentId, Name, NamedAt, NamedBy, Version};
    [DocumentId, Version, Name, NamedBy, NamedAt]
};

fn select(document: DocumentId, version: Version) -> Select<named_version::Entity> {
    named_version::Entity::find_by_id((document.uuid(), version.number()))
}

/// A user who may edit a document.
struct DocumentEditor {
    user: UserId,
    level: AccessLevel,
    /// The owner of the document, who pays for it.
    owner: Uuid,
}

impl DocumentEditor {
    /// Whether they may change or remove the name of a version.
    fn may_change(&self, present: &PresentName) -> bool {
        self.level.allows(AccessLevel::Owner) || present.named_by == Some(self.user.uuid())
    }
}

/// Locks a document and checks that a user may edit it.
async fn check_editor(
    txn: &DatabaseTransaction,
    document: DocumentId,
    actor: UserId,
) -> Result<DocumentEditor, StoreError> {
    let state = AccessState::load(txn, document, actor, actor).await?;
    let level = state.actor_level(actor).ok_or(StoreError::Denied)?;
    match level.allows(AccessLevel::Edit) {
        true => Ok(DocumentEditor { user: actor, level, owner: state.owner() }),
        false => Err(StoreError::Denied),
    }
}

/// The name that a version has.
#[derive(FromQueryResult)]
struct PresentName {
    name: String,
    named_by: Option<Uuid>,
}

async fn find_present_name(
    txn: &DatabaseTransaction,
    document: DocumentId,
    version: Version,
) -> Result<Option<PresentName>, StoreError> {
    let name = select(document, version)
        .select_only()
        .columns([named_version::Column::Name, named_version::Column::NamedBy])
        .into_model::<PresentName>()
        .one(txn)
        .await?;
    Ok(name)
}

/// Checks that a document may have one more named version.
async fn check_count(txn: &DatabaseTransaction, document: DocumentId) -> Result<(), StoreError> {
    let count = named_version::Entity::find()
        .filter(named_version::Column::DocumentId.eq(document.uuid()))
        .count(txn)
        .await?;
    if count < MAX_NAMED { Ok(()) } else { Err(StoreError::TooManyNamed) }
}

async fn rename(
    txn: &DatabaseTransaction,
    document: DocumentId,
    version: Version,
    (name, by, at): (&VersionName, UserId, DateTime<Utc>),
) -> Result<(), StoreError> {
    use named_version::Column::{DocumentId as Document, Name, NamedAt, NamedBy, Version as At};
    named_version::Entity::update_many()
        .col_expr(Name, Expr::value(name.as_str()))
        .col_expr(NamedBy, Expr::value(Some(by.uuid())))
        .col_expr(NamedAt, Expr::value(at))
        .filter(Document.eq(document.uuid()))
        .filter(At.eq(version.number()))
        .exec(txn)
        .await?;
    Ok(())
}

/// Deletes the named versions of a document that meet a condition. Returns the negative of what they took.
pub(super) async fn delete_named_where(
    txn: &DatabaseTransaction,
    document: DocumentId,
    condition: Expr,
) -> Result<i64, StoreError> {
    use named_version::Column::{DocumentId, Name, State};
    let delete = Query::delete()
        .from_table(named_version::Entity)
        .and_where(DocumentId.eq(document.uuid()))
        .and_where(condition)
        .to_owned();
    let freed =
        delete_counted::<named_version::Entity>(txn, delete, DocumentId, &[Name, State]).await?;
    Ok(freed.values().sum())
}

/// Removes a user as the one who named versions.
pub(super) async fn forget_namer(
    txn: &DatabaseTransaction,
    user: UserId,
) -> Result<(), StoreError> {
    use named_version::Column::NamedBy;
    named_version::Entity::update_many()
        .col_expr(NamedBy, Expr::value(Option::<Uuid>::None))
        .filter(NamedBy.eq(user.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}

#[cfg(test)]
#[path = "named_versions_tests.rs"]
mod tests;
