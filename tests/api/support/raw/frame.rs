//! Frames of a client, right and wrong (RFC 6455, section 5.2).

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
    /// One of those without a meaning.
    Reserved(u8),
}

impl Opcode {
    fn number(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
            Self::Reserved(number) => number,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Length {
    Shortest,
    TwoBytes,
    EightBytes,
}

/// A frame as a client sends it: masked, final and correct, unless it is told to be something else.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    opcode: Opcode,
    payload: Vec<u8>,
    is_final: bool,
    reserved: u8,
    mask: Option<[u8; 4]>,
    length: Length,
    announced: Option<u64>,
}

impl Frame {
    pub(crate) fn new(opcode: Opcode, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            opcode,
            payload: payload.into(),
            is_final: true,
            reserved: 0,
            mask: Some([0x5A, 0x01, 0xFE, 0x33]),
            length: Length::Shortest,
            announced: None,
        }
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::new(Opcode::Text, text)
    }

    pub(crate) fn ping(payload: &[u8]) -> Self {
        Self::new(Opcode::Ping, payload)
    }

    pub(crate) fn close(code: u16, reason: impl AsRef<[u8]>) -> Self {
        let payload = [&code.to_be_bytes(), reason.as_ref()].concat();
        Self::new(Opcode::Close, payload)
    }

    /// More fragments follow.
    pub(crate) fn unfinished(self) -> Self {
        Self { is_final: false, ..self }
    }

    /// With these of the three reserved bits set.
    pub(crate) fn reserved(self, bits: u8) -> Self {
        Self { reserved: bits, ..self }
    }

    pub(crate) fn unmasked(self) -> Self {
        Self { mask: None, ..self }
    }

    /// Its length takes two bytes, however short it is.
    pub(crate) fn with_two_length_bytes(self) -> Self {
        Self { length: Length::TwoBytes, ..self }
    }

    /// Its length takes eight bytes, however short it is.
    pub(crate) fn with_eight_length_bytes(self) -> Self {
        Self { length: Length::EightBytes, ..self }
    }

    /// It says that it has so many bytes, whatever comes after the header.
    pub(crate) fn announcing(self, length: u64) -> Self {
        Self { announced: Some(length), ..self }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let final_bit = if self.is_final { 0x80 } else { 0 };
        let mut bytes = vec![final_bit | (self.reserved << 4) | self.opcode.number()];
        let mask_bit = if self.mask.is_some() { 0x80 } else { 0 };
        let length = self.announced.unwrap_or(self.payload.len() as u64);
        match (self.length, length) {
            (Length::Shortest, 0..=125) => bytes.push(mask_bit | length as u8),
            (Length::Shortest, 126..=0xFFFF) | (Length::TwoBytes, _) => {
                bytes.push(mask_bit | 126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            (Length::Shortest | Length::EightBytes, _) => {
                bytes.push(mask_bit | 127);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        match self.mask {
            Some(mask) => {
                bytes.extend_from_slice(&mask);
                let keys = mask.iter().cycle();
                bytes.extend(self.payload.iter().zip(keys).map(|(byte, key)| byte ^ key));
            }
            None => bytes.extend_from_slice(&self.payload),
        }
        bytes
    }
}
