use actix_http::ws::{OpCode, Parser};
use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

const LIMITS: FrameLimits = FrameLimits { frame: 300, message: 500 };
const MASK: [u8; 4] = [0x1f, 0x2e, 0x3d, 0x4c];

/// Returns a masked frame with a minimally encoded length.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ MASK[index % 4]));
    bytes
}

fn inspect(bytes: &[u8]) -> Result<(), FrameError> {
    FrameGuard::new(LIMITS).inspect(bytes)
}

fn violation(bytes: &[u8]) -> ProtocolFault {
    match inspect(bytes) {
        Err(FrameError::Protocol(fault)) => fault,
        other => panic!("expected a protocol fault of {bytes:x?}, got {other:?}"),
    }
}

#[test]
fn valid_frames_are_accepted() {
    let stream = [
        frame(0x81, b"whole"),
        frame(0x82, &[0xFF; 300]),
        frame(0x01, &"ö".as_bytes()[..1]),
        frame(0x89, &[0xFF; 125]),
        frame(0x00, b""),
        frame(0x80, &"ö".as_bytes()[1..]),
        frame(0x8A, b""),
        frame(0x88, b"\x03\xE8bye"),
    ]
    .concat();
    let mut guard = FrameGuard::new(LIMITS);
    assert_eq!(guard.inspect(&stream), Ok(()));
    assert!(guard.is_closed());
}

#[test]
fn the_announced_bytes_that_have_not_arrived_are_counted() {
    let mut guard = FrameGuard::new(LIMITS);
    let bytes = frame(0x82, &[0; 200]);
    let (head, payload) = bytes.split_at(8);
    for (part, left) in [(&head[..3], 0), (&head[3..4], 200), (&head[4..], 200)] {
        assert_eq!(guard.inspect(part), Ok(()));
        assert_eq!(guard.announced(), left);
    }
    assert_eq!(guard.inspect(&payload[..150]), Ok(()));
    assert_eq!(guard.announced(), 50);
    assert_eq!(guard.inspect(&payload[150..]), Ok(()));
    assert_eq!(guard.announced(), 0);
}

#[test]
fn reserved_bits_and_opcodes_are_rejected() {
    for bit in [0x40, 0x20, 0x10] {
        assert_eq!(violation(&[0x81 | bit]), ProtocolFault::ReservedBits);
    }
    for opcode in (0x3..=0x7).chain(0xB..=0xF) {
        assert_eq!(violation(&[0x80 | opcode]), ProtocolFault::ReservedOpcode);
    }
}

#[test]
fn unmasked_frames_are_rejected() {
    assert_eq!(violation(&[0x81, 0x05]), ProtocolFault::Unmasked);
}

#[test]
fn long_and_fragmented_control_frames_are_rejected() {
    for opcode in 0x8..=0xA {
        assert_eq!(violation(&[opcode]), ProtocolFault::FragmentedControl);
        assert_eq!(violation(&[0x80 | opcode, 0x80 | 126]), ProtocolFault::LongControl);
        assert_eq!(violation(&[0x80 | opcode, 0x80 | 127]), ProtocolFault::LongControl);
    }
}

#[test]
fn invalid_lengths_are_rejected() {
    assert_eq!(violation(&[0x82, 0xFE, 0, 125]), ProtocolFault::LongLength);
    assert_eq!(violation(&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]), ProtocolFault::LongLength);
    assert_eq!(
        violation(&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ProtocolFault::ImpossibleLength
    );
}

#[test]
fn fragments_out_of_order_are_rejected() {
    assert_eq!(violation(&frame(0x80, b"")), ProtocolFault::NothingToContinue);
    assert_eq!(violation(&frame(0x00, b"")), ProtocolFault::NothingToContinue);
    let twice = [frame(0x01, b"a"), frame(0x81, b"b")].concat();
    assert_eq!(violation(&twice), ProtocolFault::UnfinishedMessage);
    let after_the_last = [frame(0x02, b"a"), frame(0x80, b"b"), frame(0x80, b"c")].concat();
    assert_eq!(violation(&after_the_last), ProtocolFault::NothingToContinue);
}

#[test]
fn close_codes_that_must_not_be_sent_are_rejected() {
    let close = |code: u16| frame(0x88, &code.to_be_bytes());
    assert_eq!(violation(&frame(0x88, b"\x03")), ProtocolFault::HalfCloseCode);
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        assert_eq!(violation(&close(code)), ProtocolFault::ForbiddenCloseCode);
    }
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4499, 4999] {
        assert_eq!(inspect(&close(code)), Ok(()));
    }
}

