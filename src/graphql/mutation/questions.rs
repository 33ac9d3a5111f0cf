//! Asking the application again which level users have.

use std::collections::HashSet;

use async_graphql::{Context, ID, Object};
use futures_util::{StreamExt as _, stream};

use crate::{
    domain::{InvalidInput, UserId},
    graphql::{
        ApiError,
        access::document_id,
        caller::{api, caller},
        complexity::DATABASE_WRITE,
        read_turns::read,
    },
    store::{Store, StoreError},
};

/// How many questions of one call are asked at the same time.
const ASKED_AT_ONCE: usize = 8;

/// Mutations of questions.
#[derive(Default)]
pub(super) struct QuestionMutations;

#[Object]
impl QuestionMutations {
    /// Asks the application at `auth.ask` again, because its rules have changed: for one user on one document, for all users to
    /// whom it gave a level on a document, or for all documents on which it gave a user a level. Returns the number of
    /// questions, when the answers have taken effect on this node and on every node that acknowledged within a second.
    /// Fails with `BAD_USER_INPUT` for more than 500 questions: name both the document and the user. Call it with a token of
    /// an application itself, whose `sub` is the same as its `iss`; all others get `FORBIDDEN`.
    #[graphql(complexity = "10 * DATABASE_WRITE")]
    async fn ask_again(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: Option<ID>,
        user_id: Option<ID>,
    ) -> Result<i32, ApiError> {
        let (api, caller) = (api(ctx)?, caller(ctx).user()?.id);
        let application = read(ctx, api.store.find_application_of(caller)).await?;
        application.ok_or(ApiError::NotAnApplication)?;
        let document = match &id {
            Some(id) => Some(document_id(ctx, id).await?),
            None => None,
        };
        let user = user_id.map(|id| id.parse::<UserId>()).transpose()?;
        if let Some(document) = document {
            read(ctx, api.store.find_owner(document)).await?.ok_or(StoreError::Denied)?;
        }
        if let Some(user) = user {
            read(ctx, api.store.find_account(user)).await?.ok_or(StoreError::NoSuchUser)?;
        }
        // Answers by the rules from before may be on their way, on any node.
        match (document, user) {
            (_, Some(user)) => api.store.change_rules_of_user(user).await?,
            (Some(document), None) => api.store.change_rules_of_document(document).await?,
            (None, None) => {
                let why = "Name a document, a user, or both.";
                return Err(InvalidInput::new(why).into());
            }
        }
        let mut pairs = match (document, user) {
            (Some(document), Some(user)) => vec![(user, document)],
            _ => read(ctx, api.store.list_answers(document, user)).await?,
        };
        if let (Some(document), None) = (document, user) {
            let known: HashSet<_> = pairs.iter().map(|(user, _)| *user).collect();
            let asking = api.rooms.asked_about(document).into_iter();
            pairs.extend(asking.filter(|user| !known.contains(user)).map(|user| (user, document)));
        }
        if pairs.len() > Store::MAX_LISTED_ANSWERS {
            let why = "There are too many questions. Name both a document and a user.";
            return Err(InvalidInput::new(why).into());
        }
        let count = i32::try_from(pairs.len()).unwrap_or(i32::MAX);
        let asking = pairs.into_iter().map(|(user, document)| api.rooms.ask_again(user, document));
        // All are asked, even if one fails.
        let asked: Vec<_> = stream::iter(asking).buffer_unordered(ASKED_AT_ONCE).collect().await;
        asked.into_iter().collect::<Result<(), _>>()?;
        Ok(count)
    }
}
