//! The messages of HocuspocusProvider, which `docs/PROTOCOL.md` lists.
//!
//! A socket carries any number of documents. Each message begins with the name of its document and is otherwise one of
//! y-websocket, apart from authentication, acknowledgements and what the documents' clients say to each other. So
//! frames that the server has made for y-websocket need only a name in front ([`SocketName::named`]).
//!
//! Source: `@hocuspocus/provider` 4.8, `types.ts`, `MessageReceiver.ts` and `HocuspocusProviderWebsocket.ts`.

use bytes::Bytes;
use yrs::encoding::write::Write as _;

use super::{
    frame,
    yjs::{ClientClocks, Lib0Reader, Malformed},
};

/// The kinds of messages.
const SYNC: u8 = 0;
const AWARENESS: u8 = 1;
const AUTH: u8 = 2;
const QUERY_AWARENESS: u8 = 3;
const STATELESS: u8 = 5;
const CLOSE: u8 = 7;
const SYNC_STATUS: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The kinds of sync messages (y-protocols, `sync.js`).
const STEP_1: u8 = 0;
const STEP_2: u8 = 1;
const UPDATE: u8 = 2;

/// The kinds of auth messages. The number of a denial is not that of y-protocols.
const TOKEN: u8 = 0;
const PERMISSION_DENIED: u8 = 1;

/// The longest name, in bytes: a key of 200 characters, and the id of one of several providers.
const MAX_NAME: usize = 1_024;

/// The longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1_024;

/// The longest stateless message that is read at all, in bytes.
const MAX_STATELESS: usize = 1_024 * 1_024;

/// Frames up to this length are copied when a name is put in front; a longer one is shared.
const MAX_COPIED: usize = 4 * 1_024;

/// What the payload of a stateless message begins with that the server has written. Clients may not send such messages.
pub const SERVER_PAYLOAD: &str = "coscribe:";

/// The name of a document on one socket, as its client writes it: the name, and after a zero byte the id of the provider,
/// if several providers of the page have the same document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SocketName(Bytes);

impl SocketName {
    /// Returns the name of the document, without the id of the provider.
    #[must_use]
    pub fn document(&self) -> &str {
        // It was read as a string.
        let name = std::str::from_utf8(&self.0).unwrap_or_default();
        name.split('\0').next().unwrap_or_default()
    }

    /// Returns a frame of y-websocket with the name in front of its message, in one part.
    #[must_use]
    pub fn named(&self, frame: &Bytes) -> Bytes {
        self.frame(&[frame::payload(frame)])
    }

    /// Returns a frame of y-websocket with the name in front of its message, in three parts. The second one shares the memory
    /// of the frame if that is large.
    #[must_use]
    pub fn named_in_parts(&self, frame: &Bytes) -> [Bytes; 3] {
        let payload = frame.slice_ref(frame::payload(frame));
        if payload.len() <= MAX_COPIED {
            return [self.named(frame), Bytes::new(), Bytes::new()];
        }
        let prefix = self.prefix();
        let first = frame::beginning_of_binary(prefix.len() + payload.len(), &[&prefix]);
        [first, payload, Bytes::new()]
    }

    fn frame(&self, parts: &[&[u8]]) -> Bytes {
        let prefix = self.prefix();
        let mut all: Vec<&[u8]> = Vec::with_capacity(1 + parts.len());
        all.push(&prefix);
        all.extend(parts);
        frame::binary(&all)
    }

    fn prefix(&self) -> Vec<u8> {
        let mut prefix = Vec::with_capacity(2 + self.0.len());
        prefix.write_var(self.0.len());
        prefix.extend_from_slice(&self.0);
        prefix
    }

    /// Encodes the refusal of access to the document, with its reason.
    #[must_use]
    pub fn permission_denied(&self, reason: &str) -> Bytes {
        let mut message = vec![AUTH, PERMISSION_DENIED];
        message.write_string(reason);
        self.frame(&[&message])
    }

    /// Encodes the request for a token.
    #[must_use]
    pub fn token_request(&self) -> Bytes {
        self.frame(&[&[AUTH, TOKEN]])
    }

    /// Encodes whether an update is stored.
    #[must_use]
    pub fn sync_status(&self, is_stored: bool) -> Bytes {
        self.frame(&[&[SYNC_STATUS, u8::from(is_stored)]])
    }

    /// Encodes a stateless message.
    #[must_use]
    pub fn stateless(&self, payload: &str) -> Bytes {
        let mut message = vec![STATELESS];
        message.write_string(payload);
        self.frame(&[&message])
    }

