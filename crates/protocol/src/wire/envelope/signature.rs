//! Signed envelopes. An attacker without the nodes' secret can neither make nor change one.
//!
//! ```text
//! 5 | serial u64 (big-endian) | tag 16 bytes | envelope | sequence, appended by the roster
//! ```
//!
//! The tag is the first half of an HMAC-SHA-256 over the name of the channel and everything but the tag and the sequence. An
//! attacker cannot search for a tag of 16 bytes offline: each guess must be sent to a node. The key is derived from the
//! nodes' secret with HKDF (RFC 5869), under a label of its own, so that no token can be taken for an envelope.
//!
//! The roster numbers arrivals and departures in Redis, after the node has signed them. So their sequence is not signed.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{BadEnvelope, Sequence};
use crate::wire::derive_key;

/// The version that introduced signatures.
pub const SIGNED_SINCE: u8 = 5;

/// The use of the key, as HKDF calls for.
const LABEL: &[u8] = b"coscribe relay/1";

/// The size of a tag in bytes.
const TAG_BYTES: usize = 16;

/// The size of everything before the envelope.
const HEADER_BYTES: usize = 1 + 8 + TAG_BYTES;

/// The bit of an encoded serial that names the series.
const ROSTER_BIT: u64 = 1 << 63;

/// A series of numbers that a node gives its envelopes. Each begins at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerialSeries {
    /// What the relay publishes. It publishes in the order of the numbers.
    Relay,
    /// What the roster's scripts publish. They run in any order, and some publish nothing.
    Roster,
}

/// What distinguishes an envelope from all others of its node, so that a repetition is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serial {
    /// The series.
    pub series: SerialSeries,
    /// The number, less than 2^63.
    pub number: u64,
}

impl Serial {
    fn encode(self) -> [u8; 8] {
        let bit = match self.series {
            SerialSeries::Relay => 0,
            SerialSeries::Roster => ROSTER_BIT,
        };
        (self.number | bit).to_be_bytes()
    }

    fn decode(bytes: [u8; 8]) -> Self {
        let encoded = u64::from_be_bytes(bytes);
        let series = match encoded & ROSTER_BIT {
            0 => SerialSeries::Relay,
            _ => SerialSeries::Roster,
        };
        Self { series, number: encoded & !ROSTER_BIT }
    }
}

/// The key with which all nodes of a cluster sign envelopes.
#[derive(Clone)]
pub struct RelayKey(Hmac<Sha256>);

impl RelayKey {
    /// Derives the key from the secret that all nodes share.
    #[must_use]
    pub fn derive(secret: &[u8]) -> Self {
        let key = derive_key(secret, LABEL);
        Self(Hmac::new_from_slice(&key).expect("HMAC accepts a key of any length"))
    }

    /// Signs an encoded envelope for a channel.
    #[must_use]
    pub fn sign(&self, channel: &str, serial: Serial, envelope: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + envelope.len() + Sequence::BYTES);
        bytes.push(SIGNED_SINCE);
        bytes.extend_from_slice(&serial.encode());
        let tag = self.mac(channel.as_bytes(), serial, envelope).finalize().into_bytes();
        bytes.extend(tag.iter().take(TAG_BYTES));
        bytes.extend_from_slice(envelope);
        bytes
    }

    /// Verifies the tag of a signed envelope from a channel. Returns its serial and the envelope, which is to be decoded
    /// next.
    ///
    /// # Errors
    /// [`BadEnvelope::Garbage`] if it is no signed envelope, [`BadEnvelope::BadSignature`] if the tag is another.
    pub fn verify<'a>(
        &self,
        channel: &[u8],
        bytes: &'a [u8],
    ) -> Result<(Serial, &'a [u8]), BadEnvelope> {
        let Parts { serial, tag, envelope } = split(bytes).ok_or(BadEnvelope::Garbage)?;
        let signed = match serial.series {
            SerialSeries::Relay => envelope,
            SerialSeries::Roster => {
                let parts = envelope.split_last_chunk::<{ Sequence::BYTES }>();
                parts.ok_or(BadEnvelope::Garbage)?.0
            }
        };
        let verified = self.mac(channel, serial, signed).verify_truncated_left(tag);
        verified.map_err(|_error| BadEnvelope::BadSignature)?;
        Ok((serial, envelope))
    }

    fn mac(&self, channel: &[u8], serial: Serial, envelope: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(&[SIGNED_SINCE]);
        mac.update(&serial.encode());
        // With its length, so that no byte can move from the channel to the envelope.
        mac.update(&(channel.len() as u64).to_be_bytes());
        mac.update(channel);
        mac.update(envelope);
        mac
    }
}

