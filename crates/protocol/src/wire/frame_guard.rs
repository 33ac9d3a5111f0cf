//! Checks of inbound frames before the codec buffers them.
//!
//! The codec of actix waits for a complete frame, whatever length it announces, before it rejects it, and reports
//! several violations as the same error. The guard reads the bytes first, in chunks of any size, and buffers none. It
//! checks headers (RFC 6455, section 5.2), the order of fragments (5.4), control frames (5.5), close codes (7.4),
//! UTF-8 (8.1) and the server's limits.
//!
//! Invariant: the result depends on the bytes alone, not on their split into chunks. The first violation is final, and
//! bytes after a close frame are ignored.

use super::{
    frame_error::{FrameError, ProtocolFault},
    utf8::Utf8Check,
};

/// The limits of inbound frames, in bytes of payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// One frame.
    pub frame: usize,
    /// One message, which is the sum of its fragments.
    pub message: usize,
}

/// An incremental checker of a client's frames.
#[derive(Debug, Clone)]
pub struct FrameGuard {
    limits: FrameLimits,
    stage: Stage,
    /// The data message whose last fragment has not arrived.
    message: Option<OpenMessage>,
    utf8: Utf8Check,
    frames: u64,
}

#[derive(Debug, Clone, Copy)]
struct OpenMessage {
    is_text: bool,
    /// The sum of the announced lengths of its frames.
    length: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameKind {
    Data,
    Close,
    PingOrPong,
}

/// The content of a frame's first byte.
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
    Length { header: FrameHeader, bytes: u8, missing: u8, length: u64 },
    Mask { header: FrameHeader, length: u64, missing: u8, mask: u32 },
    Payload { header: FrameHeader, left: u64, mask: [u8; 4] },
    CloseCode { high: Option<u8>, left: u64, mask: [u8; 4] },
    Closed,
    Refused(FrameError),
}

impl FrameGuard {
    /// Creates a guard for a stream that begins with the first byte after the handshake.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Self {
        Self { limits, stage: Stage::First, message: None, utf8: Utf8Check::default(), frames: 0 }
    }

    /// Checks the next bytes of the stream.
    ///
    /// # Errors
    /// The first violation in the stream, in this and every later call. The caller must discard the chunk.
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

    /// Returns the number of complete frames.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Returns the number of payload bytes that the current frame has announced and that have not arrived.
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

    /// Returns the number of bytes that the frames of an unfinished data message have announced so far; 0 between messages.
    #[must_use]
    pub fn message_bytes(&self) -> u64 {
        self.message.map_or(0, |message| message.length)
    }

    /// Returns whether the client's close frame is complete.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed)
    }

    /// Reads at least one byte. Returns the next stage and the unread bytes.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<(Stage, &'a [u8]), FrameError> {
        let Some((&byte, rest)) = bytes.split_first() else { return Ok((self.stage, bytes)) };
        let stage = match self.stage {
            Stage::First => Stage::Second(self.first_byte(byte)?),
            Stage::Second(header) => self.second_byte(header, byte)?,
            Stage::Length { header, bytes, missing, length } => {
                let length = (length << 8) | u64::from(byte);
                if missing > 1 {
                    Stage::Length { header, bytes, missing: missing - 1, length }
                } else {
                    check_long_length(bytes, length)?;
                    self.check_length(header, length)?
                }
            }
            Stage::Mask { header, length, missing, mask } => {
                let mask = (mask << 8) | u32::from(byte);
                if missing > 1 {
                    Stage::Mask { header, length, missing: missing - 1, mask }
                } else {
                    self.begin_payload(header, length, mask.to_be_bytes())?
                }
            }
            Stage::CloseCode { high, left, mask } => {
                let stage = close_code(high, byte, left, mask)?;
                self.frames += u64::from(matches!(stage, Stage::Closed));
                stage
            }
            Stage::Payload { header, left, mask } => {
                return self.payload(header, left, mask, bytes);
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

    fn second_byte(&mut self, header: FrameHeader, byte: u8) -> Result<Stage, FrameError> {
        if byte & 0x80 == 0 {
            return Err(ProtocolFault::Unmasked.into());
        }
        let long = |bytes| Stage::Length { header, bytes, missing: bytes, length: 0 };
        match byte & 0x7F {
            126 | 127 if header.kind != FrameKind::Data => Err(ProtocolFault::LongControl.into()),
            126 => Ok(long(2)),
            127 => Ok(long(8)),
            length => self.check_length(header, u64::from(length)),
        }
    }

    /// Checks the announced length against the rules and limits.
    fn check_length(&mut self, header: FrameHeader, length: u64) -> Result<Stage, FrameError> {
        match (header.kind, &mut self.message) {
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
        Ok(Stage::Mask { header, length, missing: 4, mask: 0 })
    }

    fn begin_payload(
        &mut self,
        header: FrameHeader,
        length: u64,
        mask: [u8; 4],
    ) -> Result<Stage, FrameError> {
        if header.kind == FrameKind::Close {
            // No fragment of an interrupted message follows a close frame.
            self.utf8 = Utf8Check::default();
        }
        match (header.kind, length) {
            (_, 0) => self.end_frame(header),
            (FrameKind::Close, left) => Ok(Stage::CloseCode { high: None, left, mask }),
            (FrameKind::Data | FrameKind::PingOrPong, left) => {
                Ok(Stage::Payload { header, left, mask })
            }
        }
    }

    fn payload<'a>(
        &mut self,
        header: FrameHeader,
        left: u64,
        mut mask: [u8; 4],
        bytes: &'a [u8],
    ) -> Result<(Stage, &'a [u8]), FrameError> {
        let available = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let Some((part, rest)) = bytes.split_at_checked(available) else {
            return Ok((self.stage, bytes));
        };
        let is_text = match header.kind {
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
            if left == 0 { self.end_frame(header)? } else { Stage::Payload { header, left, mask } };
        Ok((stage, rest))
    }

    fn end_frame(&mut self, header: FrameHeader) -> Result<Stage, FrameError> {
        self.frames += 1;
        match header.kind {
            FrameKind::PingOrPong => Ok(Stage::First),
            FrameKind::Data if !header.is_final => Ok(Stage::First),
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
    let minimum = if bytes == 2 { 126 } else { 0x1_0000 };
    if length >> 63 != 0 {
        Err(ProtocolFault::ImpossibleLength)
    } else if length < minimum {
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
    let header = FrameHeader { is_final: true, kind: FrameKind::Close };
    Ok(if left == 0 { Stage::Closed } else { Stage::Payload { header, left, mask } })
}

/// Returns whether an endpoint may send this code: those of RFC 6455, section 7.4, and those that IANA registered later
/// (1012 to 1014).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
#[path = "frame_guard_tests.rs"]
mod tests;