    /// Encodes that the server has closed the document, with the reason. The socket stays open.
    #[must_use]
    pub fn closed(&self, reason: &str) -> Bytes {
        let mut message = vec![CLOSE];
        message.write_string(reason);
        self.frame(&[&message])
    }
}

/// Encodes a ping. It concerns the whole socket and has no name. Before its answer, the client sends everything that it has
/// queued while it was not connected.
#[must_use]
pub fn ping() -> Bytes {
    frame::binary(&[&[PING]])
}

/// A message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageMessage {
    /// The answer to a [`ping`].
    Pong,
    /// A message about a document.
    Document(SocketName, DocumentMessage),
}

impl PageMessage {
    /// Returns the document that it is about.
    #[must_use]
    pub fn document(&self) -> Option<&SocketName> {
        match self {
            Self::Pong => None,
            Self::Document(name, _message) => Some(name),
        }
    }
}

/// A message about a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentMessage {
    /// The token of the client, which opens the document. Empty if the page has none.
    Token {
        /// The token.
        token: String,
        /// The major version of the provider, if it says one.
        provider: Option<u32>,
    },
    /// Sync step 1. The bytes are a message of y-websocket; the clocks are those in it.
    Step1(Bytes, ClientClocks),
    /// Sync step 2: a message of y-websocket.
    Step2(Bytes),
    /// An update: a message of y-websocket, and the update in it.
    Update(Bytes, Bytes),
    /// Awareness, or a query for it: a message of y-websocket.
    Awareness(Bytes),
    /// A message to everyone who has the document open.
    Stateless(String),
    /// The client closes the document.
    Close,
    /// A message of a kind that the server does not know, which it ignores.
    Unknown,
}

/// Decodes a message.
///
/// # Errors
/// [`Malformed`] if it is not validly encoded.
pub fn parse(bytes: &Bytes) -> Result<PageMessage, Malformed> {
    if bytes.as_ref() == [PONG] {
        return Ok(PageMessage::Pong);
    }
    let mut reader = Lib0Reader::new(bytes);
    let name = reader.buffer()?;
    if name.len() > MAX_NAME || std::str::from_utf8(name).is_err() {
        return Err(Malformed("the name of a document is not valid"));
    }
    let name = SocketName(Bytes::copy_from_slice(name));
    let start = reader.position();
    let message = document_message(bytes, start, &mut reader)?;
    Ok(PageMessage::Document(name, message))
}

fn document_message(
    bytes: &Bytes,
    start: usize,
    reader: &mut Lib0Reader<'_>,
) -> Result<DocumentMessage, Malformed> {
    let kind = reader.number()?;
    Ok(match u8::try_from(kind) {
        Ok(SYNC) => {
            let kind = reader.number()?;
            let content = bytes.slice_ref(reader.buffer()?);
            let message = bytes.slice(start..reader.position());
            match u8::try_from(kind) {
                Ok(STEP_1) => DocumentMessage::Step1(message, ClientClocks::read(content)?),
                Ok(STEP_2) => DocumentMessage::Step2(message),
                Ok(UPDATE) => DocumentMessage::Update(message, content),
                _ => return Err(Malformed("a sync message has an unknown kind")),
            }
        }
        Ok(AWARENESS) => {
            reader.buffer()?;
            DocumentMessage::Awareness(bytes.slice(start..reader.position()))
        }
        Ok(QUERY_AWARENESS) => DocumentMessage::Awareness(bytes.slice(start..reader.position())),
        Ok(AUTH) => match u8::try_from(reader.number()?) {
            Ok(TOKEN) => {
                let token = short_text(reader, MAX_TOKEN)?;
                let provider = (reader.remaining() > 0).then(|| reader.text()).transpose()?;
                let major = provider.and_then(|version| version.split('.').next());
                let provider = major.and_then(|major| major.parse().ok());
                DocumentMessage::Token { token, provider }
            }
            _ => DocumentMessage::Unknown,
        },
        Ok(STATELESS) => DocumentMessage::Stateless(short_text(reader, MAX_STATELESS)?),
        Ok(CLOSE) => DocumentMessage::Close,
        _ => DocumentMessage::Unknown,
    })
}

