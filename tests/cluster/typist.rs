//! Somebody who types in a Yjs editor, at whatever node he can, also while there is none: what he typed meanwhile comes
//! with him.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use coscribe::domain::DocumentId;
use yrs::{Doc, GetString as _, ReadTxn as _, Text as _, TextRef, Transact as _};

use crate::support::{
    Person,
    editor::{Editor, fresh_doc},
};

/// A typist. He goes with this value.
pub(crate) struct Typist {
    doc: Doc,
    text: TextRef,
    /// His connection, while there is one.
    editor: Rc<RefCell<Option<Rc<Editor>>>>,
    typing: tokio::task::JoinHandle<()>,
}

impl Typist {
    /// Has `document` open at one of the nodes that live, and at another when that ends.
    pub(crate) fn start(
        document: DocumentId,
        person: Person,
        alive: Rc<RefCell<Vec<SocketAddr>>>,
    ) -> Self {
        let doc = fresh_doc();
        let text = doc.get_or_insert_text("content");
        let editor = Rc::<RefCell<Option<Rc<Editor>>>>::default();
        let (own, copy) = (Rc::clone(&editor), doc.clone());
        let typing = tokio::task::spawn_local(async move {
            for attempt in 0_usize.. {
                tokio::task::yield_now().await;
                let address = {
                    let alive = alive.borrow();
                    alive.get(attempt % alive.len().max(1)).copied()
                };
                let Some(address) = address else { continue };
                let person = person.at_address(address);
                let Some(editor) = person.come_to_edit(document, copy.clone()).await else {
                    continue;
                };
                let editor = Rc::new(editor);
                *own.borrow_mut() = Some(Rc::clone(&editor));
                editor.sync_if_possible().await;
                let (code, reason) = editor.end().await.unwrap_or_default();
                // Whatever ends it, he may come back.
                assert!(!(4400..4500).contains(&code), "{code} {reason}");
                *own.borrow_mut() = None;
            }
        });
        Self { doc, text, editor, typing }
    }

    /// Types a mark: nowhere in the middle of another one.
    pub(crate) async fn write(&self, mark: &str, place: impl FnOnce(usize) -> usize) {
        let update = {
            let mut txn = self.doc.transact_mut();
            // Everything in it is ASCII.
            let text = self.text.get_string(&txn);
            let mut at = place(text.len() + 1);
            if text[..at].rfind('<') > text[..at].rfind('>') {
                at += text[at..].find('>').map_or(0, |end| end + 1);
            }
            self.text.insert(&mut txn, u32::try_from(at).unwrap(), mark);
            txn.encode_update_v1()
        };
        let editor = self.editor.borrow().clone();
        if let Some(editor) = editor {
            editor.update_if_possible(&update).await;
        }
    }

    /// What he has in front of him.
    pub(crate) fn shown(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }

    /// Whether he is connected.
    pub(crate) fn is_connected(&self) -> bool {
        self.editor.borrow().is_some()
    }

    /// How much he wrote.
    pub(crate) fn clock(&self) -> u32 {
        self.doc.transact().state_vector().get(&self.doc.client_id())
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        self.typing.abort();
    }
}
