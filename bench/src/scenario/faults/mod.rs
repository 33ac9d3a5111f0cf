//! `faults`: parts fail while users edit; in the end every acknowledged edit must be there once.
//!
//! Authors behave as the protocol asks of clients: after a lost answer they connect again and send the same edit with the same
//! `mutationId` and `baseVersion`. Watchers resume with the last version that they have received, and must receive every
//! version once, in order.

mod author;
mod database;
mod fault;
mod ledger;
mod proof;
mod run;
mod watcher;

pub(crate) use self::run::run;
