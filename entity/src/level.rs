//! A right on a document, as a small number.

use sea_orm::entity::prelude::*;

/// What was granted; the numbers grow with the right, so that SQL can compare them.
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
