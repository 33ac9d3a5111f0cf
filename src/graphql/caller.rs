//! Who calls a resolver.

use std::sync::Arc;

use async_graphql::Context;

use super::{Api, ApiError};
use crate::{
    domain::{SessionId, User},
    session::SessionLink,
};

/// Who calls, and from where.
#[derive(Clone)]
pub enum Caller {
    /// An HTTP request without a token.
    Nobody,
    /// An HTTP request with a good token, and the session it names, which is known to be the same user's.
    Request {
        /// Who it is.
        user: User,
        /// The session that the request is made for.
        session: Option<SessionId>,
    },
    /// An admitted session.
    Session(Arc<SessionLink>),
}

impl Caller {
    /// Who calls.
    ///
    /// # Errors
    /// [`ApiError::NotSignedIn`].
    pub(super) fn user(&self) -> Result<&User, ApiError> {
        match self {
            Self::Nobody => Err(ApiError::NotSignedIn),
            Self::Request { user, .. } => Ok(user),
            Self::Session(link) => Ok(link.user()),
        }
    }

    /// The session on or for which the call is made.
    pub(super) fn session(&self) -> Option<SessionId> {
        match self {
            Self::Nobody => None,
            Self::Request { session, .. } => *session,
            Self::Session(link) => Some(link.id()),
        }
    }
}

/// Who calls the resolver of `ctx`; a request that the engine did not make is nobody's.
pub(super) fn caller<'a>(ctx: &Context<'a>) -> &'a Caller {
    ctx.data_opt::<Caller>().unwrap_or(&Caller::Nobody)
}

/// The parts that the resolver of `ctx` works with.
///
/// # Errors
/// The schema was built without them, as it is for printing only.
pub(super) fn api<'a>(ctx: &Context<'a>) -> Result<&'a Api, ApiError> {
    ctx.data_opt::<Arc<Api>>().map(AsRef::as_ref).ok_or(ApiError::SchemaOnly)
}
