//! The outcome of an operation.

use serde_json::Value;

/// The answer to a query or mutation, over HTTP or a socket.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    data: Value,
    errors: Vec<Value>,
}

impl Answer {
    /// Reads an execution result: `data`, `errors`, or both.
    #[must_use]
    pub fn executed(mut response: Value) -> Self {
        let errors = match response["errors"].take() {
            Value::Array(errors) => errors,
            _ => vec![],
        };
        Self { data: response["data"].take(), errors }
    }

    /// Reads the payload of an `error` message.
    #[must_use]
    pub fn refused(errors: Value) -> Self {
        let Value::Array(errors) = errors else { panic!("{errors} is not a list of errors") };
        Self { data: Value::Null, errors }
    }

    /// Whether there is no error.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }

    /// All errors.
    #[must_use]
    pub fn errors(&self) -> &[Value] {
        &self.errors
    }

    /// The value of the operation's root field. Fails the test if there is an error.
    pub fn value(mut self) -> Value {
        assert!(self.errors.is_empty(), "the operation failed: {:#?}", self.errors);
        let fields = self.data.as_object_mut().unwrap();
        fields.values_mut().next().unwrap().take()
    }

    /// The only error. Fails the test if there are others, or data.
    pub fn error(&self) -> &Value {
        let has_no_data =
            self.data.as_object().is_none_or(|data| data.values().all(Value::is_null));
        assert!(has_no_data && self.errors.len() == 1, "this is not one error: {self:#?}");
        let error = &self.errors[0];
        assert!(error["message"].as_str().is_some_and(|text| text.contains(' ')), "{error}");
        error
    }

    /// The code of the only error.
    pub fn code(&self) -> &str {
        self.error()["extensions"]["code"].as_str().unwrap()
    }
}
