//! What applying an edit costs, and the limits of a merge.

use tokio::time::Instant;

use super::{MergeBounds, Replica, turn_context::TurnContext};
use crate::domain::Budget;

/// The share of the time limit that may go into computing a fine difference. After that the difference is coarse. It
/// begins with the work: a wait for permits makes no difference coarse.
pub(super) const DIFFERENCE_SHARE: u32 = 2;

/// Cost model: walking over this many bytes of text costs as much as one byte of other work.
pub(super) const WALKED_BYTES_PER_UNIT: usize = 16;

/// Cost model: each struct of an update costs one byte of work per this many bytes of the document, for the structs that
/// it may have to be compared with.
const DOCUMENT_BYTES_PER_UNIT: usize = 1_024;

/// Cost model: a byte of an update costs this many bytes of other work.
pub(super) const UPDATE_BYTE_COST: usize = 8;

/// The smallest struct of a Yjs update, in bytes.
const MIN_STRUCT_BYTES: usize = 2;

/// Returns the weight of merging updates of `bytes` bytes.
pub(super) fn merge_weight(replica: &Replica, bytes: usize) -> usize {
    let structs = bytes / MIN_STRUCT_BYTES;
    bytes.saturating_mul(UPDATE_BYTE_COST)
        + structs.saturating_mul(replica.weight() / DOCUMENT_BYTES_PER_UNIT)
        + replica.weight() / WALKED_BYTES_PER_UNIT
        + replica.conflict_check_weight(bytes)
        + replica.format_check_weight(bytes)
}

/// Returns the limits of a merge that begins when they are called with its budget.
pub(super) fn merge_limits(
    context: &TurnContext,
) -> impl FnOnce(&Budget) -> MergeBounds + Send + use<> {
    let compare_within = context.apply_within / DIFFERENCE_SHARE;
    let (text, state) = (context.max_text_bytes, context.max_state_bytes);
    let (structs, document_structs) = (context.max_structs, context.max_document_structs);
    let clients = context.max_clients;
    move |budget| {
        let compare_until = (Instant::now() + compare_within).into_std();
        let budget = budget.clone();
        MergeBounds { text, state, structs, document_structs, clients, compare_until, budget }
    }
}
