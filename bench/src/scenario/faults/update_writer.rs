//! A writer with a Yjs editor. It keeps its document over all connections, and the sync steps send what was not stored.

use std::{pin::pin, sync::Arc};

use anyhow::bail;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};
use yrs::Doc;

use super::author::{Attempt, Writer};
use crate::{
    driver::{Address, Editor, EditorEvent, Marker, new_doc},
    scenario::seats::Target,
};

/// A Yjs editor, with or without a connection.
pub(super) struct UpdateWriter {
    target: Target,
    doc: Doc,
    editor: Option<Editor>,
    told: Arc<Told>,
    /// The clock after the current edit.
    clock: u32,
}

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

impl UpdateWriter {
    /// Creates an editor with an empty document and without a connection.
    pub(super) fn new(target: Target) -> Self {
        Self { target, doc: new_doc(), editor: None, told: Arc::default(), clock: 0 }
    }

    async fn connect(&self, address: &Address) -> Option<Editor> {
        self.told.state.lock().has_ended = false;
        let shared = Arc::clone(&self.told);
        let events = move |event: EditorEvent<'_>| shared.take(event);
        let target = (&*self.target.token, &*self.target.document);
        Editor::resume(address, target, self.doc.clone(), true, events).await.ok()
    }
}

impl Writer for UpdateWriter {
    fn write(&mut self, Marker { sender, place }: Marker) {
        let text = Marker { sender, place }.to_string();
        let Some(editor) = &self.editor else {
            // The sync steps of the next connection send it.
            (_, self.clock) = Editor::insert_into(&self.doc, &text);
            return;
        };
        // While it is connected, its reading task uses the document, too.
        let (update, clock) = editor.insert_unsent(&text);
        self.clock = clock;
        editor.send_update(place, &update);
    }

    async fn attempt(&mut self, address: &Address, deadline: Instant) -> anyhow::Result<Attempt> {
        if self.editor.is_none() {
            self.editor = self.connect(address).await;
        }
        if self.editor.is_some() && self.told.is_stored(self.clock, deadline).await? {
            return Ok(Attempt::Acknowledged);
        }
        self.editor = None;
        Ok(Attempt::Unknown)
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
    async fn is_stored(&self, clock: u32, deadline: Instant) -> anyhow::Result<bool> {
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
                if state.has_ended {
                    return Ok(false);
                }
            }
            if timeout_at(deadline, changed).await.is_err() {
                return Ok(false);
            }
        }
    }
}
