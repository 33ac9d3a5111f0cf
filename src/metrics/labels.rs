//! The values that labels can have.

use crate::domain::Topic;

/// A label with a fixed set of values.
pub(super) trait Label: Copy + 'static {
    /// All values, in the order of their declaration.
    const ALL: &'static [Self];

    /// The value as the metrics page shows it.
    fn text(self) -> &'static str;

    /// Its place in [`Label::ALL`].
    fn index(self) -> usize;
}

macro_rules! label {
    ($name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// Why a subscriber fell behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BehindCause {
    /// It asked for a replay.
    Since,
    /// Its outbox was full.
    OutboxFull,
    /// Versions are missing from memory.
    LogGap,
}

impl BehindCause {
    /// Returns the label of the cause.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.text()
    }
}

label!(BehindCause { Since = "since", OutboxFull = "outbox_full", LogGap = "log_gap" });

/// A kind of actor: whose mailbox it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// One open document.
    Room,
    /// The relay to other nodes.
    Relay,
}

/// What an operation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// To read.
    Query,
    /// To change.
    Mutation,
    /// To be told.
    Subscription,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationOutcome {
    /// Without an error; for a subscription: it began.
    Ok,
    /// With an error that the caller can do something about.
    Refused,
    /// With an error on our side.
    Failed,
}

/// How a question for access ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessOutcome {
    /// The user has the level that is needed.
    Allowed,
    /// The user has a lower one or none, or there is no such document.
    Denied,
    /// The store did not answer.
    Failed,
}

label!(Topic {
    Changes = "changes",
    Presence = "presence",
    Cursors = "cursors",
    Document = "document",
});
label!(ActorKind { Room = "room", Relay = "relay" });
label!(OperationKind { Query = "query", Mutation = "mutation", Subscription = "subscription" });
label!(OperationOutcome { Ok = "ok", Refused = "refused", Failed = "failed" });
label!(AccessOutcome { Allowed = "allowed", Denied = "denied", Failed = "failed" });

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fmt::Debug};

    use super::*;

    fn check<L: Label + Debug>() {
        for (index, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), index, "{label:?}");
        }
        let texts: HashSet<_> = L::ALL.iter().map(|label| label.text()).collect();
        assert_eq!(texts.len(), L::ALL.len());
    }

    #[test]
    fn an_index_leads_back_to_its_label() {
        check::<Topic>();
        check::<ActorKind>();
        check::<OperationKind>();
        check::<OperationOutcome>();
        check::<AccessOutcome>();
    }
}
