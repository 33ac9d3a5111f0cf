//! Group commit: batches of many documents in few transactions.
//!
//! A commit waits for the disk, and takes a handful of statements whether one document changed or a hundred. So one task
//! commits for all rooms: what waits when it begins is stored together, and a commit begins no sooner than
//! `store.commit_every` after the one before it. A batch that comes after a pause does not wait.
//!
//! A batch never fails because of another: when the database refuses a group, each of it is tried alone.
//!
//! The queue holds [`WAITING`] batches, and a room has one in it at most. Whoever finds it full waits for a place; who
//! has waited for `store.acquire_within` when his turn comes is refused as unavailable, so that nobody waits for every
//! group before his own to fail.

use std::{collections::HashSet, time::Duration};

use sea_orm::DatabaseConnection;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use super::{Batch, CommitError, Committed, StoreError, commit::commit_together};

/// So many batches may wait.
const WAITING: usize = 1024;

/// At most so many changes are stored together, unless one batch has more.
const CHANGES: usize = 1024;

/// At most so many bytes are stored together, unless one batch has more.
const MAX_GROUP_BYTES: usize = 4 * 1024 * 1024;

type CommitReply = Result<Committed, CommitError>;

struct Waiting {
    batch: Batch,
    since: Instant,
    answer: oneshot::Sender<CommitReply>,
}

/// When commits happen.
pub(super) struct Pace {
    /// How soon after one commit began the next may begin.
    pub(super) every: Duration,
    /// How long a batch may wait for its turn.
    pub(super) turn_within: Duration,
    /// How long a commit may take; after that nobody knows what became of it.
    pub(super) commit_within: Duration,
}

/// Where batches are handed in. The task ends with the last clone.
#[derive(Clone)]
pub(super) struct Committer(mpsc::Sender<Waiting>);

impl Committer {
    /// Starts the task that commits through `writer`.
    pub(super) fn start(writer: DatabaseConnection, pace: Pace) -> Self {
        let (sender, waiting) = mpsc::channel(WAITING);
        tokio::spawn(run(writer, pace, waiting));
        Self(sender)
    }

    /// Stores a batch with others.
    pub(super) async fn commit(&self, batch: Batch) -> CommitReply {
        let (answer, answered) = oneshot::channel();
        if self.0.send(Waiting { batch, since: Instant::now(), answer }).await.is_err() {
            return Err(unavailable("nobody commits any more").into());
        }
        // The task ends in the middle of its work only with the process.
        let ended = |_| Err(CommitError::Unknown(unavailable("the commit was not finished")));
        answered.await.unwrap_or_else(ended)
    }
}

async fn run(writer: DatabaseConnection, pace: Pace, mut waiting: mpsc::Receiver<Waiting>) {
    let mut next_turn = Instant::now();
    // The first of a group that did not fit into the one before.
    let mut left = None;
    loop {
        let first = match left.take() {
            Some(first) => first,
            None => match waiting.recv().await {
                Some(first) => first,
                None => return,
            },
        };
        tokio::time::sleep_until(next_turn).await;
        next_turn = Instant::now() + pace.every;
        let group;
        (group, left) = gather(first, &mut waiting);
        let (late, group): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|one| one.since.elapsed() > pace.turn_within);
        for one in late {
            give(one.answer, Err(unavailable("the commits before it took too long").into()));
        }
        if !group.is_empty() {
            store(&writer, group, pace.commit_within).await;
        }
    }
}

/// Takes what waits, as far as it goes together, and the first that does not. A document is in a group once.
fn gather(
    first: Waiting,
    waiting: &mut mpsc::Receiver<Waiting>,
) -> (Vec<Waiting>, Option<Waiting>) {
    let (mut changes, mut bytes) = (first.batch.rows(), first.batch.bytes());
    let mut documents = HashSet::from([first.batch.document]);
    let mut group = vec![first];
    while let Ok(next) = waiting.try_recv() {
        changes += next.batch.rows();
        bytes += next.batch.bytes();
        let fits = changes <= CHANGES && bytes <= MAX_GROUP_BYTES;
        if !fits || !documents.insert(next.batch.document) {
            return (group, Some(next));
        }
        group.push(next);
    }
    (group, None)
}

async fn store(writer: &DatabaseConnection, group: Vec<Waiting>, within: Duration) {
    let (batches, answers): (Vec<_>, Vec<_>) =
        group.into_iter().map(|one| (one.batch, one.answer)).unzip();
    let committed = timeout(within, commit_together(writer, &batches)).await;
    let too_late = |_elapsed| {
        let unknown = || Err(CommitError::Unknown(unavailable("the database did not answer")));
        batches.iter().map(|_| unknown()).collect()
    };
    let committed = committed.unwrap_or_else(too_late);
    for (answer, committed) in answers.into_iter().zip(committed) {
        give(answer, committed);
    }
}

fn give(answer: oneshot::Sender<CommitReply>, committed: CommitReply) {
    if answer.send(committed).is_err() {
        tracing::debug!("a batch was committed after its room had gone");
    }
}

fn unavailable(why: &'static str) -> StoreError {
    StoreError::Unavailable(why.into())
}
