//! Brings the keys of applications from the database into memory, and ends the tokens of those that were removed.

use std::time::Duration;

use tokio::{task::JoinHandle, time::MissedTickBehavior};

use crate::{
    auth::{ApplicationKeys, RegisteredKey},
    session::DocumentTokenEnds,
    store::{ApplicationKey, Store, StoreError},
    task::supervise_local,
};

/// How often the keys are read.
const LOAD_EVERY: Duration = Duration::from_secs(1);

/// The number of reads after which the node looks for tokens of removed keys, even if the keys have not changed.
const SWEEP_EVERY: u32 = 60;

/// Reads the keys of applications every second.
#[derive(Clone)]
pub(super) struct KeyLoader {
    pub(super) store: Store,
    pub(super) keys: ApplicationKeys,
    pub(super) ends: DocumentTokenEnds,
}

impl KeyLoader {
    /// Reads the keys now, and again every second.
    pub(super) async fn start(self) -> JoinHandle<()> {
        // The first clients find the keys. If the database fails, the task tries again.
        if let Err(error) = self.load(&mut None).await {
            report(&error);
        }
        supervise_local("keys of applications", move || {
            let loader = self.clone();
            async move {
                let (mut known, mut loads) = (None, 0_u32);
                let mut interval = tokio::time::interval(LOAD_EVERY);
                interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    interval.tick().await;
                    loads = loads.wrapping_add(1);
                    // A token may have been used while its key was removed.
                    if loads % SWEEP_EVERY == 0 {
                        known = None;
                    }
                    if let Err(error) = loader.load(&mut known).await {
                        report(&error);
                    }
                }
            }
        })
    }

    /// Reads the keys. If they differ from `known`, uses them and ends the tokens of removed keys.
    async fn load(&self, known: &mut Option<Vec<ApplicationKey>>) -> Result<(), StoreError> {
        let stored = self.store.list_application_keys().await?;
        if known.as_ref() == Some(&stored) {
            return Ok(());
        }
        self.keys.replace(stored.iter().filter_map(registered_key));
        self.ends.end_tokens_of_removed_keys().await?;
        *known = Some(stored);
        Ok(())
    }
}

fn registered_key(stored: &ApplicationKey) -> Option<RegisteredKey> {
    let read = RegisteredKey::read(&stored.id, &stored.application, &stored.key);
    let invalid = |error: &_| {
        tracing::warn!(key = stored.id, %error, "a key of an application cannot be used");
    };
    read.inspect_err(invalid).ok()
}

fn report(error: &StoreError) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "could not load the keys of applications");
}
