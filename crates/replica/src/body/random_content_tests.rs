//! Random content that is sent back as JSON shows it.

use proptest::prelude::*;
use serde_json::json;
use yrs::{
    Any, Array as _, ArrayPrelim, In, Map as _, MapPrelim, WriteTxn as _, types::text::TextPrelim,
};

use super::shared_types_tests::{bytes, fragment, insert, large, object, push, stays};
use crate::{Replica, editors::edited};

/// A shared type or a value, to be inserted into a document.
#[derive(Debug, Clone)]
enum Inserted {
    Value(Any),
    Map(Vec<(&'static str, Inserted)>),
    List(Vec<Inserted>),
    Text(&'static str),
    Fragment(Vec<&'static str>),
}

impl Inserted {
    fn into_prelim(self) -> In {
        match self {
            Self::Value(value) => In::Any(value),
            Self::Map(entries) => {
                let entries = entries.into_iter().map(|(key, value)| (key, value.into_prelim()));
                In::Map(MapPrelim::from_iter(entries))
            }
            Self::List(values) => {
                In::Array(ArrayPrelim::from_iter(values.into_iter().map(Self::into_prelim)))
            }
            Self::Text(text) => In::Text(TextPrelim::new(text).into()),
            Self::Fragment(names) => In::XmlFragment(fragment(names)),
        }
    }
}

fn inserted() -> impl Strategy<Value = Inserted> {
    let key = || prop_oneof![Just("a"), Just("b"), Just("type")];
    let value = prop_oneof![
        Just(Any::Null),
        Just(Any::Undefined),
        Just(bytes()),
        Just(large()),
        Just(Any::from(1.5)),
        Just(Any::from("word")),
        Just(object(&json!({ "a": [1] }))),
        Just(object(&json!([{ "insert": "a" }]))),
        Just(object(&json!([]))),
    ];
    let leaf = prop_oneof![
        value.prop_map(Inserted::Value),
        prop_oneof![Just(""), Just("🎈 y")].prop_map(Inserted::Text),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let entries = prop::collection::vec((key(), inner.clone()), 0..4);
        let page =
            prop::option::of(prop::collection::vec(prop_oneof![Just("p"), Just("h1")], 0..3));
        prop_oneof![
            (entries, page).prop_map(|(mut entries, page)| {
                entries.extend(page.map(|page| ("page", Inserted::Fragment(page))));
                Inserted::Map(entries)
            }),
            prop::collection::vec(inner, 0..4).prop_map(Inserted::List),
        ]
    })
}

proptest! {
    /// Whatever shared types and values a document has.
    #[test]
    fn any_content_stays_when_it_is_sent_back(values in prop::collection::vec(inserted(), 1..5)) {
        let replica = edited(&Replica::of(""), 1, |txn| {
            let map = txn.get_or_insert_map("map");
            let list = txn.get_or_insert_array("list");
            for (index, value) in values.iter().enumerate() {
                map.insert(txn, format!("key {index}"), value.clone().into_prelim());
                list.push_back(txn, value.clone().into_prelim());
            }
        });
        stays(&replica, "map", insert("added", json!(true)));
        stays(&replica, "list", push(json!(true)));
    }
}
