//! The operations of a session that wait until earlier ones are answered, in the order in which they arrived.
//!
//! Pure. The session starts the first one as soon as it fits beside those in flight.

use std::collections::VecDeque;

use crate::wire::graphql_ws::OperationId;

/// The most bytes of small messages that wait together. The memory of large ones is reserved for their user.
const MAX_SMALL_BYTES: usize = 1024 * 1024;

/// An operation that waits.
pub(super) struct WaitingOperation<T> {
    pub(super) id: OperationId,
    /// The size of its message, in bytes.
    pub(super) bytes: usize,
    /// Whether its message is large, so that its memory is reserved.
    pub(super) is_reserved: bool,
    pub(super) operation: T,
}

impl<T> WaitingOperation<T> {
    fn small_bytes(&self) -> usize {
        if self.is_reserved { 0 } else { self.bytes }
    }
}

/// The operations of a session that wait. Those that remain when the session ends are dropped with it.
pub(super) struct WaitingOperations<T> {
    queue: VecDeque<WaitingOperation<T>>,
    /// The most operations that may wait.
    max: usize,
    /// What the small messages in the queue have together.
    small_bytes: usize,
}

impl<T> WaitingOperations<T> {
    /// Creates an empty queue for at most `max` operations.
    pub(super) fn new(max: usize) -> Self {
        Self { queue: VecDeque::new(), max, small_bytes: 0 }
    }

    /// Returns whether no operation waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns whether the operation with this id waits.
    pub(super) fn has(&self, id: &OperationId) -> bool {
        self.queue.iter().any(|waiting| waiting.id == *id)
    }

    /// Adds an operation at the end. Without room it is dropped, and its id is returned.
    pub(super) fn push(&mut self, waiting: WaitingOperation<T>) -> Result<(), OperationId> {
        let small_bytes = self.small_bytes.saturating_add(waiting.small_bytes());
        if self.queue.len() >= self.max || small_bytes > MAX_SMALL_BYTES {
            return Err(waiting.id);
        }
        self.small_bytes = small_bytes;
        self.queue.push_back(waiting);
        Ok(())
    }

    /// Returns the size of the message of the operation that has waited longest.
    pub(super) fn first_bytes(&self) -> Option<usize> {
        self.queue.front().map(|waiting| waiting.bytes)
    }

    /// Removes the operation that has waited longest.
    pub(super) fn pop(&mut self) -> Option<WaitingOperation<T>> {
        let first = self.queue.pop_front()?;
        self.small_bytes -= first.small_bytes();
        Some(first)
    }

    /// Drops the operation with this id, if it waits.
    pub(super) fn remove(&mut self, id: &OperationId) {
        let index = self.queue.iter().position(|waiting| waiting.id == *id);
        if let Some(removed) = index.and_then(|index| self.queue.remove(index)) {
            self.small_bytes -= removed.small_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(id: &str, bytes: usize, is_reserved: bool) -> WaitingOperation<()> {
        WaitingOperation { id: OperationId::new(id).unwrap(), bytes, is_reserved, operation: () }
    }

    fn id(text: &str) -> OperationId {
        OperationId::new(text).unwrap()
    }

    #[test]
    fn operations_leave_in_the_order_in_which_they_came() {
        let mut operations = WaitingOperations::new(3);
        for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
            assert_eq!(operations.push(waiting(name, number, false)), Ok(()));
        }
        assert_eq!(operations.push(waiting("d", 1, false)), Err(id("d")));

        operations.remove(&id("b"));
        operations.remove(&id("x"));

        assert!(operations.has(&id("a")) && !operations.has(&id("b")));
        assert_eq!(operations.first_bytes(), Some(0));
        assert_eq!(operations.pop().map(|first| first.id), Some(id("a")));
        assert_eq!(operations.first_bytes(), Some(2));
        assert_eq!(operations.pop().map(|first| first.id), Some(id("c")));
        assert!(operations.pop().is_none() && operations.is_empty());
    }

    #[test]
    fn small_messages_that_wait_are_bounded_in_bytes() {
        let mut operations = WaitingOperations::new(10);
        assert_eq!(operations.push(waiting("a", MAX_SMALL_BYTES - 1, false)), Ok(()));
        assert_eq!(operations.push(waiting("b", 2, false)), Err(id("b")));
        // The user has reserved memory for a large one.
        assert_eq!(operations.push(waiting("c", MAX_SMALL_BYTES, true)), Ok(()));
        assert_eq!(operations.push(waiting("d", 1, false)), Ok(()));

        operations.remove(&id("a"));

        assert_eq!(operations.push(waiting("e", MAX_SMALL_BYTES - 1, false)), Ok(()));
        assert_eq!(operations.push(waiting("f", 1, false)), Err(id("f")));
    }
}
