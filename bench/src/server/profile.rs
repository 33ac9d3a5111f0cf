//! With which profile a program was built, and whether its sources have changed since.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Returns the profile with which a program was built: the name of its folder, if that is one of Cargo's. The profile `dev` builds
/// into `debug`.
pub(crate) fn profile_of(program: &Path) -> Option<String> {
    let folder = program.parent()?;
    // Cargo writes the list of sources beside each program.
    list_of_sources(program).is_file().then(|| Some(folder.file_name()?.to_str()?.to_owned()))?
}

/// Returns whether a program is newer than all its sources, and is made of this file among others. `None` if its sources are not
/// known, as for a program that was copied.
pub(super) fn is_current(program: &Path, source: &Path) -> Option<bool> {
    let list = fs::read_to_string(list_of_sources(program)).ok()?;
    let (_, sources) = list.lines().next()?.split_once(": ")?;
    let sources = paths(sources);
    let built = changed_at(program)?;
    // A source that does not exist any more is a change, too.
    let is_older = |path: &PathBuf| changed_at(path).is_some_and(|changed| changed <= built);
    Some(sources.iter().any(|path| path == source) && sources.iter().all(is_older))
}

fn list_of_sources(program: &Path) -> PathBuf {
    program.with_extension("d")
}

fn changed_at(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// Splits a list of paths at spaces. A space inside a path has a backslash before it.
fn paths(list: &str) -> Vec<PathBuf> {
    let list = list.replace("\\ ", "\0");
    list.split_whitespace().map(|path| path.replace('\0', " ").into()).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::Duration};

    use tempfile::TempDir;

    use super::*;

    /// Creates a program of two sources.
    fn program(folder: &TempDir) -> (PathBuf, [PathBuf; 2]) {
        let program = folder.path().join("program");
        let sources = ["a.rs", "b b.rs"].map(|name| folder.path().join(name));
        for path in sources.iter().chain([&program]) {
            fs::write(path, "").unwrap();
        }
        let list = sources.clone().map(|path| path.display().to_string().replace(' ', "\\ "));
        fs::write(folder.path().join("program.d"), format!("program: {}\n", list.join(" ")))
            .unwrap();
        (program, sources)
    }

    #[test]
    fn a_program_is_current_until_one_of_its_sources_changes() {
        let folder = TempDir::new().unwrap();
        let (program, [source, other]) = program(&folder);
        assert_eq!(is_current(&program, &source), Some(true));
        let later = SystemTime::now() + Duration::from_secs(60);
        File::options().append(true).open(&other).unwrap().set_modified(later).unwrap();
        assert_eq!(is_current(&program, &source), Some(false));
    }

    #[test]
    fn a_program_of_another_checkout_is_not_current() {
        let folder = TempDir::new().unwrap();
        let (program, _) = program(&folder);
        assert_eq!(is_current(&program, Path::new("/elsewhere/a.rs")), Some(false));
    }

    #[test]
    fn nothing_is_known_of_a_copied_program() {
        let folder = TempDir::new().unwrap();
        let (program, [source, _]) = program(&folder);
        fs::remove_file(folder.path().join("program.d")).unwrap();
        assert_eq!(is_current(&program, &source), None);
        assert_eq!(profile_of(&program), None);
    }

    #[test]
    fn the_profile_is_the_name_of_the_folder() {
        let folder = TempDir::new().unwrap();
        let (program, _) = program(&folder);
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(profile_of(&program).as_deref(), Some(name));
    }
}
