//! The edits of a room that wait for a commit turn, with fair queueing of their authors.
//!
//! While one batch is being stored the next one gathers here, so that one commit serves many authors of a document. The
//! queue is bounded in edits and in bytes. Pure: the actor runs what [`EditQueue::take_batch`] returns.
//!
//! An edit costs at least one unit and at most [`MAX_COST`], by its bytes. If all waiting authors were served at the same time,
//! each with the same share, an edit would finish when its author's share has paid for it and for the edits of that author
//! before it. The edit that would finish first goes first (Demers, Keshav and Shenker, Analysis and simulation of a fair
//! queueing algorithm, 1989). So users who type do not wait for the large changes of many others. A large change waits for
//! about as many batches of theirs as it costs units, however long they go on typing. The edits of one author keep their
//! order, and a deletion follows all edits that wait already.
//!
//! Invariant: `authors` has each author with waiting edits, and those who were served ahead of their share.

use std::collections::{BTreeMap, HashMap};

use tokio::sync::oneshot;

use super::{EditKind, EditRequest, job::Answer};
use crate::domain::UserId;

/// The most edits in one commit.
const MAX_BATCH: usize = 64;

/// The most bytes in one commit, unless a single edit is larger. Users who type wait for the batch before theirs, so it must
/// not take long.
const MAX_BATCH_BYTES: usize = 256 * 1024;

/// How many bytes cost one unit. Smaller edits cost as much, since each is a change of its own.
const UNIT: usize = 4 * 1024;

/// The most units that an edit costs. A large one takes a commit by itself, whatever its size.
const MAX_COST: usize = MAX_BATCH_BYTES / UNIT;

/// The time of the queue in which one author who waits alone pays for a unit.
const UNIT_TIME: u64 = 1 << 16;

/// The channel on which the author waits for the answer.
pub(crate) type Reply = oneshot::Sender<Answer>;

/// Where the answer to an edit arrives.
pub(crate) type Reception = oneshot::Receiver<Answer>;

/// An edit that waits to be stored.
#[derive(Debug)]
pub(crate) struct QueuedEdit {
    pub(crate) request: EditRequest,
    pub(crate) reply: Reply,
}

/// When an edit would finish, in the time of the queue. Edits that finish at the same time keep the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FinishTag {
    finish: u64,
    arrival: u64,
}

/// The waiting edits of an author.
#[derive(Debug, Default)]
struct Backlog {
    edits: usize,
    bytes: usize,
    /// When the author's last edit would finish, or would have finished.
    last_finish: u64,
}

/// The queue of one room.
#[derive(Debug)]
pub(crate) struct EditQueue {
    edits: BTreeMap<FinishTag, QueuedEdit>,
    /// The backlog of each author.
    authors: HashMap<UserId, Backlog>,
    /// The time of the queue. It passes with what is taken, the slower the more authors wait.
    now: u64,
    /// The number of edits that have arrived.
    arrived: u64,
    /// Size of the queued edits, in bytes.
    bytes: usize,
    /// The most edits.
    capacity: usize,
    /// The most bytes, unless a single edit is larger.
    capacity_bytes: usize,
}

impl EditQueue {
    /// Returns an empty queue for `capacity` edits of `capacity_bytes` bytes in total.
    pub(crate) fn new(capacity: usize, capacity_bytes: usize) -> Self {
        let (edits, authors) = (BTreeMap::new(), HashMap::new());
        Self { edits, authors, now: 0, arrived: 0, bytes: 0, capacity, capacity_bytes }
    }

    /// Queues an edit.
    ///
    /// # Errors
    /// Returns the reply channel when the queue is full, or when its author would have more waiting than stays free for
    /// others.
    pub(super) fn push(&mut self, edit: QueuedEdit) -> Result<(), Reply> {
        let (author, bytes) = (edit.request.author, edit.request.bytes());
        let free = self.capacity.saturating_sub(self.edits.len());
        let free_bytes = self.capacity_bytes.saturating_sub(self.bytes);
        let (of_author, of_author_bytes) =
            self.authors.get(&author).map_or((0, 0), |backlog| (backlog.edits, backlog.bytes));
        let fits = of_author < free && of_author_bytes + bytes <= free_bytes;
        if !fits && !self.edits.is_empty() {
            return Err(edit.reply);
        }
        let backlog = self.authors.entry(author).or_default();
        backlog.edits += 1;
        backlog.bytes += bytes;
        backlog.last_finish = backlog.last_finish.max(self.now) + cost(bytes);
        if let EditKind::Delete = edit.request.kind
            && let Some((last, _)) = self.edits.last_key_value()
        {
            backlog.last_finish = backlog.last_finish.max(last.finish);
        }
        let tag = FinishTag { finish: backlog.last_finish, arrival: self.arrived };
        self.arrived += 1;
        self.bytes += bytes;
        self.edits.insert(tag, edit);
        Ok(())
    }

