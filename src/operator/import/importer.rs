//! The import of one state after the other.

use std::collections::{HashMap, HashSet};

use super::{
    command::ImportOptions,
    source::{FoundState, StateSource},
};
use crate::{
    domain::{DocumentId, DocumentKey, Metadata, Title, UserId, Version},
    editing::{ImportLimits, ImportedState, merge_import, read_import},
    store::{NewDocument, StorageUse, Store},
};

/// Imports states for an owner.
pub(super) struct Importer<'a> {
    pub(super) store: &'a Store,
    pub(super) owner: UserId,
    /// The keys of documents by their names. The others get theirs from their names.
    pub(super) keys: HashMap<String, String>,
    /// The title of all documents, if it is not their names.
    pub(super) title: Option<Title>,
    pub(super) limits: ImportLimits,
    pub(super) options: &'a ImportOptions,
}

/// What a run has found so far.
struct ImportProgress {
    /// The keys of its states.
    keys: HashSet<DocumentKey>,
    /// The names of its states that --keys has.
    names: HashSet<String>,
    /// What the owner has, with the documents that a dry run would have created.
    usage: StorageUse,
}

/// What became of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StateOutcome {
    /// A new document has it, or would have it.
    Created { document: Option<DocumentId>, bytes: usize, drops_content: bool },
    /// It was merged, or would be merged, into a document.
    Merged { version: Version, drops_content: bool },
    /// The document with this key has all of it.
    Known,
    /// There is a document with this key.
    Skipped,
    /// It was removed from the source meanwhile.
    Gone,
}

/// How many states there were of each outcome.
#[derive(Debug, Default, PartialEq, Eq)]
struct ImportSummary {
    created: usize,
    merged: usize,
    known: usize,
    skipped: usize,
    gone: usize,
    failed: usize,
}

