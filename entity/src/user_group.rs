//! `user_group`: groups of users, as identity providers and applications name them.

use sea_orm::entity::prelude::*;

/// One group.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_group")]
pub struct Model {
    /// Derived from its source and name.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The `iss` claim of the provider, or `application:` with the name of the application.
    pub source: String,
    /// Its name there.
    pub name: String,
}

impl ActiveModelBehavior for ActiveModel {}
