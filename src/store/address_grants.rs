//! Grants to e-mail addresses ([ADR 53](../../docs/adr/0053-grants-to-addresses.md)).
//!
//! The answer to such a grant, and what others see of it, are the same whether the address has an account or not. Until
//! its user accepts it, a *stand-in* is shown in their place: its name is the address, and its id is that of this
//! grant.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entity::{address_grant, document, document_access, user_block};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait as _,
    QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    AcceptedAddress, Grant, GrantOutcome, LinkRefused, Store, StoreError,
    access_changes::increment_access_versions,
    access_state::AccessState,
    derived_ids::{derived_id, is_derived},
    document_lock::lock_documents,
    rows,
};
use crate::domain::{Collaborator, DocumentId, Email, Party, User, UserId};

/// The most addresses without an account to which access to a document is granted.
pub(super) const MAX_ADDRESSES: u64 = 200;

/// The most grants that an account takes over at a time.
const TAKEN_OVER_AT_ONCE: u64 = 1_000;

/// The most grants that are deleted at a time.
const DELETED_AT_ONCE: u64 = 200;

/// What a grant to an address has done.
#[derive(Debug, Clone, PartialEq)]
pub struct AddressGrantOutcome {
    /// The stand-in of the user, and their level.
    pub collaborator: Collaborator,
    /// The user who has access now, if the address is known to be one's.
    pub granted: Option<(UserId, GrantOutcome)>,
}

/// What the id of a collaborator names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedCollaborator {
    /// A user.
    User(UserId),
    /// An address that is nobody's yet.
    Address(String),
}

impl Store {
    /// Grants the user of an address a level until `ends_at`, or until it is revoked. If the address is not known to be
    /// a user's, it is kept until it is.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` neither owns the document nor was granted owner access, [`StoreError::Busy`].
    pub async fn grant_to_address(
        &self,
        actor: UserId,
        document: DocumentId,
        email: &Email,
        grant: Grant,
        accepted: AcceptedAddress,
    ) -> Result<AddressGrantOutcome, StoreError> {
        let account = self.find_account_by_email(email, accepted).await?;
        if let Some(account) = account {
            match self.grant_as(actor, document, account.id, grant, Some(email)).await {
                Ok(granted) => {
                    let collaborator = Collaborator {
                        user: stand_in(document, email.as_str()),
                        address: Some(email.as_str().into()),
                        ..granted.collaborator.clone()
                    };
                    let granted = Some((account.id, granted));
                    return Ok(AddressGrantOutcome { collaborator, granted });
                }
                // What keeps this user from it must not be told.
                Err(
                    StoreError::OwnerKeepsAccess
                    | StoreError::NoSuchUser
                    | StoreError::Blocked
                    | StoreError::Link(LinkRefused::TargetIsGuest),
                ) => {}
                Err(error) => return Err(error),
            }
        }
        let collaborator = self.keep_for_address(actor, document, email, grant).await?;
        Ok(AddressGrantOutcome { collaborator, granted: None })
    }

