//! This machine: what it is, what processes use of it, and how many files may be open.

mod hardware;
mod open_files;
mod process;

pub(crate) use self::{
    hardware::Hardware,
    open_files::raise_open_files,
    process::{Usage, UsageWatch, rss_mib},
};
