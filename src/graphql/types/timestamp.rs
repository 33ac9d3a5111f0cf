//! Points in time.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime, Utc};

/// A point in time, as in RFC 3339.
#[derive(Debug, Clone, Copy)]
pub(in crate::graphql) struct Timestamp(pub(in crate::graphql) DateTime<Utc>);

/// A point in time as in RFC 3339, such as `2026-11-23T14:39:25.123456Z`. The server sends UTC, with a fraction of at most
/// nine digits and the offset `+00:00`; it accepts any offset.
#[Scalar(name = "DateTime", specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for Timestamp {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Ok(Self(text.parse::<DateTime<Utc>>()?)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_sent_in_utc_and_accepted_with_any_offset() {
        let parse = |text: &str| <Timestamp as ScalarType>::parse(Value::String(text.to_owned()));
        for (given, sent) in [
            ("2026-11-23T14:39:25Z", "2026-11-23T14:39:25+00:00"),
            ("2026-11-23T14:39:25.120-02:30", "2026-11-23T17:09:25.120+00:00"),
        ] {
            let timestamp = parse(given).ok().unwrap();
            assert_eq!(ScalarType::to_value(&timestamp), Value::String(sent.to_owned()));
        }
        assert!(parse("23 November").is_err());
        assert!(<Timestamp as ScalarType>::parse(Value::Number(1.into())).is_err());
    }
}
