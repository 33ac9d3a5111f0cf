//! Counting what the rows of a document take: `document.stored_bytes`.
//!
//! A row counts as the bytes of its text and binary values and [`ROW_BYTES`] more. Every transaction that inserts or
//! deletes rows of a document holds the document's lock and updates the counter, so reading the log is never necessary. A
//! tombstone counts 0, a document in a bin as much as before.
//!
//! Invariant: the counter of a document equals what migration 8 would count, and what its metadata, its named versions and the
//! texts beside its snapshots take.

use std::collections::HashMap;

use entity::document;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryResult,
    sea_query::{DeleteStatement, Expr, ExprTrait, Func, IntoValueTuple, Query, TableRef},
};
use uuid::Uuid;

use super::{StoreError, bin::is_binned};
use crate::domain::DocumentId;

/// What a row takes besides its texts: ids, times, and its entries in indexes.
pub(super) const ROW_BYTES: u64 = 256;

/// Returns what a row with these texts or binary values takes.
pub(super) fn row_bytes(values: impl IntoIterator<Item = usize>) -> u64 {
    values.into_iter().fold(ROW_BYTES, |bytes, value| bytes.saturating_add(value as u64))
}

/// Converts a number of bytes for the database.
pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A change of a document's counter, to be noted in the total of its owner when the transaction is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CountedBytes {
    pub(super) owner: Uuid,
    pub(super) bytes: i64,
}

impl CountedBytes {
    /// Returns the opposite: these bytes are gone.
    pub(super) fn freed(self) -> Self {
        Self { bytes: self.bytes.saturating_neg(), ..self }
    }
}

/// Adds to the counters of documents, which the transaction has locked, in one statement. Negative numbers subtract; a
/// counter never falls below 0.
pub(super) async fn count_bytes(
    txn: &DatabaseTransaction,
    bytes: impl IntoIterator<Item = (DocumentId, i64)>,
) -> Result<Vec<CountedBytes>, StoreError> {
    use document::Column::{DeletedAt, Id, OwnerId, StoredBytes};
    let added: HashMap<Uuid, i64> =
        bytes.into_iter().filter(|(_, bytes)| *bytes != 0).map(|(id, b)| (id.uuid(), b)).collect();
    if added.is_empty() {
        return Ok(Vec::new());
    }
    // Both databases name the columns of a list of values `column1`, `column2` and so on.
    let added_column = |number: u8| Expr::col(("added", format!("column{number}")));
    let own_column = |column: document::Column| Expr::col((document::Entity, column));
    let sum = || own_column(StoredBytes).add(added_column(2));
    let values = added.iter().map(|(id, bytes)| (*id, *bytes).into_value_tuple()).collect();
    let returned = [(Id, "id"), (OwnerId, "owner")];
    let update = Query::update()
        .table(document::Entity)
        .from(TableRef::ValuesList(values, "added".into()))
        .value(StoredBytes, Expr::case(sum().gt(0), sum()).finally(0))
        .and_where(own_column(Id).eq(added_column(1)))
        .and_where(own_column(DeletedAt).is_null().or(is_binned()))
        .returning(Query::returning().exprs(returned.map(|(column, _)| own_column(column))))
        .to_owned();
    let rows = txn.query_all(&update).await?;
    let counted = |row: QueryResult| -> Result<CountedBytes, StoreError> {
        let (id, owner): (Uuid, Uuid) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        Ok(CountedBytes { owner, bytes: added.get(&id).copied().unwrap_or_default() })
    };
    rows.into_iter().map(counted).collect()
}

/// Returns what a row takes of which these are the texts and binary values. The database need not read them for that.
pub(super) fn counted_row(values: &[impl ColumnTrait]) -> Expr {
    let size = |column: &_| {
        let size = Expr::from(Func::cust("octet_length").arg(Expr::col(*column)));
        // In PostgreSQL, `octet_length` is a 32-bit integer.
        Expr::from(Func::coalesce([size, Expr::val(0)])).cast_as("bigint")
    };
    let row = Expr::val(signed(ROW_BYTES)).cast_as("bigint");
    values.iter().fold(row, |sum, column| sum.add(size(column)))
}

/// Deletes rows and returns what they took, by document. `values` are the columns that count.
pub(super) async fn delete_counted<E: EntityTrait>(
    txn: &DatabaseTransaction,
    mut delete: DeleteStatement,
    document: E::Column,
    values: &[E::Column],
) -> Result<HashMap<DocumentId, i64>, StoreError> {
    delete.returning(Query::returning().exprs([Expr::col(document), counted_row(values)]));
    let mut deleted = HashMap::new();
    for row in txn.query_all(&delete).await? {
        let (document, bytes): (Uuid, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        *deleted.entry(document.into()).or_default() -= bytes;
    }
    Ok(deleted)
}