    async fn keep_for_address(
        &self,
        actor: UserId,
        document: DocumentId,
        email: &Email,
        grant: Grant,
    ) -> Result<Collaborator, StoreError> {
        use address_grant::Column;
        self.write(Party::User(actor), async {
            let txn = self.begin().await?;
            let state = AccessState::load(&txn, document, actor, actor).await?;
            let ends_at = state.end_of_grant(actor, grant.ends_at)?;
            let is_bounded = state.end_of_grant(actor, None)?.is_some();
            let key = (document.uuid(), email.as_str().to_owned());
            let known = address_grant::Entity::find_by_id(key).one(&txn).await?;
            if known.is_none() {
                check_address_count(&txn, document).await?;
            }
            let level = rows::stored_level(grant.level);
            // As with users: one whose own access ends cannot shorten what another has granted.
            let lasts = |known: &address_grant::Model| {
                let longer = known.ends_at.is_none_or(|at| ends_at.is_some_and(|new| at >= new));
                known.ends_at == ends_at || (is_bounded && longer)
            };
            let same = known.filter(|known| known.level == level && lasts(known));
            let (granted_at, ends_at) =
                same.map_or_else(|| (rows::now(), ends_at), |same| (same.granted_at, same.ends_at));
            let row = address_grant::ActiveModel {
                document_id: Set(document.uuid()),
                email: Set(email.as_str().to_owned()),
                level: Set(level),
                granted_by: Set(actor.uuid()),
                granted_at: Set(granted_at),
                ends_at: Set(ends_at),
            };
            let replace = OnConflict::columns([Column::DocumentId, Column::Email])
                .update_columns([
                    Column::Level,
                    Column::GrantedBy,
                    Column::GrantedAt,
                    Column::EndsAt,
                ])
                .to_owned();
            let insert = address_grant::Entity::insert(row).on_conflict(replace);
            insert.exec_without_returning(&txn).await?;
            txn.commit().await?;
            let user = stand_in(document, email.as_str());
            let address = Some(email.as_str().into());
            Ok(Collaborator { user, address, level: grant.level, granted_at, ends_at })
        })
        .await
    }

    /// Returns what the id of a collaborator of a document names: a user, or what stands in for one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn find_collaborator(
        &self,
        document: DocumentId,
        id: UserId,
    ) -> Result<NamedCollaborator, StoreError> {
        // Real users have ids of other versions.
        if !is_derived(id.uuid()) {
            return Ok(NamedCollaborator::User(id));
        }
        let is_named = |email: &str| stand_in(document, email).id == id;
        let granted: Vec<(Uuid, String)> = document_access::Entity::find()
            .select_only()
            .columns([document_access::Column::UserId, document_access::Column::Email])
            .filter(document_access::Column::DocumentId.eq(document.uuid()))
            .filter(document_access::Column::Email.is_not_null())
            .into_tuple()
            .all(&self.readers)
            .await?;
        if let Some((user, _)) = granted.iter().find(|(_, email)| is_named(email)) {
            return Ok(NamedCollaborator::User((*user).into()));
        }
        let kept = self.list_addresses([document]).await?.remove(&document).unwrap_or_default();
        let kept = kept.into_iter().find(|one| one.user.id == id);
        Ok(match kept {
            Some(kept) => NamedCollaborator::Address((*kept.user.name).to_owned()),
            None => NamedCollaborator::User(id),
        })
    }

    /// Revokes what was granted to an address that is nobody's yet. Returns false if nothing was.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if `actor` may not revoke access, [`StoreError::Busy`].
    pub async fn revoke_from_address(
        &self,
        actor: UserId,
        document: DocumentId,
        email: &str,
    ) -> Result<bool, StoreError> {
        self.write(Party::User(actor), async {
            let txn = self.begin().await?;
            AccessState::load_for_owner(&txn, document, actor).await?;
            let key = (document.uuid(), email.to_owned());
            let deleted = address_grant::Entity::delete_by_id(key).exec(&txn).await?;
            txn.commit().await?;
            Ok(deleted.rows_affected > 0)
        })
        .await
    }

    /// Returns the stand-ins of the addresses to which access to these documents was granted and that are nobody's yet.
    pub(super) async fn list_addresses(
        &self,
        documents: impl IntoIterator<Item = DocumentId>,
    ) -> Result<HashMap<DocumentId, Vec<Collaborator>>, StoreError> {
        use address_grant::Column;
        let rows = address_grant::Entity::find()
            .filter(Column::DocumentId.is_in(documents.into_iter().map(DocumentId::uuid)))
            .filter(rows::has_not_ended(Column::EndsAt.into_expr()))
            .order_by_asc(Column::GrantedAt)
            .order_by_asc(Column::Email)
            .all(&self.readers)
            .await?;
        let mut found: HashMap<DocumentId, Vec<Collaborator>> = HashMap::new();
        for row in rows {
            let document = DocumentId::from(row.document_id);
            found.entry(document).or_default().push(Collaborator {
                user: stand_in(document, &row.email),
                address: Some(row.email.into()),
                level: rows::access_level(row.level),
                granted_at: row.granted_at,
                ends_at: row.ends_at,
            });
        }
        Ok(found)
    }

    /// Forgets some of the grants to addresses that have ended. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn forget_address_grants(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        use address_grant::Column;
        let ended: Vec<(Uuid, String)> = address_grant::Entity::find()
            .select_only()
            .columns([Column::DocumentId, Column::Email])
            .filter(Column::EndsAt.lte(now))
            .limit(DELETED_AT_ONCE)
            .into_tuple()
            .all(&self.readers)
            .await?;
        if ended.is_empty() {
            return Ok(0);
        }
        let delete = address_grant::Entity::delete_many()
            .filter(Column::DocumentId.is_in(ended.into_iter().map(|(document, _)| document)))
            .filter(Column::EndsAt.lte(now));
        let deleted =
            self.turns.write_patiently(Party::Node, delete.exec(&self.statements)).await??;
        Ok(deleted.rows_affected)
    }
}

