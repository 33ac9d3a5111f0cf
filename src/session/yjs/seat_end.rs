//! How the room tells a session that it has ended the seat of its editor, or that the editor has a newer session.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::room::{SeatEnd, SeatEnded};

/// Notifies the session, from whichever thread the room runs on, at most once of each event.
struct SeatEndSender {
    end: Mutex<Option<oneshot::Sender<SeatEnd>>>,
    moved: Mutex<Option<oneshot::Sender<()>>>,
}

/// Creates the room's end of the channels, and the session's ends: of the end of the seat, and of the move of its client
/// id.
pub(in crate::session) fn channel()
-> (Arc<dyn SeatEnded>, oneshot::Receiver<SeatEnd>, oneshot::Receiver<()>) {
    let (end, has_ended) = oneshot::channel();
    let (moved, has_moved) = oneshot::channel();
    let sender = SeatEndSender { end: Mutex::new(Some(end)), moved: Mutex::new(Some(moved)) };
    (Arc::new(sender), has_ended, has_moved)
}

/// Sends `event` unless that was done before.
fn send<T>(sender: &Mutex<Option<oneshot::Sender<T>>>, event: T) {
    let sender = sender.lock().take();
    if let Some(sender) = sender
        && sender.send(event).is_err()
    {
        tracing::debug!("the session had ended before the room could notify it");
    }
}

impl SeatEnded for SeatEndSender {
    fn seat_ended(&self, why: SeatEnd) {
        send(&self.end, why);
    }

    fn client_moved(&self) {
        send(&self.moved, ());
    }
}
