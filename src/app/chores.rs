//! What a node does again and again beside serving.

use chrono::Utc;
use tokio::{task::JoinHandle, time::MissedTickBehavior};

use crate::{
    bridge::Health,
    room::Rooms,
    settings::Settings,
    store::{Retention, Store, StoreOptions},
};

/// So many turns go by between two comparisons of everything while the relay does well.
const TICKS_WHILE_HEALTHY: u32 = 5;

/// Forgets changes that are older than the retention, again and again. What fails is tried again the next time.
pub(super) fn forget_old_changes(options: &StoreOptions, store: Store) -> Option<JoinHandle<()>> {
    let Retention::For(retention) = options.retention else { return None };
    let every = options.forget_every;
    Some(actix_rt::spawn(async move {
        let mut turns = tokio::time::interval(every);
        loop {
            turns.tick().await;
            let before = Utc::now() - retention;
            loop {
                match store.forget_changes(before).await {
                    Ok(0) => break,
                    Ok(documents) => tracing::debug!(documents, "old changes were forgotten"),
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "old changes could not be forgotten");
                        break;
                    }
                }
            }
        }
    }))
}

/// Lets the rooms find out what other nodes did, again and again, where there may be others. As long as these are heard
/// of, everything is compared less often; what is known to have been missed is compared every time.
pub(super) fn compare_with_store(settings: &Settings, rooms: Rooms) -> Option<JoinHandle<()>> {
    let (every, relays) = (settings.room.compare_every, settings.redis.is_set());
    settings.store.is_postgres().then(|| {
        actix_rt::spawn(async move {
            let mut turns = tokio::time::interval(every);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut turn = 0;
            loop {
                let all = tokio::select! {
                    _ = turns.tick() => {
                        turn = (turn + 1) % TICKS_WHILE_HEALTHY;
                        turn == 0 || !relays || rooms.relay() != Health::Healthy
                    }
                    () = rooms.wait_until_stale() => false,
                };
                let compared = match all {
                    true => rooms.compare().await,
                    false => rooms.compare_stale().await,
                };
                if let Err(error) = compared {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "open documents could not be compared with the database");
                }
            }
        })
    })
}
