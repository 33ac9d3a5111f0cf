//! XML texts of which JSON shows nothing: empty ones, and the boundaries of those that follow each other.
//!
//! Editors keep an XML text when its last letter is deleted, so that what others type there at the same time survives. JSON shows
//! nothing of it, and one text for several that follow each other. A new tree is given the texts that the document has.

use std::{borrow::Cow, collections::VecDeque, iter::Peekable, slice, sync::Arc};

use protocol::domain::{CompareUntil, Exhausted};
use yrs::types::Attrs;

use super::{
    node::{BodyContent, BodyNode, BodyNodeKind, BodyPiece},
    pairs::pairs,
};

impl BodyNode {
    /// Whether it is an XML text that JSON shows as text nodes: one without attributes.
    pub(super) fn is_plain_text(&self) -> bool {
        self.kind == BodyNodeKind::XmlText && self.entries.is_empty()
    }

    fn is_hidden(&self) -> bool {
        self.is_plain_text() && self.pieces.is_empty()
    }
}

/// Takes the XML texts that JSON shows as one: those that follow each other. Returns their pieces, and `None` if the next piece is
/// another one.
pub(super) fn next_texts<'a>(
    pieces: &mut Peekable<slice::Iter<'a, BodyPiece>>,
) -> Option<Vec<&'a BodyPiece>> {
    let mut texts: Option<Vec<&BodyPiece>> = None;
    while let Some(piece) = pieces.next_if(|piece| plain_text(piece).is_some()) {
        let text = plain_text(piece).into_iter().flat_map(|text| &text.pieces);
        texts.get_or_insert_default().extend(text);
    }
    texts
}

fn plain_text(piece: &BodyPiece) -> Option<&BodyNode> {
    match &piece.what {
        BodyContent::Node(node) if node.is_plain_text() && piece.formats.is_empty() => Some(node),
        BodyContent::Node(_)
        | BodyContent::Text(_)
        | BodyContent::Embed(_)
        | BodyContent::Value(_) => None,
    }
}

/// Whether a node has nothing but XML texts that JSON shows as text nodes.
pub(super) fn has_texts_only(node: &BodyNode) -> bool {
    node.pieces.iter().all(|piece| plain_text(piece).is_some())
}

/// Returns the node `new` with the XML texts of `old`, which becomes it.
///
/// # Errors
/// The budget ended.
pub(super) fn with_hidden_texts<'n>(
    old: &BodyNode,
    new: &'n BodyNode,
    until: &CompareUntil,
) -> Result<Cow<'n, BodyNode>, Exhausted> {
    let is_undivided = new.pieces.len() <= 1 && old.pieces.len() != new.pieces.len();
    if is_undivided && has_texts_only(new) && has_texts_only(old) && !old.pieces.is_empty() {
        let pieces = divide(&old.children(), new.children().first().copied(), until)?;
        return Ok(Cow::Owned(new.with_pieces(pieces)));
    }
    let old_nodes = old.children();
    if !old_nodes.iter().any(|node| node.is_hidden()) || old_nodes.len() != old.pieces.len() {
        return Ok(Cow::Borrowed(new));
    }
    let shown: Vec<&BodyNode> =
        old_nodes.iter().copied().filter(|node| !node.is_hidden()).collect();
    let new_nodes = new.children();
    if new_nodes.len() != new.pieces.len() {
        return Ok(Cow::Borrowed(new));
    }
    let pairs = pairs(&shown, &new_nodes, until)?;
    let mut all = Vec::with_capacity(new.pieces.len());
    let mut rest = old_nodes.into_iter().peekable();
    let mut seen = 0;
    for (piece, pair) in new.pieces.iter().zip(pairs) {
        all.push(piece.clone());
        let Some(paired) = pair else { continue };
        // The hidden texts before the paired node stay before it, and those right after it after it.
        let after = all.pop();
        while seen <= paired
            && let Some(node) = rest.next()
        {
            match node.is_hidden() {
                true => all.push(nested(node)),
                false => seen += 1,
            }
        }
        all.extend(after);
        while let Some(node) = rest.next_if(|node| node.is_hidden()) {
            all.push(nested(node));
        }
    }
    all.extend(rest.filter(|node| node.is_hidden()).map(nested));
    Ok(Cow::Owned(new.with_pieces(all)))
}

fn nested(node: &BodyNode) -> BodyPiece {
    BodyPiece { what: BodyContent::Node(node.clone().into()), formats: Arc::new(Attrs::default()) }
}

/// Divides the content of one XML text among those that it stands for. A boundary in what stayed at the beginning or at the end keeps
/// its place.
///
/// # Errors
/// The budget ended.
fn divide(
    old: &[&BodyNode],
    new: Option<&BodyNode>,
    until: &CompareUntil,
) -> Result<Vec<BodyPiece>, Exhausted> {
    let before: Vec<char> = old.iter().flat_map(|text| letters(&text.pieces)).collect();
    let after: Vec<char> = new.map(|text| letters(&text.pieces).collect()).unwrap_or_default();
    until.budget.spend(before.len() + after.len())?;
    let same = |(one, other): &(&char, &char)| one == other;
    let prefix = before.iter().zip(&after).take_while(same).count();
    let room = before.len().min(after.len()) - prefix;
    let suffix = before.iter().rev().zip(after.iter().rev()).take(room).take_while(same).count();
    let mut rest: VecDeque<BodyPiece> = new.iter().flat_map(|text| text.pieces.clone()).collect();
    let (mut taken, mut end) = (0, 0);
    let mut divided = Vec::with_capacity(old.len());
    for (index, text) in old.iter().enumerate() {
        end += letters(&text.pieces).count();
        let place = match () {
            () if index + 1 == old.len() => after.len(),
            () if end <= prefix => end,
            () if before.len() - end <= suffix => after.len() - (before.len() - end),
            () => prefix,
        };
        let mut part = BodyNode::new(BodyNodeKind::XmlText);
        for piece in take(&mut rest, place.saturating_sub(taken)) {
            part.push(piece);
        }
        taken = taken.max(place);
        divided.push(nested(&part));
    }
    Ok(divided)
}

/// Returns the letters of a text, and one for each object in it.
fn letters(pieces: &[BodyPiece]) -> impl Iterator<Item = char> {
    pieces.iter().flat_map(|piece| {
        match &piece.what {
            BodyContent::Text(text) => text.as_str(),
            BodyContent::Embed(_) | BodyContent::Value(_) | BodyContent::Node(_) => "\u{fffc}",
        }
        .chars()
    })
}

/// Removes the first `count` letters of a text, and returns them.
fn take(pieces: &mut VecDeque<BodyPiece>, mut count: usize) -> Vec<BodyPiece> {
    let mut taken = Vec::new();
    while count > 0
        && let Some(BodyPiece { what, formats }) = pieces.pop_front()
    {
        let BodyContent::Text(text) = what else {
            taken.push(BodyPiece { what, formats });
            count -= 1;
            continue;
        };
        let end = text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
        let (first, rest) = text.split_at(end);
        count -= first.chars().count();
        if !rest.is_empty() {
            let what = BodyContent::Text(rest.to_owned());
            pieces.push_front(BodyPiece { what, formats: Arc::clone(&formats) });
        }
        taken.push(BodyPiece { what: BodyContent::Text(first.to_owned()), formats });
    }
    taken
}
