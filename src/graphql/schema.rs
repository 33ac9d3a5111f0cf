//! Builds the schema from its roots.

use std::sync::Arc;

use async_graphql::{SDLExportOptions, Schema as AsyncSchema};

use super::{
    Api, answer::Metering, mutation::Mutation, query::Query, subscription::SubscriptionRoot,
    validation::reuse::ReusedValidation,
};

/// The schema that operations run against.
pub type Schema = AsyncSchema<Query, Mutation, SubscriptionRoot>;

/// The schema, built for each of its purposes. Both have the configured bounds of depth and complexity.
pub(super) struct Schemas {
    /// Runs queries and mutations, and counts the values of their answers.
    pub(super) operations: Schema,
    /// Admits subscribers and renders their events, which a room must have at once.
    pub(super) events: Schema,
}

impl Schemas {
    /// Builds the schema over the parts of a node.
    pub(super) fn new(api: &Arc<Api>) -> Self {
        let limits = &api.limits;
        let build = || {
            AsyncSchema::build(Query::default(), Mutation::default(), SubscriptionRoot)
                .limit_depth(limits.operation_depth)
                .limit_complexity(limits.operation_complexity)
                // A suggestion takes the length of a name times those of all fields of its type.
                .disable_suggestions()
                .data(Arc::clone(api))
                .extension(ReusedValidation)
        };
        Self { operations: build().extension(Metering).finish(), events: build().finish() }
    }
}

/// Returns the schema in the schema definition language, as `coscribe schema` prints it.
#[must_use]
pub fn sdl() -> String {
    let schema =
        AsyncSchema::build(Query::default(), Mutation::default(), SubscriptionRoot).finish();
    let options = SDLExportOptions::new().sorted_fields().sorted_enum_items();
    schema.sdl_with_options(options.include_specified_by())
}
