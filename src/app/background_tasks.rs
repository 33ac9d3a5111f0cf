//! The tasks that a node runs periodically beside its server.
//!
//! Each task logs a failure and tries again at the next interval. A panic starts it again. The node aborts all when it
//! stops.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, sleep, sleep_until},
};

use crate::{
    auth::Issuers,
    bridge::Health,
    room::Rooms,
    session::{AccountEnds, Sessions},
    settings::Settings,
    store::{Retention, SignInEnd, Store, StoreError, StoreOptions},
    task::supervise_local,
};

/// While the relay works, all documents are reconciled only at every fifth interval.
const TICKS_WHILE_HEALTHY: u32 = 5;

/// How often the bins and the list of purged documents with a long log are looked at.
const PURGE_EVERY: Duration = Duration::from_secs(5);

/// The largest difference between the clocks of nodes with which each finds the sign-ins that another has ended.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_mins(1);

/// How often rows that have expired are deleted.
const DELETE_EXPIRED_EVERY: Duration = Duration::from_hours(1);

/// How long it is remembered which users of outside issuers have deleted their accounts. Tokens from before have expired then, and
/// would otherwise create an account.
const ERASED_IDENTITIES_KEPT: TimeDelta = TimeDelta::days(7);

/// How often the node looks for deletions of accounts that have stopped.
const FINISH_DELETIONS_EVERY: Duration = Duration::from_secs(5);

/// How often the node looks for answers that end soon.
const RENEW_ANSWERS_EVERY: Duration = Duration::from_millis(100);

/// How often the node looks for access that has reached its end, if not more often.
const END_ACCESS_EVERY: Duration = Duration::from_millis(500);

/// The most comparisons of stale documents in one interval.
const STALE_COMPARISONS: u32 = 10;

/// A task that does its work again and again, and logs when it fails.
struct RepeatedTask {
    name: &'static str,
    /// The time from one begin to the next. After longer work, it is the pause.
    every: Duration,
    /// What the log says when the work fails.
    failure: &'static str,
}

impl RepeatedTask {
    fn start<F>(self, work: impl Fn() -> F + Clone + 'static) -> JoinHandle<()>
    where
        F: Future<Output = Result<(), StoreError>> + 'static,
    {
        let Self { name, every, failure } = self;
        supervise_local(name, move || {
            let work = work.clone();
            async move {
                let mut interval = tokio::time::interval(every);
                interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    interval.tick().await;
                    if let Err(error) = work().await {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "{failure}");
                    }
                }
            }
        })
    }
}

/// Deletes changes that are older than `store.retention`, every `store.forget_every`. No task if changes are kept
/// forever.
pub(super) fn delete_old_changes(options: &StoreOptions, store: Store) -> Option<JoinHandle<()>> {
    let Retention::For(retention) = options.retention else { return None };
    let every = options.forget_every;
    Some(supervise_local("deletion of old changes", move || {
        let store = store.clone();
        async move {
            let mut interval = tokio::time::interval(every);
            loop {
                interval.tick().await;
                delete_changes_before(&store, Utc::now() - retention).await;
            }
        }
    }))
}

async fn delete_changes_before(store: &Store, before: DateTime<Utc>) {
    loop {
        match store.forget_changes(before).await {
            Ok(0) => break,
            Ok(documents) => tracing::debug!(documents, "deleted old changes"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "could not delete old changes");
                break;
            }
        }
    }
}

/// Purges the documents that have been in bins for `store.bin_kept`, and deletes the long logs of purged documents in slices.
/// Between two slices it pauses for as long as a slice took, so that others can write.
pub(super) fn purge_deleted_documents(store: Store) -> JoinHandle<()> {
    supervise_local("deletion of the logs of deleted documents", move || {
        let store = store.clone();
        async move {
            loop {
                let began = Instant::now();
                let pause = match purge(&store).await {
                    Ok(true) => began.elapsed(),
                    Ok(false) => PURGE_EVERY,
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "could not purge deleted documents");
                        PURGE_EVERY
                    }
                };
                sleep(pause).await;
            }
        }
    })
}

/// Purges some documents, and deletes a slice of a log. Returns whether there was anything to do.
async fn purge(store: &Store) -> Result<bool, StoreError> {
    let emptied = store.empty_bins(Utc::now()).await;
    // Logs are deleted also if bins cannot be emptied.
    let has_purged = store.purge_some().await?;
    Ok(emptied? || has_purged)
}

/// Closes the sessions whose sign-ins have ended, so that they end even if no message about it arrives, or a command of the
/// operator has ended them.
pub(super) fn end_sign_ins(
    settings: &Settings,
    store: Store,
    sessions: Sessions,
) -> JoinHandle<()> {
    let every = settings.room.compare_every;
    let started_at = Instant::now();
    supervise_local("end of sign-ins", move || {
        let (store, sessions) = (store.clone(), sessions.clone());
        async move {
            let mut compared_at = started_at;
            let mut interval = tokio::time::interval(every);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                let began = Instant::now();
                // An end is stored some time after its time, and by the clock of another node.
                let within = began.duration_since(compared_at) + MAX_CLOCK_DIFFERENCE;
                match store.list_ended_sign_ins(within).await {
                    Ok(ends) => {
                        for SignInEnd { user, ended } in ends {
                            sessions.end_sign_ins(user, ended, None);
                        }
                        compared_at = began;
                    }
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "could not compare the sessions with the database");
                    }
                }
            }
        }
    })
}

