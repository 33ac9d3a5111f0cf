//! The size of JSON values, estimated before they are written.

use serde_json::Value;

/// Whether a value has at most `depth` levels, and about `left` bytes of JSON. Stops as soon as it has not.
pub(super) fn fits(value: &Value, depth: usize, left: &mut usize) -> bool {
    let mut spend = |bytes: usize| match left.checked_sub(bytes) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => spend(1),
        Value::String(text) => spend(text.len() + 2),
        Value::Array(entries) => {
            depth > 0
                && spend(entries.len() + 1)
                && entries.iter().all(|entry| fits(entry, depth - 1, left))
        }
        Value::Object(members) => {
            depth > 0
                && members.iter().all(|(name, member)| {
                    let name = name.len() + 4;
                    match left.checked_sub(name) {
                        Some(rest) => *left = rest,
                        None => return false,
                    }
                    fits(member, depth - 1, left)
                })
        }
    }
}

/// Estimates the bytes of a value as JSON. Escapes are not counted.
pub(super) fn json_bytes(value: &Value) -> usize {
    let mut left = usize::MAX;
    fits(value, usize::MAX, &mut left);
    usize::MAX - left
}