impl Importer<'_> {
    /// Imports all states of a source. Prints a line for each, and a summary.
    ///
    /// # Errors
    /// The source cannot be listed, or some states could not be imported.
    pub(super) async fn run(
        &self,
        source: &mut StateSource,
        mut print: impl FnMut(String) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut summary = ImportSummary::default();
        let usage = self.store.load_usage(self.owner).await?;
        let mut progress = ImportProgress { keys: HashSet::new(), names: HashSet::new(), usage };
        while let Some(found) = source.next().await? {
            let outcome = self.import(source, &found, &mut progress).await;
            summary.count(&outcome);
            let line = self.line(&outcome);
            print(format!("{}: {line}\n", found.name.escape_debug()))?;
        }
        let unused: Vec<_> =
            self.keys.keys().filter(|name| !progress.names.contains(*name)).collect();
        for name in &unused {
            print(format!("{}: no state has this name of --keys\n", name.escape_debug()))?;
        }
        if let Some(ignored) = source.ignored() {
            print(format!("{ignored}\n"))?;
        }
        print(summary.line(self.options.dry_run))?;
        let failed = summary.failed;
        anyhow::ensure!(
            failed == 0,
            "{failed} states could not be imported; see their lines above"
        );
        Ok(())
    }

    async fn import(
        &self,
        source: &StateSource,
        found: &FoundState,
        progress: &mut ImportProgress,
    ) -> anyhow::Result<StateOutcome> {
        let FoundState { name, bytes } = found;
        if self.keys.contains_key(name) {
            progress.names.insert(name.clone());
        }
        let key = self.key(name)?;
        anyhow::ensure!(
            progress.keys.insert(key.clone()),
            "another state of this run has the same key; rename or remove one of them"
        );
        let present = self.store.list_by_keys([&key]).await?.remove(&key);
        if present.is_some() && !self.options.update {
            return Ok(StateOutcome::Skipped);
        }
        self.limits.check_size(*bytes)?;
        let Some(state) = source.read(found).await? else { return Ok(StateOutcome::Gone) };
        match present {
            Some(document) => self.update(document, state).await,
            None => self.create(name, key, state, progress).await,
        }
    }

    async fn create(
        &self,
        name: &str,
        key: DocumentKey,
        state: Vec<u8>,
        progress: &mut ImportProgress,
    ) -> anyhow::Result<StateOutcome> {
        let title = match &self.title {
            Some(title) => title.clone(),
            None => Title::new(name)?,
        };
        let imported = read_import(state.into(), self.limits).await?;
        let ImportedState { state, size, drops_content } = imported;
        let bytes = state.len();
        let metadata = Metadata::empty();
        let new = NewDocument { title, size, state, metadata, key: Some(key) };
        if self.options.dry_run {
            progress.usage.count_document(new.counted_bytes())?;
            return Ok(StateOutcome::Created { document: None, bytes, drops_content });
        }
        let document = self.store.create(self.owner, new).await?;
        Ok(StateOutcome::Created { document: Some(document.id), bytes, drops_content })
    }

    async fn update(&self, document: DocumentId, state: Vec<u8>) -> anyhow::Result<StateOutcome> {
        let (state, dry_run) = (state.into(), self.options.dry_run);
        let merging =
            merge_import(self.store, document, self.owner, state, self.limits, dry_run).await?;
        Ok(match merging {
            Some(change) => StateOutcome::Merged {
                version: change.version,
                drops_content: change.drops_content,
            },
            None => StateOutcome::Known,
        })
    }

    /// Returns the key of the document with a name.
    fn key(&self, name: &str) -> anyhow::Result<DocumentKey> {
        let key = match self.keys.get(name) {
            Some(key) => DocumentKey::new(key),
            None => DocumentKey::new(&format!("{}{name}", self.options.key_prefix)),
        };
        key.map_err(|invalid| {
            anyhow::anyhow!(
                "{invalid} Give it one in the file of --keys, or put something before all names with --key-prefix."
            )
        })
    }

    /// Returns what is printed after the name.
    fn line(&self, outcome: &anyhow::Result<StateOutcome>) -> String {
        let omission = |drops_content: bool| match drops_content {
            true => ", without content that is not supported",
            false => "",
        };
        let would = if self.options.dry_run { "would be " } else { "" };
        match outcome {
            Ok(StateOutcome::Created { document, bytes, drops_content }) => {
                let id = document.map(|id| format!(" as {id}")).unwrap_or_default();
                format!("{would}imported{id}, {bytes} bytes{}", omission(*drops_content))
            }
            Ok(StateOutcome::Merged { version, drops_content }) => {
                format!("{would}updated to version {version}{}", omission(*drops_content))
            }
            Ok(StateOutcome::Known) => "unchanged".to_owned(),
            Ok(StateOutcome::Skipped) => {
                "skipped: a document has this key; merge the state into it with --update".to_owned()
            }
            Ok(StateOutcome::Gone) => "skipped: it was removed meanwhile".to_owned(),
            Err(error) => format!("failed: {error:#}"),
        }
    }
}

impl ImportSummary {
    fn count(&mut self, outcome: &anyhow::Result<StateOutcome>) {
        let count = match outcome {
            Ok(StateOutcome::Created { .. }) => &mut self.created,
            Ok(StateOutcome::Merged { .. }) => &mut self.merged,
            Ok(StateOutcome::Known) => &mut self.known,
            Ok(StateOutcome::Skipped) => &mut self.skipped,
            Ok(StateOutcome::Gone) => &mut self.gone,
            Err(_) => &mut self.failed,
        };
        *count += 1;
    }

    fn line(&self, is_dry_run: bool) -> String {
        let Self { created, merged, known, skipped, gone, failed } = self;
        let skipped = skipped + gone;
        let (would_be, end) = match is_dry_run {
            true => ("would be ", "; a dry run, nothing was stored"),
            false => ("", ""),
        };
        format!(
            "{created} {would_be}imported, {merged} {would_be}updated, {known} unchanged, {skipped} skipped, {failed} failed{end}\n"
        )
    }
}