/// Ends grants, and the access that document tokens and answers have given, at their time.
pub(super) fn end_due_access(settings: &Settings, rooms: Rooms) -> JoinHandle<()> {
    let task = RepeatedTask {
        name: "end of access",
        every: settings.room.compare_every.min(END_ACCESS_EVERY),
        failure: "could not end expired access",
    };
    task.start(move || {
        let rooms = rooms.clone();
        async move { rooms.end_due_access().await }
    })
}

/// Ends grants to groups at their time, and settles changes of membership. It is no part of [`end_due_access`], which must not wait
/// for a large group.
pub(super) fn follow_groups(settings: &Settings, rooms: Rooms) -> JoinHandle<()> {
    let task = RepeatedTask {
        name: "access of groups",
        every: settings.room.compare_every.min(END_ACCESS_EVERY),
        failure: "could not announce the access of groups",
    };
    task.start(move || {
        let rooms = rooms.clone();
        async move {
            let ended = rooms.end_group_grants(Utc::now()).await;
            ended.and(rooms.settle_members().await)
        }
    })
}

/// Asks the application that decides on access again before its answers end. No task without one.
pub(super) fn renew_answers(rooms: Rooms) -> Option<JoinHandle<()>> {
    rooms.has_deciding_application().then(|| {
        supervise_local("renewal of answers", move || {
            let rooms = rooms.clone();
            async move {
                let mut interval = tokio::time::interval(RENEW_ANSWERS_EVERY);
                interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    interval.tick().await;
                    rooms.renew_answers();
                }
            }
        })
    })
}

/// Goes on with deletions of accounts that another node has left, or an operator.
pub(super) fn finish_deletions(account_ends: AccountEnds) -> JoinHandle<()> {
    let task = RepeatedTask {
        name: "deletion of accounts",
        every: FINISH_DELETIONS_EVERY,
        failure: "could not look for deletions of accounts",
    };
    task.start(move || {
        let account_ends = account_ends.clone();
        async move { account_ends.finish_stalled().await }
    })
}

/// Deletes rows that have expired, once an hour: ended sign-ins, document tokens, redeemed tickets, grants to addresses, links, and the
/// identities of deleted accounts.
pub(super) fn delete_expired_rows(store: Store) -> JoinHandle<()> {
    let task = RepeatedTask {
        name: "deletion of expired rows",
        every: DELETE_EXPIRED_EVERY,
        failure: "could not delete expired rows",
    };
    task.start(move || {
        let store = store.clone();
        async move { forget_expired(&store, Utc::now()).await }
    })
}

async fn forget_expired(store: &Store, now: DateTime<Utc>) -> Result<(), StoreError> {
    while store.forget_ended_sign_ins(now).await? > 0 {}
    while store.forget_document_tokens(now).await? > 0 {}
    while store.forget_address_grants(now).await? > 0 {}
    while store.forget_ended_links(now).await? > 0 {}
    while store.forget_redeemed_tickets(now).await? > 0 {}
    while store.forget_erased_identities(now - ERASED_IDENTITIES_KEPT).await? > 0 {}
    Ok(())
}

/// Keeps the keys of outside issuers fresh.
pub(super) fn keep_keys_fresh(issuers: Issuers) -> JoinHandle<()> {
    supervise_local("keys of outside issuers", move || {
        let issuers = issuers.clone();
        async move { issuers.keep_keys_fresh().await }
    })
}

/// Reconciles the open documents with the database, so that changes of other nodes are found even if no message
/// about them arrives. No task with SQLite, which only one node can use.
///
/// While the relay works, all documents are reconciled at every fifth interval only; documents that are known to have
/// missed something are reconciled immediately.
pub(super) fn reconcile_with_store(settings: &Settings, rooms: Rooms) -> Option<JoinHandle<()>> {
    let (every, has_relay) = (settings.room.compare_every, settings.redis.is_set());
    settings.store.is_postgres().then(|| {
        supervise_local("reconciliation with the store", move || {
            reconcile(rooms.clone(), every, has_relay)
        })
    })
}

async fn reconcile(rooms: Rooms, every: Duration, has_relay: bool) {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = 0;
    // A room that cannot take the result of a comparison is stale again at once. The database must not be asked as often.
    let mut next_stale = Instant::now();
    loop {
        let all = tokio::select! {
            _ = interval.tick() => {
                ticks = (ticks + 1) % TICKS_WHILE_HEALTHY;
                ticks == 0 || !has_relay || rooms.relay() != Health::Healthy
            }
            () = sleep_until(next_stale).then(|()| rooms.wait_until_stale()) => false,
        };
        next_stale = Instant::now() + every / STALE_COMPARISONS;
        let compared = match all {
            true => rooms.compare().await,
            false => rooms.compare_stale().await,
        };
        if let Err(error) = compared {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "could not reconcile open documents with the database");
        }
    }
}
