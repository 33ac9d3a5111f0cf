//! The tasks that a node runs periodically beside its server.
//!
//! Each task logs a failure and tries again at the next interval. A panic starts it again. The node aborts all when it
//! stops.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, sleep, sleep_until},
};

use crate::{
    bridge::Health,
    room::Rooms,
    session::Sessions,
    settings::Settings,
    store::{Retention, SignInEnd, Store, StoreError, StoreOptions},
    task::supervise_local,
};

/// While the relay works, all documents are reconciled only at every fifth interval.
const TICKS_WHILE_HEALTHY: u32 = 5;

/// How often the list of deleted documents with a long log is looked at.
const PURGE_EVERY: Duration = Duration::from_secs(5);

/// The largest difference between the clocks of nodes with which each finds the sign-ins that another has ended.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_mins(1);

/// How long sign-ins that have ended are remembered at least: tokens of outside issuers may live as long.
const SIGN_INS_KEPT: Duration = Duration::from_hours(24 * 90);

/// How often sign-ins that ended long ago are forgotten.
const FORGET_SIGN_INS_EVERY: Duration = Duration::from_hours(1);

/// The most comparisons of stale documents in one interval.
const STALE_COMPARISONS: u32 = 10;

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

/// Deletes the long logs of deleted documents in slices. Between two slices it pauses for as long as a slice took, so
/// that others can write.
pub(super) fn purge_deleted_documents(store: Store) -> JoinHandle<()> {
    supervise_local("deletion of the logs of deleted documents", move || {
        let store = store.clone();
        async move {
            loop {
                let began = Instant::now();
                let pause = match store.purge_some().await {
                    Ok(true) => began.elapsed(),
                    Ok(false) => PURGE_EVERY,
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "could not delete the log of a deleted document");
                        PURGE_EVERY
                    }
                };
                sleep(pause).await;
            }
        }
    })
}

/// Closes the sessions whose sign-ins have ended, so that they end even if no message about it arrives, or a command of the
/// operator has ended them. Also forgets sign-ins that ended long ago.
pub(super) fn end_sign_ins(
    settings: &Settings,
    store: Store,
    sessions: Sessions,
) -> JoinHandle<()> {
    let every = settings.room.compare_every;
    let kept_for = settings.auth.sign_in_life.max(SIGN_INS_KEPT);
    supervise_local("end of sign-ins", move || {
        let (store, sessions) = (store.clone(), sessions.clone());
        async move {
            let mut interval = tokio::time::interval(every);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut forget_at = Instant::now();
            loop {
                interval.tick().await;
                // Nodes whose clocks differ by a minute still find them.
                let found =
                    store.list_ended_sign_ins(every.saturating_mul(2) + MAX_CLOCK_DIFFERENCE).await;
                let done = match found {
                    Ok(ends) => {
                        for SignInEnd { user, ended } in ends {
                            sessions.end_sign_ins(user, ended, None);
                        }
                        forget_sign_ins(&store, &mut forget_at, kept_for).await
                    }
                    Err(error) => Err(error),
                };
                if let Err(error) = done {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "could not compare the sessions with the database");
                }
            }
        }
    })
}

/// Forgets sign-ins that ended long ago, once an hour.
async fn forget_sign_ins(
    store: &Store,
    at: &mut Instant,
    kept_for: Duration,
) -> Result<(), StoreError> {
    if Instant::now() < *at {
        return Ok(());
    }
    while store.forget_ended_sign_ins(Utc::now() - kept_for).await? > 0 {}
    *at = Instant::now() + FORGET_SIGN_INS_EVERY;
    Ok(())
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
