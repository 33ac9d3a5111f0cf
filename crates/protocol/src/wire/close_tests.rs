use std::collections::HashSet;

use super::*;

/// Returns whether the graphql-ws client gives up after this code.
fn is_fatal_for_graphql_ws(code: u16) -> bool {
    let internal =
        (1000..2000).contains(&code) && !matches!(code, 1000 | 1001 | 1005 | 1006 | 1012..=1014);
    internal || matches!(code, 4004 | 4005 | 4400 | 4401 | 4406 | 4409 | 4429 | 4500)
}

#[test]
fn the_graphql_ws_client_reconnects_after_every_retryable_reason() {
    for reason in CloseReason::all() {
        let fatal = is_fatal_for_graphql_ws(reason.code());
        assert!(
            !(reason.may_retry() && fatal),
            "{reason:?} has a code after which clients give up"
        );
    }
}

#[test]
fn yjs_editors_reconnect_after_every_retryable_reason() {
    for reason in CloseReason::all() {
        let gives_up = (4400..4500).contains(&reason.code_in(Dialect::Yjs));
        assert!(!(gives_up && reason.may_retry()), "{reason:?}");
    }
}

#[test]
fn labels_are_unique_and_in_snake_case() {
    let labels: HashSet<_> = CloseReason::all().iter().map(CloseReason::label).collect();
    assert_eq!(labels.len(), CloseReason::all().len());
    assert!(labels.iter().all(|label| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    }));
}

#[test]
fn every_text_fits_a_close_frame() {
    for reason in CloseReason::all() {
        let text = reason.text();
        assert!(!text.is_empty() && text.len() <= CloseReason::MAX_TEXT, "{text}");
    }
    for length in 1..=OperationId::MAX_LENGTH / 2 {
        let id = OperationId::new(&"ö".repeat(length)).expect("within the limit");
        let text = CloseReason::DuplicateId(id).text();
        assert!(text.len() <= CloseReason::MAX_TEXT);
        assert!(text.starts_with("Subscriber for ö") && text.ends_with(" already exists"));
    }
}

#[test]
fn a_long_text_is_cut_at_a_character_boundary() {
    let text = CloseReason::BadMessage("x€".repeat(100).into()).text();
    assert_eq!(text.len(), 121 /* 30 pairs of 4 bytes and one more "x" */);
    let borrowed = CloseReason::BadMessage(Cow::Borrowed("short")).text();
    assert!(matches!(borrowed, Cow::Borrowed("short")));
}

#[test]
fn delays_are_rounded_up_to_whole_seconds() {
    let reason = CloseReason::GoingAway { retry_after: Duration::from_millis(2_001) };
    assert_eq!(reason.text(), "Server is restarting; reconnect in 3 s");
    let reason = CloseReason::Silent { limit: Duration::from_secs(90) };
    assert_eq!(reason.text(), "No data received for 90 s; reconnect to resume");
}

#[test]
fn frame_errors_have_the_codes_of_rfc_6455() {
    let code = |error| CloseReason::from(error).code();
    assert_eq!(code(FrameError::Protocol(ProtocolFault::Unmasked)), 1002);
    assert_eq!(code(FrameError::InvalidUtf8), 1007);
    assert_eq!(code(FrameError::TooBig { limit: 5 }), 1009);
}
