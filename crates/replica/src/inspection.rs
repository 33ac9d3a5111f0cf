//! Inspection of updates before they are applied.
//!
//! [`Replica::inspect`] reads the [`Outline`] of each update and orders the updates by their dependencies. It checks that
//! they are validly encoded, within their limits, of this document's history, not nested too deeply, and leave a document that
//! can be loaded in a limited time.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use protocol::wire::yjs::{
    Depths, FormatGrowth, MAX_CLIENT, Outline, OutlineError, SupportedUpdate,
};
use yrs::{ClientID, ReadTxn as _, StateVector, Transact as _};

use super::{
    cuts::{MAX_SPLITS_CHECKED, Splits},
    dependencies::Dependencies,
    merge::{MergeBounds, MergeError},
    parts::deleted,
    replica::Replica,
    structs::{LOADED_SHARE, most_added},
};

/// The updates that can be applied, and their possible effects.
#[derive(Default)]
pub(crate) struct Inspected {
    /// The updates with their outlines, each after its dependencies.
    pub(crate) updates: Vec<(Bytes, Outline)>,
    /// Whether they may change the document.
    pub(crate) may_change: bool,
    /// Whether they may split a character anywhere: they insert and delete, or insert anything that is not text.
    may_split: bool,
    /// The insertions of the document before which a struct may be split although nothing is inserted there, as clients and clocks. Not
    /// all of them, if they are many, and none if the text has no characters of two code units.
    distant_splits: Vec<(u64, u32)>,
    /// Whether updates were left out because of missing dependencies, or because all together are too large.
    pub(crate) leaves_out: bool,
    /// The most structs that they add to the document if as many ranges are deleted as one merge may delete.
    pub(crate) added_structs: usize,
    /// About how many values they add to maps and lists of the document.
    pub(crate) added_values: usize,
    /// Whether content that the document lacks was left out, because the server does not support it.
    pub(crate) drops_content: bool,
}

/// An update that has been read.
struct ReadUpdate {
    update: Bytes,
    outline: Outline,
    /// The items whose content was left out, as clients and clocks.
    left_out: Vec<(u64, u32)>,
}

/// The combined effects of the updates inspected so far.
struct Effects {
    inserts: bool,
    deletes: bool,
    is_text_only: bool,
    /// Whether they have structs that the document lacks.
    has_new_structs: bool,
    bytes: usize,
}

impl Effects {
    const NONE: Self = Self {
        inserts: false,
        deletes: false,
        is_text_only: true,
        has_new_structs: false,
        bytes: 0,
    };

    fn add(&mut self, outline: &Outline, known: impl Fn(u64) -> u32, bytes: usize) {
        self.inserts |= outline.inserts();
        self.deletes |= outline.deletes();
        self.is_text_only &= outline.is_text_only();
        self.has_new_structs |= outline.new_clients(known).next().is_some();
        self.bytes += bytes;
    }
}

/// The clock of each client after the document and the inspected updates.
struct Clocks {
    document: StateVector,
    updates: HashMap<u64, u32>,
}

impl Clocks {
    fn of(&self, client: u64) -> u32 {
        let in_document = self.document.get(&ClientID::new(client));
        self.updates.get(&client).map_or(in_document, |clock| in_document.max(*clock))
    }

    /// Checks that the document has at most `limit` clients with this update, unless the update adds none.
    fn check_clients(&self, outline: &Outline, limit: usize) -> Result<(), MergeError> {
        let is_new = |client: &u64| self.of(*client) == 0;
        let new: HashSet<u64> = outline.new_clients(|_client| 0).filter(is_new).collect();
        let in_updates = self.updates.keys();
        let is_added = |client: &&u64| !self.document.contains_client(&ClientID::new(**client));
        let clients = self.document.len() + in_updates.filter(is_added).count() + new.len();
        match new.is_empty() || clients <= limit {
            true => Ok(()),
            false => Err(MergeError::TooManyClients { limit }),
        }
    }

    fn add(&mut self, outline: &Outline) {
        for (client, _start, end) in outline.ranges() {
            let clock = self.updates.entry(client).or_default();
            *clock = end.max(*clock);
        }
    }
}

impl Replica {
    /// Selects and orders the updates that can be applied.
    ///
    /// # Errors
    /// [`MergeError`], after which the replica is unchanged.
    pub(crate) fn inspect(
        &mut self,
        updates: &[Bytes],
        bounds: &MergeBounds,
    ) -> Result<Inspected, MergeError> {
        let added = self.conflicts.added();
        let inspected = self.select(updates, bounds);
        match &inspected {
            Ok(_) => self.conflicts.confirm(),
            Err(_) => {
                // They contain the insertions of the updates before the rejected one.
                self.depths = None;
                self.conflicts.take_back(added);
            }
        }
        inspected
    }

