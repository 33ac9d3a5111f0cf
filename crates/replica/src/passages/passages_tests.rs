use bytes::Bytes;
use proptest::prelude::*;
use protocol::domain::{Budget, Delta, DeltaStep, Exhausted};
use yrs::{
    Any, ClientID, Doc, GetString as _, Map as _, OffsetKind, Options, Text as _, TextPrelim,
    TextRef, Transact as _, TransactionMut, Update, WriteTxn as _, XmlElementPrelim,
    XmlFragment as _, XmlTextPrelim, types::Attrs, updates::decoder::Decode as _,
};

use super::*;
use crate::{ApplyBounds, MergeBounds, Replica, editors::bounds};

/// A document on the server, and the changes that it has stored.
struct Server {
    replica: Option<Replica>,
    insertions: Insertions,
    changes: u32,
}

impl Server {
    fn new(text: &str) -> Self {
        Self { replica: Some(Replica::of(text)), insertions: Insertions::default(), changes: 0 }
    }

    fn replica(&self) -> &Replica {
        self.replica.as_ref().unwrap()
    }

    /// Stores a change of an editor, and returns its number.
    fn merge(&mut self, update: Vec<u8>) -> u32 {
        let bounds = MergeBounds { text: 1_000_000, ..bounds() };
        let (replica, merged) = self.replica.take().unwrap().merge(&[Bytes::from(update)], &bounds);
        self.replica = replica;
        match merged.unwrap() {
            Some(merged) => self.note(&merged.update),
            None => self.changes,
        }
    }

    /// Stores a change of a client without an editor.
    fn apply(&mut self, steps: Vec<DeltaStep>) -> u32 {
        let budget = Budget::unlimited();
        let bounds = ApplyBounds { text: 1_000_000, structs: 1_000_000, budget: &budget };
        let delta = Delta::from_steps(steps).unwrap();
        let update = self.replica.as_mut().unwrap().apply(&delta, bounds).unwrap();
        self.note(&update)
    }

    fn note(&mut self, update: &[u8]) -> u32 {
        let change = self.changes;
        self.insertions.note(update, change, &Budget::unlimited()).unwrap();
        self.changes += 1;
        change
    }

    /// Lets a new editor change the document.
    fn edit(&mut self, client: u64, work: impl FnOnce(&mut TransactionMut<'_>)) -> u32 {
        let doc = editor(client);
        receive(&doc, &self.replica().state());
        let mut txn = doc.transact_mut();
        work(&mut txn);
        txn.commit();
        self.merge(txn.encode_update_v1())
    }

    fn page(&self, search: PassageSearch<'_>) -> PassagePage {
        self.replica().passages(&self.insertions, search, &Budget::unlimited()).unwrap()
    }

    fn passages(&self) -> Vec<Passage> {
        let page = self.page(PassageSearch { root: None, skip: 0, max: 1_000_000 });
        assert!(!page.has_next);
        page.passages
    }
}

fn editor(client: u64) -> Doc {
    let mut options = Options::with_client_id(ClientID::new(client));
    options.offset_kind = OffsetKind::Utf16;
    Doc::with_options(options)
}

fn receive(doc: &Doc, state: &[u8]) {
    doc.transact_mut().apply_update(Update::decode_v1(state).unwrap()).unwrap();
}

/// The root, path, node, offset, text and change of a passage.
type Shown<'a> = (&'a str, &'a str, Option<&'a str>, u32, Option<&'a str>, Option<u32>);

fn shown(passage: &Passage) -> Shown<'_> {
    let Passage { root, path, node, offset, text, by, .. } = passage;
    (&**root, &**path, node.as_deref(), *offset, text.as_deref(), *by)
}

