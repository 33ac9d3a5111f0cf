//! Refuses heads of requests whose lines do not end with CRLF.
//!
//! The parser of the framework takes a single line feed for the end of a line, as RFC 9112 (section 2.2) allows. A proxy in front
//! may take it for a part of a field's value and pass it on. A client could then write lines that only the server sees, such as a
//! second `Content-Length`, and so have a request taken for the body of another one and get the answer to another client's
//! (request smuggling). No common client ends lines with a single line feed.
//!
//! A line feed without CR is replaced with NUL, which no head may have. So the framework answers with status 400 and closes
//! the connection.
//!
//! Only the head with which a read begins is checked. A proxy sends a request when it has the answer to the one before, and a
//! client without a proxy can deceive nobody.

/// The check of the heads of one connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineEnds {
    phase: HeadPhase,
    last: u8,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum HeadPhase {
    /// Nothing but empty lines has arrived, which the parser skips.
    #[default]
    Begin,
    /// In a line that has some bytes.
    Line,
    /// After the end of a line.
    LineStart,
    /// The head is complete. What follows may be a body.
    Complete,
}

impl LineEnds {
    /// Checks bytes that arrived while a head is expected. Marks each line feed without CR so that the head is refused.
    pub(super) fn check(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.phase == HeadPhase::Complete {
                return;
            }
            self.phase = match (*byte, self.phase) {
                (b'\n', _) if self.last != b'\r' => {
                    *byte = b'\0';
                    HeadPhase::Line
                }
                (b'\n', HeadPhase::LineStart) => HeadPhase::Complete,
                (b'\n', HeadPhase::Line) => HeadPhase::LineStart,
                (b'\n' | b'\r', phase) => phase,
                _ => HeadPhase::Line,
            };
            self.last = *byte;
        }
    }

    /// Expects the next head.
    pub(super) fn begin(&mut self) {
        self.phase = HeadPhase::Begin;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks `bytes`, which arrive in pieces of `piece` bytes, and returns them.
    fn checked(bytes: &str, piece: usize) -> String {
        let (mut ends, mut bytes) = (LineEnds::default(), bytes.as_bytes().to_vec());
        bytes.chunks_mut(piece).for_each(|piece| ends.check(piece));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn single_line_feeds_in_a_head_are_marked() {
        for piece in [1, 3, 1_000] {
            let body = "{\n}\n\n";
            let head = format!("\r\nPOST / HTTP/1.1\r\nA: b\r\n\r\n{body}");
            assert_eq!(checked(&head, piece), head);
            let smuggled = "GET / HTTP/1.1\r\nA: b\nContent-Length: 9\r\n\r\n";
            assert_eq!(checked(smuggled, piece), smuggled.replace("b\n", "b\0"));
            assert_eq!(checked("GET / HTTP/1.1\nA: b\n\n", piece), "GET / HTTP/1.1\0A: b\0\0");
            assert_eq!(checked("\nGET", piece), "\0GET");
        }
    }

    #[test]
    fn the_next_head_is_checked_again() {
        let mut ends = LineEnds::default();
        let mut head = *b"GET / HTTP/1.1\r\n\r\n";
        ends.check(&mut head);
        let mut body = *b"\n";
        ends.check(&mut body);
        assert_eq!(body, *b"\n");
        ends.begin();
        ends.check(&mut body);
        assert_eq!(body, *b"\0");
    }
}
