//! Yjs updates that are valid and expensive.

use yrs::encoding::write::Write as _;

/// Insertions of one letter at the start of the text by many clients that have not seen each other. Two such updates conflict
/// in every pair.
pub(super) fn insertions_of_clients(first_client: usize, count: usize) -> Vec<u8> {
    let mut update = vec![];
    update.write_var(count);
    for client in first_client..first_client + count {
        update.write_var(1_usize);
        update.write_var(client);
        update.write_var(0_usize);
        update.extend([4, 1]);
        update.write_string("content");
        update.write_string("a");
    }
    update.write_var(0_usize);
    update
}

/// The client 2 writes a text, and then letters in front of it, backwards.
pub(super) fn backwards(letters: usize) -> Vec<u8> {
    let mut update = vec![1];
    update.write_var(letters + 1);
    update.extend([2, 0, 4, 1]);
    update.write_string("content");
    update.write_string(&"t".repeat(letters));
    for letter in 0..letters {
        let neighbour = if letter == 0 { 0 } else { letters + letter - 1 };
        insertion_left_of(&mut update, neighbour);
    }
    update.push(0);
    update
}

/// The client 1 inserts letters at the start, each with another right neighbour of [`backwards`]: from `from` on, `count` of
/// `letters`.
pub(super) fn between(letters: usize, from: usize, count: usize) -> Vec<u8> {
    let mut update = vec![1];
    update.write_var(count);
    update.push(1);
    update.write_var(from);
    for letter in from..from + count {
        insertion_left_of(&mut update, letters - 1 - letter);
    }
    update.push(0);
    update
}

fn insertion_left_of(update: &mut Vec<u8>, clock: usize) {
    update.extend([0x44, 2]);
    update.write_var(clock);
    update.write_string("b");
}

/// An update that deletes every other letter of the client 2, in this many ranges.
pub(super) fn deletions(ranges: usize) -> Vec<u8> {
    let mut update = vec![0, 1, 2];
    update.write_var(ranges);
    for range in 0..ranges {
        update.write_var(2 * range);
        update.write_var(1_usize);
    }
    update
}

/// Entries of a map with different keys.
pub(super) fn map_entries(client: usize, count: usize) -> Vec<u8> {
    let mut update = vec![1];
    update.write_var(count);
    update.write_var(client);
    update.push(0);
    for key in 0..count {
        // Any value, in a root, under a key.
        update.extend([0x28, 1]);
        update.write_string("m");
        update.write_string(&format!("{key:x}"));
        update.extend([1, 126]);
    }
    update.push(0);
    update
}

/// Deleted structs of many clients, each of one letter.
pub(super) fn deleted_structs_of_clients(first_client: usize, count: usize) -> Vec<u8> {
    let mut update = vec![];
    update.write_var(count);
    for client in first_client..first_client + count {
        update.write_var(1_usize);
        update.write_var(client);
        // A struct that was collected, of one letter.
        update.extend([0, 0, 1]);
    }
    update.write_var(0_usize);
    update
}
