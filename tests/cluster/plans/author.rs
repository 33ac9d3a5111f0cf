//! An author who types in a Yjs editor at whichever node is alive. What they type while there is none is sent later.

use std::{cell::RefCell, rc::Rc};

use coscribe::domain::DocumentId;
use kit::{Editor, Person, new_doc};
use tokio::task::JoinHandle;
use yrs::{Doc, GetString as _, Text as _, TextRef, Transact as _};

use super::sites::LiveNodes;

/// An author. Dropping the value ends the connection.
pub(super) struct Author {
    doc: Doc,
    text: TextRef,
    /// The connection, while there is one.
    editor: Rc<RefCell<Option<Rc<Editor>>>>,
    task: JoinHandle<()>,
}

impl Author {
    /// Opens `document` at a live node, and at another when the connection ends.
    pub(super) fn start(document: DocumentId, person: Person, nodes: LiveNodes) -> Self {
        let doc = new_doc();
        let text = doc.get_or_insert_text("content");
        let editor = Rc::<RefCell<Option<Rc<Editor>>>>::default();
        let (slot, own_doc) = (Rc::clone(&editor), doc.clone());
        let task = tokio::task::spawn_local(async move {
            for attempt in 0_usize.. {
                tokio::task::yield_now().await;
                let Some(address) = nodes.choose(attempt) else { continue };
                let person = person.at_address(address);
                let editor = person.try_connect_editor(document, own_doc.clone()).await;
                let Some(editor) = editor.map(Rc::new) else { continue };
                *slot.borrow_mut() = Some(Rc::clone(&editor));
                editor.try_send_sync_step_1().await;
                let (code, reason) = editor.ended().await.unwrap_or_default();
                assert!(
                    !(4400..4500).contains(&code),
                    "the author may not reconnect: {code} {reason}"
                );
                *slot.borrow_mut() = None;
            }
        });
        Self { doc, text, editor, task }
    }

    /// Types a mark at a position that `choose_position` picks below its argument, but not inside another mark.
    pub(super) async fn write(&self, mark: &str, choose_position: impl FnOnce(usize) -> usize) {
        let update = {
            let mut txn = self.doc.transact_mut();
            // The text is ASCII, so bytes are code units.
            let text = self.text.get_string(&txn);
            let mut at = choose_position(text.len() + 1);
            if text[..at].rfind('<') > text[..at].rfind('>') {
                at += text[at..].find('>').map_or(0, |end| end + 1);
            }
            self.text.insert(&mut txn, u32::try_from(at).unwrap(), mark);
            txn.encode_update_v1()
        };
        let editor = self.editor.borrow().clone();
        if let Some(editor) = editor {
            editor.try_send_update(&update).await;
        }
    }

    /// The text that the author sees.
    pub(super) fn shown(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }

    pub(super) fn is_connected(&self) -> bool {
        self.editor.borrow().is_some()
    }
}

impl Drop for Author {
    fn drop(&mut self) {
        // It ends only by a panic, which a plan would not notice.
        assert!(!self.task.is_finished() || std::thread::panicking(), "a broken rule, see above");
        self.task.abort();
    }
}
