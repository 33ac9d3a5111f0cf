//! The end of document tokens, by the application that has issued them.

use async_graphql::{Context, Object};
use chrono::Utc;

use crate::{
    domain::InvalidInput,
    graphql::{
        ApiError,
        caller::{api, caller},
        complexity::DATABASE_WRITE,
        read_turns::read,
    },
};

/// Mutations of document tokens.
#[derive(Default)]
pub(super) struct DocumentTokenMutations;

#[Object]
impl DocumentTokenMutations {
    /// Ends document tokens of the calling application: the one with the id (`jti`) `tokenId`, or all that were issued before
    /// now for the user `subject` (`sub`). Name one of the two. They are refused from now on, the sockets that were opened with
    /// them close with 4403, and the access that they gave ends, on every node within a second. The tokens need not
    /// have been used. Call it with a token of the application itself, whose `sub` is the same as its `iss`; all others get
    /// `FORBIDDEN`.
    #[graphql(complexity = "2 * DATABASE_WRITE")]
    async fn end_document_tokens(
        &self,
        ctx: &Context<'_>,
        token_id: Option<String>,
        subject: Option<String>,
    ) -> Result<bool, ApiError> {
        let (api, user) = (api(ctx)?, caller(ctx).user()?.id);
        let application = read(ctx, api.store.find_application_of(user)).await?;
        let application = application.ok_or(ApiError::NotAnApplication)?;
        match (token_id, subject) {
            (Some(token_id), None) => {
                let kept_until = Utc::now() + api.document_tokens_kept_for;
                api.document_token_ends.end_token(&application, &token_id, kept_until).await?;
            }
            (None, Some(subject)) => {
                if !api.document_token_ends.end_tokens_of(&application, &subject).await? {
                    let why = "`subject` must have 1 to 255 characters, none of them a control character.";
                    return Err(InvalidInput::new(why).into());
                }
            }
            (Some(_), Some(_)) | (None, None) => {
                let why = "Name the tokens by either `tokenId` or `subject`.";
                return Err(InvalidInput::new(why).into());
            }
        }
        Ok(true)
    }
}
