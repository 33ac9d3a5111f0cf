//! The limits on what one client may ask of a node.

use serde::Deserialize;

/// The `[limits]` section of the settings. `config/base.toml` explains each key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Open sessions of one user, in the whole cluster.
    pub connections_per_user: usize,
    /// Unanswered operations of one session.
    pub operations_in_flight: usize,
    /// Operations of one session that wait until others are answered.
    pub operations_waiting: usize,
    /// Unanswered HTTP requests of one user, over all sessions of this node.
    pub requests_in_flight: usize,
    /// Open subscriptions of one session.
    pub subscriptions: usize,
    /// Bytes of one frame.
    pub frame: usize,
    /// Bytes of one message, all its fragments together.
    pub message: usize,
    /// Bytes of the large messages and bodies of one user that are being received, decoded or executed, over all sessions
    /// and requests of this node.
    pub messages_of_user: usize,
    /// The same of all users of this node.
    pub messages_of_node: usize,
    /// Bytes of the body of a request without a token.
    pub unauthenticated_bytes: usize,
    /// Bytes that a session may send before it is admitted.
    pub init_bytes: usize,
    /// Bytes of a document's text, in UTF-8.
    pub document: usize,
    /// Bytes of a document's Yjs state: the text, other content, and what remains of deletions.
    pub document_state: usize,
    /// Structs of one document.
    pub document_structs: usize,
    /// Yjs clients with changes in one document.
    pub document_clients: usize,
    /// Memory of the replicas of open documents of one user, in bytes.
    pub replicas_of_user: usize,
    /// Memory of all replicas of open documents, in bytes.
    pub replicas_of_node: usize,
    /// Structs of one Yjs update.
    pub update_structs: usize,
    /// Bytes of the awareness state of a Yjs editor.
    pub awareness: usize,
    /// Cursor moves of one session per second.
    pub cursors_per_second: u32,
    /// Changes of one session per second.
    pub edits_per_second: u32,
    /// Operations of one user per second, over all sessions and requests of this node.
    pub operations_per_second: u32,
    /// Bytes per second that Yjs editors of one user are sent in answers to sync step 1, on this node.
    pub sync_bytes_per_second: usize,
    /// Requests without a token per second from one address.
    pub anonymous_per_second: u32,
    /// Upgrades without a token per second from one address.
    pub upgrades_per_second: u32,
    /// Health checks and requests for the metrics per second from one address.
    pub checks_per_second: u32,
    /// Messages of one session per second, of any kind.
    pub messages_per_second: u32,
    /// Failed attempts per hour to sign in to one account from one network.
    pub failed_sign_ins_of_pair: u32,
    /// Failed attempts per hour to sign in or sign up from one network.
    pub failed_sign_ins_of_source: u32,
    /// Failed attempts per hour to sign in to one account from unknown networks, above which it counts as attacked.
    pub failed_sign_ins_of_account: u32,
    /// New accounts per hour from one network.
    pub registrations_per_hour: u32,
    /// E-mail addresses to which one user may grant access per hour.
    pub address_look_ups_per_hour: u32,
    /// Documents that a user owns.
    pub documents_per_user: u64,
    /// Bytes that the documents of an owner take with their change logs and snapshots.
    pub bytes_per_user: u64,
    /// Bytes that the changes of a user take, per hour on this node.
    pub change_bytes_per_hour: u64,
    /// Documents that a user has open on this node.
    pub open_documents_per_user: usize,
    /// Grants of a user, per hour on this node.
    pub grants_per_hour: u32,
    /// Grants of a user to one other user, per hour on this node.
    pub grants_to_user_per_hour: u32,
    /// Bytes of an operation's text.
    pub operation_text: usize,
    /// Nesting depth of the fields in an operation.
    pub operation_depth: usize,
    /// Complexity of an operation: the fields that it selects, each multiplied by the lengths of its lists.
    pub operation_complexity: usize,
    /// Bytes of an answer.
    pub answer: usize,
    /// Bytes of the large answers of one user that are being made or wait for their clients, over all sessions and requests
    /// of this node.
    pub answers_of_user: usize,
    /// The same of all users of this node.
    pub answers_of_node: usize,
    /// Values of an answer: its fields and the entries of its lists.
    pub answer_values: usize,
    /// Parsed operations in the cache.
    pub operation_cache_entries: usize,
    /// Memory for parsed operations, in bytes.
    pub operation_cache_bytes: usize,
}
