//! The limit of open files. Each connection needs one here and one in a server that was started here.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files to the highest that is allowed. Servers that are started later inherit it.
pub(crate) fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If it fails, a scenario that needs more files fails when it opens them.
    let _raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
