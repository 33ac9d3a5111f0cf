//! The name that a client gives to one of its operations.

use std::{borrow::Cow, fmt, sync::Arc};

use super::BadMessage;

/// An operation's id: unique among the active operations of a session, chosen by the client. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OperationId(Arc<str>);

impl OperationId {
    /// The longest id, in bytes. The common ones are UUIDs (36 bytes) and counters.
    pub const MAX_LENGTH: usize = 256;

    /// The id that a client sent.
    ///
    /// # Errors
    /// Empty, or longer than [`OperationId::MAX_LENGTH`].
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

    /// A stand-in where any id will do.
    pub(in crate::wire) fn example() -> Self {
        Self("1".into())
    }

    /// The id as the client wrote it.
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

/// What stands between the quotes when `id` is a JSON string (RFC 8259, section 7).
///
/// Hardly any id needs an escape, so the common case costs one look and no copy.
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
    fn ids_have_a_length() {
        assert!(OperationId::new("").is_err());
        assert!(OperationId::new(&"x".repeat(OperationId::MAX_LENGTH)).is_ok());
        let long = OperationId::new(&"x".repeat(OperationId::MAX_LENGTH + 1));
        let words = long.expect_err("too long").to_string();
        assert_eq!(words, "\"id\" has 257 bytes; expected 1 to 256");
    }

    proptest! {
        #[test]
        fn escaped_ids_read_back(id in any::<String>()) {
            let json = format!("\"{}\"", escaped(&id));
            prop_assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), id);
        }
    }
}
