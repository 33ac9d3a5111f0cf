//! The ids that clients give their operations.

use std::{borrow::Cow, fmt, sync::Arc};

use super::BadMessage;

/// The id of an operation, chosen by the client and unique among the active operations of a session. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OperationId(Arc<str>);

impl OperationId {
    /// The maximum length in bytes. Common ids are UUIDs (36 bytes) and counters.
    pub const MAX_LENGTH: usize = 256;

    /// Creates an id from a client's message.
    ///
    /// # Errors
    /// If it is empty or longer than [`OperationId::MAX_LENGTH`].
    pub fn new(text: &str) -> Result<Self, BadMessage> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH {
            return Err(BadMessage::new(format!(
                "\"id\" has {} bytes; expected 1 to {}",
                text.len(),
                Self::MAX_LENGTH
            )));
        }
        Ok(Self(text.into()))
    }

    /// Returns a sample id.
    pub(in crate::wire) fn example() -> Self {
        Self("1".into())
    }

    /// Returns the id as the client sent it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Escapes `id` for use between the quotes of a JSON string (RFC 8259, section 7).
///
/// Ids rarely need escaping. Such an id is borrowed after one scan.
pub(super) fn escaped(id: &str) -> Cow<'_, str> {
    if id.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        return Cow::Borrowed(id);
    }
    let quoted = serde_json::Value::from(id).to_string();
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Cow::Owned(inner.unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_length_of_ids_is_limited() {
        assert!(OperationId::new("").is_err());
        assert!(OperationId::new(&"x".repeat(OperationId::MAX_LENGTH)).is_ok());
        let long = OperationId::new(&"x".repeat(OperationId::MAX_LENGTH + 1));
        let text = long.expect_err("too long").to_string();
        assert_eq!(text, "\"id\" has 257 bytes; expected 1 to 256");
    }

    proptest! {
        #[test]
        fn escaped_ids_decode_to_the_original(id in any::<String>()) {
            let json = format!("\"{}\"", escaped(&id));
            prop_assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), id);
        }
    }
}
