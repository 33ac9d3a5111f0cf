//! Group commit: one transaction stores batches of several documents.
//!
//! A commit waits for the disk once and needs a handful of statements, whether it stores one document or a hundred. So
//! a single task commits for all rooms. It stores the batches that are queued when a commit begins, and begins a commit
//! no sooner than `store.commit_every` after the previous one, and later while many documents change ([`GatherPace`]). A
//! batch that finds the queue idle does not wait.
//!
//! The queue holds at most [`MAX_QUEUED_BATCHES`] batches, and each room has at most one in it. When the queue is full,
//! senders wait. Authors take turns, and those of large batches pause between them ([`WaitingBatches`]). A batch that has waited
//! longer than `store.acquire_within`, a large one four times as long, is refused as unavailable when its turn comes.
//!
//! A document that something else has locked does not delay the group: its batch waits for the lock in a transaction of
//! its own ([`DocumentLocks`]).
//!
//! Invariant: a batch never fails because of another one. When the database rejects a group, each of its batches is
//! committed separately.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    Batch, CommitError, Committed, StoreError,
    commit::{GroupOutcome, commit_group},
    document_lock::DocumentLocks,
    gather_pace::GatherPace,
    renewable_pool::RenewablePool,
    waiting_batches::{WaitingBatches, author_of, is_large},
};
use crate::task::supervise;

/// How many times as long as others a large batch may wait for its commit.
const LARGE_PATIENCE: u32 = 4;

/// How many batches may wait in the queue, and as many more of which authors take turns.
const MAX_QUEUED_BATCHES: usize = 1024;

type CommitReply = Result<Committed, CommitError>;

/// A batch, when it was queued, and where its outcome is sent.
type WaitingBatch = (Batch, (Instant, oneshot::Sender<CommitReply>));

struct QueuedBatch {
    batch: Batch,
    queued_at: Instant,
    reply: oneshot::Sender<CommitReply>,
}

/// When commits begin, and the deadlines of a batch.
pub(super) struct CommitTiming {
    /// The shortest time from the start of one commit to the start of the next, while few documents change.
    pub(super) every: Duration,
    /// How long a batch may wait in the queue.
    pub(super) start_within: Duration,
    /// How long a commit may take. After that, its outcome is unknown.
    pub(super) finish_within: Duration,
}

/// A handle to the queue of batches. The commit task ends when the last clone is dropped.
#[derive(Clone)]
pub(super) struct CommitQueue {
    sender: mpsc::Sender<QueuedBatch>,
    committer: RenewablePool,
}

/// What the commit task works with.
struct Committer {
    connection: RenewablePool,
    locks: DocumentLocks,
    timing: CommitTiming,
    queue: Mutex<mpsc::Receiver<QueuedBatch>>,
}

impl CommitQueue {
    /// Starts the task that commits groups through `committer`, and batches of locked documents through `locks`.
    pub(super) fn start(
        committer: RenewablePool,
        locks: DocumentLocks,
        timing: CommitTiming,
    ) -> Self {
        let (sender, queue) = mpsc::channel(MAX_QUEUED_BATCHES);
        let task = Arc::new(Committer {
            connection: committer.clone(),
            locks,
            timing,
            queue: Mutex::new(queue),
        });
        supervise("commit", move || {
            let task = Arc::clone(&task);
            async move { task.run().await }
        });
        Self { sender, committer }
    }

    /// Returns the pool of the connection that commits groups.
    pub(super) fn pool(&self) -> &RenewablePool {
        &self.committer
    }

    /// Queues a batch and waits until it is stored or refused.
    pub(super) async fn commit(&self, batch: Batch) -> CommitReply {
        let (reply, replied) = oneshot::channel();
        if self.sender.send(QueuedBatch { batch, queued_at: Instant::now(), reply }).await.is_err()
        {
            return Err(StoreError::unavailable("the commit task has ended").into());
        }
        // The task is interrupted during a commit only by a panic, or when the process ends.
        let interrupted = |_closed| {
            let cause = "the commit task ended before the commit was finished";
            Err(CommitError::Unknown(StoreError::unavailable(cause)))
        };
        replied.await.unwrap_or_else(interrupted)
    }
}

