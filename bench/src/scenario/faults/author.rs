//! An author who writes one edit after another, and sends each until it is acknowledged.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::ledger::Ledger;
use crate::{
    driver::{Address, Graphql, LinkOptions, Marker, Operation, OperationError},
    scenario::edit_stage::Protocol,
};

/// The pause before an edit is sent again.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// The longest time for one edit. Every fault is over by then.
pub(crate) const EDIT_WITHIN: Duration = Duration::from_secs(120);

/// An author.
pub(crate) struct Author {
    /// The number of the author, as a sender.
    pub(crate) number: usize,
    /// The nodes. After a fault the author tries the next one.
    pub(crate) addresses: Vec<Address>,
    pub(crate) token: String,
    pub(crate) document: String,
    pub(crate) protocol: Protocol,
    /// From one edit to the next, if the server answers in time.
    pub(crate) every: Duration,
    pub(crate) ledger: Arc<Ledger>,
}

/// How an attempt ended.
enum Attempt {
    /// The edit made this version, or had made it already.
    Acknowledged(u64),
    /// It may be stored or not.
    Unknown,
}

impl Author {
    /// Writes until `stops` becomes true. The last edit is acknowledged, too.
    ///
    /// # Errors
    /// The server refuses an edit for good, or does not acknowledge it in two minutes.
    pub(crate) async fn write(self, stops: watch::Receiver<bool>) -> anyhow::Result<()> {
        match self.protocol {
            Protocol::Graphql => self.write_deltas(stops).await,
            Protocol::Yjs => self.write_updates(stops).await,
        }
    }

    async fn write_deltas(&self, stops: watch::Receiver<bool>) -> anyhow::Result<()> {
        let (mut connection, mut attempts, mut version) = (None, self.number, 1);
        let mut edits = interval(self.every);
        edits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for place in 0.. {
            edits.tick().await;
            if *stops.borrow() {
                break;
            }
            let marker = Marker { sender: self.number, place };
            let began = Instant::now();
            // The base version stays the same in every attempt: the edit must be the same.
            let base = version;
            version = loop {
                match self.attempt(&mut connection, attempts, marker, base).await? {
                    Attempt::Acknowledged(version) => break version,
                    Attempt::Unknown => {
                        self.ledger.failed();
                        attempts += 1;
                    }
                }
                if began.elapsed() > EDIT_WITHIN {
                    bail!("edit {marker} was not acknowledged in {EDIT_WITHIN:?}");
                }
                sleep(PAUSE).await;
            };
            self.ledger.acknowledged(self.number, began.elapsed());
        }
        Ok(())
    }

    /// Sends an edit once, over the connection if there is one. Loses the connection if it does not work.
    async fn attempt(
        &self,
        connection: &mut Option<Graphql>,
        attempts: usize,
        marker: Marker,
        base: u64,
    ) -> anyhow::Result<Attempt> {
        if connection.is_none() {
            let address = &self.addresses[attempts % self.addresses.len()];
            let opening = Graphql::connect(address, &self.token, LinkOptions::default(), |_| {});
            *connection = opening.await.ok();
        }
        let Some(open) = connection else { return Ok(Attempt::Unknown) };
        let variables = format!(
            r#"{{"d":"{}","b":{base},"s":[{{"insert":"{marker}"}}],"m":"{marker}"}}"#,
            self.document
        );
        match open.run(Operation::EDIT, &variables).await {
            Ok(response) => {
                let response: Value = serde_json::from_str(&response)?;
                let version = response["data"]["editDocument"]["version"].as_u64();
                Ok(Attempt::Acknowledged(version.context("an answer has no version")?))
            }
            Err(OperationError::Broken) => {
                *connection = None;
                Ok(Attempt::Unknown)
            }
            Err(error) if error.is_temporary() => Ok(Attempt::Unknown),
            Err(error) => Err(error).with_context(|| format!("edit {marker}")),
        }
    }
}
