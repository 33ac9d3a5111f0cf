//! Reading lib0's encodings: variable-length integers, buffers, strings and values of any type.

use thiserror::Error;
use yrs::encoding::read::{Cursor, Read as _};

/// The largest whole number that JavaScript counts to: 2^53 - 1.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Numbers have at most so many bytes.
const MAX_NUMBER_BYTES: u32 = 8;

/// Values that hold others are nested at most so deep.
const DEEPEST_VALUE: usize = 32;

/// Bytes that are not what they should be, and what is wrong with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Bytes that are read from the beginning.
pub(super) struct Lib0Reader<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Lib0Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes) }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.cursor.buf.len().saturating_sub(self.cursor.next)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.cursor.read_u8().map_err(|_end| Malformed("it ends too early"))
    }

    /// A whole number of at most 2^53 - 1: seven bits in each byte, the lowest first.
    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for place in 0..MAX_NUMBER_BYTES {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << (7 * place);
            if byte < 0x80 && number <= MAX_NUMBER {
                return Ok(number);
            }
        }
        Err(Malformed("a number is too large"))
    }

    /// A whole number that counts things of which each takes at least `bytes`: no more than there is room for.
    pub(super) fn count(&mut self, bytes: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count > self.left() / bytes.max(1) {
            return Err(Malformed("it announces more than it has"));
        }
        Ok(count)
    }

    /// A buffer, which says its length first.
    pub(super) fn buffer(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.count(1)?;
        let (start, end) = (self.cursor.next, self.cursor.next + length);
        let bytes = self.cursor.buf.get(start..end).ok_or(Malformed("it ends too early"))?;
        self.cursor.next = end;
        Ok(bytes)
    }

    /// A text, which says its length in bytes first.
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.buffer()?).map_err(|_error| Malformed("a text is not UTF-8"))
    }

    /// Leaves out a value of any type.
    pub(super) fn skip_value(&mut self) -> Result<(), Malformed> {
        self.skip_nested(DEEPEST_VALUE)
    }

    fn skip_nested(&mut self, deeper: usize) -> Result<(), Malformed> {
        let deeper_left = || deeper.checked_sub(1).ok_or(Malformed("values are nested too deep"));
        match self.byte()? {
            // undefined, null, false, true
            127 | 126 | 121 | 120 => {}
            // The library shifts the bits of a longer number out of its own.
            125 => {
                let mut bytes = 1;
                while self.byte()? >= 0x80 {
                    bytes += 1;
                    if bytes > MAX_NUMBER_BYTES {
                        return Err(Malformed("a number is too large"));
                    }
                }
            }
            124 => self.skip(4)?,
            123 | 122 => self.skip(8)?,
            119 => {
                self.text()?;
            }
            118 => {
                let deeper = deeper_left()?;
                for _entry in 0..self.count(2)? {
                    self.text()?;
                    self.skip_nested(deeper)?;
                }
            }
            117 => {
                let deeper = deeper_left()?;
                for _entry in 0..self.count(1)? {
                    self.skip_nested(deeper)?;
                }
            }
            116 => {
                self.buffer()?;
            }
            _ => return Err(Malformed("a value is of no known type")),
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Malformed> {
        if self.left() < bytes {
            return Err(Malformed("it ends too early"));
        }
        self.cursor.next += bytes;
        Ok(())
    }
}