#[test]
fn text_and_close_reasons_that_are_not_utf8_are_rejected() {
    let invalid = Err(FrameError::InvalidUtf8);
    assert_eq!(inspect(&frame(0x81, b"\xFF")), invalid);
    assert_eq!(inspect(&frame(0x81, b"\xC3")), invalid, "ends inside a character");
    assert_eq!(inspect(&[frame(0x01, b"\xC3"), frame(0x80, b"(")].concat()), invalid);
    assert_eq!(inspect(&frame(0x88, b"\x03\xE8\xFF")), invalid);
    assert_eq!(inspect(&frame(0x88, b"\x03\xE8\xC3")), invalid);
    assert_eq!(inspect(&frame(0x82, b"\xFF")), Ok(()), "binary data needs no UTF-8");
}

#[test]
fn a_close_frame_may_arrive_inside_a_message_and_a_character() {
    for reason in [&b""[..], b"\x03\xE8", b"\x03\xE8bye"] {
        let stream = [frame(0x01, b"\xC3"), frame(0x88, reason)].concat();
        assert_eq!(inspect(&stream), Ok(()));
    }
}

#[test]
fn data_over_the_limit_is_rejected_before_it_arrives() {
    let announced = [0x82, 0xFF, 0, 0, 0, 0x7F, 0, 0, 0, 0];
    assert_eq!(inspect(&announced), Err(FrameError::TooBig { limit: 300 }));
    assert_eq!(inspect(&frame(0x81, &[b'a'; 301])[..4]), Err(FrameError::TooBig { limit: 300 }));
    let fragments = [frame(0x01, &[b'a'; 300]), frame(0x80, &[b'a'; 201])].concat();
    assert_eq!(
        inspect(&fragments[..fragments.len() - 205]),
        Err(FrameError::TooBig { limit: 500 })
    );
    let within = [frame(0x01, &[b'a'; 300]), frame(0x80, &[b'a'; 200])].concat();
    assert_eq!(inspect(&within), Ok(()));
}

#[test]
fn the_first_violation_is_final() {
    let mut guard = FrameGuard::new(LIMITS);
    let first = guard.inspect(&[0x83]);
    assert_eq!(first, Err(ProtocolFault::ReservedOpcode.into()));
    assert_eq!(guard.inspect(&frame(0x81, b"fine")), first);
    assert_eq!(guard.inspect(b""), first);
}

#[test]
fn bytes_after_a_close_frame_are_ignored() {
    let mut guard = FrameGuard::new(LIMITS);
    assert_eq!(guard.inspect(&[frame(0x88, b""), vec![0xFF; 50]].concat()), Ok(()));
    assert_eq!(guard.inspect(&[0xFF; 50]), Ok(()));
    assert!(guard.is_closed());
}

/// A second implementation of the rules, over the whole stream at once.
fn model(bytes: &[u8], limits: FrameLimits) -> Result<(), FrameError> {
    let mut at = 0;
    // The open message: whether it is text, its payload so far, and its announced length.
    let mut open: Option<(bool, Vec<u8>, u64)> = None;
    loop {
        let Some(first) = bytes.get(at) else { return Ok(()) };
        let (is_final, opcode) = (first >> 7 == 1, first & 0xF);
        if first & 0x70 != 0 {
            return Err(ProtocolFault::ReservedBits.into());
        }
        match opcode {
            0 if open.is_none() => return Err(ProtocolFault::NothingToContinue.into()),
            1 | 2 if open.is_some() => return Err(ProtocolFault::UnfinishedMessage.into()),
            1 | 2 => open = Some((opcode == 1, vec![], 0)),
            8..=10 if !is_final => return Err(ProtocolFault::FragmentedControl.into()),
            0 | 8..=10 => {}
            _ => return Err(ProtocolFault::ReservedOpcode.into()),
        }
        let Some(second) = bytes.get(at + 1) else { return Ok(()) };
        let short = second & 0x7F;
        if second >> 7 == 0 {
            return Err(ProtocolFault::Unmasked.into());
        }
        if opcode >= 8 && short > 125 {
            return Err(ProtocolFault::LongControl.into());
        }
        let extra = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(extended) = bytes.get(at + 2..at + 2 + extra) else { return Ok(()) };
        let length = match extra {
            0 => u64::from(short),
            _ => extended.iter().fold(0, |length, byte| length * 256 + u64::from(*byte)),
        };
        if length > i64::MAX as u64 {
            return Err(ProtocolFault::ImpossibleLength.into());
        }
        if (extra == 2 && length < 126) || (extra == 8 && length < 65_536) {
            return Err(ProtocolFault::LongLength.into());
        }
        if opcode == 8 && length == 1 {
            return Err(ProtocolFault::HalfCloseCode.into());
        }
        if let (0..=2, Some((_, _, announced))) = (opcode, &mut open) {
            *announced = announced.saturating_add(length);
            if length > limits.frame as u64 {
                return Err(FrameError::TooBig { limit: limits.frame });
            }
            if *announced > limits.message as u64 {
                return Err(FrameError::TooBig { limit: limits.message });
            }
        }
        let start = at + 2 + extra + 4;
        let Some(mask) = bytes.get(start - 4..start) else { return Ok(()) };
        let end = start.saturating_add(length as usize);
        let payload: Vec<u8> = bytes[start..end.min(bytes.len())]
            .iter()
            .enumerate()
            .map(|(index, byte)| byte ^ mask[index % 4])
            .collect();
        let is_whole = end <= bytes.len();
        let check = |text: &[u8], is_all: bool| match std::str::from_utf8(text) {
            Err(error) if is_all || error.error_len().is_some() => Err(FrameError::InvalidUtf8),
            _ => Ok(()),
        };
        if opcode == 8 {
            if let Some(code) = payload.get(..2) {
                let code = u16::from_be_bytes([code[0], code[1]]);
                let known = (1000..=1003).contains(&code) || (1007..=1014).contains(&code);
                if !known && !(3000..5000).contains(&code) {
                    return Err(ProtocolFault::ForbiddenCloseCode.into());
                }
                check(&payload[2..], is_whole)?;
            }
            return Ok(());
        }
        if let (0..=2, Some((is_text, text, _))) = (opcode, &mut open) {
            text.extend(payload);
            if *is_text {
                check(text, is_whole && is_final)?;
            }
            if is_whole && is_final {
                open = None;
            }
        }
        if !is_whole {
            return Ok(());
        }
        at = end;
    }
}

