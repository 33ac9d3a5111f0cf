//! What came of an operation.

use serde_json::Value;

/// The answer to a query or mutation, over HTTP or a socket.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    data: Value,
    errors: Vec<Value>,
}

impl Answer {
    /// From an execution result.
    pub(crate) fn executed(mut response: Value) -> Self {
        let errors = match response["errors"].take() {
            Value::Array(errors) => errors,
            _ => vec![],
        };
        Self { data: response["data"].take(), errors }
    }

    /// From the payload of an `error` message.
    pub(crate) fn refused(errors: Value) -> Self {
        let Value::Array(errors) = errors else { panic!("{errors} is no list of errors") };
        Self { data: Value::Null, errors }
    }

    /// Whether there was no error.
    pub(crate) fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }

    /// The value of the operation's root field. Fails if there was an error.
    pub(crate) fn value(mut self) -> Value {
        assert!(self.errors.is_empty(), "the operation failed: {:#?}", self.errors);
        let fields = self.data.as_object_mut().unwrap();
        fields.values_mut().next().unwrap().take()
    }

    /// The only error. Fails if the operation brought something.
    pub(crate) fn error(&self) -> &Value {
        let nothing = self.data.as_object().is_none_or(|data| data.values().all(Value::is_null));
        assert!(nothing && self.errors.len() == 1, "this is not one error: {self:#?}");
        let error = &self.errors[0];
        assert!(error["message"].as_str().is_some_and(|text| text.contains(' ')), "{error}");
        error
    }

    /// The code of the only error.
    pub(crate) fn code(&self) -> &str {
        self.error()["extensions"]["code"].as_str().unwrap()
    }
}
