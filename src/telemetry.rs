//! Logging: which events are written, and in which format.
//!
//! Events of `tracing`, and of libraries that use `log`, go to standard error, as text or as JSON. Standard output is
//! for the output of commands. The settings select the events; this module does not read the environment.

use std::{
    io::{self, IsTerminal},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use serde::Deserialize;
use thiserror::Error;
use tracing::{Metadata, Subscriber, subscriber::Interest};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{ParseError, dynamic_filter_fn},
    fmt::MakeWriter,
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::{SubscriberInitExt, TryInitError},
};

/// The number of log lines that may wait to be written.
const MAX_WAITING_LINES: usize = 4_096;

/// The library that applies migrations. Its events repeat ours, so they are written only if the filter names it.
const MIGRATION_LIBRARY: &str = "sea_orm_migration";

/// The part of the framework that accepts connections.
const ACCEPTOR: &str = "actix_server::accept";

/// The section `telemetry` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryOptions {
    /// Which events are written, in the syntax of `RUST_LOG`.
    pub filter: String,
    /// The format of a log line.
    pub format: LogFormat,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line, for programs.
    Json,
}

impl TryFrom<String> for LogFormat {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{name:?} is neither \"text\" nor \"json\"")),
        }
    }
}

/// Why logging could not start.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter has a syntax error.
    #[error("The log filter is invalid. Write it like \"info\" or \"warn,coscribe=debug\".")]
    Filter(#[from] ParseError),
    /// The process has a logger already.
    #[error("Logging was started twice in one process. Start it once.")]
    Started(#[from] TryInitError),
}

impl TelemetryOptions {
    /// Checks the filter.
    ///
    /// # Errors
    /// The filter has a syntax error.
    pub fn check(&self) -> Result<(), TelemetryError> {
        self.filter().map(drop)
    }

    fn filter(&self) -> Result<EnvFilter, TelemetryError> {
        let filter = EnvFilter::builder().parse(&self.filter)?;
        if self.filter.contains(MIGRATION_LIBRARY) {
            return Ok(filter);
        }
        Ok(filter.add_directive(format!("{MIGRATION_LIBRARY}=off").parse()?))
    }
}

/// Counts the log lines that were dropped because too many waited, once logging has started.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Counts the log lines that could not be written.
static UNWRITTEN: AtomicU64 = AtomicU64::new(0);

/// Standard error, whose reader may have gone. A line that cannot be written is dropped and counted.
struct LossyStderr;

impl io::Write for LossyStderr {
    /// Writes a line. The logging thread passes each line in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if io::stderr().write_all(line).is_err() {
            UNWRITTEN.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps logging alive. Dropping it waits until the lines that wait are written, for at most a second.
#[must_use = "without it nothing is logged"]
#[derive(Debug)]
pub struct Logging {
    guard: Option<WorkerGuard>,
}

/// How long the end of the process waits for its last log lines.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

impl Drop for Logging {
    fn drop(&mut self) {
        // Where nobody reads the log, the guard waits without a limit. The process ends although its thread does not.
        let (flushed, waiting) = mpsc::channel::<()>();
        let guard = self.guard.take();
        thread::spawn(move || {
            drop(guard);
            drop(flushed);
        });
        // The channel is closed when the lines are written.
        let _closed_or_late = waiting.recv_timeout(FLUSH_WITHIN);
    }
}

/// Starts to log the events of this process to standard error.
///
/// A thread of its own writes the lines. Lines that nobody reads, or that cannot be written, are dropped: the process must
/// never wait for its log.
///
/// # Errors
/// The filter has a syntax error, or logging was started before.
pub fn start(options: &TelemetryOptions) -> Result<Logging, TelemetryError> {
    let colors = io::stderr().is_terminal();
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_WAITING_LINES)
        .finish(LossyStderr);
    let dropped = writer.error_counter();
    subscriber(options, writer, colors, &HAS_CLOSED_LISTENERS)?.try_init()?;
    DROPPED.get_or_init(|| dropped);
    Ok(Logging { guard: Some(guard) })
}

/// Returns how many log lines were dropped because nobody read them or they could not be written.
#[must_use]
pub fn dropped_lines() -> u64 {
    let dropped = DROPPED.get().map_or(0, |dropped| dropped.dropped_lines() as u64);
    dropped + UNWRITTEN.load(Ordering::Relaxed)
}

/// Whether the node has closed its listening sockets.
static HAS_CLOSED_LISTENERS: AtomicBool = AtomicBool::new(false);

/// Notes that the node is closing its listening sockets, from which the framework may still try to accept. What it
/// reports from now on is no fault.
pub fn listeners_close() {
    HAS_CLOSED_LISTENERS.store(true, Ordering::Relaxed);
}

/// Drops the events of the framework's acceptor once `has_closed` is set.
fn acceptor_filter<S>(has_closed: &'static AtomicBool) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let is_of_acceptor = |metadata: &Metadata<'_>| metadata.target() == ACCEPTOR;
    dynamic_filter_fn(move |metadata, _context| {
        !is_of_acceptor(metadata) || !has_closed.load(Ordering::Relaxed)
    })
    .with_callsite_filter(move |metadata| match is_of_acceptor(metadata) {
        true => Interest::sometimes(),
        false => Interest::always(),
    })
}

fn subscriber<W>(
    options: &TelemetryOptions,
    writer: W,
    colors: bool,
    has_closed_listeners: &'static AtomicBool,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt()
        .with_env_filter(options.filter()?)
        .with_writer(writer)
        .with_ansi(colors);
    Ok(match options.format {
        LogFormat::Text => Box::new(lines.finish().with(acceptor_filter(has_closed_listeners))),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).finish();
            Box::new(lines.with(acceptor_filter(has_closed_listeners)))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    /// Returns the log lines of two events in a span.
    fn written(filter: &str, format: LogFormat) -> String {
        logged(filter, format, &HAS_CLOSED_LISTENERS, || {
            let span = tracing::info_span!("session", session.id = 7);
            let _inside = span.enter();
            tracing::info!(room.members = 2, "joined");
            tracing::debug!("looked around");
        })
    }

    /// Returns the log lines of `work`.
    fn logged(
        filter: &str,
        format: LogFormat,
        has_closed: &'static AtomicBool,
        work: impl FnOnce(),
    ) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let options = TelemetryOptions { filter: filter.to_owned(), format };
        let writer = move || Sink(Arc::clone(&sink));
        let subscriber = subscriber(&options, writer, false, has_closed).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = lines.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_json_line_has_message_fields_and_span() {
        let lines = written("info", LogFormat::Json);
        let line: Value = serde_json::from_str(lines.trim()).unwrap();
        assert_eq!(line["message"], "joined");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["room.members"], 2);
        assert_eq!(line["span"]["session.id"], 7);
    }

    #[test]
    fn the_filter_selects_the_events() {
        let one = written("info", LogFormat::Text);
        assert!(one.contains("joined") && one.lines().count() == 1, "{one}");
        let both = written("warn,coscribe=debug", LogFormat::Text);
        assert!(both.contains("looked around") && both.lines().count() == 2, "{both}");
        assert_eq!(written("off", LogFormat::Text), "");
    }

    #[test]
    fn the_acceptor_may_fail_once_the_listeners_are_closed() {
        static HAS_CLOSED: AtomicBool = AtomicBool::new(false);
        for format in [LogFormat::Text, LogFormat::Json] {
            HAS_CLOSED.store(false, Ordering::Relaxed);
            let lines = logged("info", format, &HAS_CLOSED, || {
                let fail = |cause: &str| tracing::error!(target: "actix_server::accept", cause);
                fail("too many open files");
                HAS_CLOSED.store(true, Ordering::Relaxed);
                fail("invalid argument");
                tracing::error!("another fault");
            });
            assert!(lines.contains("too many open files"), "{lines}");
            assert!(!lines.contains("invalid argument"), "{lines}");
            assert!(lines.contains("another fault"), "{lines}");
        }
    }

    #[test]
    fn the_events_of_the_migration_library_are_written_only_if_the_filter_names_it() {
        let apply = || tracing::info!(target: "sea_orm_migration::migrator::exec", "applying");
        let lines = |filter| logged(filter, LogFormat::Text, &HAS_CLOSED_LISTENERS, apply);
        assert_eq!(lines("info"), "");
        assert!(lines("info,sea_orm_migration=info").contains("applying"));
    }

    #[test]
    fn a_filter_with_a_syntax_error_is_refused() {
        let options = TelemetryOptions { filter: "coscribe=loud".into(), format: LogFormat::Text };
        assert!(matches!(options.check(), Err(TelemetryError::Filter(_))));
    }
}
