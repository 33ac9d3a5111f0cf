//! The numbers of rows in statements with lists of values.
//!
//! The text of such a statement depends on the number of its rows. A database compiles each text that it has not seen before, which
//! takes longer than to run it, and a connection keeps only a hundred compiled statements. So larger numbers are powers of two: there
//! are a dozen texts instead of a thousand. A list that may have more rows is filled up. Others are divided, unless they are short:
//! each part is a statement more.

/// How many rows one statement has at most. It may have 32,766 values in SQLite and 65,535 in PostgreSQL.
const MAX_ROWS: usize = 1024;

/// The longest list that is not divided.
const MAX_SHORT: usize = 8;

/// Appends copies of `filler` to a list of rows, up to the next power of two.
pub(super) fn fill_up<T: Clone>(rows: &mut Vec<T>, filler: &T) {
    let filled = rows.len().next_power_of_two();
    // An empty list needs no statement.
    if !rows.is_empty() {
        rows.resize(filled, filler.clone());
    }
}

/// Divides rows into lists whose lengths are powers of two, or at most eight, in their order.
pub(super) fn divide<T>(rows: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut rows = rows.into_iter();
    std::iter::from_fn(move || {
        let left = rows.len().min(MAX_ROWS);
        let power = 1 << left.checked_ilog2()?;
        let length = if left <= MAX_SHORT { left } else { power };
        Some(rows.by_ref().take(length).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_filled_up_to_a_power_of_two() {
        for (count, filled) in [(0, 0), (1, 1), (2, 2), (3, 4), (64, 64), (65, 128)] {
            let mut rows: Vec<_> = (0..count).collect();
            fill_up(&mut rows, &-1);
            assert_eq!(rows.len(), filled);
            assert!(rows.iter().skip(count as usize).all(|row| *row == -1));
        }
    }

    #[test]
    fn divided_lists_have_all_rows_in_their_order() {
        for count in [0, 1, 2, 3, 37, 1023, 1024, 1025, 5000] {
            let lists: Vec<Vec<usize>> = divide((0..count).collect()).collect();
            let is_common = |length: usize| length <= MAX_SHORT || length.is_power_of_two();
            assert!(lists.iter().all(|list| is_common(list.len())), "{count}");
            assert!(lists.iter().all(|list| list.len() <= MAX_ROWS), "{count}");
            assert_eq!(lists.len() <= 1, count <= MAX_SHORT || count.is_power_of_two(), "{count}");
            assert!(lists.concat().into_iter().eq(0..count), "{count}");
        }
    }
}
