use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::wire::CloseReason;

fn bad(text: &str) -> String {
    match parse(text.as_bytes()) {
        Err(bad) => bad.to_string(),
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
fn reads_connection_init() {
    for (text, expected) in [
        (r#"{"type":"connection_init"}"#, None),
        (r#"{"type":"connection_init","payload":null}"#, None),
        (
            r#" { "payload" : {"token":"t"} , "type":"connection_init" } "#,
            Some(json!({"token":"t"})),
        ),
    ] {
        let Ok(ClientMessage::ConnectionInit { payload }) = parse(text.as_bytes()) else {
            panic!("not read: {text}");
        };
        assert_eq!(payload.map(Value::Object), expected);
    }
}

#[test]
fn reads_pings_and_pongs_as_they_were_written() {
    let Ok(ClientMessage::Ping { payload }) =
        parse(br#"{"type":"ping","payload":{ "a" : 1.0 },"id":7}"#)
    else {
        panic!("not read");
    };
    assert_eq!(payload.map(|raw| raw.get().to_owned()).as_deref(), Some(r#"{ "a" : 1.0 }"#));
    for text in [r#"{"type":"pong"}"#, r#"{"type":"pong","payload":null}"#] {
        assert!(matches!(parse(text.as_bytes()), Ok(ClientMessage::Pong { payload: None })));
    }
}

#[test]
fn reads_operations() {
    let full = subscribe(
        r#"{"query":"{me{id}}","operationName":"A","variables":{"a":[1]},"extensions":{"b":2},"c":3}"#,
    )
    .expect("an operation");
    assert_eq!(full.query, "{me{id}}");
    assert_eq!(full.operation_name.as_deref(), Some("A"));
    assert_eq!(Value::Object(full.variables), json!({"a": [1]}));
    assert_eq!(Value::Object(full.extensions), json!({"b": 2}));

    let nulls = r#"{"query":"q","operationName":null,"variables":null,"extensions":null}"#;
    let null = subscribe(nulls).expect("an operation");
    assert_eq!(null, subscribe(r#"{"query":"q"}"#).expect("an operation"));
    assert!(null.variables.is_empty() && null.operation_name.is_none());
}

#[test]
fn reads_complete() {
    let complete = parse(r#"{"type":"complete","id":"\u00e4"}"#.as_bytes());
    assert!(matches!(complete, Ok(ClientMessage::Complete { id }) if id.as_str() == "ä"));
}

#[test]
fn keys_that_nobody_knows_are_ignored() {
    let text = br#"{"type":"complete","id":"1","payload":[],"extra":{"type":"x"}}"#;
    assert!(parse(text).is_ok());
}

#[test]
fn refuses_what_is_no_message() {
    assert!(bad("").contains("not a JSON object"));
    assert!(bad("[\"ping\"]").contains("not a JSON object"));
    assert!(bad("\"ping\"").contains("not a JSON object"));
    assert!(bad("{").contains("not valid JSON"));
    assert!(bad("{} {}").contains("not valid JSON"));
    assert!(parse(b"{\"type\":\"ping\xFF\"}").is_err());
    assert!(bad("{}").contains("\"type\""));
    assert!(bad(r#"{"type":5}"#).contains("\"type\""));
    assert!(bad(r#"{"type":"start"}"#).starts_with("Unknown type \"start\"; expected conn"));
    assert_eq!(bad(r#"{"type":"next"}"#), "Only the server sends \"next\"");
    assert!(bad(r#"{"type":"ping","type":"pong"}"#).contains("duplicate field `type`"));
    assert!(bad(r#"{"type":"complete","id":"1","id":"2"}"#).contains("duplicate field `id`"));
}

#[test]
fn refuses_ids_that_are_none() {
    for id in ["", r#","id":null"#, r#","id":1"#, r#","id":["1"]"#, r#","id":"\ud800""#] {
        assert!(bad(&format!(r#"{{"type":"complete"{id}}}"#)).contains("\"id\" is missing or no"));
    }
    assert!(bad(r#"{"type":"complete","id":""}"#).contains("expected 1 to 256"));
    let long = "x".repeat(257);
    assert!(bad(&format!(r#"{{"type":"complete","id":"{long}"}}"#)).contains("257 bytes"));
}

#[test]
fn refuses_payloads_of_the_wrong_shape() {
    for kind in ["connection_init", "ping", "pong"] {
        for payload in ["1", "true", "\"a\"", "[]"] {
            let words = bad(&format!(r#"{{"type":"{kind}","payload":{payload}}}"#));
            assert!(words.contains("is no object"), "{words}");
        }
    }
    assert!(bad(r#"{"type":"subscribe","id":"1"}"#).contains("expected {\"query\":…}"));
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
        let words = subscribe(payload).expect_err(payload).to_string();
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn words_fit_a_close_frame_and_leave_the_content_out() {
    let words = subscribe(r#"{"query":"q","variables":"my secret, expected text"}"#)
        .expect_err("no object")
        .to_string();
    assert!(!words.contains("secret"), "{words}");
    let long = bad(&format!(r#"{{"type":"{}"}}"#, "ö".repeat(500)));
    assert!(long.len() <= CloseReason::MAX_TEXT, "{} bytes: {long}", long.len());
}

#[test]
fn debug_shows_neither_tokens_nor_text() {
    let init = parse(br#"{"type":"connection_init","payload":{"token":"secret"}}"#);
    let ping = parse(br#"{"type":"ping","payload":{"token":"secret"}}"#);
    let operation = subscribe(r#"{"query":"{secret}","variables":{"a":"secret"}}"#);
    assert!(!format!("{init:?}{ping:?}{operation:?}").contains("secret"));
}

/// A message that is nothing but brackets must not cost a stack frame for each.
#[test]
fn deep_nesting_is_refused_or_passed_over_without_recursion() {
    const DEPTH: usize = 1_000_000;
    let deep = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let objects = format!("{}1{}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH));

    assert!(parse(format!(r#"{{"type":"complete","id":"1","x":{deep}}}"#).as_bytes()).is_ok());
    assert!(parse(format!(r#"{{"type":"ping","payload":{objects}}}"#).as_bytes()).is_ok());
    assert!(bad(&format!(r#"{{"type":"complete","id":{deep}}}"#)).contains("\"id\""));
    let init = bad(&format!(r#"{{"type":"connection_init","payload":{objects}}}"#));
    assert!(init.contains("recursion limit exceeded"), "{init}");
    for field in ["variables", "extensions", "query", "operationName"] {
        assert!(subscribe(&format!(r#"{{"query":"q","{field}":{deep}}}"#)).is_err());
    }
    let ignored = subscribe(&format!(r#"{{"query":"q","x":{deep}}}"#));
    assert!(ignored.is_ok(), "{ignored:?}");
    assert!(subscribe(&format!(r#"{{"query":"q","variables":{objects}}}"#)).is_err());
    assert!(parse(&[b'['; DEPTH]).is_err());
}

/// JSON of any shape, with the keys and words that matter.
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
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(parse(&bytes).is_err(), "hardly a message by chance: {:?}", bytes);
    }

    /// Whatever is refused closes with 4400 and words that fit.
    #[test]
    fn any_json_is_read_or_refused(text in json_text(), cut in 0_usize..400) {
        for text in [text.get(..cut).unwrap_or(&text), &text] {
            if let Err(bad) = parse(text.as_bytes()) {
                let reason = CloseReason::from(bad);
                prop_assert_eq!(reason.code(), 4400);
                prop_assert!(!reason.text().is_empty());
                prop_assert!(reason.text().len() <= CloseReason::MAX_TEXT);
            }
        }
    }
}