impl Committer {
    /// Commits until the queue is closed.
    async fn run(&self) {
        let mut queue = self.queue.lock().await;
        let mut next_start = Instant::now();
        let mut pace = GatherPace::new(self.timing.every, next_start);
        let mut waiting = WaitingBatches::default();
        loop {
            if !wait_for_group(&mut queue, &mut waiting).await {
                return;
            }
            sleep_until(next_start).await;
            let now = Instant::now();
            while waiting.len() < MAX_QUEUED_BATCHES
                && let Ok(QueuedBatch { batch, queued_at, reply }) = queue.try_recv()
            {
                waiting.push(batch, (queued_at, reply));
            }
            let is_late = |(batch, (queued_at, _)): &WaitingBatch| {
                // The author's own pauses are no reason to refuse a batch.
                let patience = if is_large(batch) { LARGE_PATIENCE } else { 1 };
                queued_at.elapsed() > self.timing.start_within * patience
            };
            let (late, group): (Vec<_>, Vec<_>) =
                waiting.take_group(now).into_iter().partition(is_late);
            for (_, (_, reply)) in late {
                let cause = "the batch waited longer than `store.acquire_within` for its commit";
                send_reply(reply, Err(StoreError::unavailable(cause).into()));
            }
            next_start = pace.begin(group.iter().map(|(batch, _)| batch.document), now);
            if !group.is_empty() {
                let large = group.iter().filter(|(batch, _)| is_large(batch));
                let large: Vec<_> = large.map(|(batch, _)| author_of(batch)).collect();
                self.commit_group(group).await;
                let ended = Instant::now();
                large.into_iter().for_each(|author| waiting.note_large(author, ended - now, ended));
            }
        }
    }

    async fn commit_group(&self, group: Vec<WaitingBatch>) {
        let (batches, replies): (Vec<_>, Vec<_>) =
            group.into_iter().map(|(batch, (_, reply))| (batch, reply)).unzip();
        let (within, retirement) = (self.timing.finish_within, self.locks.retirement());
        let quotas = self.locks.quotas();
        let outcomes = commit_group(&self.connection, &batches, within, retirement, quotas).await;
        for ((batch, reply), outcome) in batches.into_iter().zip(replies).zip(outcomes) {
            match outcome {
                GroupOutcome::Decided(outcome) => self.reply(reply, outcome),
                GroupOutcome::Locked => self.commit_alone(batch, reply),
            }
        }
    }

    /// Commits a batch when its document is free. The group commit goes on meanwhile.
    fn commit_alone(&self, batch: Batch, reply: oneshot::Sender<CommitReply>) {
        let locks = self.locks.clone();
        // It ends by itself: every wait in it has a deadline. Each room has at most one.
        tokio::spawn(async move { send_reply(reply, locks.commit(&batch).await) });
    }

    fn reply(&self, reply: oneshot::Sender<CommitReply>, outcome: CommitReply) {
        if let Err(CommitError::Store(error) | CommitError::Unknown(error)) = &outcome {
            self.locks.retirement().note(error);
        }
        send_reply(reply, outcome);
    }
}

/// Waits until a group can be taken. Returns false if the queue is closed and nothing waits.
async fn wait_for_group(
    queue: &mut mpsc::Receiver<QueuedBatch>,
    waiting: &mut WaitingBatches<(Instant, oneshot::Sender<CommitReply>)>,
) -> bool {
    loop {
        let now = Instant::now();
        let received = match waiting.next_at(now) {
            Some(at) if at <= now => return true,
            // All that wait pause.
            Some(at) if waiting.len() < MAX_QUEUED_BATCHES && !queue.is_closed() => {
                timeout_at(at, queue.recv()).await.ok().flatten()
            }
            Some(at) => {
                sleep_until(at).await;
                None
            }
            None => match queue.recv().await {
                None => return false,
                received => received,
            },
        };
        if let Some(QueuedBatch { batch, queued_at, reply }) = received {
            waiting.push(batch, (queued_at, reply));
        }
    }
}

fn send_reply(reply: oneshot::Sender<CommitReply>, outcome: CommitReply) {
    if reply.send(outcome).is_err() {
        tracing::debug!("the room of a batch ended before the batch was committed or refused");
    }
}
