//! Work for many connections, spread over the threads.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::{sync::Semaphore, task::JoinSet};

/// How many connections are made at the same time when there is no hurry.
pub(crate) const UNHURRIED: usize = 64;

/// How many connections are made at the same time when all come at once. Fewer than a server lets wait for being accepted
/// (`server.backlog`): beyond that, the network makes them wait for seconds.
pub(crate) const AT_ONCE: usize = 512;

/// Does each work in a task of its own, `limit` of them at the same time. Returns the results in the order of the works.
///
/// # Errors
/// The first error of a work. The others are then ended.
pub(crate) async fn spread<T, F>(
    works: impl IntoIterator<Item = F>,
    limit: usize,
) -> anyhow::Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let (permits, mut tasks) = (Arc::new(Semaphore::new(limit)), JoinSet::new());
    for (number, work) in works.into_iter().enumerate() {
        let permits = Arc::clone(&permits);
        tasks.spawn(async move {
            let _permit = permits.acquire().await?;
            anyhow::Ok((number, work.await?))
        });
    }
    let mut results = Vec::with_capacity(tasks.len());
    while let Some(done) = tasks.join_next().await {
        results.push(done.context("a task failed")??);
    }
    results.sort_unstable_by_key(|(number, _)| *number);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use tokio::task;

    use super::*;

    #[tokio::test]
    async fn works_run_in_tasks_of_their_own_within_the_limit_and_keep_their_order() {
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let works = (0..50).map(|number| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok((number, task::id()))
            }
        });
        let results = spread(works, 7).await.unwrap();
        assert!(results.iter().map(|(number, _)| *number).eq(0..50));
        assert_eq!(results.iter().map(|(_, task)| task).collect::<HashSet<_>>().len(), 50);
        assert_eq!(most.load(Ordering::SeqCst), 7);
    }

    #[tokio::test]
    async fn an_error_is_returned() {
        let works = (0..3).map(async |number| {
            anyhow::ensure!(number != 1, "work {number} failed");
            Ok(())
        });
        assert_eq!(spread(works, 2).await.unwrap_err().to_string(), "work 1 failed");
    }
}
