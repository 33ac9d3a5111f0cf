//! Whether the head of a room may be lost: the database has gone back to an older state, and may have another change under
//! its number (docs/adr/0023-lost-changes.md). Pure.

use std::cmp::Ordering;

use tokio::time::Instant;

use crate::{
    domain::Change,
    store::{Head, HeadVersions},
};

/// Whether `head`, which was last moved at `moved_at`, is neither the stored head nor one before it, according to what the
/// store had at `read_at` or later.
pub(super) fn contradicts_stored(
    head: &Head,
    moved_at: Instant,
    stored: Option<HeadVersions>,
    read_at: Instant,
) -> bool {
    let Some(stored) = stored else { return true };
    match stored.version.cmp(&head.version) {
        // It may have been read before the head moved.
        Ordering::Less => moved_at < read_at,
        Ordering::Equal => stored.at != head.at,
        Ordering::Greater => false,
    }
}

/// Whether a change that another node has stored shows that `head` is not the stored one.
pub(super) fn contradicts_change(head: &Head, change: &Change) -> bool {
    if change.version == head.version {
        return change.at != head.at;
    }
    let follows = change.previous_at.is_none_or(|at| at == head.at);
    change.version == head.version.next() && !follows
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta, Utc};

    use super::*;
    use crate::domain::{Version, examples::title_change};

    const AT: DateTime<Utc> = DateTime::UNIX_EPOCH;
    const LATER: TimeDelta = TimeDelta::microseconds(1);

    fn head(version: i64) -> Head {
        Head { version: Version::new(version), title: "".into(), at: AT, access_version: 1 }
    }

    #[test]
    fn a_stored_head_that_is_lower_or_another_one_is_noticed() {
        let moved_at = Instant::now();
        let (early, late) = (moved_at, moved_at + Duration::from_secs(1));
        let stored = |version: i64, at: DateTime<Utc>| {
            Some(HeadVersions { version: Version::new(version), at, access_version: 1 })
        };
        let contradicts = |stored, read_at| contradicts_stored(&head(5), moved_at, stored, read_at);
        assert!(!contradicts(stored(4, AT), early));
        assert!(contradicts(stored(4, AT), late));
        assert!(contradicts(stored(5, AT + LATER), early));
        assert!(contradicts(None, early));
        assert!(!contradicts(stored(5, AT), late));
        assert!(!contradicts(stored(6, AT + LATER), late));
    }

    #[test]
    fn a_change_with_the_number_of_the_head_or_after_another_one_is_noticed() {
        let next = |previous_at| Change { previous_at, ..title_change(6) };
        assert!(contradicts_change(&head(5), &Change { at: AT + LATER, ..title_change(5) }));
        assert!(contradicts_change(&head(5), &next(Some(AT + LATER))));
        assert!(!contradicts_change(&head(5), &title_change(5)));
        assert!(!contradicts_change(&head(5), &next(Some(AT))));
        // A node of an earlier version does not say what it follows.
        assert!(!contradicts_change(&head(5), &next(None)));
        assert!(!contradicts_change(&head(4), &next(Some(AT + LATER))), "it is not the next one");
    }
}
