//! Decoding of lib0: variable-length integers, buffers, strings, and values of any type.

use thiserror::Error;
use yrs::encoding::read::{Cursor, Read as _};

/// The largest safe integer of JavaScript, 2^53 - 1.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The maximum encoded size of a number, in bytes.
const MAX_NUMBER_BYTES: u32 = 8;

/// The maximum nesting of arrays and objects in a value, because the library recurses into them.
pub(super) const MAX_VALUE_DEPTH: usize = 128;

/// The types of binary data and of an object as a value.
const BUFFER: u8 = 116;
const OBJECT: u8 = 118;

/// The entries of an array or object that are not read yet.
enum OpenValue {
    Array(u32),
    Object(u32),
}

/// Bytes that are not validly encoded, with the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Reads values from the start of a buffer.
pub(in crate::wire) struct Lib0Reader<'a> {
    cursor: Cursor<'a>,
    /// The values that were skipped, those in arrays and objects included.
    values: usize,
}

impl<'a> Lib0Reader<'a> {
    pub(in crate::wire) fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes), values: 0 }
    }

    /// Returns the number of unread bytes.
    pub(in crate::wire) fn remaining(&self) -> usize {
        self.cursor.buf.len().saturating_sub(self.cursor.next)
    }

    /// Returns the number of bytes that were read.
    pub(in crate::wire) fn position(&self) -> usize {
        self.cursor.next
    }

    /// Returns the number of values that were skipped, those in arrays and objects included.
    pub(super) fn skipped_values(&self) -> usize {
        self.values
    }

    /// Reads a byte.
    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.cursor.read_u8().map_err(|_end| Malformed("the data ends too early"))
    }

    /// Reads an unsigned integer of at most 2^53 - 1, seven bits in each byte, the lowest first.
    pub(in crate::wire) fn number(&mut self) -> Result<u64, Malformed> {
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
    pub(in crate::wire) fn buffer(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.count(1)?;
        let (start, end) = (self.cursor.next, self.cursor.next + length);
        let bytes = self.cursor.buf.get(start..end).ok_or(Malformed("the data ends too early"))?;
        self.cursor.next = end;
        Ok(bytes)
    }

    /// Reads a string, which has its length in bytes in front.
    pub(in crate::wire) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.buffer()?)
            .map_err(|_error| Malformed("a string is not valid UTF-8"))
    }

    /// Returns the binary data that is the next value, without reading on. `None` if the next value is another one.
    pub(super) fn next_buffer(&self) -> Option<&'a [u8]> {
        let mut ahead = Lib0Reader::new(self.cursor.buf.get(self.cursor.next..)?);
        match ahead.byte().ok()? {
            BUFFER => ahead.buffer().ok(),
            _ => None,
        }
    }

    /// Returns whether the next value is an object, without reading on.
    pub(super) fn is_at_object(&self) -> bool {
        self.cursor.buf.get(self.cursor.next) == Some(&OBJECT)
    }

    /// Skips a value of any type. Returns how deeply its arrays and objects are nested.
    pub(super) fn skip_value(&mut self) -> Result<usize, Malformed> {
        let (mut open, mut depth): (Vec<OpenValue>, usize) = (Vec::new(), 0);
        loop {
            self.values += 1;
            match self.byte()? {
                // undefined, null, false, true
                127 | 126 | 121 | 120 => {}
                // The library would shift the bits of a longer number out of range.
                125 => self.skip_number()?,
                124 => self.skip(4)?,
                123 | 122 => self.skip(8)?,
                119 => {
                    self.text()?;
                }
                BUFFER => {
                    self.buffer()?;
                }
                OBJECT => open.push(OpenValue::Object(self.entry_count(2)?)),
                117 => open.push(OpenValue::Array(self.entry_count(1)?)),
                _ => return Err(Malformed("a value has an unknown type")),
            }
            depth = depth.max(open.len());
            while let Some(OpenValue::Array(0) | OpenValue::Object(0)) = open.last() {
                open.pop();
            }
            match open.last_mut() {
                None => return Ok(depth),
                Some(OpenValue::Array(entries)) => *entries -= 1,
                Some(OpenValue::Object(entries)) => {
                    *entries -= 1;
                    self.text()?;
                }
            }
        }
    }

    fn entry_count(&mut self, min_bytes: usize) -> Result<u32, Malformed> {
        u32::try_from(self.count(min_bytes)?).map_err(|_many| Malformed("a value is too large"))
    }

    fn skip_number(&mut self) -> Result<(), Malformed> {
        for _byte in 0..MAX_NUMBER_BYTES {
            if self.byte()? < 0x80 {
                return Ok(());
            }
        }
        Err(Malformed("a number is too large"))
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Malformed> {
        if self.remaining() < bytes {
            return Err(Malformed("the data ends too early"));
        }
        self.cursor.next += bytes;
        Ok(())
    }
}
