//! Pieces that JSON shows as they are: they stay, whatever JSON does not show of them.
//!
//! JSON shows binary data as a list of numbers, and a map as an object. What a client sends back unchanged must not become such a
//! list or object.

use std::borrow::Cow;

use protocol::domain::{CompareUntil, Exhausted};
use similar::{Algorithm, DiffTag, capture_diff_slices_deadline};

use super::{
    digests::Digests,
    node::{BodyContent, BodyNode, BodyNodeKind},
};

/// Returns the node `new` with those pieces of `old`, which becomes it, that JSON shows as equal.
///
/// # Errors
/// The budget ended.
pub(super) fn with_unchanged<'n>(
    old: &BodyNode,
    new: &'n BodyNode,
    digests: &Digests,
    until: &CompareUntil,
) -> Result<Cow<'n, BodyNode>, Exhausted> {
    if !old.pieces.iter().chain(&new.pieces).any(|piece| is_ambiguous(&piece.what)) {
        return Ok(Cow::Borrowed(new));
    }
    until.budget.spend(old.pieces.len() + new.pieces.len())?;
    let is_xml = old.kind.is_xml();
    let numbers = |node: &BodyNode| -> Result<Vec<u64>, Exhausted> {
        node.pieces.iter().map(|piece| piece.number(is_xml, digests)).collect()
    };
    let (before, after) = (numbers(old)?, numbers(new)?);
    let deadline = Some(until.deadline);
    let mut pieces = new.pieces.clone();
    for op in capture_diff_slices_deadline(Algorithm::Myers, &before, &after, deadline) {
        if op.tag() != DiffTag::Equal {
            continue;
        }
        for (old, new) in old.pieces[op.old_range()].iter().zip(&mut pieces[op.new_range()]) {
            let stays = match (&old.what, &new.what) {
                (BodyContent::Node(old), BodyContent::Node(new)) => old.kind != new.kind,
                // A text becomes a list, or a list a text.
                (BodyContent::Value(_), BodyContent::Embed(_))
                | (BodyContent::Embed(_), BodyContent::Value(_)) => false,
                _ => true,
            };
            if stays {
                new.clone_from(old);
            }
        }
    }
    Ok(Cow::Owned(new.with_pieces(pieces)))
}

/// Whether something else may have the same JSON: a list as a text, a map as an object.
fn is_ambiguous(what: &BodyContent) -> bool {
    match what {
        BodyContent::Text(_) => false,
        BodyContent::Embed(_) | BodyContent::Value(_) => true,
        BodyContent::Node(node) => !node.kind.is_xml() && node.kind != BodyNodeKind::Map,
    }
}
