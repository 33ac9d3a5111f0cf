//! When the keys of an issuer are fetched.

use kit::SigningKey;
use serde_json::json;

use super::{super::options::examples::company, *};

const EVERY: Duration = Duration::from_secs(600);
const STALE: Duration = Duration::from_secs(24 * 3600);
const RETRY: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(1);

fn keys(id: &str) -> Option<KeySet> {
    let set = json!({ "keys": [SigningKey::ed_dsa(id).public()] });
    Some(KeySet::parse(set.to_string().as_bytes()).unwrap())
}

fn cache() -> KeyCache {
    KeyCache::new(KeyTimes::of(&company()))
}

/// Returns a cache whose keys were fetched at `now`.
fn filled(id: &str, now: Instant) -> KeyCache {
    let mut cache = cache();
    assert!(cache.begin_fetch(now));
    cache.end_fetch(keys(id), now);
    cache
}

/// Returns a word for the result of a search.
fn look_up(cache: &KeyCache, id: &str, now: Instant) -> &'static str {
    match cache.look_up(Some(id), SignatureAlgorithm::EdDsa, now) {
        Lookup::Found { is_refresh_due: false, .. } => "found",
        Lookup::Found { is_refresh_due: true, .. } => "found, refresh",
        Lookup::Fetch => "fetch",
        Lookup::Fetching => "fetching",
        Lookup::Unknown => "unknown",
        Lookup::Failed => "failed",
    }
}

#[test]
fn keys_are_fetched_for_the_first_token_and_used_for_the_next() {
    let (mut cache, now) = (cache(), Instant::now());
    assert_eq!(look_up(&cache, "a", now), "fetch");
    assert!(cache.begin_fetch(now));
    assert!(!cache.begin_fetch(now));
    assert_eq!(look_up(&cache, "a", now), "fetching");
    assert_eq!(look_up(&cache, "a", now + STALE), "fetching");
    cache.end_fetch(keys("a"), now);
    assert_eq!(look_up(&cache, "a", now), "found");
}

#[test]
fn an_unknown_key_causes_a_fetch_at_a_limited_rate() {
    let now = Instant::now();
    let mut cache = filled("a", now);
    assert_eq!(look_up(&cache, "b", now), "unknown");
    assert_eq!(look_up(&cache, "b", now + RETRY - MOMENT), "unknown");
    assert_eq!(look_up(&cache, "b", now + RETRY), "fetch");
    assert!(cache.begin_fetch(now + RETRY));
    // The known keys are used meanwhile.
    assert_eq!(look_up(&cache, "a", now + RETRY), "found");
    cache.end_fetch(keys("b"), now + RETRY);
    assert_eq!(look_up(&cache, "b", now + RETRY), "found");
    // The issuer has taken it back.
    assert_eq!(look_up(&cache, "a", now + RETRY), "unknown");
}

#[test]
fn old_keys_are_fetched_again_while_they_are_used() {
    let now = Instant::now();
    let mut cache = filled("a", now);
    assert_eq!(look_up(&cache, "a", now + EVERY - MOMENT), "found");
    assert_eq!(look_up(&cache, "a", now + EVERY), "found, refresh");
    assert!(cache.begin_fetch(now + EVERY));
    assert_eq!(look_up(&cache, "a", now + EVERY), "found");
    cache.end_fetch(None, now + EVERY);
    // It failed: the next attempt comes later.
    assert_eq!(look_up(&cache, "a", now + EVERY + MOMENT), "found");
    assert_eq!(look_up(&cache, "a", now + EVERY + RETRY), "found, refresh");
}

#[test]
fn keys_that_cannot_be_fetched_again_are_used_for_a_limited_time() {
    let now = Instant::now();
    let mut cache = filled("a", now);
    assert_eq!(look_up(&cache, "a", now + STALE - MOMENT), "found, refresh");
    assert_eq!(look_up(&cache, "a", now + STALE), "fetch");
    assert!(cache.begin_fetch(now + STALE));
    cache.end_fetch(None, now + STALE + MOMENT);
    assert_eq!(look_up(&cache, "a", now + STALE + MOMENT), "failed");
    assert_eq!(look_up(&cache, "a", now + STALE + RETRY), "fetch");
}
