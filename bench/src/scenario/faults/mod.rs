//! `faults`: parts fail while users edit; in the end every acknowledged edit must be there once.
//!
//! Authors behave as the protocol asks of clients. Over GraphQL they connect again after a lost answer and send the same edit
//! with the same `mutationId` and `baseVersion`. Yjs editors connect again with the same document. Watchers resume with the last
//! version that they have received, and must receive every version once, in order.

mod author;
mod database;
mod delta_writer;
mod fault;
mod ledger;
mod proof;
mod run;
mod update_writer;
mod watcher;

pub(crate) use self::run::run;
