//! Requests that other nodes acknowledge. Pure.
//!
//! A request completes when as many acknowledgements have arrived as there were subscribers. The
//! acknowledgements may arrive before the number of subscribers is known.

use std::collections::HashMap;

use tokio::sync::oneshot;

/// The requests that not all nodes have acknowledged yet.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    last_request: u64,
    pending: HashMap<u64, PendingAcknowledgement>,
}

#[derive(Debug)]
struct PendingAcknowledgement {
    received: u64,
    /// The number of nodes that received the request. `None` until publishing returns it.
    expected: Option<u64>,
    waiter: oneshot::Sender<()>,
}

impl Acknowledgements {
    /// Registers a request and returns its number. Also removes requests whose waiter has given up.
    pub(super) fn register(&mut self, waiter: oneshot::Sender<()>) -> u64 {
        self.pending.retain(|_, pending| !pending.waiter.is_closed());
        self.last_request += 1;
        self.pending.insert(
            self.last_request,
            PendingAcknowledgement { received: 0, expected: None, waiter },
        );
        self.last_request
    }

    /// Sets the number of nodes that have to acknowledge `request`.
    pub(super) fn expect(&mut self, request: u64, nodes: u64) {
        if let Some(pending) = self.pending.get_mut(&request) {
            pending.expected = Some(nodes);
        }
        self.complete_if_acknowledged(request);
    }

    /// Records one node's acknowledgement of `request`.
    pub(super) fn record(&mut self, request: u64) {
        if let Some(pending) = self.pending.get_mut(&request) {
            pending.received += 1;
        }
        self.complete_if_acknowledged(request);
    }

    fn complete_if_acknowledged(&mut self, request: u64) {
        let is_acknowledged = |pending: &PendingAcknowledgement| {
            pending.expected.is_some_and(|expected| pending.received >= expected)
        };
        if self.pending.get(&request).is_some_and(is_acknowledged)
            && let Some(pending) = self.pending.remove(&request)
            && pending.waiter.send(()).is_err()
        {
            tracing::debug!("all nodes acknowledged a request after its waiter had given up");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_completes_when_all_nodes_have_acknowledged_it_in_any_order() {
        let mut acknowledgements = Acknowledgements::default();
        let (waiter, mut completed) = oneshot::channel();
        let request = acknowledgements.register(waiter);
        acknowledgements.record(request);
        acknowledgements.expect(request, 2);
        assert!(completed.try_recv().is_err(), "one acknowledgement is missing");
        acknowledgements.record(request + 1);
        acknowledgements.record(request);
        assert!(completed.try_recv().is_ok());

        let (waiter, mut completed) = oneshot::channel();
        let request = acknowledgements.register(waiter);
        acknowledgements.expect(request, 0);
        assert!(completed.try_recv().is_ok(), "no node has to acknowledge");
    }

    #[test]
    fn requests_without_a_waiter_are_removed() {
        let mut acknowledgements = Acknowledgements::default();
        for request in 1..=100 {
            assert_eq!(acknowledgements.register(oneshot::channel().0), request);
        }
        assert_eq!(acknowledgements.pending.len(), 1);
    }
}
