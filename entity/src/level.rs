//! Access levels, stored as small integers.

use sea_orm::entity::prelude::*;

/// A granted level. A higher level has a larger number, so that SQL can compare levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
pub enum Level {
    /// May read.
    #[sea_orm(num_value = 1)]
    View,
    /// May also change title and text.
    #[sea_orm(num_value = 2)]
    Edit,
    /// May also delete the document and grant access.
    #[sea_orm(num_value = 3)]
    Owner,
}
