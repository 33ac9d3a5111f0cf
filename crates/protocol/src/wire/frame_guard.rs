//! Looks at inbound frames before anything buffers them.
//!
//! The codec behind us waits for the whole of a frame, however large it says it is, before it refuses it, and
//! reports several faults alike. The guard reads the same bytes first, as they come and without keeping any:
//! headers (RFC 6455, section 5.2), the order of fragments (5.4), the rules for control frames (5.5), close codes
//! (7.4), UTF-8 (8.1), and our own limits.
//!
//! Invariant: the verdict depends on the bytes alone, never on how they were split; the first fault stays the
//! verdict for ever, and what follows a close frame is nobody's business.

use super::{
    frame_error::{FrameError, ProtocolFault},
    utf8::Utf8Check,
};

/// How large inbound frames may be, in bytes of payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// One frame.
    pub frame: usize,
    /// One message: the sum of its fragments.
    pub message: usize,
}

/// An incremental scanner of a client's frames.
#[derive(Debug, Clone)]
pub struct FrameGuard {
    limits: FrameLimits,
    stage: Stage,
    /// The data message that has begun and not ended.
    message: Option<OpenMessage>,
    utf8: Utf8Check,
    frames: u64,
}

#[derive(Debug, Clone, Copy)]
struct OpenMessage {
    is_text: bool,
    /// What its frames announced so far.
    length: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameKind {
    Data,
    Close,
    PingOrPong,
}

/// What the first byte of a frame says.
#[derive(Debug, Clone, Copy)]
struct FrameHeader {
    is_final: bool,
    kind: FrameKind,
}

/// The part of a frame that the next byte belongs to.
#[derive(Debug, Clone, Copy)]
enum Stage {
    First,
    Second(FrameHeader),
    Length { head: FrameHeader, bytes: u8, missing: u8, length: u64 },
    Mask { head: FrameHeader, length: u64, missing: u8, mask: u32 },
    Payload { head: FrameHeader, left: u64, mask: [u8; 4] },
    CloseCode { high: Option<u8>, left: u64, mask: [u8; 4] },
    Closed,
    Refused(FrameError),
}

impl FrameGuard {
    /// A guard for a stream that begins with the first byte after the handshake.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Self {
        Self { limits, stage: Stage::First, message: None, utf8: Utf8Check::default(), frames: 0 }
    }

    /// Looks at the next bytes of the stream.
    ///
    /// # Errors
    /// The first fault of the stream, now and at every later call. The bytes of this chunk must not be read further.
    pub fn inspect(&mut self, chunk: &[u8]) -> Result<(), FrameError> {
        let mut rest = chunk;
        while !rest.is_empty() && !matches!(self.stage, Stage::Closed) {
            match self.step(rest) {
                Ok((stage, unread)) => {
                    self.stage = stage;
                    rest = unread;
                }
                Err(error) => self.stage = Stage::Refused(error),
            }
            if let Stage::Refused(error) = self.stage {
                return Err(error);
            }
        }
        if let Stage::Refused(error) = self.stage { Err(error) } else { Ok(()) }
    }

    /// How many whole frames have passed.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// How many bytes of payload are still to come of the frame that has begun, by its own announcement.
    #[must_use]
    pub fn announced(&self) -> u64 {
        match self.stage {
            Stage::Mask { length, .. } => length,
            Stage::Payload { left, .. } | Stage::CloseCode { left, .. } => left,
            Stage::First
            | Stage::Second(_)
            | Stage::Length { .. }
            | Stage::Closed
            | Stage::Refused(_) => 0,
        }
    }

