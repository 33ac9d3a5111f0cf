//! How the room tells a session that it has ended the seat of its editor.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::room::{SeatEnd, SeatEnded};

/// Passes the end of a seat to the session, from whichever thread the room runs on.
struct SeatEndSender(Mutex<Option<oneshot::Sender<SeatEnd>>>);

/// Creates the room's end and the session's end of the channel.
pub(super) fn channel() -> (Arc<dyn SeatEnded>, oneshot::Receiver<SeatEnd>) {
    let (tx, rx) = oneshot::channel();
    (Arc::new(SeatEndSender(Mutex::new(Some(tx)))), rx)
}

impl SeatEnded for SeatEndSender {
    fn seat_ended(&self, why: SeatEnd) {
        let sender = self.0.lock().take();
        if let Some(sender) = sender
            && sender.send(why).is_err()
        {
            tracing::debug!("the session had ended before it lost its seat");
        }
    }
}
