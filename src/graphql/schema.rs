//! Builds the schema from its roots.

use std::sync::Arc;

use async_graphql::{SDLExportOptions, Schema as AsyncSchema};

use super::{Api, mutation::Mutation, query::Query, subscription::SubscriptionRoot};

/// The schema that operations run against.
pub type Schema = AsyncSchema<Query, Mutation, SubscriptionRoot>;

/// Builds the schema over the parts of a node, with the configured bounds of depth and complexity.
pub(super) fn build(api: Arc<Api>) -> Schema {
    let limits = &api.limits;
    AsyncSchema::build(Query::default(), Mutation::default(), SubscriptionRoot)
        .limit_depth(limits.operation_depth)
        .limit_complexity(limits.operation_complexity)
        .data(api)
        .finish()
}

/// Returns the schema in the schema definition language, as `coscribe schema` prints it.
#[must_use]
pub fn sdl() -> String {
    let schema =
        AsyncSchema::build(Query::default(), Mutation::default(), SubscriptionRoot).finish();
    schema.sdl_with_options(SDLExportOptions::new().sorted_fields().sorted_enum_items())
}
