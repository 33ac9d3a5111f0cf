//! The turns of resolvers that read from the database.

use async_graphql::Context;

use super::{
    ApiError,
    caller::{api, caller},
};

/// Reads from the database when it is the turn of the caller of `ctx`. What takes a turn by itself, as checks of access do,
/// must not be read in here.
///
/// # Errors
/// Reading failed, or the caller had no turn in time.
pub(super) async fn read<T, E>(
    ctx: &Context<'_>,
    reading: impl Future<Output = Result<T, E>>,
) -> Result<T, ApiError>
where
    ApiError: From<E>,
{
    Ok(api(ctx)?.store.read_for(caller(ctx).party(), reading).await??)
}