/// Hides the key.
impl fmt::Debug for RelayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayKey(hidden)")
    }
}

/// Returns whether the bytes claim to be a signed envelope.
#[must_use]
pub fn is_signed(bytes: &[u8]) -> bool {
    bytes.first() == Some(&SIGNED_SINCE)
}

/// Returns the envelope inside a signed one without verifying it. Use it only to ignore what would be ignored anyway.
#[must_use]
pub fn unverified(bytes: &[u8]) -> Option<&[u8]> {
    split(bytes).map(|parts| parts.envelope)
}

struct Parts<'a> {
    serial: Serial,
    tag: &'a [u8; TAG_BYTES],
    envelope: &'a [u8],
}

fn split(bytes: &[u8]) -> Option<Parts<'_>> {
    let rest = bytes.strip_prefix(&[SIGNED_SINCE])?;
    let (serial, rest) = rest.split_first_chunk()?;
    let (tag, envelope) = rest.split_first_chunk()?;
    Some(Parts { serial: Serial::decode(*serial), tag, envelope })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret of a test, which is long enough";

    fn serial(series: SerialSeries, number: u64) -> Serial {
        Serial { series, number }
    }

    #[test]
    fn only_what_was_signed_for_the_channel_is_verified() {
        let key = RelayKey::derive(SECRET);
        let serial = serial(SerialSeries::Relay, 7);
        let signed = key.sign("co:doc:{1}", serial, b"\x01an envelope");
        assert_eq!(signed.len(), HEADER_BYTES + 12);
        assert_eq!(key.verify(b"co:doc:{1}", &signed), Ok((serial, &b"\x01an envelope"[..])));

        let refused = Err(BadEnvelope::BadSignature);
        assert_eq!(key.verify(b"co:doc:{2}", &signed), refused, "another channel");
        let moved = [&signed[..HEADER_BYTES], b"}\x01an envelope"].concat();
        assert_eq!(key.verify(b"co:doc:{1", &moved), refused, "a byte of the channel");
        let other = RelayKey::derive(b"another secret, which is long enough too");
        assert_eq!(other.verify(b"co:doc:{1}", &signed), refused, "another secret");
        for changed in 1..signed.len() {
            let mut bytes = signed.clone();
            bytes[changed] ^= 1;
            assert!(key.verify(b"co:doc:{1}", &bytes).is_err(), "byte {changed}");
        }
        assert_eq!(
            key.verify(b"co:doc:{1}", &signed[..HEADER_BYTES - 1]),
            Err(BadEnvelope::Garbage)
        );
        let longer = [&signed[..], b"x"].concat();
        assert_eq!(key.verify(b"co:doc:{1}", &longer), refused);
    }

    #[test]
    fn the_sequence_that_the_roster_appends_is_not_signed() {
        let key = RelayKey::derive(SECRET);
        let serial = serial(SerialSeries::Roster, u64::MAX >> 1);
        let mut signed = key.sign("channel", serial, b"\x01joined");
        assert_eq!(key.verify(b"channel", &signed), Err(BadEnvelope::Garbage), "no sequence");
        signed.extend([9; Sequence::BYTES]);
        let envelope = [&b"\x01joined"[..], &[9; Sequence::BYTES]].concat();
        assert_eq!(key.verify(b"channel", &signed), Ok((serial, &envelope[..])));
        signed.push(9);
        assert_eq!(key.verify(b"channel", &signed), Err(BadEnvelope::BadSignature));
    }

    #[test]
    fn the_format_and_the_derivation_never_change() {
        let signed = RelayKey::derive(SECRET).sign("c", serial(SerialSeries::Relay, 1), b"e");
        assert_eq!(signed[..9], [5, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(signed[HEADER_BYTES..], *b"e");
        assert_eq!(
            signed[9..HEADER_BYTES],
            [
                0x60, 0x34, 0xdb, 0x3c, 0x67, 0x60, 0x29, 0xad, 0xb0, 0x56, 0x9a, 0xcd, 0x03, 0x21,
                0x70, 0x1f
            ]
        );
        assert_eq!(format!("{:?}", RelayKey::derive(SECRET)), "RelayKey(hidden)");
    }
}
