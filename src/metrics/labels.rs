//! The labels of metrics and the values that each can have.

use crate::domain::Topic;

/// A label with a fixed set of values.
pub(super) trait Label: Copy + 'static {
    /// The name of the label on the metrics page.
    const NAME: &'static str;

    /// Every value, in the order of declaration.
    const ALL: &'static [Self];

    /// Returns the value as the metrics page shows it.
    fn value(self) -> &'static str;

    /// Returns the position of the value in [`Label::ALL`].
    fn index(self) -> usize;
}

macro_rules! label {
    ($name:literal: $kind:ident { $($variant:ident = $value:literal),+ $(,)? }) => {
        impl Label for $kind {
            const NAME: &'static str = $name;
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn value(self) -> &'static str {
                match self {
                    $(Self::$variant => $value),+
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// The kind of actor that a mailbox belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// An open document.
    Room,
    /// The relay to other nodes.
    Relay,
}

/// The kind of a GraphQL operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// Reads.
    Query,
    /// Changes something.
    Mutation,
    /// Receives events until it ends.
    Subscription,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationOutcome {
    /// Without an error. A subscription counts when it starts.
    Ok,
    /// With an error that the client can correct.
    Refused,
    /// With an error of the server.
    Failed,
}

/// The outcome of a question to the application that decides on access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionOutcome {
    /// The application has answered.
    Answered,
    /// It gave no answer that can be used.
    Failed,
}

/// The result of an access check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessOutcome {
    /// The user has the required access level.
    Allowed,
    /// The user has a lower level or none, or the document does not exist.
    Denied,
    /// The store did not answer.
    Failed,
}

/// Why a subscriber to changes has to catch up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BehindCause {
    /// It subscribed with `since`. Nothing is wrong.
    Since,
    /// Its outbox was full, so queued changes were removed.
    OutboxFull,
    /// The change log no longer has what follows the room's head.
    LogGap,
    /// The database has lost changes that the subscriber has received.
    LostChanges,
    /// A large change could not be rendered in time, or the user has no memory for it.
    LargeChange,
}

impl BehindCause {
    /// Returns the label of the cause, for metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.value()
    }
}

/// The result of a lookup in a cache.
#[derive(Debug, Clone, Copy)]
pub(super) enum CacheOutcome {
    Hit,
    Miss,
}

label!("topic": Topic {
    Changes = "changes",
    Presence = "presence",
    Cursors = "cursors",
    Level = "level",
    Document = "document",
});
label!("actor": ActorKind { Room = "room", Relay = "relay" });
label!("kind": OperationKind {
    Query = "query",
    Mutation = "mutation",
    Subscription = "subscription",
});
label!("outcome": OperationOutcome { Ok = "ok", Refused = "refused", Failed = "failed" });
label!("outcome": QuestionOutcome { Answered = "answered", Failed = "failed" });
label!("outcome": AccessOutcome { Allowed = "allowed", Denied = "denied", Failed = "failed" });
label!("cause": BehindCause {
    Since = "since",
    OutboxFull = "outbox_full",
    LogGap = "log_gap",
    LostChanges = "lost_changes",
    LargeChange = "large_change",
});
label!("outcome": CacheOutcome { Hit = "hit", Miss = "miss" });

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fmt::Debug};

    use super::*;

    fn check<L: Label + Debug>() {
        for (index, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), index, "{label:?}");
        }
        let values: HashSet<_> = L::ALL.iter().map(|label| label.value()).collect();
        assert_eq!(values.len(), L::ALL.len(), "two values of {} are the same", L::NAME);
    }

    #[test]
    fn each_label_value_is_at_its_index_and_unique() {
        check::<Topic>();
        check::<ActorKind>();
        check::<OperationKind>();
        check::<OperationOutcome>();
        check::<AccessOutcome>();
        check::<QuestionOutcome>();
        check::<BehindCause>();
        check::<CacheOutcome>();
    }

    #[test]
    fn causes_of_falling_behind_have_the_documented_labels() {
        let labels: Vec<_> = BehindCause::ALL.iter().map(|cause| cause.label()).collect();
        assert_eq!(labels, ["since", "outbox_full", "log_gap", "lost_changes", "large_change"]);
    }
}