    fn select(&mut self, updates: &[Bytes], bounds: &MergeBounds) -> Result<Inspected, MergeError> {
        let mut pending: Vec<Option<ReadUpdate>> =
            read_outlines(updates, bounds)?.into_iter().map(Some).collect();
        let leaves_out = pending.len() < updates.len();
        let document = self.doc.transact().state_vector();
        let mut clocks = Clocks { document, updates: HashMap::new() };
        let (mut inspected, mut effects) = (Inspected::default(), Effects::NONE);
        let mut growth = FormatGrowth::default();
        // An update may depend on a later one: an editor that answers sync step 1 sends everything it has.
        let requirements = pending.iter().flatten().map(|read| read.outline.requirements());
        let mut dependencies = Dependencies::new(requirements, |client| clocks.of(client));
        while let Some(read) = dependencies.next().and_then(|index| pending.get_mut(index)?.take())
        {
            let ReadUpdate { update, outline, left_out } = read;
            let known = |client: u64| clocks.of(client);
            if !self.is_adopting && outline.new_clients(known).any(|client| client > MAX_CLIENT) {
                return Err(MergeError::Unrelated);
            }
            if !self.is_adopting && outline.writes_server_root(known) {
                return Err(MergeError::ServerRoot);
            }
            clocks.check_clients(&outline, bounds.clients)?;
            inspected.may_change |= outline.may_change(known);
            let is_new = |(client, clock): (u64, u32)| clock >= known(client);
            inspected.drops_content |= left_out.into_iter().any(is_new);
            self.check_depth(&outline, known)?;
            let added = self.conflicts.add(&outline, known);
            added.map_err(|error| MergeError::Malformed(error.to_string()))?;
            effects.add(&outline, known, update.len());
            growth.add(outline.format_growth(known));
            if self.content.has_pairs() {
                let in_document = |client| clocks.document.get(&ClientID::new(client));
                let splits = outline.distant_splits(&in_document);
                let room = MAX_SPLITS_CHECKED + 1 - inspected.distant_splits.len();
                inspected.distant_splits.extend(splits.take(room));
            }
            clocks.add(&outline);
            for (client, _start, end) in outline.ranges() {
                dependencies.advance(client, end);
            }
            inspected.updates.push((update, outline));
        }
        inspected.leaves_out = leaves_out || pending.iter().any(Option::is_some);
        inspected.may_split = !effects.is_text_only || (effects.inserts && effects.deletes);
        self.check_structs(&mut inspected, &clocks.document, effects.has_new_structs, bounds)?;
        // Deletions and repetitions do not make the document larger.
        if effects.has_new_structs {
            let (size, limit) = (self.weight_with(effects.bytes, bounds.state), bounds.state);
            if size > limit {
                return Err(MergeError::TooLarge { size, limit });
            }
            let outlines: Vec<_> = inspected.updates.iter().map(|(_, outline)| outline).collect();
            self.check_formats(growth, &outlines)?;
            // The last check: it replaces what was counted before the updates.
            let checked = self.check_conflicts(outlines.into_iter());
            checked.inspect_err(|_error| self.formats.take_back(growth))?;
        }
        Ok(inspected)
    }

    /// Checks how many structs the document may have with the updates. Deletions alone may exceed the limit as long as the document can
    /// be loaded: they split structs, and reduce the document later.
    fn check_structs(
        &mut self,
        inspected: &mut Inspected,
        document: &StateVector,
        inserts: bool,
        bounds: &MergeBounds,
    ) -> Result<(), MergeError> {
        let share = if inserts { 1 } else { LOADED_SHARE };
        let limit = bounds.document_structs.saturating_mul(share);
        inspected.added_values = inspected.most_values(document);
        inspected.added_structs = inspected.most_added(document, bounds.structs);
        if self.may_have_more_structs(inspected.added_structs, limit) {
            return Ok(());
        }
        let fits_without_deletions = inspected.deletes()
            && self.may_have_more_structs(inspected.most_added(document, 0), limit);
        if !fits_without_deletions {
            return Err(MergeError::DocumentTooManyStructs { limit });
        }
        // An editor that reconnects sends all deleted ranges of the document again. Finding them takes a pass over the document.
        let deleted = deleted(&self.doc.transact());
        for (_update, outline) in &mut inspected.updates {
            outline.leave_out_deleted(&deleted);
        }
        inspected.added_structs = inspected.most_added(document, bounds.structs);
        match self.may_have_more_structs(inspected.added_structs, limit) {
            true => Ok(()),
            false => Err(MergeError::DocumentTooManyStructs { limit }),
        }
    }

