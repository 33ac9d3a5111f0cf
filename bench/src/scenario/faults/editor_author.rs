//! An author with a Yjs editor. It keeps its document over all connections, and the sync steps send what was not stored.

use std::{pin::pin, sync::Arc};

use anyhow::bail;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout_at},
};
use yrs::Doc;

use super::author::{Author, EDIT_WITHIN, PAUSE};
use crate::driver::{Editor, EditorEvent, Marker, new_doc};

/// What the server has told the editor, over all its connections.
#[derive(Default)]
struct Told {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// What the editor has inserted is stored up to this clock.
    clock: u32,
    /// Whether the current connection has ended.
    has_ended: bool,
    /// Why an update was refused.
    refusal: Option<String>,
}

impl Author {
    /// Writes updates until `stops` becomes true. The last one is acknowledged, too.
    pub(super) async fn write_updates(&self, stops: watch::Receiver<bool>) -> anyhow::Result<()> {
        let (doc, told, mut attempts) = (new_doc(), Arc::new(Told::default()), self.number);
        let mut editor: Option<Editor> = None;
        let mut edits = interval(self.every);
        edits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for place in 0.. {
            edits.tick().await;
            if *stops.borrow() {
                break;
            }
            let marker = Marker { sender: self.number, place };
            let began = Instant::now();
            let (update, clock) = match &editor {
                // While it is connected, its reading task uses the document, too.
                Some(editor) => editor.insert_unsent(&marker.to_string()),
                None => Editor::insert_into(&doc, &marker.to_string()),
            };
            if let Some(editor) = &editor {
                editor.send_update(place, &update);
            }
            while !told.is_stored(clock, began + EDIT_WITHIN, editor.is_some()).await? {
                if began.elapsed() > EDIT_WITHIN {
                    bail!("edit {marker} was not acknowledged in {EDIT_WITHIN:?}");
                }
                if editor.take().is_some() || attempts > self.number {
                    self.ledger.failed();
                    sleep(PAUSE).await;
                }
                editor = self.connect(&doc, &told, attempts).await;
                attempts += 1;
            }
            self.ledger.acknowledged(self.number, began.elapsed());
        }
        Ok(())
    }

    async fn connect(&self, doc: &Doc, told: &Arc<Told>, attempts: usize) -> Option<Editor> {
        told.state.lock().has_ended = false;
        let address = &self.addresses[attempts % self.addresses.len()];
        let shared = Arc::clone(told);
        let events = move |event: EditorEvent<'_>| shared.take(event);
        let target = (&*self.token, &*self.document);
        Editor::resume(address, target, doc.clone(), true, events).await.ok()
    }
}

impl Told {
    fn take(&self, event: EditorEvent<'_>) {
        let mut state = self.state.lock();
        match event {
            EditorEvent::Clock(clock) => state.clock = state.clock.max(clock),
            EditorEvent::Denied(reason) => state.refusal = Some(reason),
            EditorEvent::Closed(_) => state.has_ended = true,
            EditorEvent::Synced(_) | EditorEvent::Update(_) | EditorEvent::Saved(_) => {}
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits until everything up to this clock is stored. Returns false if the connection has ended, or at the deadline.
    ///
    /// # Errors
    /// The server has refused an update.
    async fn is_stored(
        &self,
        clock: u32,
        deadline: Instant,
        is_connected: bool,
    ) -> anyhow::Result<bool> {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let state = self.state.lock();
                if let Some(reason) = &state.refusal {
                    bail!("the server refuses an update: {reason}");
                }
                if state.clock >= clock {
                    return Ok(true);
                }
                if state.has_ended || !is_connected {
                    return Ok(false);
                }
            }
            if timeout_at(deadline, changed).await.is_err() {
                return Ok(false);
            }
        }
    }
}
