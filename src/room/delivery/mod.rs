//! How events reach the outboxes of subscribers: rendered or encoded once, queued for each.

pub(super) mod audience;
pub(super) mod render;
pub(super) mod yjs_seats;
