use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::wire::{CloseReason, graphql_ws::RawObject};

fn rejection(text: &str) -> String {
    match parse(text.as_bytes()) {
        Err(error) => error.to_string(),
        Ok(message) => panic!("expected a bad message, got {message:?} from {text}"),
    }
}

fn subscribe(payload: &str) -> Result<SubscribePayload, BadMessage> {
    let text = format!(r#"{{"id":"1","type":"subscribe","payload":{payload}}}"#);
    match parse(text.as_bytes())? {
        ClientMessage::Subscribe { id, payload } => {
            assert_eq!(id.as_str(), "1");
            Ok(payload)
        }
        other => panic!("expected an operation, got {other:?}"),
    }
}

#[test]
fn connection_init_is_parsed() {
    for (text, expected) in [
        (r#"{"type":"connection_init"}"#, None),
        (r#"{"type":"connection_init","payload":null}"#, None),
        (
            r#" { "payload" : {"token":"t"} , "type":"connection_init" } "#,
            Some(json!({"token":"t"})),
        ),
    ] {
        let Ok(ClientMessage::ConnectionInit { payload }) = parse(text.as_bytes()) else {
            panic!("not parsed: {text}");
        };
        assert_eq!(payload.map(Value::Object), expected);
    }
}

#[test]
fn pings_and_pongs_keep_their_encoding() {
    let Ok(ClientMessage::Ping { payload }) =
        parse(br#"{"type":"ping","payload":{ "a" : 1.0 },"id":7}"#)
    else {
        panic!("not parsed");
    };
    assert_eq!(payload.map(|raw| raw.get().to_owned()).as_deref(), Some(r#"{ "a" : 1.0 }"#));
    for text in [r#"{"type":"pong"}"#, r#"{"type":"pong","payload":null}"#] {
        assert!(matches!(parse(text.as_bytes()), Ok(ClientMessage::Pong { payload: None })));
    }
}

#[test]
fn subscribe_is_parsed() {
    let full = subscribe(
        r#"{"query":"{me{id}}","operationName":"A","variables":{"a":[1]},"extensions":{"b":2},"c":3}"#,
    )
    .expect("an operation");
    assert_eq!(full.query, "{me{id}}");
    assert_eq!(full.operation_name.as_deref(), Some("A"));
    assert_eq!((full.variables.json(), full.variables.values()), (Some(r#"{"a":[1]}"#), 3));
    assert_eq!(full.extensions.json(), Some(r#"{"b":2}"#));

    let nulls = r#"{"query":"q","operationName":null,"variables":null,"extensions":null}"#;
    let null = subscribe(nulls).expect("an operation");
    let missing = subscribe(r#"{"query":"q"}"#).expect("an operation");
    for operation in [null, missing] {
        assert_eq!((operation.variables.json(), operation.extensions.json()), (None, None));
        assert_eq!((operation.variables.bytes(), operation.operation_name), (0, None));
    }
}

#[test]
fn values_of_variables_are_counted_up_to_their_bound() {
    let values = |count: usize| {
        let list = vec!["0"; count].join(",");
        let operation = subscribe(&format!(r#"{{"query":"q","variables":{{"a":[{list}]}}}}"#));
        operation.expect("an operation").variables.values()
    };
    assert_eq!(values(RawObject::MAX_VALUES - 2), RawObject::MAX_VALUES);
    assert_eq!(values(RawObject::MAX_VALUES * 2), RawObject::MAX_VALUES + 1);
}

#[test]
fn complete_is_parsed() {
    let complete = parse(r#"{"type":"complete","id":"\u00e4"}"#.as_bytes());
    assert!(matches!(complete, Ok(ClientMessage::Complete { id }) if id.as_str() == "ä"));
}

#[test]
fn unknown_keys_are_ignored() {
    let text = br#"{"type":"complete","id":"1","payload":[],"extra":{"type":"x"}}"#;
    assert!(parse(text).is_ok());
}

#[test]
fn malformed_messages_are_rejected() {
    assert!(rejection("").contains("not a JSON object"));
    assert!(rejection("[\"ping\"]").contains("not a JSON object"));
    assert!(rejection("\"ping\"").contains("not a JSON object"));
    assert!(rejection("{").contains("not valid JSON"));
    assert!(rejection("{} {}").contains("not valid JSON"));
    assert!(parse(b"{\"type\":\"ping\xFF\"}").is_err());
    assert!(rejection("{}").contains("\"type\""));
    assert!(rejection(r#"{"type":5}"#).contains("\"type\""));
    assert!(rejection(r#"{"type":"start"}"#).starts_with("Unknown type \"start\"; expected conn"));
    assert_eq!(rejection(r#"{"type":"next"}"#), "Only the server sends \"next\"");
    assert!(rejection(r#"{"type":"ping","type":"pong"}"#).contains("duplicate field `type`"));
    assert!(rejection(r#"{"type":"complete","id":"1","id":"2"}"#).contains("duplicate field `id`"));
}

#[test]
fn half_a_surrogate_pair_in_a_payload_becomes_a_replacement_character() {
    let text = r#"{"type":"subscribe","id":"1","payload":{"query":"{ a # \ud83d }","variables":{"x":"\ud83d"}}}"#;
    let Ok(ClientMessage::Subscribe { payload, .. }) = parse(text.as_bytes()) else {
        panic!("a subscribe message");
    };
    assert_eq!(payload.query, "{ a # \u{FFFD} }");
}

#[test]
fn invalid_ids_are_rejected() {
    for id in ["", r#","id":null"#, r#","id":1"#, r#","id":["1"]"#, r#","id":"\ud800""#] {
        assert!(
            rejection(&format!(r#"{{"type":"complete"{id}}}"#))
                .contains("\"id\" is missing or not")
        );
    }
    assert!(rejection(r#"{"type":"complete","id":""}"#).contains("expected 1 to 256"));
    let long = "x".repeat(257);
    assert!(rejection(&format!(r#"{{"type":"complete","id":"{long}"}}"#)).contains("257 bytes"));
}

#[test]
fn payloads_of_the_wrong_type_are_rejected() {
    for kind in ["connection_init", "ping", "pong"] {
        for payload in ["1", "true", "\"a\"", "[]"] {
            let text = rejection(&format!(r#"{{"type":"{kind}","payload":{payload}}}"#));
            assert!(text.contains("is not an object"), "{text}");
        }
    }
    assert!(rejection(r#"{"type":"subscribe","id":"1"}"#).contains("expected {\"query\":…}"));
    for (payload, expected) in [
        ("[]", "expected {\"query\":…}"),
        ("{}", "missing field `query`"),
        (r#"{"query":null}"#, r#"expected "query" to be a string"#),
        (r#"{"query":"q","query":"q"}"#, "duplicate field `query`"),
        (r#"{"query":"q","operationName":1}"#, r#"expected "operationName" to be a string"#),
        (r#"{"query":"q","variables":[]}"#, r#"expected "variables" to be an object"#),
        (r#"{"query":"q","variables":"x"}"#, r#"expected "variables" to be an object"#),
        (r#"{"query":"q","extensions":0}"#, r#"expected "extensions" to be an object"#),
    ] {
        let text = subscribe(payload).expect_err(payload).to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn rejections_fit_a_close_frame_and_quote_no_content() {
    let text = subscribe(r#"{"query":"q","variables":"my secret, expected text"}"#)
        .expect_err("no object")
        .to_string();
    assert!(!text.contains("secret"), "{text}");
    let long = rejection(&format!(r#"{{"type":"{}"}}"#, "ö".repeat(500)));
    assert!(long.len() <= CloseReason::MAX_TEXT, "{} bytes: {long}", long.len());
}

#[test]
fn debug_shows_neither_tokens_nor_text() {
    let init = parse(br#"{"type":"connection_init","payload":{"token":"secret"}}"#);
    let ping = parse(br#"{"type":"ping","payload":{"token":"secret"}}"#);
    let operation = subscribe(r#"{"query":"{secret}","variables":{"a":"secret"}}"#);
    assert!(!format!("{init:?}{ping:?}{operation:?}").contains("secret"));
}

/// Parsing a deeply nested message must not recurse.
#[test]
fn deep_nesting_is_rejected_or_skipped_without_recursion() {
    const DEPTH: usize = 1_000_000;
    let deep = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let objects = format!("{}1{}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH));

    assert!(parse(format!(r#"{{"type":"complete","id":"1","x":{deep}}}"#).as_bytes()).is_ok());
    assert!(parse(format!(r#"{{"type":"ping","payload":{objects}}}"#).as_bytes()).is_ok());
    assert!(rejection(&format!(r#"{{"type":"complete","id":{deep}}}"#)).contains("\"id\""));
    let init = rejection(&format!(r#"{{"type":"connection_init","payload":{objects}}}"#));
    assert!(init.contains("recursion limit exceeded"), "{init}");
    for field in ["variables", "extensions", "query", "operationName"] {
        assert!(subscribe(&format!(r#"{{"query":"q","{field}":{deep}}}"#)).is_err());
    }
    let ignored = subscribe(&format!(r#"{{"query":"q","x":{deep}}}"#));
    assert!(ignored.is_ok(), "{ignored:?}");
    assert!(subscribe(&format!(r#"{{"query":"q","variables":{objects}}}"#)).is_err());
    assert!(parse(&[b'['; DEPTH]).is_err());
}

/// Generates JSON of any shape, with the keys and values of the protocol.
fn json_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        proptest::sample::select(vec![
            "type",
            "id",
            "payload",
            "query",
            "variables",
            "operationName",
            "extensions",
            "subscribe",
            "complete",
            "ping",
            "pong",
            "connection_init",
            "next",
        ])
        .prop_map(str::to_owned),
        ".{0,4}",
    ];
    let leaf = prop_oneof![
        word.clone().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
    .prop_map(|value| value.to_string())
}

proptest! {
    #[test]
    fn random_bytes_are_rejected(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(parse(&bytes).is_err(), "random bytes are hardly a message: {:?}", bytes);
    }

    /// A rejected message closes with 4400 and a text that fits.
    #[test]
    fn any_json_is_parsed_or_rejected(text in json_text(), cut in 0_usize..400) {
        for text in [text.get(..cut).unwrap_or(&text), &text] {
            if let Err(error) = parse(text.as_bytes()) {
                let reason = CloseReason::from(error);
                prop_assert_eq!(reason.code(), 4400);
                prop_assert!(!reason.text().is_empty());
                prop_assert!(reason.text().len() <= CloseReason::MAX_TEXT);
            }
        }
    }
}
