//! Invitations to documents, and links to them.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::{AccessLevelType, Timestamp, UserType, id::id};
use crate::{
    graphql::{ApiError, loaders::loaders},
    store::{Link, LinkKind},
};

/// How a link gives access to a document.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "LinkKind", remote = "LinkKind")]
pub(in crate::graphql) enum LinkKindType {
    /// `acceptInvitation` grants access, which outlasts the invitation.
    Invitation,
    /// `openLink` gives access to everybody who has the secret, while the link lasts.
    Secret,
    /// `openLink` gives access to everybody who has the id of the document, while the link lasts.
    Public,
}

/// An invitation or a link.
pub(in crate::graphql) struct LinkType(pub(in crate::graphql) Link);

/// An invitation to a document, or a link to it. Its secret is shown only once, when it is created.
#[Object(name = "DocumentLink")]
impl LinkType {
    async fn id(&self) -> ID {
        id(self.0.id.uuid())
    }

    async fn document_id(&self) -> ID {
        id(self.0.document.uuid())
    }

    async fn kind(&self) -> LinkKindType {
        self.0.kind.into()
    }

    /// The level that it gives.
    async fn level(&self) -> AccessLevelType {
        self.0.level.into()
    }

    /// How many users may still accept an invitation. Null for any number, and for links.
    async fn uses_left(&self) -> Option<u32> {
        self.0.uses_left
    }

    /// How many guests without an account it admits at a time.
    async fn guests(&self) -> u32 {
        self.0.max_guests
    }

    /// The user who created it. Null if the account was deleted.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<UserType>, ApiError> {
        match self.0.created_by {
            Some(user) => Ok(Some(UserType(loaders(ctx)?.user(user).await?))),
            None => Ok(None),
        }
    }

    async fn created_at(&self) -> Timestamp {
        Timestamp(self.0.created_at)
    }

    /// When it ends by itself, if it does.
    async fn ends_at(&self) -> Option<Timestamp> {
        self.0.ends_at.map(Timestamp)
    }
}

/// A new invitation or link.
#[derive(SimpleObject)]
pub(in crate::graphql) struct NewLinkPayload {
    /// The secret, of 43 letters, digits, `-` and `_`. Pass it on, for example as a part of an address of your application. It
    /// cannot be shown again.
    pub(in crate::graphql) secret: String,
    /// The link.
    pub(in crate::graphql) link: LinkType,
}
