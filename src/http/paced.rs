//! Answers that are the same for everybody who asks at the same time.

use std::time::Duration;

use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

/// A value that is made for all who wait for it, and not more often than once in a period. It is never older than the
/// question.
pub struct Paced<T> {
    period: Duration,
    last: Mutex<Option<Made<T>>>,
}

struct Made<T> {
    begun: Instant,
    done: Instant,
    value: T,
}

impl<T: Clone> Paced<T> {
    /// Creates a value that is made at most once in `period`.
    #[must_use]
    pub fn new(period: Duration) -> Self {
        Self { period, last: Mutex::new(None) }
    }

    /// Returns the value, made after this call unless another call was making it.
    ///
    /// # Cancel safety
    /// The value may be made although nobody receives it.
    pub async fn get(&self, make: impl Future<Output = T>) -> T {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if let Some(made) = &*last {
            if made.done > asked {
                return made.value.clone();
            }
            sleep_until(made.begun + self.period).await;
        }
        let begun = Instant::now();
        let value = make.await;
        *last = Some(Made { begun, done: Instant::now(), value: value.clone() });
        value
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_who_ask_at_once_get_one_value() {
        let (paced, made) = (Paced::new(Duration::from_millis(100)), Cell::new(0));
        let ask = || {
            paced.get(async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                made.set(made.get() + 1);
                made.get()
            })
        };
        let values = futures_util::future::join_all((0..50).map(|_| ask())).await;
        assert_eq!((values, made.get()), (vec![1; 50], 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_question_waits_for_a_new_value() {
        let (paced, started) = (Paced::new(Duration::from_millis(100)), Instant::now());
        for value in 0..5 {
            assert_eq!(paced.get(async { value }).await, value);
        }
        assert_eq!(started.elapsed(), Duration::from_millis(400));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let asked = Instant::now();
        paced.get(async { 7 }).await;
        assert_eq!(asked.elapsed(), Duration::ZERO);
    }
}