    /// Removes the edits to store next, those that would finish first. A deletion is alone in its batch, and no batch has
    /// two edits of one author and name.
    pub(super) fn take_batch(&mut self) -> Vec<QueuedEdit> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let waiting = self.authors.values().filter(|backlog| backlog.edits > 0).count() as u64;
        while let Some(next) = self.edits.first_entry() {
            let request = &next.get().request;
            bytes += request.bytes();
            let fits = bytes <= MAX_BATCH_BYTES && batch.len() < MAX_BATCH;
            let is_next = batch.is_empty() || (fits && may_join(request, &batch));
            if !is_next {
                break;
            }
            let edit = next.remove();
            self.now += (cost(edit.request.bytes()) / waiting.max(1)).max(1);
            self.release(&edit.request);
            batch.push(edit);
        }
        self.forget_authors();
        batch
    }

    /// Removes the edits that were made for a version.
    pub(super) fn take_based(&mut self) -> Vec<QueuedEdit> {
        let has_base = |_tag: &FinishTag, edit: &mut QueuedEdit| edit.request.has_base();
        let based: Vec<_> = self.edits.extract_if(.., has_base).map(|(_tag, edit)| edit).collect();
        based.iter().for_each(|edit| self.release(&edit.request));
        self.forget_authors();
        based
    }

    /// Whether no edit waits.
    pub(super) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Notes that an edit waits no longer.
    fn release(&mut self, request: &EditRequest) {
        let bytes = request.bytes();
        self.bytes -= bytes;
        if let Some(backlog) = self.authors.get_mut(&request.author) {
            backlog.edits -= 1;
            backlog.bytes -= bytes;
        }
    }

    /// Forgets the authors who have no waiting edit and were not served ahead of their share. In an empty queue nobody was.
    fn forget_authors(&mut self) {
        let (is_empty, now) = (self.edits.is_empty(), self.now);
        self.authors
            .retain(|_, backlog| backlog.edits > 0 || (!is_empty && backlog.last_finish > now));
    }
}

/// Returns what an edit costs, in the time of the queue.
fn cost(bytes: usize) -> u64 {
    (1 + bytes / UNIT).min(MAX_COST) as u64 * UNIT_TIME
}