    /// Checks the nesting of shared types, and remembers the depths from the first update with types on.
    fn check_depth(
        &mut self,
        outline: &Outline,
        known: impl Fn(u64) -> u32,
    ) -> Result<(), MergeError> {
        if self.depths.is_none() && !outline.has_types() {
            return Ok(());
        }
        let malformed = |error: OutlineError| MergeError::Malformed(error.to_string());
        let mut depths = match self.depths.take() {
            Some(depths) => depths,
            None => {
                let mut depths = Depths::default();
                let document = Outline::read(&self.state(), usize::MAX).map_err(malformed)?;
                depths.add(&document, |_client| 0).map_err(malformed)?;
                depths
            }
        };
        depths.add(outline, known).map_err(malformed)?;
        self.depths = Some(depths);
        Ok(())
    }
}

impl Inspected {
    /// Returns where they may split a character without a trace in the delta.
    pub(crate) fn splits(&self) -> Splits<'_> {
        match self.may_split {
            true => Splits::Anywhere,
            false => Splits::Before(&self.distant_splits),
        }
    }

    fn deletes(&self) -> bool {
        self.updates.iter().any(|(_, outline)| outline.deletes())
    }

    /// Estimates how many values the updates add to a document with this state vector: those of updates that the document has in part
    /// are taken to be as many in each struct.
    fn most_values(&self, document: &StateVector) -> usize {
        let known = |client| document.get(&ClientID::new(client));
        let added = self.updates.iter().map(|(_, outline)| match outline.struct_count() {
            0 => 0,
            all => outline.values().saturating_mul(outline.new_structs(known)) / all,
        });
        added.sum()
    }

    /// Returns the most structs that the updates add to a document with this state vector, if at most `max_deletions` ranges are deleted.
    fn most_added(&self, document: &StateVector, max_deletions: usize) -> usize {
        let known = |client| document.get(&ClientID::new(client));
        let outlines = self.updates.iter().map(|(_, outline)| outline);
        let structs = outlines.clone().map(|outline| outline.new_structs(known)).sum();
        let deletions: usize = outlines.map(Outline::deletion_count).sum();
        most_added(structs, deletions.min(max_deletions))
    }
}

/// What the outlines of updates that are merged together may still have. Each struct and range takes memory until they are merged.
struct OutlineBounds {
    structs: usize,
    deletions: usize,
}

impl OutlineBounds {
    /// The updates may have as many structs as the document. Each may delete as many ranges as a document that can be loaded has at
    /// most.
    fn new(bounds: &MergeBounds) -> Self {
        let structs = bounds.document_structs.max(bounds.structs);
        Self { structs, deletions: structs.saturating_mul(LOADED_SHARE) }
    }

    fn read(&self, update: &[u8], bounds: &MergeBounds) -> Result<Outline, OutlineError> {
        Outline::read_bounded(update, self.structs.min(bounds.structs), self.deletions)
    }

    fn subtract(&mut self, outline: &Outline) {
        self.structs -= outline.struct_count();
        // Ranges that touch have been joined, so there are at most as many as were read.
        self.deletions -= outline.deletion_count();
    }
}

/// Reads the outlines of the first updates, as many as fit into the bounds of all together, but at least one.
///
/// # Errors
/// An update is malformed, or too large by itself.
fn read_outlines(updates: &[Bytes], bounds: &MergeBounds) -> Result<Vec<ReadUpdate>, MergeError> {
    let (all, mut left) = (OutlineBounds::new(bounds), OutlineBounds::new(bounds));
    let mut outlines = Vec::with_capacity(updates.len());
    for update in updates {
        let outline = match left.read(update, bounds) {
            Ok(outline) => outline,
            Err(OutlineError::TooManyStructs | OutlineError::TooManyDeletions)
                if !outlines.is_empty() && all.read(update, bounds).is_ok() =>
            {
                break;
            }
            Err(error) => return Err(refusal(&error, &all, bounds)),
        };
        left.subtract(&outline);
        outlines.push(read_supported(update, outline, &all, bounds)?);
    }
    Ok(outlines)
}

/// Leaves out the content of an update that is not supported.
fn read_supported(
    update: &Bytes,
    outline: Outline,
    all: &OutlineBounds,
    bounds: &MergeBounds,
) -> Result<ReadUpdate, MergeError> {
    let Some(SupportedUpdate { update, left_out }) = outline.supported(update) else {
        return Ok(ReadUpdate { update: update.clone(), outline, left_out: vec![] });
    };
    let outline = all.read(&update, bounds).map_err(|error| refusal(&error, all, bounds))?;
    Ok(ReadUpdate { outline, update: update.into(), left_out })
}

fn refusal(error: &OutlineError, all: &OutlineBounds, bounds: &MergeBounds) -> MergeError {
    match error {
        OutlineError::TooManyStructs => MergeError::TooManyStructs { limit: bounds.structs },
        OutlineError::TooManyDeletions => MergeError::TooManyDeletions { limit: all.deletions },
        error => MergeError::Malformed(error.to_string()),
    }
}
