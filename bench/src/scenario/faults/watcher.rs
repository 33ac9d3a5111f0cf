//! A subscriber who resumes after every end of its connection or subscription.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{oneshot, watch},
    time::sleep,
};

use crate::{
    driver::{Address, Graphql, GraphqlEvent, LinkOptions, Operation},
    measure::Board,
    scenario::{change_log::ChangeLog, seats::Target},
};

/// The pause before the subscriber connects again.
const PAUSE: Duration = Duration::from_millis(100);

/// A subscriber of one document.
pub(crate) struct Watcher {
    /// The number of the node that it tries first.
    pub(crate) number: usize,
    pub(crate) addresses: Vec<Address>,
    pub(crate) target: Target,
    pub(crate) log: Arc<Mutex<ChangeLog>>,
    pub(crate) board: Arc<Board>,
}

impl Watcher {
    /// Watches until `stops` becomes true.
    pub(crate) async fn watch(self, mut stops: watch::Receiver<bool>) {
        for attempt in self.number.. {
            let ended = async {
                let address = &self.addresses[attempt % self.addresses.len()];
                if let Some((_connection, end)) = self.subscribe(address).await {
                    // The sender goes when the subscription has ended.
                    let _ended = end.await;
                }
                sleep(PAUSE).await;
            };
            tokio::select! {
                () = ended => {}
                // The sender lives longer than this task, so an error means the same.
                _ = stops.wait_for(|stops| *stops) => return,
            }
        }
    }

    /// Subscribes from the last version that has arrived. Returns what ends when the subscription does.
    pub(crate) async fn subscribe(
        &self,
        address: &Address,
    ) -> Option<(Graphql, oneshot::Receiver<()>)> {
        let (log, board) = (Arc::clone(&self.log), Arc::clone(&self.board));
        let (tx, end) = oneshot::channel();
        let mut tx = Some(tx);
        let events = move |event: GraphqlEvent<'_>| match event {
            GraphqlEvent::Event { response, .. } => log.lock().take_change(&board, response),
            GraphqlEvent::Answer { .. } => {}
            GraphqlEvent::Ended(_) | GraphqlEvent::Closed(_) => drop(tx.take()),
        };
        let opening = Graphql::connect(address, &self.target.token, LinkOptions::default(), events);
        let connection = opening.await.ok()?;
        let version = self.log.lock().version();
        let variables = format!(r#"{{"d":"{}","v":{version}}}"#, self.target.document);
        connection.subscribe("changes", Operation::CHANGES, &variables);
        Some((connection, end))
    }
}
