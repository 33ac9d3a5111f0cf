//! A Yjs editor without a person: it reads a state, or stores updates and waits until they are stored.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::seats::Target;
use crate::{
    driver::{Editor, EditorEvent},
    measure::wait_until,
};

/// The longest wait for a state or for what is stored.
const PATIENCE: Duration = Duration::from_secs(120);

/// An editor that looks only at what it needs.
pub(crate) struct Agent {
    editor: Editor,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    state: Option<(Instant, Vec<u8>)>,
    stored: u64,
    stored_at: Option<Instant>,
    fault: Option<String>,
}

impl Agent {
    /// Connects an editor.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses it.
    pub(crate) async fn connect(target: &Target) -> anyhow::Result<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let events = move |event: EditorEvent<'_>| {
            let mut seen = shared.lock();
            match event {
                EditorEvent::Synced(state) => {
                    seen.state.get_or_insert_with(|| (Instant::now(), state.to_vec()));
                }
                EditorEvent::Saved(_) => {
                    seen.stored += 1;
                    seen.stored_at = Some(Instant::now());
                }
                EditorEvent::Denied(reason) | EditorEvent::Closed(reason) => {
                    seen.fault.get_or_insert(reason);
                }
                EditorEvent::Update(_) | EditorEvent::Clock(_) => {}
            }
        };
        let Target { address, token, document, .. } = target;
        let editor = Editor::connect(address, token, document, false, events).await?;
        Ok(Self { editor, seen })
    }

    /// Waits for the state of the document. Returns when it arrived, and the state.
    ///
    /// # Errors
    /// It does not arrive.
    pub(crate) async fn state(&self) -> anyhow::Result<(Instant, Vec<u8>)> {
        self.wait_for(|seen| seen.state.is_some()).await?;
        self.seen.lock().state.clone().context("there is no state")
    }

    /// Sends updates one after another, each when the one before is stored. Returns when the last one was.
    ///
    /// # Errors
    /// The server refuses one.
    pub(crate) async fn store(&self, updates: &[Vec<u8>]) -> anyhow::Result<Instant> {
        for (update, number) in updates.iter().zip(0..) {
            self.editor.send_update(number, update);
            self.wait_for(|seen| seen.stored > number).await?;
        }
        self.seen.lock().stored_at.context("nothing was stored")
    }

    async fn wait_for(&self, condition: impl Fn(&Seen) -> bool) -> anyhow::Result<()> {
        let is_over = || {
            let seen = self.seen.lock();
            seen.fault.is_some() || condition(&seen)
        };
        let is_over = wait_until(PATIENCE, is_over).await;
        if let Some(fault) = &self.seen.lock().fault {
            bail!("the server ended an editor: {fault}");
        }
        anyhow::ensure!(is_over, "an editor has waited for {PATIENCE:?}");
        Ok(())
    }
}
