//! `coscribe user export`: what is stored of a user, as files.
//!
//! Documents are written one after the other, and lists page by page, so an export needs no more memory than the largest document.

mod account_file;
mod contributions;
mod document_files;
mod exporter;
mod folder;
mod json_entries;
mod page_sizes;

pub(super) use exporter::export;
