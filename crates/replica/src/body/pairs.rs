//! Which nodes of a document become which nodes of a tree.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

use protocol::domain::{CompareUntil, Exhausted};
use similar::{Algorithm, DiffTag, capture_diff_slices_deadline};
use unicode_segmentation::UnicodeSegmentation as _;

use super::node::BodyNode;

/// The most pairs of nodes at one place that are compared by their words. Of more, those of the same kind are paired in their order.
const MAX_PAIRS: usize = 10_000;

/// The most words of a node that are compared.
const MAX_WORDS: usize = 400;

/// The score of two nodes with the same words. Two of the same kind without a common word have one.
const MAX_SCORE: u32 = 1_000;

/// Returns for each node of `new` the index of the node of `old` that becomes it. Indices ascend.
///
/// # Errors
/// The budget ended.
pub(super) fn pairs(
    old: &[&BodyNode],
    new: &[&BodyNode],
    until: &CompareUntil,
) -> Result<Vec<Option<usize>>, Exhausted> {
    until.budget.spend(old.len() + new.len())?;
    let numbers = |nodes: &[&BodyNode]| nodes.iter().map(|node| node.number()).collect::<Vec<_>>();
    let mut pairs = vec![None; new.len()];
    let deadline = Some(until.deadline);
    let ops =
        capture_diff_slices_deadline(Algorithm::Myers, &numbers(old), &numbers(new), deadline);
    for op in ops {
        let (of_old, of_new) = (op.old_range(), op.new_range());
        match op.tag() {
            DiffTag::Equal => {
                for (old, new) in of_old.zip(of_new) {
                    pairs[new] = Some(old);
                }
            }
            DiffTag::Replace => {
                let similar = similar_pairs(&old[of_old.clone()], &new[of_new.clone()], until)?;
                for (old, new) in similar {
                    pairs[of_new.start + new] = Some(of_old.start + old);
                }
            }
            DiffTag::Delete | DiffTag::Insert => {}
        }
    }
    Ok(pairs)
}

/// Returns pairs of nodes of the same kind, in their order, that are as similar as possible.
fn similar_pairs(
    old: &[&BodyNode],
    new: &[&BodyNode],
    until: &CompareUntil,
) -> Result<Vec<(usize, usize)>, Exhausted> {
    let count = old.len().saturating_mul(new.len());
    if count > MAX_PAIRS {
        return Ok(pairs_of_kind(old, new, until));
    }
    until.budget.spend(count)?;
    let hashes = RandomState::new();
    let words = |nodes: &[&BodyNode]| -> Vec<Vec<u64>> {
        nodes.iter().map(|node| words_of(node, &hashes)).collect()
    };
    let (old_words, new_words) = (words(old), words(new));
    let score = |i: usize, j: usize| match old[i].kind == new[j].kind {
        true => 1 + similarity(&old_words[i], &new_words[j]),
        false => 0,
    };
    // best[i][j] is the highest sum of scores of pairs among the nodes from i and j on.
    let mut best = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    let mut scores = vec![vec![0_u32; new.len()]; old.len()];
    for i in (0..old.len()).rev() {
        until.budget.spend(new.len().saturating_mul(1 + old_words[i].len()))?;
        for j in (0..new.len()).rev() {
            scores[i][j] = score(i, j);
            let paired = scores[i][j] + best[i + 1][j + 1];
            best[i][j] = paired.max(best[i + 1][j]).max(best[i][j + 1]);
        }
    }
    let (mut i, mut j, mut found) = (0, 0, vec![]);
    while i < old.len() && j < new.len() {
        if scores[i][j] > 0 && best[i][j] == scores[i][j] + best[i + 1][j + 1] {
            found.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if best[i][j] == best[i + 1][j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    Ok(found)
}

fn pairs_of_kind(
    old: &[&BodyNode],
    new: &[&BodyNode],
    until: &CompareUntil,
) -> Vec<(usize, usize)> {
    let mut numbers = HashMap::new();
    let mut number = |node: &&BodyNode| {
        let next = numbers.len();
        *numbers.entry(node.kind.clone()).or_insert(next)
    };
    let old: Vec<usize> = old.iter().map(&mut number).collect();
    let new: Vec<usize> = new.iter().map(&mut number).collect();
    let ops = capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(until.deadline));
    let equal = ops.into_iter().filter(|op| op.tag() == DiffTag::Equal);
    equal.flat_map(|op| op.old_range().zip(op.new_range())).collect()
}

/// Returns the first words of a node, sorted.
fn words_of(node: &BodyNode, hashes: &RandomState) -> Vec<u64> {
    let mut words = Vec::new();
    node.visit_texts(&mut |text| {
        let left = MAX_WORDS - words.len();
        words.extend(text.unicode_words().take(left).map(|word| hashes.hash_one(word)));
    });
    words.sort_unstable();
    words
}

/// Returns how many words two nodes share, as a part of [`MAX_SCORE`]. Two without words are alike.
fn similarity(one: &[u64], other: &[u64]) -> u32 {
    let all = one.len() + other.len();
    if all == 0 {
        return MAX_SCORE;
    }
    let (mut i, mut j, mut common) = (0, 0, 0);
    while let (Some(a), Some(b)) = (one.get(i), other.get(j)) {
        match a.cmp(b) {
            std::cmp::Ordering::Equal => {
                common += 2;
                (i, j) = (i + 1, j + 1);
            }
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
        }
    }
    u32::try_from(common * MAX_SCORE as usize / all).unwrap_or(MAX_SCORE)
}
