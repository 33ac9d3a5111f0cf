//! Frames as the server sends them (RFC 6455, section 5.2): whole, final, unmasked.
//!
//! Each function makes the finished bytes in one allocation, ready for any number of outboxes.

use bytes::Bytes;

use super::{CloseReason, utf8::shortened};

const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// The longest payload of a ping, pong or close, in bytes (RFC 6455, section 5.5).
const MAX_CONTROL_BYTES: usize = 125;

/// A text message.
#[must_use]
pub fn text(payload: &str) -> Bytes {
    encode(TEXT, &[payload.as_bytes()])
}

/// A text message from parts that are UTF-8 when put together.
#[must_use]
pub fn text_from_parts(parts: &[&[u8]]) -> Bytes {
    encode(TEXT, parts)
}

/// A binary message from parts.
#[must_use]
pub fn binary(parts: &[&[u8]]) -> Bytes {
    encode(BINARY, parts)
}

/// A ping; of `payload` the first 125 bytes.
#[must_use]
pub fn ping(payload: &[u8]) -> Bytes {
    encode(PING, &[first(payload)])
}

/// A pong; of `payload` the first 125 bytes, which is all that a ping may have.
#[must_use]
pub fn pong(payload: &[u8]) -> Bytes {
    encode(PONG, &[first(payload)])
}

/// A close frame with a code and a text, of which the first 123 bytes, cut between characters.
#[must_use]
pub fn close(code: u16, text: &str) -> Bytes {
    let text = shortened(text, CloseReason::MAX_TEXT);
    encode(CLOSE, &[&code.to_be_bytes(), text.as_bytes()])
}

/// The answer to a peer's close frame: its own code back, or none where it gave none (RFC 6455, section 5.5.1).
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
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let header = match length {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    // Exactly as much as it takes: spare room would make `Bytes` allocate a second time.
    let mut frame = Vec::with_capacity(header + length);
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

    /// Reads one frame as a client does, and nothing may be left over.
    fn decoded(frame: &Bytes) -> (OpCode, Vec<u8>) {
        let mut bytes = BytesMut::from(&frame[..]);
        let (is_final, opcode, payload) =
            Parser::parse(&mut bytes, false, usize::MAX).expect("valid").expect("whole");
        assert!(is_final && bytes.is_empty());
        (opcode, payload.unwrap_or_default().to_vec())
    }

    #[test]
    fn lengths_take_as_few_bytes_as_possible() {
        for (length, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let frame = text(&"x".repeat(length));
            assert_eq!(frame.len(), header + length);
            assert_eq!(decoded(&frame), (OpCode::Text, vec![b'x'; length]));
        }
    }

    #[test]
    fn control_frames_stay_within_125_bytes() {
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
            let told = Parser::try_parse_close_payload(&payload).expect("valid").expect("a reason");
            assert_eq!(u16::from(told.code), reason.code());
            assert_eq!(told.description.as_deref(), Some(&*reason.text()));
        }
    }

    proptest! {
        #[test]
        fn parts_decode_as_one_text(parts in proptest::collection::vec(".{0,80}", 0..6)) {
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
