//! The proof that every acknowledged edit is there once: in the text, and in the history.

use std::{collections::HashMap, ops::RangeInclusive};

use serde_json::json;

use crate::{
    driver::{Http, Marker, Operation},
    measure::Counts,
};

/// What is to be proved of one document.
pub(crate) struct Claim<'a> {
    pub(crate) document: &'a str,
    /// The token of a user who may read it.
    pub(crate) token: &'a str,
    /// For each of its authors the number, and how many edits were acknowledged.
    pub(crate) authors: Vec<(usize, u64)>,
}

impl Claim<'_> {
    /// Reads the text and the history. Returns what was found, and sentences about the history.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) async fn check(&self, http: &Http) -> anyhow::Result<(Counts, Vec<String>)> {
        let variables = json!({ "d": self.document });
        let data = http.run(Some(self.token), Operation::READ, variables).await?;
        let (text, version) = (&data["document"]["content"], &data["document"]["version"]);
        let counts = count(text.as_str().unwrap_or_default(), &self.authors);
        let entries = self.entries(http).await?;
        let version = version.as_u64().unwrap_or(0);
        let sentence = gap(&entries, version);
        Ok((counts, sentence.map(|gap| format!("{}: {gap}", self.document)).into_iter().collect()))
    }

    /// Returns the versions of all entries of the history, the newest first.
    async fn entries(&self, http: &Http) -> anyhow::Result<Vec<RangeInclusive<u64>>> {
        let (mut entries, mut after) = (vec![], None::<String>);
        loop {
            let variables = json!({ "d": self.document, "a": after });
            let data = http.run(Some(self.token), Operation::HISTORY, variables).await?;
            let page = &data["documentHistory"];
            let number = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
            for node in page["nodes"].as_array().into_iter().flatten() {
                entries.push(number(&node["fromVersion"])..=number(&node["toVersion"]));
            }
            after = page["pageInfo"]["endCursor"].as_str().map(str::to_owned);
            if page["pageInfo"]["hasNextPage"] != true || after.is_none() {
                return Ok(entries);
            }
        }
    }
}

/// Compares the marks in a text with the edits that were acknowledged.
fn count(text: &str, authors: &[(usize, u64)]) -> Counts {
    let mut found = HashMap::<Marker, u64>::new();
    for marker in Marker::find_all(text.as_bytes()) {
        *found.entry(marker).or_default() += 1;
    }
    let mut counts = Counts::default();
    for &(sender, acknowledged) in authors {
        counts.sent += acknowledged;
        counts.expected += acknowledged;
        for place in 0..acknowledged {
            match found.get(&Marker { sender, place }) {
                None => counts.lost += 1,
                Some(times) => {
                    counts.delivered += 1;
                    counts.repeated += times - 1;
                }
            }
        }
    }
    counts
}

/// Returns a sentence if entries, newest first, do not cover the versions up to `head` once each.
fn gap(entries: &[RangeInclusive<u64>], head: u64) -> Option<String> {
    let mut next = head;
    for entry in entries {
        if *entry.end() != next {
            return Some(format!("the history lacks or repeats version {next}."));
        }
        next = entry.start().saturating_sub(1);
    }
    (next != 0).then(|| format!("the history ends at version {next}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_repeated_edits_are_counted() {
        let counts = count("<0.0><0.1><0.1><1.0>", &[(0, 3), (1, 1)]);
        assert_eq!((counts.expected, counts.delivered), (4, 3));
        assert_eq!((counts.lost, counts.repeated), (1, 1));
    }

    #[test]
    fn a_history_covers_each_version_once() {
        assert_eq!(gap(&[5..=7, 2..=4, 1..=1], 7), None);
        assert!(gap(&[5..=7, 1..=3], 7).is_some());
        assert!(gap(&[5..=7, 2..=4], 7).is_some());
    }
}
