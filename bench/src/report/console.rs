//! Standard output and standard error.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one file that prints")]

/// Prints the summary.
pub(crate) fn print(text: &str) {
    println!("{text}");
}

/// Prints how far the run is.
pub(crate) fn progress(line: &str) {
    eprintln!("{line}");
}

/// Prints why the run failed.
pub(crate) fn complain(sentence: &str) {
    eprintln!("coscribe-bench: {sentence}");
}
