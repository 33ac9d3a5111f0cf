//! Counts the values of an answer while its resolvers run.

use std::sync::Arc;

use async_graphql::{
    ServerResult, Value,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo},
};
use async_trait::async_trait;

use super::AnswerBudget;

/// Spends the [`AnswerBudget`] of a request for every field and every entry of a list, also those of introspection. When it
/// is exhausted, the other fields are null; the engine then refuses the whole operation.
pub(in crate::graphql) struct Metering;

impl ExtensionFactory for Metering {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Meter)
    }
}

struct Meter;

#[async_trait]
impl Extension for Meter {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let Some(budget) = ctx.data_opt::<Arc<AnswerBudget>>() else {
            return next.run(ctx, info).await;
        };
        budget.turn().take().await;
        // A key, its quotes, a colon and a comma.
        let key = info.alias.unwrap_or(info.name).len() + 4;
        if budget.spend_values(1).and_then(|()| budget.spend_bytes(key)).is_err() {
            return Ok(Some(Value::Null));
        }
        let value = next.run(ctx, info).await?;
        let spent = match &value {
            Some(Value::String(text)) => budget.spend_bytes(text.len()),
            // The library resolves `__typename` without asking extensions.
            Some(Value::Object(fields)) => budget.spend_values(fields.len()),
            _ => Ok(()),
        };
        if spent.is_ok() { Ok(value) } else { Ok(Some(Value::Null)) }
    }
}
