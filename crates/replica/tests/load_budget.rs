//! Loading a document ends by itself when its budget ends, and is about as fast as without one.
#![allow(clippy::unwrap_used, reason = "a test that fails ends here")]

use protocol::domain::{Budget, Exhausted};
use replica::{Replica, StateError};
use yrs::encoding::write::Write as _;

/// Returns a state in which each of these clients inserted a letter at the start of a text, without seeing the others.
fn at_the_start(clients: impl ExactSizeIterator<Item = u32>) -> Vec<u8> {
    let mut state = Vec::new();
    state.write_var(clients.len());
    for client in clients {
        state.push(1);
        state.write_var(client);
        state.extend([0, 4, 1]);
        state.write_string("content");
        state.write_string("a");
    }
    state.push(0);
    state
}

fn failure(loaded: Result<Replica, StateError>) -> Option<Exhausted> {
    match loaded {
        Err(StateError::Exhausted(exhausted)) => Some(exhausted),
        Ok(_) | Err(StateError::Corrupt(_)) => None,
    }
}

#[test]
fn a_state_of_more_structs_than_steps_is_not_loaded() {
    let state = at_the_start(1..3_001);
    let replica = Replica::load(&state, &Budget::new(3_000)).unwrap();
    assert_eq!((replica.structs(), replica.content().bytes()), (3_000, 3_000));
    assert!(replica.memory() >= 400 * 3_000);
    let loaded = Replica::load(&state, &Budget::new(2_999));
    assert_eq!(failure(loaded), Some(Exhausted::Steps));
}

#[test]
fn loading_ends_soon_after_it_was_stopped() {
    // In this order each letter is compared with all before it: minutes of work.
    let state = at_the_start(1..150_001);
    let budget = Budget::unlimited();
    let stop = budget.clone();
    let loading = std::thread::spawn(move || failure(Replica::load(&state, &budget)));
    stop.stop();
    assert_eq!(loading.join().unwrap(), Some(Exhausted::Stopped));
}

#[test]
fn a_state_of_many_parts_is_loaded_whole() {
    let state = at_the_start((1..5_001).rev());
    let replica = Replica::load(&state, &Budget::unlimited()).unwrap();
    assert_eq!(replica.clocks().len(), 5_000);
    let again = Replica::load(&replica.state(), &Budget::unlimited()).unwrap();
    assert_eq!(again.state_vector(), replica.state_vector());
    assert_eq!(again.content(), replica.content());
}
