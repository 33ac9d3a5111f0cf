//! Work that runs inline or on a worker thread, depending on its bytes.

use super::LoadError;

/// The most bytes that are worked on inline. More runs on a worker thread, so that sockets are served meanwhile.
pub(crate) const MAX_INLINE_BYTES: usize = 64 * 1024;

/// Runs `work` on `bytes` bytes: inline if they are few, otherwise on a worker thread.
///
/// # Errors
/// [`LoadError::Aborted`] if it panics.
pub(crate) async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LoadError> {
    if bytes <= MAX_INLINE_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_panicked| LoadError::Aborted)
}
