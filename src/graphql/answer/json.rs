//! Writes responses as JSON, within a bound.

use std::io::{self, Write};

use async_graphql::{Response, Value};
use bytes::Bytes;
use serde::Serialize;

/// The bytes of a response without large values.
const SMALL_BYTES: usize = 256;

/// Writes a response as JSON of at most `max` bytes. A [`Value::Binary`] is JSON already and is copied.
///
/// # Errors
/// The JSON would be longer.
pub(in crate::graphql) fn encode_response(response: &Response, max: usize) -> io::Result<Bytes> {
    // A buffer that grows would take up to twice as much memory as the JSON, until the client has received it.
    let capacity = SMALL_BYTES.saturating_add(copied_bytes(&response.data)).min(max);
    let mut out = Bounded { json: Vec::with_capacity(capacity), max };
    out.write_all(b"{\"data\":")?;
    write_value(&mut out, &response.data)?;
    if !response.extensions.is_empty() {
        out.write_all(b",\"extensions\":")?;
        write_plain(&mut out, &response.extensions)?;
    }
    if !response.errors.is_empty() {
        out.write_all(b",\"errors\":")?;
        write_plain(&mut out, &response.errors)?;
    }
    out.write_all(b"}")?;
    // Many small values have let it grow to up to twice its length, which the client's memory would hold until it is received.
    if out.json.capacity() - out.json.len() > out.json.len() / 4 {
        out.json.shrink_to_fit();
    }
    Ok(out.json.into())
}

/// Returns how many bytes are JSON already.
fn copied_bytes(value: &Value) -> usize {
    match value {
        Value::Binary(json) => json.len(),
        Value::List(entries) => entries.iter().map(copied_bytes).sum(),
        Value::Object(fields) => fields.values().map(copied_bytes).sum(),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Boolean(_) | Value::Enum(_) => 0,
    }
}

fn write_value(out: &mut Bounded, value: &Value) -> io::Result<()> {
    match value {
        Value::Binary(json) => out.write_all(json),
        Value::List(entries) => {
            out.write_all(b"[")?;
            for (index, entry) in entries.iter().enumerate() {
                if index > 0 {
                    out.write_all(b",")?;
                }
                write_value(out, entry)?;
            }
            out.write_all(b"]")
        }
        Value::Object(fields) => {
            out.write_all(b"{")?;
            for (index, (key, field)) in fields.iter().enumerate() {
                out.write_all(if index > 0 { b",\"" } else { b"\"" })?;
                // A GraphQL name needs no escapes.
                out.write_all(key.as_bytes())?;
                out.write_all(b"\":")?;
                write_value(out, field)?;
            }
            out.write_all(b"}")
        }
        Value::Null | Value::Number(_) | Value::String(_) | Value::Boolean(_) | Value::Enum(_) => {
            write_plain(out, value)
        }
    }
}

fn write_plain<T: Serialize + ?Sized>(out: &mut Bounded, value: &T) -> io::Result<()> {
    serde_json::to_writer(out, value).map_err(Into::into)
}

/// JSON of a bounded length.
struct Bounded {
    json: Vec<u8>,
    max: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.max.saturating_sub(self.json.len()) {
            return Err(io::Error::other("the JSON passes its bound"));
        }
        self.json.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{ServerError, value};

    use super::*;

    #[test]
    fn a_response_is_written_as_the_library_does() {
        let data = value!({ "a": [1, null, "x\"\n", true], "b": { "c": {}, "d": [] }, "e": 1.5 });
        let errors = vec![ServerError::new("no \"x\"", None)];
        for response in [
            Response::new(data.clone()),
            Response::from_errors(errors.clone()),
            Response::new(data).extension("f", value!([1])),
        ] {
            let expected = serde_json::to_vec(&response).unwrap();
            assert_eq!(encode_response(&response, 1_000).unwrap(), expected);
        }
    }

    #[test]
    fn values_that_are_json_already_are_copied() {
        let mut response = Response::new(value!({ "a": null }));
        let Value::Object(fields) = &mut response.data else { unreachable!() };
        fields[0] = Value::Binary(Bytes::from_static(b"[{\"b\":1}]"));
        assert_eq!(encode_response(&response, 99).unwrap(), "{\"data\":{\"a\":[{\"b\":1}]}}");
    }

    #[test]
    fn a_response_longer_than_the_bound_is_refused() {
        let response = Response::new(value!({ "a": "xxxxxxxxxx" }));
        let length = encode_response(&response, 1_000).unwrap().len();
        assert!(encode_response(&response, length).is_ok());
        assert!(encode_response(&response, length - 1).is_err());
    }
}
