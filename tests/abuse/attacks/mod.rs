//! Attacks of a user or a stranger on the others. Each repeats itself without an end.
//!
//! The tests run them in small sizes, `examples/abuse` in full ones.

mod answers;
mod attacker;
mod bystander;
mod connections;
mod documents;
mod editors;
mod events;
mod operations;
mod updates;

use futures_util::future::LocalBoxFuture;

pub(crate) use attacker::{Attacker, Size, Target};
pub(crate) use bystander::{Bystander, Identity, Sample};

/// An attack by its name.
pub(crate) struct Attack {
    /// The name.
    pub(crate) name: &'static str,
    /// Runs it without an end.
    pub(crate) run: fn(Attacker) -> LocalBoxFuture<'static, ()>,
}

/// Ten attacks of different kinds, to run at once.
pub(crate) const TEN: [&str; 10] = [
    "content_copies",
    "deaf_sockets",
    "update_copies",
    "viewer_renders",
    "conflicts_of_two_clients",
    "large_variables",
    "database_questions",
    "wrong_passwords",
    "page_scripts",
    "open_documents",
];

macro_rules! attacks {
    ($($module:ident: $($name:ident),+;)+) => {
        /// All attacks.
        pub(crate) const ATTACKS: &[Attack] = &[$($(Attack {
            name: stringify!($name),
            run: |attacker| Box::pin($module::$name(attacker)),
        }),+),+];
    };
}

attacks! {
    answers: content_copies, unread_answers, sipped_answers, deaf_sockets;
    events: update_copies, delta_copies, viewer_renders, replays;
    editors: conflicts, conflicts_of_two_clients, poisoned_documents, deleted_ranges, map_entries, many_clients,
        sync_requests;
    operations: schema_aliases, long_texts, large_variables, repeated_variables, database_questions, database_writes,
        bad_tokens, wrong_passwords, right_passwords, address_lookups;
    connections: half_heads, page_scripts, sockets_before_admission, unauthenticated_paths;
    documents: large_texts, open_documents, restorations, unwanted_grants;
}
