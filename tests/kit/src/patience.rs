//! Settings of all nodes.

/// Limits of time that no test reaches on a busy machine, unless it sets them itself. They are as long as
/// [`DEADLINE`](crate::DEADLINE), which ends the test.
pub(crate) const PATIENT: [(&str, &str); 7] = [
    ("COSCRIBE__SERVER__HEAD_WITHIN", "60s"),
    ("COSCRIBE__SERVER__BODY_WITHIN", "60s"),
    ("COSCRIBE__SERVER__ANSWER_PATIENCE", "60s"),
    ("COSCRIBE__SESSION__INIT_WITHIN", "60s"),
    ("COSCRIBE__STORE__ACQUIRE_WITHIN", "60s"),
    ("COSCRIBE__STORE__ANSWER_WITHIN", "60s"),
    ("COSCRIBE__ROOM__APPLY_WITHIN", "60s"),
];

/// The same for nodes that share a Redis.
pub(crate) const PATIENT_WITH_REDIS: [(&str, &str); 2] =
    [("COSCRIBE__REDIS__ANSWER_WITHIN", "10s"), ("COSCRIBE__ROSTER__LEASE", "30s")];
