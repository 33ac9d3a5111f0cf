//! The cache of parsed operations, by their text.
//!
//! Clients send the same few texts again and again with other variables, and parsing is more than half of the cost of a
//! small mutation. The cache is bounded by entries and by bytes of memory, and evicts the least used entries first.

use std::sync::Arc;

use async_graphql::ServerError;
use quick_cache::{Weighter, sync::Cache};

use super::{
    parsed_operations::ParsedOperations,
    validation::{expansion::OperationBounds, refusal::refusal},
};
use crate::{metrics::Metrics, session::Limits};

/// The longest text that is parsed where it arrives, in bytes. Parsing takes up to 2 ms for each KiB.
const MAX_INLINE_TEXT: usize = 1_024;

/// The parsed operations that are in use.
pub(super) struct OperationCache {
    cache: Cache<Arc<str>, Arc<ParsedOperations>, ParsedWeight>,
    max_bytes: usize,
    bounds: OperationBounds,
    metrics: Metrics,
}

impl OperationCache {
    /// Creates an empty cache.
    pub(super) fn new(limits: &Limits, metrics: Metrics) -> Self {
        let (entries, bytes) =
            (limits.operation_cache_entries.max(1), limits.operation_cache_bytes as u64);
        let min = (bytes / entries as u64).max(1);
        let cache = Cache::with_weighter(entries, bytes, ParsedWeight { min });
        let bounds = OperationBounds {
            selections: limits.operation_complexity,
            depth: limits.operation_depth,
        };
        Self { cache, max_bytes: limits.operation_text, bounds, metrics }
    }

    /// Returns the parsed form of `text` if it is in the cache.
    pub(super) fn find(&self, text: &str) -> Option<Arc<ParsedOperations>> {
        let found = self.cache.get(text);
        found.inspect(|_parsed| self.metrics.operation_cache_hit())
    }

    /// Returns the number of bytes of `text` that have to be parsed: none if it is in the cache, or too long.
    pub(super) fn bytes_to_parse(&self, text: &str) -> usize {
        let is_new = text.len() <= self.max_bytes && !self.cache.contains_key(text);
        if is_new { text.len() } else { 0 }
    }

    /// Returns whether parsing `text` takes so long that others must not wait for it.
    pub(super) fn takes_long(&self, text: &str) -> bool {
        (MAX_INLINE_TEXT + 1..=self.max_bytes).contains(&text.len())
    }

    /// Returns the parsed form of `text`, from the cache if it is there.
    ///
    /// # Errors
    /// The text is too long, too complex or not GraphQL.
    pub(super) fn parse(&self, text: String) -> Result<Arc<ParsedOperations>, ServerError> {
        if let Some(parsed) = self.find(&text) {
            return Ok(parsed);
        }
        self.metrics.operation_cache_missed();
        if text.len() > self.max_bytes {
            let message = format!(
                "The operation has {} bytes of text; at most {} are allowed. Pass values as variables.",
                text.len(),
                self.max_bytes
            );
            return Err(refusal(message, None));
        }
        let text: Arc<str> = text.into();
        let parsed = Arc::new(ParsedOperations::parse(Arc::clone(&text), self.bounds)?);
        self.cache.insert(text, Arc::clone(&parsed));
        Ok(parsed)
    }
}

/// Weighs an entry by its bytes of memory, but by no less than its share of the cache, so that one bound limits both
/// bytes and entries.
#[derive(Clone)]
struct ParsedWeight {
    min: u64,
}

impl ParsedWeight {
    /// The memory of one parsed selection, in bytes.
    const SELECTION: u64 = 256;
    /// The most memory of one byte of other text: a value of one digit and a comma.
    const BYTE: u64 = 32;
}

impl Weighter<Arc<str>, Arc<ParsedOperations>> for ParsedWeight {
    fn weight(&self, text: &Arc<str>, parsed: &Arc<ParsedOperations>) -> u64 {
        let bytes = text.len() as u64 * Self::BYTE + parsed.size().written as u64 * Self::SELECTION;
        bytes.max(self.min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_not_in_the_cache_have_to_be_parsed() {
        let bounds = OperationBounds { selections: 2_000, depth: 20 };
        let cache = Cache::with_weighter(8, 1_000_000, ParsedWeight { min: 1 });
        let operations =
            OperationCache { cache, max_bytes: 65_536, bounds, metrics: Metrics::new() };
        let text = |bytes: usize| format!("{{a}}{}", " ".repeat(bytes - 3));
        let takes_long = |bytes: usize| operations.takes_long(&text(bytes));
        assert_eq!([1_024, 1_025, 65_536].map(takes_long), [false, true, true]);
        // It is refused by its length.
        assert!(!takes_long(65_537) && operations.bytes_to_parse(&text(65_537)) == 0);

        assert_eq!(operations.bytes_to_parse(&text(2_000)), 2_000);
        operations.parse(text(2_000)).unwrap();
        assert_eq!(operations.bytes_to_parse(&text(2_000)), 0);
        // Wrong ones are not kept.
        operations.parse("{".repeat(2_000)).err().unwrap();
        assert_eq!(operations.bytes_to_parse(&"{".repeat(2_000)), 2_000);
    }

    #[test]
    fn the_weight_of_an_entry_grows_with_its_parsed_size() {
        let weight = |text: &str| {
            let bounds = OperationBounds { selections: 2_000, depth: 20 };
            let parsed = Arc::new(ParsedOperations::parse(text.into(), bounds).unwrap());
            ParsedWeight { min: 4_096 }.weight(&Arc::clone(&parsed.text), &parsed)
        };
        assert_eq!(weight("{ a }"), 4_096);
        assert!(weight(&format!("{{ {} }}", "a ".repeat(2_000))) > 500_000);
        assert!(weight(&format!("{{ a(x: [{}]) }}", "1,".repeat(30_000))) > 1_500_000);
    }
}