/// Payloads that are text, almost text, or random bytes.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => ".{0,40}".prop_map(String::into_bytes),
        1 => ".{60,130}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
        1 => (".{0,10}", 0_usize..40).prop_map(|(text, cut)| {
            text.as_bytes()[..cut.min(text.len())].to_vec()
        }),
        1 => (prop_oneof![990_u16..1020, 2990_u16..5010], ".{0,10}").prop_map(|(code, text)| {
            [&code.to_be_bytes()[..], text.as_bytes()].concat()
        }),
    ]
}

/// Streams that are mostly valid, so that tests reach violations deep inside them.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => proptest::sample::select(vec![0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]),
        1 => Just(0x88_u8),
        1 => any::<u8>(),
    ];
    let frames = proptest::collection::vec((first, payload()), 0..8);
    let flip = proptest::option::weighted(0.3, (any::<proptest::sample::Index>(), 0_u8..8));
    (frames, flip, 0_usize..20).prop_map(|(frames, flip, missing)| {
        let mut bytes: Vec<u8> =
            frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
        if let (Some((index, bit)), false) = (flip, bytes.is_empty()) {
            let index = index.index(bytes.len());
            bytes[index] ^= 1 << bit;
        }
        bytes.truncate(bytes.len() - missing.saturating_sub(10).min(bytes.len()));
        bytes
    })
}

fn in_pieces(bytes: &[u8], sizes: &[usize]) -> (Result<(), FrameError>, bool) {
    let mut guard = FrameGuard::new(LIMITS);
    let mut rest = bytes;
    for size in sizes {
        let (piece, after) = rest.split_at(rest.len().min(*size));
        rest = after;
        if let Err(error) = guard.inspect(piece) {
            return (Err(error), guard.is_closed());
        }
    }
    (guard.inspect(rest), guard.is_closed())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_guard_agrees_with_the_model_on_streams(bytes in stream()) {
        prop_assert_eq!(inspect(&bytes), model(&bytes, LIMITS));
    }

    #[test]
    fn the_guard_agrees_with_the_model_on_random_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        prop_assert_eq!(inspect(&bytes), model(&bytes, LIMITS));
    }

    #[test]
    fn the_result_does_not_depend_on_the_chunks(
        bytes in stream(),
        sizes in proptest::collection::vec(0_usize..30, 0..60),
    ) {
        let bytewise = vec![1; bytes.len()];
        let whole = in_pieces(&bytes, &[]);
        prop_assert_eq!(in_pieces(&bytes, &sizes), whole);
        prop_assert_eq!(in_pieces(&bytes, &bytewise), whole);
    }

    /// Bytes that pass the guard never fail in the codec.
    #[test]
    fn the_codec_accepts_all_bytes_that_pass_the_guard(bytes in stream()) {
        let mut guard = FrameGuard::new(LIMITS);
        let accepted = bytes.iter().take_while(|byte| guard.inspect(&[**byte]).is_ok()).count();
        let mut rest = BytesMut::from(&bytes[..accepted]);
        loop {
            match Parser::parse(&mut rest, true, LIMITS.frame) {
                Ok(None) => break,
                Ok(Some((_, OpCode::Close, payload))) => {
                    let payload = payload.unwrap_or_default();
                    prop_assert!(Parser::try_parse_close_payload(&payload).is_ok());
                    break;
                }
                Ok(Some(_)) => {}
                Err(error) => prop_assert!(false, "the codec rejected: {}", error),
            }
        }
    }
}
