//! Using invitations and links: accepting an invitation and opening a link.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{document, document_access, document_link, entitlement};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait as _},
};
use uuid::Uuid;

use super::{
    EntitlementSource, LinkRefused, LinkSecretHash, Store, StoreError, UserAccess,
    access::store_grant, access_changes::record_changes, document_lock::lock_documents,
    entitlements::set_levels, guests::check_not_guest, link_bars::check_not_barred,
    links::usable_links, ownership::lock_account, rows,
};
use crate::domain::{DocumentId, LinkId, Party, UserId};

/// Names a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKey {
    /// The hash of its secret.
    Secret(LinkSecretHash),
    /// The document, which is public.
    Public(DocumentId),
}

/// What the use of a link has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkUse {
    /// The document.
    pub document: DocumentId,
    /// The access of the user, if it has changed.
    pub changed: Vec<UserAccess>,
}

impl Store {
    /// Grants a user what an invitation gives, which counts as one of its uses. Changes nothing for a user who has as
    /// much already.
    ///
    /// # Errors
    /// [`LinkRefused::Unknown`], [`LinkRefused::NotForGuests`], [`StoreError::Busy`].
    pub async fn accept_invitation(
        &self,
        user: UserId,
        secret: LinkSecretHash,
    ) -> Result<LinkUse, StoreError> {
        let document = self.find_linked(LinkKey::Secret(secret)).await?;
        self.write(Party::User(user), async {
            let txn = self.begin().await?;
            lock_account(&txn, user).await?;
            let (link, owner) = lock_link(&txn, document, LinkKey::Secret(secret)).await?;
            check_user(&txn, user, document).await?;
            if link.kind != document_link::Kind::Invitation {
                return Err(LinkRefused::Unknown.into());
            }
            let has = document_access::Entity::find_by_id((document.uuid(), user.uuid()));
            let has = has.one(&txn).await?.filter(|grant| is_enough(grant, &link));
            if has.is_some() || owner == user.uuid() {
                return Ok(LinkUse { document, changed: vec![] });
            }
            let left = document_link::Column::UsesLeft;
            document_link::Entity::update_many()
                .col_expr(left, Expr::col(left).sub(1))
                .filter(document_link::Column::Id.eq(link.id))
                .filter(left.is_not_null())
                .exec(&txn)
                .await?;
            let row = document_access::ActiveModel {
                document_id: Set(document.uuid()),
                user_id: Set(user.uuid()),
                level: Set(link.level),
                granted_at: Set(rows::now()),
                ends_at: Set(link.access_ends_at),
                email: Set(None),
                granted_by: Set(link.created_by),
                accepted_at: Set(Some(rows::now())),
            };
            // One that was not accepted is replaced by one that is.
            document_access::Entity::delete_by_id((document.uuid(), user.uuid()))
                .exec(&txn)
                .await?;
            store_grant(&txn, row).await?;
            let changed = record_changes(&txn, &[(document, user)].into()).await?;
            txn.commit().await?;
            Ok(LinkUse { document, changed })
        })
        .await
    }

    /// Entitles a user to what a link gives, until it ends.
    ///
    /// # Errors
    /// [`LinkRefused::Unknown`], [`LinkRefused::NotForGuests`], [`StoreError::Busy`].
    pub async fn open_link(&self, user: UserId, key: LinkKey) -> Result<LinkUse, StoreError> {
        let document = self.find_linked(key).await?;
        self.write(Party::User(user), async {
            let txn = self.begin().await?;
            lock_account(&txn, user).await?;
            let (link, owner) = lock_link(&txn, document, key).await?;
            check_user(&txn, user, document).await?;
            if link.kind == document_link::Kind::Invitation {
                return Err(LinkRefused::Unknown.into());
            }
            if owner == user.uuid() {
                return Ok(LinkUse { document, changed: vec![] });
            }
            let changed = entitle(&txn, user, &link, link.ends_at).await?;
            txn.commit().await?;
            Ok(LinkUse { document, changed })
        })
        .await
    }

    /// Returns the document of a link that can be used.
    pub(super) async fn find_linked(&self, key: LinkKey) -> Result<DocumentId, StoreError> {
        let links = match key {
            LinkKey::Secret(secret) => document_link::Entity::find()
                .filter(document_link::Column::SecretHash.eq(Vec::from(secret))),
            // A document that is not public is not locked.
            LinkKey::Public(document) => usable_links(document)
                .filter(document_link::Column::Kind.eq(document_link::Kind::Public)),
        };
        let document: Option<Uuid> = links
            .select_only()
            .column(document_link::Column::DocumentId)
            .into_tuple()
            .one(&self.readers)
            .await?;
        document.map(DocumentId::from).ok_or_else(|| LinkRefused::Unknown.into())
    }
}

/// Locks a document, so that its links neither change nor end, and returns the link and the owner.
pub(super) async fn lock_link(
    txn: &DatabaseTransaction,
    document: DocumentId,
    key: LinkKey,
) -> Result<(document_link::Model, Uuid), StoreError> {
    lock_documents(txn, [document]).await?;
    let is_named = match key {
        LinkKey::Secret(secret) => document_link::Column::SecretHash.eq(Vec::from(secret)),
        LinkKey::Public(_) => document_link::Column::Kind.eq(document_link::Kind::Public),
    };
    let link = usable_links(document).filter(is_named).one(txn).await?;
    let owner: Option<Uuid> = document::Entity::find_by_id(document.uuid())
        .select_only()
        .column(document::Column::OwnerId)
        .filter(document::Column::DeletedAt.is_null())
        .into_tuple()
        .one(txn)
        .await?;
    link.zip(owner).ok_or_else(|| LinkRefused::Unknown.into())
}

/// Checks that a user may use links to a document: they are no guest, and no owner has removed them from it.
async fn check_user(
    txn: &DatabaseTransaction,
    user: UserId,
    document: DocumentId,
) -> Result<(), StoreError> {
    check_not_guest(txn, user, LinkRefused::NotForGuests).await?;
    check_not_barred(txn, document, user).await
}

/// Whether a grant gives as much as an invitation.
fn is_enough(grant: &document_access::Model, link: &document_link::Model) -> bool {
    let lasts = match (grant.ends_at, link.access_ends_at) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(has), Some(gets)) => has >= gets,
    };
    grant.level as i16 >= link.level as i16 && lasts
        || grant.level as i16 > link.level as i16 && grant.ends_at.is_none_or(|at| at > rows::now())
}

/// Entitles a user to what a link gives, until `ends_at`. Returns their access if it has changed.
pub(super) async fn entitle(
    txn: &DatabaseTransaction,
    user: UserId,
    link: &document_link::Model,
    ends_at: Option<DateTime<Utc>>,
) -> Result<Vec<UserAccess>, StoreError> {
    let levels = BTreeMap::from([(link.document_id.into(), Some(rows::access_level(link.level)))]);
    let source = EntitlementSource::Link(LinkId::from(link.id));
    set_levels(txn, user, source, &levels, ends_at).await
}

/// Ends what links have given a user on a document. Returns whether they gave anything.
pub(super) async fn end_by_links(
    txn: &DatabaseTransaction,
    document: DocumentId,
    user: UserId,
) -> Result<bool, StoreError> {
    use entitlement::Column;
    let deleted = entitlement::Entity::delete_many()
        .filter(Column::DocumentId.eq(document.uuid()))
        .filter(Column::UserId.eq(user.uuid()))
        .filter(Column::Kind.eq(entitlement::Kind::Link))
        .exec(txn)
        .await?;
    Ok(deleted.rows_affected > 0)
}
