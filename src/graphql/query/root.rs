//! The root of all queries, merged from one object per subject.

use async_graphql::MergedObject;

use super::{
    accounts::AccountQueries, documents::DocumentQueries, groups::GroupQueries,
    history::HistoryQueries, links::LinkQueries, nodes::NodeQueries, versions::VersionQueries,
};

/// The root of all queries.
#[derive(MergedObject, Default)]
pub struct Query(
    AccountQueries,
    DocumentQueries,
    HistoryQueries,
    VersionQueries,
    LinkQueries,
    GroupQueries,
    NodeQueries,
);
