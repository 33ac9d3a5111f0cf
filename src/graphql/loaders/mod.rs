//! What the resolvers of one operation read: each thing once, however often it is selected.

mod contents;
mod loaders;
mod rows;

pub(super) use loaders::{Loaders, loaders};