#[test]
fn a_text_has_a_passage_for_each_change() {
    let mut server = Server::new("One three");
    let first = server.edit(1, |txn| txn.get_or_insert_text("content").insert(txn, 4, "two "));
    let second = server.apply(vec![
        DeltaStep { retain: Some(6), ..DeltaStep::default() },
        DeltaStep { insert: Some("🎈".to_owned()), ..DeltaStep::default() },
    ]);
    let third = server.edit(2, |txn| {
        let text = txn.get_or_insert_text("content");
        text.format(txn, 0, 6, Attrs::from([("bold".into(), true.into())]));
        let image = Any::from_json(r#"{ "image": "cat.png" }"#).unwrap();
        text.insert_embed(txn, 0, image);
    });
    let passages = server.passages();
    let shown: Vec<_> = passages.iter().map(shown).collect();
    let expected = [
        ("content", "0", None, 0, None, Some(third)),
        ("content", "", None, 1, Some("One "), None),
        ("content", "", None, 5, Some("tw"), Some(first)),
        ("content", "", None, 7, Some("🎈"), Some(second)),
        ("content", "", None, 9, Some("o "), Some(first)),
        ("content", "", None, 11, Some("three"), None),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn a_tree_has_its_texts_and_empty_nodes_in_order() {
    let mut server = Server::new("");
    let first = server.edit(1, |txn| {
        let body = txn.get_or_insert_xml_fragment("default");
        let list = body.insert(txn, 0, XmlElementPrelim::empty("list"));
        let item = list.insert(txn, 0, XmlElementPrelim::empty("item"));
        item.insert(txn, 0, XmlTextPrelim::new("Hello"));
    });
    let second = server.edit(2, |txn| {
        let body = txn.get_or_insert_xml_fragment("default");
        body.insert(txn, 1, XmlElementPrelim::empty("image"));
        let note = txn.get_or_insert_map("notes").insert(txn, "first", TextPrelim::new("x"));
        note.insert(txn, 1, "y");
    });
    let passages = server.passages();
    let shown: Vec<_> = passages.iter().map(shown).collect();
    let expected = [
        ("default", "0/0/0", Some("item"), 0, Some("Hello"), Some(first)),
        ("default", "1", Some("image"), 0, None, Some(second)),
        ("notes", "first", None, 0, Some("xy"), Some(second)),
    ];
    assert_eq!(shown, expected);
    let of_root = |root| {
        let page = server.page(PassageSearch { root: Some(root), skip: 0, max: 10 });
        page.passages.len()
    };
    assert_eq!([of_root("default"), of_root("notes"), of_root("none")], [2, 1, 0]);
    let page = server.page(PassageSearch { root: None, skip: 1, max: 1 });
    assert_eq!((&page.passages[..], page.has_next), (&passages[1..2], true));
    let page = server.page(PassageSearch { root: None, skip: 2, max: 1 });
    assert_eq!((&page.passages[..], page.has_next), (&passages[2..], false));
}

#[test]
fn the_end_of_a_long_path_is_left_out() {
    let mut server = Server::new("");
    let (fits, long) = ("k".repeat(MAX_PATH_BYTES), "é".repeat(MAX_PATH_BYTES));
    server.edit(1, |txn| {
        let notes = txn.get_or_insert_map("notes");
        notes.insert(txn, fits.as_str(), TextPrelim::new("x"));
        let body = notes.insert(txn, long.as_str(), XmlElementPrelim::empty("list"));
        body.insert(txn, 0, XmlTextPrelim::new("y"));
        body.insert(txn, 1, XmlElementPrelim::empty("image"));
    });
    let passages = server.passages();
    let paths: Vec<_> = passages.iter().map(|passage| &*passage.path).collect();
    assert_eq!(paths.len(), 3);
    let cut = format!("{}…", "é".repeat((MAX_PATH_BYTES - "…".len()) / 2));
    assert_eq!(paths.iter().filter(|path| **path == fits).count(), 1);
    assert_eq!(paths.iter().filter(|path| **path == cut).count(), 2);
    let texts: Vec<_> = passages.iter().filter_map(|passage| passage.text.as_deref()).collect();
    assert_eq!(texts.len(), 2, "texts with the same path are not joined");
}

#[test]
fn a_search_has_a_budget() {
    let server = Server::new("Hello");
    let search = PassageSearch { root: None, skip: 0, max: 10 };
    let found = |budget| server.replica().passages(&server.insertions, search, &budget);
    assert_eq!(found(Budget::new(1)), Err(Exhausted::Steps));
    let stopped = Budget::unlimited();
    stopped.stop();
    assert_eq!(found(stopped), Err(Exhausted::Stopped));
    let mut insertions = Insertions::default();
    let noted = insertions.note(&server.replica().state(), 0, &Budget::new(1));
    assert!(matches!(noted, Err(crate::StateError::Exhausted(Exhausted::Steps))));
    assert!(insertions.note(b"no update", 0, &Budget::unlimited()).is_err());
}

/// Returns the letter of a change. Those of every second change have two UTF-16 code units.
fn letter(change: u32) -> char {
    let first = if change.is_multiple_of(2) { 0x4E00 } else { 0x2_0000 };
    char::from_u32(first + change).unwrap()
}

/// Returns the change that inserted a letter. `None` for the text from before.
fn change_of(letter: char) -> Option<u32> {
    match u32::from(letter) {
        0..0x4E00 => None,
        letter @ 0x4E00..0x2_0000 => Some(letter - 0x4E00),
        letter => Some(letter - 0x2_0000),
    }
}

/// Returns the offset of a letter in UTF-16 code units. `at` chooses the letter.
fn offset_of(text: &str, at: u16) -> (usize, u32) {
    let letters = usize::from(at) % (text.chars().count() + 1);
    let units: usize = text.chars().take(letters).map(char::len_utf16).sum();
    (letters, u32::try_from(units).unwrap())
}

/// What an editor does: which one, whether it receives the changes of others before, what it does, and where.
type EditorChoice = (u8, bool, u8, u16, u8);

/// Edits the text of an editor. Returns whether anything changed.
fn edit(text: &TextRef, txn: &mut TransactionMut<'_>, choice: EditorChoice, change: u32) -> bool {
    let (_, _, what, at, more) = choice;
    let written = text.get_string(txn);
    let (letters, offset) = offset_of(&written, at);
    let count = usize::from(more % 4) + 1;
    let next: u32 = written.chars().skip(letters).take(count).map(utf16_units).sum();
    match what % 4 {
        0 | 1 => text.insert(txn, offset, &letter(change).to_string().repeat(count)),
        2 if next > 0 => text.remove_range(txn, offset, next),
        3 if next > 0 => {
            text.format(txn, offset, next, Attrs::from([("bold".into(), true.into())]));
        }
        _ => return false,
    }
    true
}

fn utf16_units(letter: char) -> u32 {
    if letter.len_utf16() > 1 { 2 } else { 1 }
}

proptest! {
    #[test]
    fn each_letter_is_of_the_change_that_inserted_it(
        choices in prop::collection::vec(any::<EditorChoice>(), 1..60),
    ) {
        let mut server = Server::new("Begin");
        let editors = [1, 2, 3].map(editor);
        editors.iter().for_each(|doc| receive(doc, &server.replica().state()));
        for choice in choices {
            let change = server.changes;
            let Some(doc) = editors.get(usize::from(choice.0 % 4)) else {
                // A client without an editor.
                let content = server.replica().content().to_string();
                let (_, offset) = offset_of(&content, choice.3);
                let insert = Some(letter(change).to_string());
                server.apply(vec![
                    DeltaStep { retain: (offset > 0).then(|| offset.into()), ..DeltaStep::default() },
                    DeltaStep { insert, ..DeltaStep::default() },
                ].into_iter().filter(|step| step != &DeltaStep::default()).collect());
                continue;
            };
            if choice.1 {
                receive(doc, &server.replica().state());
            }
            let text = doc.get_or_insert_text("content");
            let mut txn = doc.transact_mut();
            if edit(&text, &mut txn, choice, change) {
                txn.commit();
                let update = txn.encode_update_v1();
                drop(txn);
                server.merge(update);
            }
        }
        let mut offset = 0;
        let mut written = String::new();
        for passage in server.passages() {
            prop_assert_eq!(passage.offset, offset);
            offset += passage.length;
            let text = passage.text.unwrap();
            for letter in text.chars() {
                prop_assert_eq!(change_of(letter), passage.by);
            }
            written.push_str(&text);
        }
        prop_assert_eq!(written, server.replica().content().to_string());
    }
}
