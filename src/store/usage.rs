//! What the documents of owners take, as the database counts it: how many there are, and their bytes.

use std::collections::HashMap;

use entity::{document, document_bin};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter,
    QuerySelect, QueryTrait as _, Select,
    sea_query::{Asterisk, Expr, ExprTrait, Func},
};
use uuid::Uuid;

use super::{StoreError, bin::select_binned};
use crate::domain::UserId;

/// Returns the number of documents of an owner, and the bytes that they take, those in the bin included.
pub(super) async fn read_usage(
    connection: &impl ConnectionTrait,
    owner: UserId,
) -> Result<(u64, u64), StoreError> {
    let mut usage = (0_u64, 0_u64);
    for select in [select_usage(owner), select_usage_of_bin(owner)] {
        let row: Option<(i64, i64)> = select.into_tuple().one(connection).await?;
        let (documents, bytes) = row.unwrap_or_default();
        usage.0 = usage.0.saturating_add(documents.unsigned_abs());
        usage.1 = usage.1.saturating_add(bytes.unsigned_abs());
    }
    Ok(usage)
}

/// Selects the number of documents of an owner that are not deleted, and the bytes that they take.
pub(super) fn select_usage(owner: UserId) -> Select<document::Entity> {
    document::Entity::find()
        .select_only()
        .expr(Func::count(Expr::col(Asterisk)))
        .expr(sum_of_bytes())
        .filter(document::Column::OwnerId.eq(owner.uuid()))
        .filter(document::Column::DeletedAt.is_null())
}

/// Selects the number of documents in the bin of an owner, and the bytes that they take.
fn select_usage_of_bin(owner: UserId) -> Select<document::Entity> {
    document::Entity::find()
        .select_only()
        .expr(Func::count(Expr::col(Asterisk)))
        .expr(sum_of_bytes())
        .filter(document::Column::Id.in_subquery(select_binned(owner)))
}

/// Returns the number of documents of an owner, those in the bin included.
pub(super) async fn count_documents(
    txn: &DatabaseTransaction,
    owner: UserId,
) -> Result<u64, StoreError> {
    // The owner alone, so that the index suffices.
    let documents = document::Entity::find()
        .select_only()
        .column(document::Column::OwnerId)
        .filter(document::Column::OwnerId.eq(owner.uuid()))
        .filter(document::Column::DeletedAt.is_null())
        .count(txn)
        .await?;
    let in_bin = document_bin::Entity::find()
        .filter(document_bin::Column::OwnerId.eq(owner.uuid()))
        .count(txn)
        .await?;
    Ok(documents.saturating_add(in_bin))
}

/// Returns the bytes that the documents of owners take, those in their bins included, by owner. An owner without documents is missing.
pub(super) async fn read_bytes(
    txn: &DatabaseTransaction,
    owners: &[Uuid],
) -> Result<HashMap<Uuid, i64>, StoreError> {
    let sums: Vec<(Uuid, i64)> = document::Entity::find()
        .select_only()
        .column(document::Column::OwnerId)
        .expr(sum_of_bytes())
        .filter(document::Column::DeletedAt.is_null())
        .filter(document::Column::OwnerId.is_in(owners.iter().copied()))
        .group_by(document::Column::OwnerId)
        .into_tuple()
        .all(txn)
        .await?;
    let binned: Vec<(Uuid, i64)> = select_bytes_in_bins(owners).into_tuple().all(txn).await?;
    let mut sums: HashMap<Uuid, i64> = sums.into_iter().collect();
    for (owner, bytes) in binned {
        let sum = sums.entry(owner).or_default();
        *sum = sum.saturating_add(bytes);
    }
    Ok(sums)
}

/// Selects owners with the bytes that the documents in their bins take.
fn select_bytes_in_bins(owners: &[Uuid]) -> Select<document::Entity> {
    let binned = document_bin::Entity::find()
        .select_only()
        .column(document_bin::Column::DocumentId)
        .filter(document_bin::Column::OwnerId.is_in(owners.iter().copied()))
        .into_query();
    document::Entity::find()
        .select_only()
        .column(document::Column::OwnerId)
        .expr(sum_of_bytes())
        .filter(document::Column::Id.in_subquery(binned))
        .group_by(document::Column::OwnerId)
}

fn sum_of_bytes() -> Expr {
    let sum = Func::coalesce([document::Column::StoredBytes.sum(), Expr::val(0)]);
    // In PostgreSQL, the sum is a decimal number.
    Expr::from(sum).cast_as("bigint")
}
