//! Decoding of lib0: variable-length integers, buffers, strings, and values of any type.

use thiserror::Error;
use yrs::encoding::read::{Cursor, Read as _};

/// The largest safe integer of JavaScript, 2^53 - 1.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The maximum encoded size of a number, in bytes.
const MAX_NUMBER_BYTES: u32 = 8;

/// The maximum nesting of arrays and objects in a value.
const MAX_VALUE_DEPTH: usize = 32;

/// Bytes that are not validly encoded, with the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Reads values from the start of a buffer.
pub(super) struct Lib0Reader<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Lib0Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes) }
    }

    /// Returns the number of unread bytes.
    pub(super) fn remaining(&self) -> usize {
        self.cursor.buf.len().saturating_sub(self.cursor.next)
    }

    /// Returns the number of bytes that were read.
    pub(super) fn position(&self) -> usize {
        self.cursor.next
    }

    /// Reads a byte.
    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.cursor.read_u8().map_err(|_end| Malformed("the data ends too early"))
    }

    /// Reads an unsigned integer of at most 2^53 - 1, seven bits in each byte, the lowest first.
    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for index in 0..MAX_NUMBER_BYTES {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << (7 * index);
            if byte < 0x80 && number <= MAX_NUMBER {
                return Ok(number);
            }
        }
        Err(Malformed("a number is too large"))
    }

    /// Reads the number of the following items, each of at least `min_bytes`. Rejects a number that the unread bytes
    /// cannot hold.
    pub(super) fn count(&mut self, min_bytes: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count > self.remaining() / min_bytes.max(1) {
            return Err(Malformed("a length exceeds the data"));
        }
        Ok(count)
    }

    /// Reads a buffer, which has its length in front.
    pub(super) fn buffer(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.count(1)?;
        let (start, end) = (self.cursor.next, self.cursor.next + length);
        let bytes = self.cursor.buf.get(start..end).ok_or(Malformed("the data ends too early"))?;
        self.cursor.next = end;
        Ok(bytes)
    }

    /// Reads a string, which has its length in bytes in front.
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.buffer()?)
            .map_err(|_error| Malformed("a string is not valid UTF-8"))
    }

    /// Skips a value of any type.
    pub(super) fn skip_value(&mut self) -> Result<(), Malformed> {
        self.skip_nested(MAX_VALUE_DEPTH)
    }

    fn skip_nested(&mut self, levels: usize) -> Result<(), Malformed> {
        let inner_levels =
            || levels.checked_sub(1).ok_or(Malformed("a value is nested too deeply"));
        match self.byte()? {
            // undefined, null, false, true
            127 | 126 | 121 | 120 => {}
            // The library would shift the bits of a longer number out of range.
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
                let levels = inner_levels()?;
                for _entry in 0..self.count(2)? {
                    self.text()?;
                    self.skip_nested(levels)?;
                }
            }
            117 => {
                let levels = inner_levels()?;
                for _entry in 0..self.count(1)? {
                    self.skip_nested(levels)?;
                }
            }
            116 => {
                self.buffer()?;
            }
            _ => return Err(Malformed("a value has an unknown type")),
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Malformed> {
        if self.remaining() < bytes {
            return Err(Malformed("the data ends too early"));
        }
        self.cursor.next += bytes;
        Ok(())
    }
}
