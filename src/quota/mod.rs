//! Quotas: what one user may own, store and do in an hour, and the refusal of more.
//!
//! [`QuotaExceeded`] names the quota, how much of it is used, and when or how it becomes free. [`HourlyAllowance`] counts
//! what a key did within an hour, and [`OpenDocuments`] the open documents of each user. The [`store`](crate::store) counts documents and bytes.
//!
//! Invariant: a refusal takes nothing from a quota.

mod exceeded;
mod hourly;
mod open_documents;

pub use exceeded::{QuotaExceeded, QuotaKind};
pub use hourly::{AllowanceUse, HourlyAllowance};
pub use open_documents::{HeldDocument, OpenDocuments};
