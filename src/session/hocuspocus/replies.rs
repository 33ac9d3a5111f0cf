//! The frames with which a session answers a page, and the futures that it awaits, as effects.

use bytes::Bytes;
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::protocol::HocuspocusCompletion;
use crate::{
    domain::Version,
    session::protocol::{Completion, ProtocolEffect},
    wire::{
        CloseReason,
        hocuspocus::{SERVER_PAYLOAD, SocketName},
    },
};

/// Queues a frame.
pub(super) fn reply(frame: Bytes) -> ProtocolEffect {
    ProtocolEffect::Reply(frame.into(), None)
}

/// Tells the provider of a document that it may not open it, for this reason.
pub(super) fn deny(name: &SocketName, reason: &str) -> ProtocolEffect {
    reply(name.permission_denied(reason))
}

/// Tells the page of a document something that its user should know.
pub(super) fn notice(name: &SocketName, message: &str) -> ProtocolEffect {
    tell(name, &json!({ "type": "notice", "message": message }))
}

/// Tells the page of a document why the document is closed.
pub(super) fn closing_notice(name: &SocketName, reason: &CloseReason) -> ProtocolEffect {
    let message = json!({ "type": "notice", "message": reason.text(), "reason": reason.label() });
    tell(name, &message)
}

/// Tells the page of a document which version has its updates.
pub(super) fn saved(name: &SocketName, version: Version) -> ProtocolEffect {
    tell(name, &json!({ "type": "saved", "version": version.number() }))
}

fn tell(name: &SocketName, message: &Value) -> ProtocolEffect {
    reply(name.stateless(&format!("{SERVER_PAYLOAD}{message}")))
}

/// Acknowledges this many updates.
pub(super) fn acknowledge(name: &SocketName, updates: u64) -> Option<ProtocolEffect> {
    let updates = usize::try_from(updates).ok().filter(|updates| *updates > 0)?;
    Some(reply(name.sync_status(true).repeat(updates).into()))
}

/// Awaits work of this protocol.
pub(super) fn wait(future: impl Future<Output = HocuspocusCompletion> + 'static) -> ProtocolEffect {
    ProtocolEffect::Await(future.map(Completion::Hocuspocus).boxed_local())
}
