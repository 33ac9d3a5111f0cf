//! Group commit: one transaction stores batches of several documents.
//!
//! A commit waits for the disk once and needs a handful of statements, whether it stores one document or a hundred. So
//! a single task commits for all rooms. It stores the batches that are queued when a commit begins, and begins a commit
//! no sooner than `store.commit_every` after the previous one. A batch that finds the queue idle does not wait.
//!
//! The queue holds at most [`MAX_QUEUED_BATCHES`] batches, and each room has at most one in it. When the queue is full,
//! senders wait. A batch that has waited longer than `store.acquire_within` is refused as unavailable when its turn
//! comes.
//!
//! Invariant: a batch never fails because of another one. When the database rejects a group, each of its batches is
//! committed separately.

use std::{collections::HashSet, time::Duration};

use sea_orm::DatabaseConnection;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use super::{Batch, CommitError, Committed, StoreError, commit::commit_batches};

/// How many batches may wait in the queue.
const MAX_QUEUED_BATCHES: usize = 1024;

/// How many rows one group may store, unless a single batch has more.
const MAX_GROUP_ROWS: usize = 1024;

/// How many bytes one group may store, unless a single batch has more.
const MAX_GROUP_BYTES: usize = 4 * 1024 * 1024;

type CommitReply = Result<Committed, CommitError>;

struct QueuedBatch {
    batch: Batch,
    queued_at: Instant,
    reply: oneshot::Sender<CommitReply>,
}

/// When commits begin, and the deadlines of a batch.
pub(super) struct CommitTiming {
    /// The shortest time from the start of one commit to the start of the next.
    pub(super) every: Duration,
    /// How long a batch may wait in the queue.
    pub(super) start_within: Duration,
    /// How long a commit may take. After that, its outcome is unknown.
    pub(super) finish_within: Duration,
}

/// A handle to the queue of batches. The commit task ends when the last clone is dropped.
#[derive(Clone)]
pub(super) struct CommitQueue(mpsc::Sender<QueuedBatch>);

impl CommitQueue {
    /// Starts the task that commits through `writer`.
    pub(super) fn start(writer: DatabaseConnection, timing: CommitTiming) -> Self {
        let (sender, queue) = mpsc::channel(MAX_QUEUED_BATCHES);
        tokio::spawn(run(writer, timing, queue));
        Self(sender)
    }

    /// Queues a batch and waits until it is stored or refused.
    pub(super) async fn commit(&self, batch: Batch) -> CommitReply {
        let (reply, replied) = oneshot::channel();
        if self.0.send(QueuedBatch { batch, queued_at: Instant::now(), reply }).await.is_err() {
            return Err(StoreError::unavailable("the commit task has ended").into());
        }
        // The task is interrupted during a commit only when the process ends.
        let interrupted = |_closed| {
            let cause = "the commit task ended before the commit was finished";
            Err(CommitError::Unknown(StoreError::unavailable(cause)))
        };
        replied.await.unwrap_or_else(interrupted)
    }
}

async fn run(
    writer: DatabaseConnection,
    timing: CommitTiming,
    mut queue: mpsc::Receiver<QueuedBatch>,
) {
    let mut next_start = Instant::now();
    // A batch that did not fit into the previous group. It is the first of the next one.
    let mut left_over = None;
    loop {
        let first = match left_over.take() {
            Some(first) => first,
            None => match queue.recv().await {
                Some(first) => first,
                None => return,
            },
        };
        tokio::time::sleep_until(next_start).await;
        next_start = Instant::now() + timing.every;
        let group;
        (group, left_over) = collect_group(first, &mut queue);
        let (late, group): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|queued| queued.queued_at.elapsed() > timing.start_within);
        for queued in late {
            let cause = "the batch waited longer than `store.acquire_within` for its commit";
            send_reply(queued.reply, Err(StoreError::unavailable(cause).into()));
        }
        if !group.is_empty() {
            commit_group(&writer, group, timing.finish_within).await;
        }
    }
}

/// Takes batches from the queue until the group is full or a document would occur twice. Returns the group and the
/// first batch that did not fit.
fn collect_group(
    first: QueuedBatch,
    queue: &mut mpsc::Receiver<QueuedBatch>,
) -> (Vec<QueuedBatch>, Option<QueuedBatch>) {
    let (mut rows, mut bytes) = (first.batch.row_count(), first.batch.estimated_bytes());
    let mut documents = HashSet::from([first.batch.document]);
    let mut group = vec![first];
    while let Ok(next) = queue.try_recv() {
        rows += next.batch.row_count();
        bytes += next.batch.estimated_bytes();
        let fits = rows <= MAX_GROUP_ROWS && bytes <= MAX_GROUP_BYTES;
        if !fits || !documents.insert(next.batch.document) {
            return (group, Some(next));
        }
        group.push(next);
    }
    (group, None)
}

async fn commit_group(writer: &DatabaseConnection, group: Vec<QueuedBatch>, within: Duration) {
    let (batches, replies): (Vec<_>, Vec<_>) =
        group.into_iter().map(|queued| (queued.batch, queued.reply)).unzip();
    let outcomes = timeout(within, commit_batches(writer, &batches)).await;
    let timed_out = |_elapsed| {
        let cause = StoreError::unavailable("the commit took longer than `store.answer_within`");
        batches.iter().map(|_| Err(CommitError::Unknown(cause.clone()))).collect()
    };
    let outcomes = outcomes.unwrap_or_else(timed_out);
    for (reply, outcome) in replies.into_iter().zip(outcomes) {
        send_reply(reply, outcome);
    }
}

fn send_reply(reply: oneshot::Sender<CommitReply>, outcome: CommitReply) {
    if reply.send(outcome).is_err() {
        tracing::debug!("the room of a batch ended before the batch was committed or refused");
    }
}
