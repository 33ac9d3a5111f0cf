//! Who waits for how many others to say that they have done something.

use std::collections::HashMap;

use tokio::sync::oneshot;

/// Requests that are not answered by all yet.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    last: u64,
    open: HashMap<u64, PendingAcknowledgement>,
}

#[derive(Debug)]
struct PendingAcknowledgement {
    came: u64,
    /// How many were asked; none while that is not known.
    asked: Option<u64>,
    waits: oneshot::Sender<()>,
}

impl Acknowledgements {
    /// A new request, for somebody who waits. Whoever waits no more is forgotten with the next one.
    pub(super) fn open(&mut self, waits: oneshot::Sender<()>) -> u64 {
        self.open.retain(|_, open| !open.waits.is_closed());
        self.last += 1;
        self.open.insert(self.last, PendingAcknowledgement { came: 0, asked: None, waits });
        self.last
    }

    /// So many others were asked.
    pub(super) fn asked(&mut self, request: u64, others: u64) {
        if let Some(open) = self.open.get_mut(&request) {
            open.asked = Some(others);
        }
        self.settle(request);
    }

    /// One of them has done it.
    pub(super) fn came(&mut self, request: u64) {
        if let Some(open) = self.open.get_mut(&request) {
            open.came += 1;
        }
        self.settle(request);
    }

    fn settle(&mut self, request: u64) {
        let is_done =
            |open: &PendingAcknowledgement| open.asked.is_some_and(|asked| open.came >= asked);
        if self.open.get(&request).is_some_and(is_done)
            && let Some(open) = self.open.remove(&request)
            && open.waits.send(()).is_err()
        {
            tracing::debug!("nobody waited any more for the other nodes");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_told_when_all_have_answered_whatever_comes_first() {
        let mut acknowledgements = Acknowledgements::default();
        let (sender, mut waits) = oneshot::channel();
        let request = acknowledgements.open(sender);
        acknowledgements.came(request);
        acknowledgements.asked(request, 2);
        assert!(waits.try_recv().is_err());
        acknowledgements.came(request + 1);
        acknowledgements.came(request);
        assert!(waits.try_recv().is_ok());

        let (sender, mut waits) = oneshot::channel();
        let request = acknowledgements.open(sender);
        acknowledgements.asked(request, 0);
        assert!(waits.try_recv().is_ok(), "there was nobody to ask");
    }

    #[test]
    fn whoever_waits_no_more_is_forgotten() {
        let mut acknowledgements = Acknowledgements::default();
        for request in 1..=100 {
            assert_eq!(acknowledgements.open(oneshot::channel().0), request);
        }
        assert_eq!(acknowledgements.open.len(), 1);
    }
}
