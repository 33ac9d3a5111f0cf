//! Encoding of the server's frames (RFC 6455, section 5.2): unfragmented and unmasked.
//!
//! Each function encodes a frame in one allocation. Any number of outboxes can share it.

use bytes::Bytes;

use super::{CloseReason, utf8::shortened};

const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// The maximum payload of a ping, pong or close frame, in bytes (RFC 6455, section 5.5).
const MAX_CONTROL_BYTES: usize = 125;

/// Encodes a text message.
#[must_use]
pub fn text(payload: &str) -> Bytes {
    encode(TEXT, &[payload.as_bytes()])
}

/// Encodes a text message from parts, whose concatenation must be UTF-8.
#[must_use]
pub fn text_from_parts(parts: &[&[u8]]) -> Bytes {
    encode(TEXT, parts)
}

/// Encodes the beginning of a text message of `length` bytes: its header and its first part. The rest has to follow.
#[must_use]
pub fn beginning_of_text(length: usize, first: &[&[u8]]) -> Bytes {
    begin(TEXT, length, first)
}

/// Encodes a binary message from parts.
#[must_use]
pub fn binary(parts: &[&[u8]]) -> Bytes {
    encode(BINARY, parts)
}

/// Encodes the beginning of a binary message of `length` bytes: its header and its first part. The rest has to follow.
#[must_use]
pub fn beginning_of_binary(length: usize, first: &[&[u8]]) -> Bytes {
    begin(BINARY, length, first)
}

/// Returns the payload of a whole frame that this module has encoded.
#[must_use]
pub fn payload(frame: &[u8]) -> &[u8] {
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        Some(_) | None => 2,
    };
    frame.get(header..).unwrap_or_default()
}

/// Encodes a ping with the first 125 bytes of `payload`.
#[must_use]
pub fn ping(payload: &[u8]) -> Bytes {
    encode(PING, &[first(payload)])
}

/// Encodes a pong with the first 125 bytes of `payload`, the maximum of a ping.
#[must_use]
pub fn pong(payload: &[u8]) -> Bytes {
    encode(PONG, &[first(payload)])
}

/// Encodes a close frame. Cuts the text to 123 bytes, at a character boundary.
#[must_use]
pub fn close(code: u16, text: &str) -> Bytes {
    let text = shortened(text, CloseReason::MAX_TEXT);
    encode(CLOSE, &[&code.to_be_bytes(), text.as_bytes()])
}

/// Encodes the answer to a client's close frame: with the same code, or without one (RFC 6455, section 5.5.1).
#[must_use]
pub fn close_answer(code: Option<u16>) -> Bytes {
    match code {
        Some(code) => close(code, ""),
        None => encode(CLOSE, &[]),
    }
}

fn first(payload: &[u8]) -> &[u8] {
    payload.get(..MAX_CONTROL_BYTES).unwrap_or(payload)
}

fn encode(opcode: u8, parts: &[&[u8]]) -> Bytes {
    begin(opcode, length_of(parts), parts)
}

fn length_of(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

/// Encodes the header of a frame with a payload of `length` bytes, and the first parts of the payload.
fn begin(opcode: u8, length: usize, parts: &[&[u8]]) -> Bytes {
    let header = match length {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    // The exact capacity, since spare capacity would make `Bytes` allocate a second time.
    let mut frame = Vec::with_capacity(header + length_of(parts));
    frame.push(FINAL | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => frame.push(short),
        (_, Ok(medium)) => {
            frame.push(126);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    for part in parts {
        frame.extend_from_slice(part);
    }
    Bytes::from(frame)
}

#[cfg(test)]
mod tests {
    use actix_http::ws::{OpCode, Parser};
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Dialect;

    /// Decodes one frame as a client would, and checks that no bytes follow it.
    fn decoded(frame: &Bytes) -> (OpCode, Vec<u8>) {
        let mut bytes = BytesMut::from(&frame[..]);
        let (is_final, opcode, payload) =
            Parser::parse(&mut bytes, false, usize::MAX).expect("valid").expect("whole");
        assert!(is_final && bytes.is_empty());
        (opcode, payload.unwrap_or_default().to_vec())
    }

    #[test]
    fn lengths_are_minimally_encoded() {
        for (length, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let frame = text(&"x".repeat(length));
            assert_eq!(frame.len(), header + length);
            assert_eq!(decoded(&frame), (OpCode::Text, vec![b'x'; length]));
        }
    }

    #[test]
    fn control_frames_have_at_most_125_bytes() {
        assert_eq!(decoded(&ping(&[7; 200])), (OpCode::Ping, vec![7; 125]));
        assert_eq!(decoded(&pong(b"")), (OpCode::Pong, vec![]));
        let (opcode, payload) = decoded(&close(4400, &"ö".repeat(100)));
        assert_eq!((opcode, payload.len()), (OpCode::Close, 2 + 122));
        assert!(Parser::try_parse_close_payload(&payload).is_ok());
    }

    #[test]
    fn a_close_is_answered_with_its_own_code() {
        assert_eq!(decoded(&close_answer(Some(4321))), (OpCode::Close, vec![0x10, 0xE1]));
        assert_eq!(decoded(&close_answer(None)), (OpCode::Close, vec![]));
    }

    #[test]
    fn every_close_reason_decodes() {
        for reason in CloseReason::all() {
            let (opcode, payload) = decoded(&reason.frame(Dialect::GraphQl));
            assert_eq!(opcode, OpCode::Close);
            let close =
                Parser::try_parse_close_payload(&payload).expect("valid").expect("a reason");
            assert_eq!(u16::from(close.code), reason.code());
            assert_eq!(close.description.as_deref(), Some(&*reason.text()));
        }
    }

    proptest! {
        #[test]
        fn concatenated_parts_decode_as_one_text(parts in proptest::collection::vec(".{0,80}", 0..6)) {
            let slices: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
            let frame = text_from_parts(&slices);
            prop_assert_eq!(&frame, &text(&parts.concat()));
            prop_assert_eq!(decoded(&frame), (OpCode::Text, parts.concat().into_bytes()));
        }

        #[test]
        fn any_control_payload_decodes(payload in proptest::collection::vec(any::<u8>(), 0..=125)) {
            prop_assert_eq!(decoded(&ping(&payload)), (OpCode::Ping, payload.clone()));
            prop_assert_eq!(decoded(&pong(&payload)), (OpCode::Pong, payload));
        }
    }
}