/// Reads a string of at most `max` bytes.
fn short_text(reader: &mut Lib0Reader<'_>, max: usize) -> Result<String, Malformed> {
    let text = reader.text()?;
    if text.len() > max {
        return Err(Malformed("a token or a stateless message is too long"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &'static str) -> SocketName {
        SocketName(Bytes::from_static(text.as_bytes()))
    }

    fn message(parts: &[&[u8]]) -> Bytes {
        Bytes::from(parts.concat())
    }

    #[test]
    fn messages_are_read_with_the_name_of_their_document() {
        let read = |body: &[u8]| match parse(&message(&[b"\x03doc", body])).unwrap() {
            PageMessage::Document(of, message) if of == name("doc") => message,
            other => panic!("{other:?}"),
        };
        let bytes = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
        assert_eq!(
            read(b"\x02\x00\x02ab\x054.8.0"),
            DocumentMessage::Token { token: "ab".into(), provider: Some(4) }
        );
        assert_eq!(
            read(b"\x02\x00\x02ab"),
            DocumentMessage::Token { token: "ab".into(), provider: None }
        );
        assert!(matches!(
            read(b"\x02\x00\x00\x07unknown"),
            DocumentMessage::Token { provider: None, .. }
        ));
        let clocks = ClientClocks::read(bytes(b"\x01\x07\x05")).unwrap();
        assert_eq!(
            read(b"\x00\x00\x03\x01\x07\x05"),
            DocumentMessage::Step1(bytes(b"\x00\x00\x03\x01\x07\x05"), clocks)
        );
        assert_eq!(
            read(b"\x00\x01\x02\x00\x00"),
            DocumentMessage::Step2(bytes(b"\x00\x01\x02\x00\x00"))
        );
        // What follows the message does not belong to it.
        assert_eq!(
            read(b"\x00\x02\x02\x00\x00\x00\x02"),
            DocumentMessage::Update(bytes(b"\x00\x02\x02\x00\x00"), bytes(b"\x00\x00"))
        );
        assert_eq!(read(b"\x01\x01\x00"), DocumentMessage::Awareness(bytes(b"\x01\x01\x00")));
        assert_eq!(read(b"\x03"), DocumentMessage::Awareness(bytes(b"\x03")));
        assert_eq!(read(b"\x05\x02hi"), DocumentMessage::Stateless("hi".into()));
        assert_eq!(read(b"\x07"), DocumentMessage::Close);
        assert_eq!(read(b"\x06\x02hi"), DocumentMessage::Unknown);
        assert_eq!(parse(&bytes(&[PONG])), Ok(PageMessage::Pong));
    }

    #[test]
    fn malformed_messages_are_rejected() {
        for bytes in [
            &b""[..],
            b"\x05doc",
            b"\x03doc",
            b"\x01\xff\x07",
            b"\x03doc\x00",
            b"\x03doc\x00\x03\x00",
            b"\x03doc\x00\x02\x05ab",
            b"\x03doc\x01\x05ab",
            b"\x03doc\x02\x00\x05ab",
            b"\x03doc\x05\x02\xff\xff",
            b"\x03doc\x80\x80\x80\x80\x80\x80\x80\x80\x80",
        ] {
            assert!(parse(&Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
        let long_name = message(&[&[0x81, 0x08], &[b'a'; 1_025], b"\x07"]);
        assert!(parse(&long_name).is_err());
        let long_token = message(&[b"\x03doc\x02\x00\x81\x80\x01", &[b'a'; MAX_TOKEN + 1]]);
        assert!(parse(&long_token).is_err());
    }

    #[test]
    fn the_name_has_the_id_of_a_provider_behind_a_zero() {
        assert_eq!(name("doc\0provider").document(), "doc");
        assert_eq!(name("doc").document(), "doc");
        assert_eq!(name("").document(), "");
    }

    #[test]
    fn a_name_is_put_in_front_of_frames_of_any_length() {
        for length in [0, 1, 100, 121, 125, 126, 4_095, 4_096, 4_097, 65_535, 70_000] {
            let message = vec![7; length];
            let frame = frame::binary(&[&message]);
            let expected = frame::binary(&[b"\x03doc", &message]);
            assert_eq!(name("doc").named(&frame), expected);
            let [first, second, third] = name("doc").named_in_parts(&frame);
            assert_eq!([&first[..], &second, &third].concat(), expected);
            assert!(second.is_empty() == (length <= MAX_COPIED) && third.is_empty());
        }
    }

    #[test]
    fn the_messages_of_the_server_are_those_of_the_provider() {
        let doc = name("doc");
        for (frame, expected) in [
            (doc.permission_denied("no"), &b"\x03doc\x02\x01\x02no"[..]),
            (doc.token_request(), b"\x03doc\x02\x00"),
            (doc.sync_status(true), b"\x03doc\x08\x01"),
            (doc.sync_status(false), b"\x03doc\x08\x00"),
            (doc.stateless("hi"), b"\x03doc\x05\x02hi"),
            (doc.closed("bye"), b"\x03doc\x07\x03bye"),
            (ping(), b"\x09"),
        ] {
            assert_eq!(frame::payload(&frame), expected);
        }
    }
}