/// Checks that access to a document may be granted to one more address without an account.
async fn check_address_count(
    txn: &DatabaseTransaction,
    document: DocumentId,
) -> Result<(), StoreError> {
    let of_document = address_grant::Column::DocumentId.eq(document.uuid());
    let count = address_grant::Entity::find().filter(of_document).count(txn).await?;
    if count < MAX_ADDRESSES { Ok(()) } else { Err(StoreError::TooManyAddresses) }
}

/// Returns the user who is shown in place of the one with an address. It is the same for the same document and address.
pub(super) fn stand_in(document: DocumentId, email: &str) -> User {
    let mut hash = Sha256::new();
    hash.update(document.uuid().as_bytes());
    hash.update(email);
    User { id: derived_id(hash).into(), name: email.into() }
}

/// Gives a user what was granted to their address before it was known to be theirs. Called in the transaction that
/// confirms it.
pub(super) async fn take_over_grants(
    txn: &DatabaseTransaction,
    email: &Email,
    user: UserId,
) -> Result<(), StoreError> {
    use address_grant::Column;
    let kept: Vec<address_grant::Model> = address_grant::Entity::find()
        .filter(Column::Email.eq(email.as_str()))
        .filter(rows::has_not_ended(Column::EndsAt.into_expr()))
        .limit(TAKEN_OVER_AT_ONCE)
        .all(txn)
        .await?;
    if kept.is_empty() {
        return Ok(());
    }
    let blocked: Vec<Uuid> = user_block::Entity::find()
        .select_only()
        .column(user_block::Column::BlockedId)
        .filter(user_block::Column::UserId.eq(user.uuid()))
        .into_tuple()
        .all(txn)
        .await?;
    lock_documents(txn, kept.iter().map(|row| row.document_id.into())).await?;
    let ids = kept.iter().map(|row| row.document_id);
    let owned: Vec<Uuid> = document::Entity::find()
        .select_only()
        .column(document::Column::Id)
        .filter(document::Column::Id.is_in(ids.clone()))
        .filter(document::Column::OwnerId.eq(user.uuid()))
        .into_tuple()
        .all(txn)
        .await?;
    let mut changed: BTreeSet<DocumentId> = BTreeSet::new();
    for row in &kept {
        if owned.contains(&row.document_id) || blocked.contains(&row.granted_by) {
            continue;
        }
        let grant = document_access::ActiveModel {
            document_id: Set(row.document_id),
            user_id: Set(user.uuid()),
            level: Set(row.level),
            granted_at: Set(row.granted_at),
            ends_at: Set(row.ends_at),
            email: Set(Some(row.email.clone())),
            granted_by: Set(Some(row.granted_by)),
            accepted_at: Set(None),
        };
        let inserted = document_access::Entity::insert(grant)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(txn)
            .await?;
        if inserted > 0 {
            changed.insert(row.document_id.into());
        }
    }
    address_grant::Entity::delete_many()
        .filter(Column::Email.eq(email.as_str()))
        .filter(Column::DocumentId.is_in(ids))
        .exec(txn)
        .await?;
    increment_access_versions(txn, changed).await
}
