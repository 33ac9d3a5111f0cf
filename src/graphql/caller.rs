//! The caller of a resolver.

use std::sync::Arc;

use async_graphql::Context;

use super::{Api, ApiError};
use crate::{
    domain::{Network, Party, SessionId, SignIn, User},
    session::SessionLink,
};

/// The caller of an operation.
#[derive(Clone)]
pub enum Caller {
    /// An HTTP request without a token, from this network, if it is known.
    Nobody(Option<Network>),
    /// An HTTP request with a valid token.
    Request {
        /// The user of the token.
        user: User,
        /// The sign-in of the token.
        sign_in: SignIn,
        /// The user's open session that the request names in `X-Session-Id`.
        session: Option<SessionId>,
        /// The network that the request came from, if it is known.
        network: Option<Network>,
    },
    /// An admitted session.
    Session(Arc<SessionLink>),
}

impl Caller {
    /// Returns the user who calls.
    ///
    /// # Errors
    /// [`ApiError::NotSignedIn`].
    pub(super) fn user(&self) -> Result<&User, ApiError> {
        match self {
            Self::Nobody(_) => Err(ApiError::NotSignedIn),
            Self::Request { user, .. } => Ok(user),
            Self::Session(link) => Ok(link.user()),
        }
    }

    /// Returns the sign-in of the caller's token.
    ///
    /// # Errors
    /// [`ApiError::NotSignedIn`].
    pub(super) fn sign_in(&self) -> Result<SignIn, ApiError> {
        match self {
            Self::Nobody(_) => Err(ApiError::NotSignedIn),
            Self::Request { sign_in, .. } => Ok(*sign_in),
            Self::Session(link) => Ok(link.sign_in()),
        }
    }

    /// Returns the party that the operation runs for.
    pub(crate) fn party(&self) -> Party {
        match self {
            Self::Nobody(network) => Party::Stranger(*network),
            Self::Request { user, .. } => Party::User(user.id),
            Self::Session(link) => Party::User(link.user().id),
        }
    }

    /// Returns the network of the client, if it is known.
    pub(super) fn network(&self) -> Option<Network> {
        match self {
            Self::Nobody(network) | Self::Request { network, .. } => *network,
            Self::Session(link) => link.network(),
        }
    }

    /// Returns the session that sent the operation, or that the request names.
    pub(super) fn session(&self) -> Option<SessionId> {
        match self {
            Self::Nobody(_) => None,
            Self::Request { session, .. } => *session,
            Self::Session(link) => Some(link.id()),
        }
    }
}

/// Returns the caller of the resolver of `ctx`. A request without one, which the engine never makes, has no user.
pub(super) fn caller<'a>(ctx: &Context<'a>) -> &'a Caller {
    ctx.data_opt::<Caller>().unwrap_or(&Caller::Nobody(None))
}

/// Returns the parts of the node that the resolver of `ctx` uses.
///
/// # Errors
/// [`ApiError::SchemaOnly`]: the schema was built without them, to be printed.
pub(super) fn api<'a>(ctx: &Context<'a>) -> Result<&'a Api, ApiError> {
    ctx.data_opt::<Arc<Api>>().map(AsRef::as_ref).ok_or(ApiError::SchemaOnly)
}