    /// Whether the client has closed: its close frame is complete.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed)
    }

    /// Reads at least one byte and says where that leads.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<(Stage, &'a [u8]), FrameError> {
        let Some((&byte, rest)) = bytes.split_first() else { return Ok((self.stage, bytes)) };
        let stage = match self.stage {
            Stage::First => Stage::Second(self.first_byte(byte)?),
            Stage::Second(head) => self.second_byte(head, byte)?,
            Stage::Length { head, bytes, missing, length } => {
                let length = (length << 8) | u64::from(byte);
                if missing > 1 {
                    Stage::Length { head, bytes, missing: missing - 1, length }
                } else {
                    check_long_length(bytes, length)?;
                    self.admit(head, length)?
                }
            }
            Stage::Mask { head, length, missing, mask } => {
                let mask = (mask << 8) | u32::from(byte);
                if missing > 1 {
                    Stage::Mask { head, length, missing: missing - 1, mask }
                } else {
                    self.begin_payload(head, length, mask.to_be_bytes())?
                }
            }
            Stage::CloseCode { high, left, mask } => {
                let stage = close_code(high, byte, left, mask)?;
                self.frames += u64::from(matches!(stage, Stage::Closed));
                stage
            }
            Stage::Payload { head, left, mask } => {
                return self.payload(head, left, mask, bytes);
            }
            Stage::Closed => return Ok((Stage::Closed, &[])),
            Stage::Refused(error) => return Err(error),
        };
        Ok((stage, rest))
    }

    fn first_byte(&mut self, byte: u8) -> Result<FrameHeader, ProtocolFault> {
        let is_final = byte & 0x80 != 0;
        if byte & 0x70 != 0 {
            return Err(ProtocolFault::ReservedBits);
        }
        let kind = match byte & 0x0F {
            0x0 if self.message.is_none() => return Err(ProtocolFault::NothingToContinue),
            0x0 => FrameKind::Data,
            0x1 | 0x2 if self.message.is_some() => return Err(ProtocolFault::UnfinishedMessage),
            opcode @ (0x1 | 0x2) => {
                self.message = Some(OpenMessage { is_text: opcode == 0x1, length: 0 });
                self.utf8 = Utf8Check::default();
                FrameKind::Data
            }
            0x8..=0xA if !is_final => return Err(ProtocolFault::FragmentedControl),
            0x8 => FrameKind::Close,
            0x9 | 0xA => FrameKind::PingOrPong,
            _ => return Err(ProtocolFault::ReservedOpcode),
        };
        Ok(FrameHeader { is_final, kind })
    }

    fn second_byte(&mut self, head: FrameHeader, byte: u8) -> Result<Stage, FrameError> {
        if byte & 0x80 == 0 {
            return Err(ProtocolFault::Unmasked.into());
        }
        let long = |bytes| Stage::Length { head, bytes, missing: bytes, length: 0 };
        match byte & 0x7F {
            126 | 127 if head.kind != FrameKind::Data => Err(ProtocolFault::LongControl.into()),
            126 => Ok(long(2)),
            127 => Ok(long(8)),
            length => self.admit(head, u64::from(length)),
        }
    }

    /// The length is known: may so much come?
    fn admit(&mut self, head: FrameHeader, length: u64) -> Result<Stage, FrameError> {
        match (head.kind, &mut self.message) {
            (FrameKind::Close, _) if length == 1 => return Err(ProtocolFault::HalfCloseCode.into()),
            (FrameKind::Data, Some(message)) => {
                message.length = message.length.saturating_add(length);
                let too_big = |limit| Err(FrameError::TooBig { limit });
                if exceeds(length, self.limits.frame) {
                    return too_big(self.limits.frame);
                }
                if exceeds(message.length, self.limits.message) {
                    return too_big(self.limits.message);
                }
            }
            _ => {}
        }
        Ok(Stage::Mask { head, length, missing: 4, mask: 0 })
    }

    fn begin_payload(
        &mut self,
        head: FrameHeader,
        length: u64,
        mask: [u8; 4],
    ) -> Result<Stage, FrameError> {
        if head.kind == FrameKind::Close {
            // Nothing of a message that it interrupts will come any more.
            self.utf8 = Utf8Check::default();
        }
        match (head.kind, length) {
            (_, 0) => self.end_frame(head),
            (FrameKind::Close, left) => Ok(Stage::CloseCode { high: None, left, mask }),
            (FrameKind::Data | FrameKind::PingOrPong, left) => {
                Ok(Stage::Payload { head, left, mask })
            }
        }
    }

    fn payload<'a>(
        &mut self,
        head: FrameHeader,
        left: u64,
        mut mask: [u8; 4],
        bytes: &'a [u8],
    ) -> Result<(Stage, &'a [u8]), FrameError> {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let Some((part, rest)) = bytes.split_at_checked(here) else {
            return Ok((self.stage, bytes));
        };
        let is_text = match head.kind {
            FrameKind::Data => self.message.is_some_and(|message| message.is_text),
            FrameKind::Close => true,
            FrameKind::PingOrPong => false,
        };
        if is_text && !self.utf8.accepts(part, mask) {
            return Err(FrameError::InvalidUtf8);
        }
        mask.rotate_left(part.len() % 4);
        let left = left - part.len() as u64;
        let stage =
            if left == 0 { self.end_frame(head)? } else { Stage::Payload { head, left, mask } };
        Ok((stage, rest))
    }

    fn end_frame(&mut self, head: FrameHeader) -> Result<Stage, FrameError> {
        self.frames += 1;
        match head.kind {
            FrameKind::PingOrPong => Ok(Stage::First),
            FrameKind::Data if !head.is_final => Ok(Stage::First),
            FrameKind::Data => {
                let ended = self.message.take();
                if ended.is_some_and(|message| message.is_text) && !self.utf8.is_complete() {
                    return Err(FrameError::InvalidUtf8);
                }
                Ok(Stage::First)
            }
            FrameKind::Close if self.utf8.is_complete() => Ok(Stage::Closed),
            FrameKind::Close => Err(FrameError::InvalidUtf8),
        }
    }
}

fn exceeds(length: u64, limit: usize) -> bool {
    u64::try_from(limit).is_ok_and(|limit| length > limit)
}

fn check_long_length(bytes: u8, length: u64) -> Result<(), ProtocolFault> {
    let smallest = if bytes == 2 { 126 } else { 0x1_0000 };
    if length >> 63 != 0 {
        Err(ProtocolFault::ImpossibleLength)
    } else if length < smallest {
        Err(ProtocolFault::LongLength)
    } else {
        Ok(())
    }
}

fn close_code(
    high: Option<u8>,
    byte: u8,
    left: u64,
    mut mask: [u8; 4],
) -> Result<Stage, ProtocolFault> {
    let [key, ..] = mask;
    let byte = byte ^ key;
    mask.rotate_left(1);
    let left = left - 1;
    let Some(high) = high else {
        return Ok(Stage::CloseCode { high: Some(byte), left, mask });
    };
    if !may_be_sent(u16::from_be_bytes([high, byte])) {
        return Err(ProtocolFault::ForbiddenCloseCode);
    }
    let head = FrameHeader { is_final: true, kind: FrameKind::Close };
    Ok(if left == 0 { Stage::Closed } else { Stage::Payload { head, left, mask } })
}

/// The codes that an endpoint may send: RFC 6455, section 7.4, and what IANA registered since (1012 to 1014).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
#[path = "frame_guard_tests.rs"]
mod tests;
