//! The limit of the formats that are copied when the texts of a document are read.
//!
//! The library copies all formats that hold at a piece of a text. A document of a few hundred kilobytes could be made to take
//! gigabytes that way ([`FormatCopies`]). So their number is limited before an update is applied.
//!
//! Counting takes time that is linear in the document. So it is done only when what was added since the last time may have exceeded
//! the limit.

use std::collections::HashSet;

use protocol::{
    domain::Op,
    wire::yjs::{FormatCopies, FormatGrowth, Outline, OutlineError},
};

use super::replica::Replica;

/// The formats that are copied in any document. A copy takes some 60 bytes.
const MAX_FORMAT_COPIES: u64 = 2_000_000;

/// The formats that are copied besides for each struct. Texts of editors have fewer formats than this.
const COPIES_PER_STRUCT: u64 = 8;

/// Estimate: a format has at least this many bytes in an update.
const MIN_FORMAT_BYTES: usize = 8;

/// Near the limit a document is not counted for each small change. What may add up to this share of the limit is refused without.
const ESTIMATED_SHARE: u64 = 16;

/// The formats of a document would be copied too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyFormats {
    pub(crate) limit: u64,
}

/// What is known about the formats of a document.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FormatMeter {
    counted: FormatCopies,
    /// At most what was added since.
    added: FormatGrowth,
}

impl FormatMeter {
    /// Adds what an update adds at most.
    pub(crate) fn add(&mut self, growth: FormatGrowth) {
        self.added.add(growth);
    }

    /// Forgets what was added, because it was refused.
    pub(crate) fn take_back(&mut self, growth: FormatGrowth) {
        self.added.take_back(growth);
    }

    fn after(&self, growth: FormatGrowth) -> u64 {
        let mut added = self.added;
        added.add(growth);
        self.counted.after(added)
    }
}

/// Returns at most what a delta adds, when all insertions together end and begin again `around` formats, which the text has. All
/// steps are about one text, so each name counts once.
pub(crate) fn growth_of(ops: &[Op], around: usize) -> FormatGrowth {
    let (mut names, mut pieces) = (HashSet::new(), around as u64);
    for op in ops {
        let (formats, of_object) = match op {
            Op::Insert(_, formats) | Op::Retain(_, formats) => (formats, 0),
            Op::Embed(_, formats) => (formats, 2),
            Op::Delete(_) => continue,
        };
        pieces += 2 * formats.len() as u64 + of_object;
        names.extend(formats.iter().map(|(name, _value)| name));
    }
    FormatGrowth { formats: names.len() as u64, pieces }
}

impl Replica {
    /// Estimates the work of counting the formats before updates of `bytes` are merged, in bytes. 0 if they are not counted. Of the
    /// updates only their size is known, so all of their structs count as formats.
    #[must_use]
    pub fn format_check_weight(&self, bytes: usize) -> usize {
        let formats = (bytes / MIN_FORMAT_BYTES) as u64;
        let growth = FormatGrowth { formats, pieces: formats };
        if self.formats.after(growth) > self.format_limit() { self.weight() } else { 0 }
    }

    fn format_limit(&self) -> u64 {
        let of_structs = COPIES_PER_STRUCT.saturating_mul(self.structs() as u64);
        of_structs.saturating_add(MAX_FORMAT_COPIES)
    }

    /// Notes what a change has added, which is in the document already, and checks that its formats are not copied too often now.
    ///
    /// # Errors
    /// [`TooManyFormats`].
    pub(crate) fn note_format_growth(
        &mut self,
        growth: FormatGrowth,
    ) -> Result<(), TooManyFormats> {
        self.formats.add(growth);
        let limit = self.format_limit();
        if self.formats.after(FormatGrowth::default()) <= limit {
            return Ok(());
        }
        self.count_formats().map_err(|_unreadable| TooManyFormats { limit })?;
        match self.formats.counted.copies <= limit {
            true => Ok(()),
            false => Err(TooManyFormats { limit }),
        }
    }

    fn count_formats(&mut self) -> Result<(), OutlineError> {
        let state = self.state();
        self.measure(&state);
        let counted = count(&state, &[])?;
        self.formats = FormatMeter { counted, added: FormatGrowth::default() };
        Ok(())
    }

    /// Checks that the formats of the document are not copied too often after a change that adds at most `growth`. `updates` are the
    /// change, if it is known. Notes the growth.
    ///
    /// # Errors
    /// [`TooManyFormats`], and nothing is noted.
    pub(crate) fn check_formats(
        &mut self,
        growth: FormatGrowth,
        updates: &[&Outline],
    ) -> Result<(), TooManyFormats> {
        let limit = self.format_limit();
        let refused = Err(TooManyFormats { limit });
        let is_over = |meter: &FormatMeter| meter.after(growth) > limit;
        if is_over(&self.formats)
            && self.formats.added != FormatGrowth::default()
            && self.count_formats().is_err()
        {
            return refused;
        }
        if !is_over(&self.formats) || growth == FormatGrowth::default() {
            self.formats.add(growth);
            return Ok(());
        }
        let share = self.formats.after(growth) - self.formats.counted.copies;
        if updates.is_empty() || share <= limit / ESTIMATED_SHARE {
            return refused;
        }
        match count(&self.state(), updates) {
            Ok(counted) if counted.copies <= limit => {
                self.formats = FormatMeter { counted, added: FormatGrowth::default() };
                Ok(())
            }
            Ok(_) | Err(_) => refused,
        }
    }
}

fn count(state: &[u8], updates: &[&Outline]) -> Result<FormatCopies, OutlineError> {
    let document = Outline::read(state, usize::MAX)?;
    let mut all = vec![&document];
    all.extend(updates);
    FormatCopies::of(&all)
}

#[cfg(test)]
#[path = "format_limit_tests.rs"]
mod tests;
