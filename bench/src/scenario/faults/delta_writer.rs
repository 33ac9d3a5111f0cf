//! A writer over GraphQL. After a lost answer it sends the same edit again, with the same `mutationId` and `baseVersion`.

use anyhow::Context as _;
use serde_json::Value;
use tokio::time::Instant;

use super::author::{Attempt, Writer};
use crate::{
    driver::{Address, Graphql, LinkOptions, Marker, Operation, OperationError},
    scenario::seats::Target,
};

/// A GraphQL client, with or without a connection.
pub(super) struct DeltaWriter {
    target: Target,
    connection: Option<Graphql>,
    /// The version that its last edit made. It stays the same in every attempt of the next one.
    version: u64,
    /// The variables of the current edit.
    variables: String,
}

impl DeltaWriter {
    /// Creates a client without a connection.
    pub(super) fn new(target: Target) -> Self {
        Self { target, connection: None, version: 1, variables: String::new() }
    }
}

impl Writer for DeltaWriter {
    fn write(&mut self, marker: Marker) {
        let (document, base) = (&self.target.document, self.version);
        self.variables = format!(
            r#"{{"d":"{document}","b":{base},"s":[{{"insert":"{marker}"}}],"m":"{marker}"}}"#
        );
    }

    async fn attempt(&mut self, address: &Address, _deadline: Instant) -> anyhow::Result<Attempt> {
        if self.connection.is_none() {
            let options = LinkOptions::default();
            let opening = Graphql::connect(address, &self.target.token, options, |_| {});
            self.connection = opening.await.ok();
        }
        let Some(connection) = &self.connection else { return Ok(Attempt::Unknown) };
        match connection.run(Operation::EDIT, &self.variables).await {
            Ok(response) => {
                let response: Value = serde_json::from_str(&response)?;
                let version = response["data"]["editDocument"]["version"].as_u64();
                self.version = version.context("an answer has no version")?;
                Ok(Attempt::Acknowledged)
            }
            Err(OperationError::Broken) => {
                self.connection = None;
                Ok(Attempt::Unknown)
            }
            Err(error) if error.is_temporary() => Ok(Attempt::Unknown),
            Err(error) => Err(error).with_context(|| format!("edit {}", self.variables)),
        }
    }
}
