//! An author who writes one edit after another, and sends each until it is acknowledged.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{delta_writer::DeltaWriter, ledger::Ledger, update_writer::UpdateWriter};
use crate::{
    driver::{Address, Marker},
    scenario::{edit_stage::Protocol, seats::Target},
};

/// The pause before an edit is sent again.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest time for one edit. Every fault is over by then.
const EDIT_WITHIN: Duration = Duration::from_secs(120);

/// An author.
pub(crate) struct Author {
    /// The number of the author, as a sender.
    pub(crate) number: usize,
    /// The nodes. After a fault the author tries the next one.
    pub(crate) addresses: Vec<Address>,
    pub(crate) target: Target,
    pub(crate) protocol: Protocol,
    /// From one edit to the next, if the server answers in time.
    pub(crate) every: Duration,
    pub(crate) ledger: Arc<Ledger>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The edit is stored.
    Acknowledged,
    /// It may be stored or not.
    Unknown,
}

/// What sends the edits of an author over one protocol.
pub(super) trait Writer {
    /// Writes the next edit: the mark at the beginning of the text.
    fn write(&mut self, marker: Marker);

    /// Sends that edit and waits until it is acknowledged. Connects to this address first if there is no connection.
    ///
    /// # Errors
    /// The server refuses the edit for good.
    async fn attempt(&mut self, address: &Address, deadline: Instant) -> anyhow::Result<Attempt>;
}

impl Author {
    /// Writes until `stops` becomes true. The last edit is acknowledged, too.
    ///
    /// # Errors
    /// The server refuses an edit for good, or does not acknowledge it in two minutes.
    pub(crate) async fn write(self, stops: watch::Receiver<bool>) -> anyhow::Result<()> {
        let target = self.target.clone();
        match self.protocol {
            Protocol::Graphql => self.write_with(DeltaWriter::new(target), stops).await,
            Protocol::Yjs => self.write_with(UpdateWriter::new(target), stops).await,
        }
    }

    async fn write_with(
        &self,
        mut writer: impl Writer,
        stops: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let (mut attempts, mut edits) = (self.number, interval(self.every));
        edits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for place in 0.. {
            edits.tick().await;
            if *stops.borrow() {
                break;
            }
            let (marker, began) = (Marker { sender: self.number, place }, Instant::now());
            let deadline = began + EDIT_WITHIN;
            writer.write(marker);
            loop {
                let address = &self.addresses[attempts % self.addresses.len()];
                if writer.attempt(address, deadline).await? == Attempt::Acknowledged {
                    break;
                }
                ensure!(
                    Instant::now() < deadline,
                    "edit {marker} was not acknowledged in {EDIT_WITHIN:?}"
                );
                self.ledger.failed();
                attempts += 1;
                sleep(PAUSE).await;
            }
            self.ledger.acknowledged(self.number, began.elapsed());
        }
        Ok(())
    }
}