fn may_join(request: &EditRequest, batch: &[QueuedEdit]) -> bool {
    let is_deletion = |request: &EditRequest| matches!(request.kind, EditKind::Delete);
    let is_same = |other: &EditRequest| {
        request.name.is_some() && other.name == request.name && other.author == request.author
    };
    let mut others = batch.iter().map(|edit| &edit.request);
    !is_deletion(request) && !others.any(|other| is_deletion(other) || is_same(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DocumentId, EditId, Text, Version};

    fn request(kind: EditKind) -> EditRequest {
        EditRequest {
            document: DocumentId::new(),
            author: UserId::new(),
            session: None,
            name: None,
            kind,
        }
    }

    /// An edit of `length` bytes.
    fn edit(length: usize) -> EditRequest {
        let content = Some(Text::new("x".repeat(length), 10_000_000).unwrap());
        request(EditKind::Replace { title: None, metadata: None, content, base: None })
    }

    fn edit_of(author: UserId, length: usize) -> EditRequest {
        EditRequest { author, ..edit(length) }
    }

    fn push(queue: &mut EditQueue, request: EditRequest) -> bool {
        queue.push(QueuedEdit { request, reply: oneshot::channel().0 }).is_ok()
    }

    fn batch_size(queue: &mut EditQueue) -> usize {
        queue.take_batch().len()
    }

    /// Takes everything. Returns the size of each edit, batch by batch.
    fn batches(queue: &mut EditQueue) -> Vec<Vec<usize>> {
        let mut batches = Vec::new();
        while !queue.is_empty() {
            let batch = queue.take_batch();
            batches.push(batch.iter().map(|edit| edit.request.bytes()).collect());
        }
        assert!(queue.authors.is_empty());
        assert_eq!(queue.bytes, 0);
        batches
    }

    #[test]
    fn waiting_edits_are_taken_together_and_refused_when_the_queue_is_full() {
        let mut queue = EditQueue::new(2, 100);
        assert_eq!(batch_size(&mut queue), 0);
        assert!(push(&mut queue, edit(1)));
        assert!(push(&mut queue, edit(1)));
        assert!(!push(&mut queue, edit(1)));

        assert_eq!(batch_size(&mut queue), 2);
        assert!(push(&mut queue, edit(1)));
        assert_eq!(batch_size(&mut queue), 1);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_queue_is_bounded_in_bytes_and_takes_one_edit_of_any_size() {
        let mut queue = EditQueue::new(10, 100);
        assert!(push(&mut queue, edit(500)));
        assert!(!push(&mut queue, edit(1)));

        assert_eq!(batch_size(&mut queue), 1);
        assert!(push(&mut queue, edit(60)));
        assert!(push(&mut queue, edit(40)));
        assert!(!push(&mut queue, edit(1)));
    }

    #[test]
    fn an_author_leaves_others_as_much_as_they_hold() {
        let (mut queue, mallory) = (EditQueue::new(10, 1_000), UserId::new());
        let taken = (0..10).filter(|_| push(&mut queue, edit_of(mallory, 1))).count();
        assert_eq!(taken, 5);
        let taken = (0..10).filter(|_| push(&mut queue, edit(1))).count();
        assert_eq!(taken, 5, "others fill the rest");
        batches(&mut queue);

        let taken = (0..10).filter(|_| push(&mut queue, edit_of(mallory, 200))).count();
        assert_eq!(taken, 3);
        assert!(push(&mut queue, edit(400)));
        assert_eq!(batches(&mut queue).concat().len(), 4);
    }

    #[test]
    fn a_batch_is_bounded_in_bytes() {
        let mut queue = EditQueue::new(10, 10_000_000);
        for _ in 0..2 {
            assert!(push(&mut queue, edit(MAX_BATCH_BYTES)));
        }
        assert_eq!(batch_size(&mut queue), 1);
        assert_eq!(batch_size(&mut queue), 1);
    }

    #[test]
    fn users_who_type_do_not_wait_for_the_large_changes_of_others() {
        let (mut queue, typist) = (EditQueue::new(100, 100_000_000), UserId::new());
        for _ in 0..3 {
            assert!(push(&mut queue, edit(400_000)));
        }
        assert!(push(&mut queue, edit_of(typist, 1)));
        let first: Vec<_> = queue.take_batch().iter().map(|edit| edit.request.bytes()).collect();
        assert_eq!(first, [1]);
        assert_eq!(batch_size(&mut queue), 1);
        assert!(push(&mut queue, edit_of(typist, 2)));
        assert!(push(&mut queue, edit_of(typist, 3)));
        assert_eq!(batches(&mut queue), [vec![2, 3], vec![400_000], vec![400_000]]);
    }

    #[test]
    fn a_large_change_is_stored_while_others_go_on_typing() {
        let mut queue = EditQueue::new(1_000, 100_000_000);
        let typists = [(); MAX_BATCH].map(|()| UserId::new());
        assert!(push(&mut queue, edit(5_000_000)));
        let turns = (0..200).take_while(|_| {
            for typist in typists {
                assert!(push(&mut queue, edit_of(typist, 1)));
            }
            queue.take_batch().iter().all(|edit| edit.request.bytes() == 1)
        });
        let turns = turns.count();
        assert!(MAX_COST.abs_diff(turns) < 10, "{turns}");
    }

    /// An author who sends the next large change when the last one was taken gets no more than one with many waiting.
    #[test]
    fn authors_get_the_same_share_whether_they_queue_one_change_or_many() {
        let (mut queue, [patient, quick]) =
            (EditQueue::new(100, 100_000_000), [(); 2].map(|()| UserId::new()));
        for _ in 0..20 {
            assert!(push(&mut queue, edit_of(patient, 400_000)));
        }
        let mut of_quick = 0;
        assert!(push(&mut queue, edit_of(quick, 400_000)));
        for _ in 0..20 {
            let [taken] = &queue.take_batch()[..] else { panic!("a large edit is alone") };
            if taken.request.author == quick {
                of_quick += 1;
                assert!(push(&mut queue, edit_of(quick, 400_000)));
            }
        }
        assert!((9..=11).contains(&of_quick), "{of_quick}");
    }

    #[test]
    fn small_edits_keep_the_order_of_arrival_and_those_of_an_author_take_turns() {
        let (mut queue, busy) = (EditQueue::new(100, 100_000), UserId::new());
        for size in [10, 11, 12] {
            assert!(push(&mut queue, edit_of(busy, size)));
        }
        for size in [9, 8] {
            assert!(push(&mut queue, edit(size)));
        }
        assert_eq!(batches(&mut queue), [vec![10, 9, 8, 11, 12]]);
    }

    #[test]
    fn a_deletion_is_alone_and_a_repeated_edit_waits_for_the_first() {
        let (mut queue, author) = (EditQueue::new(20, 100), UserId::new());
        let named = EditRequest { name: Some(EditId::unique()), ..edit_of(author, 1) };
        let delete = EditRequest { author, ..request(EditKind::Delete) };
        for request in [named.clone(), named, edit_of(author, 1), delete, edit_of(author, 1)] {
            assert!(push(&mut queue, request));
        }
        assert_eq!(batches(&mut queue), [vec![1], vec![1, 1], vec![0], vec![1]]);
    }

    #[test]
    fn a_deletion_follows_the_edits_of_others_that_wait_already() {
        let mut queue = EditQueue::new(20, 1_000_000);
        for request in [edit(100_000), request(EditKind::Delete), edit(100_001)] {
            assert!(push(&mut queue, request));
        }
        let batches = batches(&mut queue);
        assert_eq!(batches, [vec![100_000], vec![0], vec![100_001]]);
    }

    #[test]
    fn edits_that_were_made_for_a_version_are_taken_out() {
        let mut queue = EditQueue::new(20, 100);
        let base = Some(Version::FIRST);
        let based = EditKind::Replace { title: None, metadata: None, content: None, base };
        for request in [edit(1), request(based), edit(2)] {
            assert!(push(&mut queue, request));
        }
        assert_eq!(queue.take_based().len(), 1);
        assert_eq!(batches(&mut queue), [vec![1, 2]]);
    }
}
