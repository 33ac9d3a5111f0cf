//! The rules for the section `limits`.

use super::{
    fault_list::FaultList,
    rules::{KIB, MIB},
};
use crate::session::Limits;

/// The most bytes of JSON for one byte of text: a control character is written as `\u0001`.
const JSON_PER_BYTE: usize = 6;

/// Adds the faults of these limits.
pub(super) fn check(faults: &mut FaultList, limits: &Limits) {
    faults.at_least("limits.connections_per_user", limits.connections_per_user, 1);
    faults.at_least("limits.operations_in_flight", limits.operations_in_flight, 1);
    faults.at_least("limits.requests_in_flight", limits.requests_in_flight, 1);
    faults.at_least("limits.subscriptions", limits.subscriptions, 1);
    faults.at_least("limits.frame", limits.frame, 1);
    faults.at_most("limits.message", limits.message, 256 * MIB);
    faults.unless(limits.message >= limits.frame, "limits.message", || {
        format!(
            "{} is less than limits.frame ({}), but a message consists of at least one frame. Set it to at least {}.",
            limits.message, limits.frame, limits.frame
        )
    });
    faults.at_least("limits.unauthenticated_bytes", limits.unauthenticated_bytes, 16 * KIB);
    faults.at_least("limits.init_bytes", limits.init_bytes, 10 * KIB);
    faults.at_least("limits.document", limits.document, 1);
    faults.at_most("limits.document", limits.document, 256 * MIB);
    faults.unless(limits.document_state >= limits.document, "limits.document_state", || {
        format!(
            "{} is less than limits.document ({}), but the state includes the text. Set it to at least {}.",
            limits.document_state, limits.document, limits.document
        )
    });
    faults.at_most("limits.document_state", limits.document_state, 1024 * MIB);
    faults.at_least("limits.document_structs", limits.document_structs, 1);
    faults.at_least("limits.replicas_of_user", limits.replicas_of_user, 1);
    faults.at_least("limits.replicas_of_node", limits.replicas_of_node, 1);
    faults.at_least("limits.document_clients", limits.document_clients, 1);
    faults.at_least("limits.update_structs", limits.update_structs, 1);
    faults.at_least("limits.awareness", limits.awareness, KIB);
    faults.at_most("limits.awareness", limits.awareness, MIB);
    faults.at_least("limits.cursors_per_second", limits.cursors_per_second as usize, 1);
    faults.at_least("limits.edits_per_second", limits.edits_per_second as usize, 1);
    faults.at_least("limits.operations_per_second", limits.operations_per_second as usize, 1);
    faults.at_least("limits.anonymous_per_second", limits.anonymous_per_second as usize, 1);
    faults.at_least("limits.upgrades_per_second", limits.upgrades_per_second as usize, 1);
    faults.at_least("limits.checks_per_second", limits.checks_per_second as usize, 1);
    faults.at_least("limits.sync_bytes_per_second", limits.sync_bytes_per_second, 1);
    faults.at_least("limits.messages_per_second", limits.messages_per_second as usize, 1);
    for (key, limit) in [
        ("limits.failed_sign_ins_of_pair", limits.failed_sign_ins_of_pair),
        ("limits.failed_sign_ins_of_source", limits.failed_sign_ins_of_source),
        ("limits.failed_sign_ins_of_account", limits.failed_sign_ins_of_account),
        ("limits.registrations_per_hour", limits.registrations_per_hour),
    ] {
        faults.at_least(key, limit as usize, 1);
    }
    let look_ups = limits.address_look_ups_per_hour as usize;
    faults.at_least("limits.address_look_ups_per_hour", look_ups, 5);
    for (key, quota) in [
        ("limits.documents_per_user", limits.documents_per_user),
        ("limits.bytes_per_user", limits.bytes_per_user),
        ("limits.change_bytes_per_hour", limits.change_bytes_per_hour),
        ("limits.open_documents_per_user", limits.open_documents_per_user as u64),
        ("limits.grants_per_hour", limits.grants_per_hour.into()),
        ("limits.grants_to_user_per_hour", limits.grants_to_user_per_hour.into()),
    ] {
        faults.at_least(key, usize::try_from(quota).unwrap_or(usize::MAX), 1);
    }
    faults.at_least("limits.operation_text", limits.operation_text, 1);
    faults.unless(limits.operation_text <= limits.message, "limits.operation_text", || {
        format!(
            "{} is more than limits.message ({}), so no message could contain such an operation. Set it to at most {}.",
            limits.operation_text, limits.message, limits.message
        )
    });
    faults.at_least("limits.operation_depth", limits.operation_depth, 1);
    faults.at_least("limits.operation_complexity", limits.operation_complexity, 1_200);
    let longest = limits.document.saturating_mul(JSON_PER_BYTE).saturating_add(MIB);
    faults.unless(limits.answer >= longest, "limits.answer", || {
        format!(
            "{} is too little for the longest document: a text of limits.document ({}) may have {JSON_PER_BYTE} times as many bytes in JSON. Set it to at least {longest}.",
            limits.answer, limits.document
        )
    });
    faults.at_least("limits.messages_of_user", limits.messages_of_user, limits.message);
    faults.at_least(
        "limits.messages_of_node",
        limits.messages_of_node,
        limits.messages_of_user.saturating_mul(2),
    );
    faults.at_least("limits.answers_of_user", limits.answers_of_user, limits.answer);
    faults.at_least(
        "limits.answers_of_node",
        limits.answers_of_node,
        limits.answers_of_user.saturating_mul(2),
    );
    faults.at_least("limits.answer_values", limits.answer_values, 1_000);
    faults.at_least("limits.operation_cache_entries", limits.operation_cache_entries, 1);
    faults.at_least("limits.operation_cache_bytes", limits.operation_cache_bytes, 1);
}
