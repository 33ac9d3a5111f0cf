//! WebSocket frames of a client, correct and incorrect (RFC 6455, section 5.2).

/// The opcode of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation,
    /// A text message or its first fragment.
    Text,
    /// A binary message or its first fragment.
    Binary,
    /// A close frame.
    Close,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// An opcode without a meaning.
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
enum LengthEncoding {
    Shortest,
    TwoBytes,
    EightBytes,
}

/// A frame as a client sends it: final, masked and correct, unless the test changes that.
#[derive(Debug, Clone)]
#[must_use]
pub struct Frame {
    opcode: Opcode,
    payload: Vec<u8>,
    is_final: bool,
    reserved_bits: u8,
    mask: Option<[u8; 4]>,
    length_encoding: LengthEncoding,
    announced_length: Option<u64>,
}

impl Frame {
    /// A frame with any opcode and payload.
    pub fn new(opcode: Opcode, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            opcode,
            payload: payload.into(),
            is_final: true,
            reserved_bits: 0,
            mask: Some([0x5A, 0x01, 0xFE, 0x33]),
            length_encoding: LengthEncoding::Shortest,
            announced_length: None,
        }
    }

    /// A text frame.
    pub fn text(text: &str) -> Self {
        Self::new(Opcode::Text, text)
    }

    /// A text frame with a JSON message.
    pub fn message(message: &serde_json::Value) -> Self {
        Self::text(&message.to_string())
    }

    /// A ping frame.
    pub fn ping(payload: &[u8]) -> Self {
        Self::new(Opcode::Ping, payload)
    }

    /// A close frame.
    pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Self {
        let payload = [&code.to_be_bytes(), reason.as_ref()].concat();
        Self::new(Opcode::Close, payload)
    }

    /// Announces that more fragments follow.
    pub fn unfinished(self) -> Self {
        Self { is_final: false, ..self }
    }

    /// Sets the three reserved bits.
    pub fn reserved_bits(self, bits: u8) -> Self {
        Self { reserved_bits: bits, ..self }
    }

    /// Sends the payload without a mask.
    pub fn unmasked(self) -> Self {
        Self { mask: None, ..self }
    }

    /// Writes the length in two bytes, however short it is.
    pub fn with_two_length_bytes(self) -> Self {
        Self { length_encoding: LengthEncoding::TwoBytes, ..self }
    }

    /// Writes the length in eight bytes, however short it is.
    pub fn with_eight_length_bytes(self) -> Self {
        Self { length_encoding: LengthEncoding::EightBytes, ..self }
    }

    /// Announces this length, whatever follows the header.
    pub fn announcing(self, length: u64) -> Self {
        Self { announced_length: Some(length), ..self }
    }

    /// The encoded frame.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let final_bit = if self.is_final { 0x80 } else { 0 };
        let mut bytes = vec![final_bit | (self.reserved_bits << 4) | self.opcode.number()];
        let mask_bit = if self.mask.is_some() { 0x80 } else { 0 };
        let length = self.announced_length.unwrap_or(self.payload.len() as u64);
        match (self.length_encoding, length) {
            (LengthEncoding::Shortest, 0..=125) => bytes.push(mask_bit | length as u8),
            (LengthEncoding::Shortest, 126..=0xFFFF) | (LengthEncoding::TwoBytes, _) => {
                bytes.push(mask_bit | 126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            (LengthEncoding::Shortest | LengthEncoding::EightBytes, _) => {
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
