//! JSON objects of applications.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

use crate::domain::{InvalidInput, Metadata, MetadataLabel, TextFormats};

/// A JSON object, not checked further.
#[derive(Clone)]
pub(in crate::graphql) struct JsonObject(serde_json::Value);

/// A JSON object, such as `{"status": "draft"}`.
#[Scalar(name = "JSONObject")]
impl ScalarType for JsonObject {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::Object(_) => Ok(Self(value.into_json()?)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

impl JsonObject {
    /// Returns it as JSON.
    pub(in crate::graphql) fn into_json(self) -> serde_json::Value {
        self.0
    }

    /// Returns it as the metadata of a document.
    ///
    /// # Errors
    /// As [`Metadata::new`].
    pub(in crate::graphql) fn metadata(&self) -> Result<Metadata, InvalidInput> {
        Metadata::new(&self.0)
    }

    /// Returns the labels that it asks for.
    ///
    /// # Errors
    /// As [`MetadataLabel::filter`].
    pub(in crate::graphql) fn labels(&self) -> Result<Vec<MetadataLabel>, InvalidInput> {
        MetadataLabel::filter(&self.0)
    }
}

impl From<TextFormats> for JsonObject {
    fn from(formats: TextFormats) -> Self {
        let entries = formats.iter().map(|(name, value)| (name.clone(), value.clone()));
        Self(serde_json::Value::Object(entries.collect()))
    }
}

/// A JSON value, not checked further.
#[derive(Clone)]
pub(in crate::graphql) struct JsonValue(pub(in crate::graphql) serde_json::Value);

/// Any JSON value.
#[Scalar(name = "JSON")]
impl ScalarType for JsonValue {
    fn parse(value: Value) -> InputValueResult<Self> {
        Ok(Self(value.into_json()?))
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_objects_are_accepted() {
        let parse = |json| {
            let value = Value::from_json(json).unwrap();
            <JsonObject as ScalarType>::parse(value).map_err(|_refused| ())
        };
        let object = parse(json!({ "more": [1, null] })).unwrap();
        assert_eq!(object.metadata().unwrap().as_json(), "{\"more\":[1,null]}");
        for refused in [json!([]), json!("{}"), json!(1), json!(null)] {
            assert!(parse(refused).is_err());
        }
    }
}
