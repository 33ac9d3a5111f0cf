//! The faults that the rules have found, and the checks that many settings share.

use std::time::Duration;

use super::Fault;

/// The longest duration. A longer one is a typing mistake, and adding it to a time could overflow.
const MAX_DURATION: Duration = Duration::from_hours(24 * 365);

/// The faults found so far, at most one for each setting.
#[derive(Default)]
pub(super) struct FaultList(Vec<Fault>);

impl FaultList {
    /// Adds a fault unless the rule holds or the setting has a fault already.
    pub(super) fn unless(&mut self, holds: bool, key: &str, problem: impl FnOnce() -> String) {
        if !holds && self.0.iter().all(|fault| fault.key != key) {
            self.0.push(Fault::new(key, problem()));
        }
    }

    /// Adds a fault if `value` is less than `min`.
    pub(super) fn at_least(&mut self, key: &str, value: usize, min: usize) {
        self.unless(value >= min, key, || {
            format!("{value} is too small. Set it to at least {min}.")
        });
    }

    /// Adds a fault if `value` is more than `max`.
    pub(super) fn at_most(&mut self, key: &str, value: usize, max: usize) {
        self.unless(value <= max, key, || {
            format!("{value} is too large. Set it to at most {max}.")
        });
    }

    /// Adds a fault if `value` is shorter than `min` or longer than a year.
    pub(super) fn duration(&mut self, key: &str, value: Duration, min: Duration) {
        self.unless(value >= min, key, || {
            format!("{} is too short. Set it to at least {}.", shown(value), shown(min))
        });
        self.no_longer_than(key, value, MAX_DURATION);
    }

    /// Adds a fault if `value` is longer than `max`.
    pub(super) fn no_longer_than(&mut self, key: &str, value: Duration, max: Duration) {
        self.unless(value <= max, key, || {
            format!("{} is too long. Set it to at most {}.", shown(value), shown(max))
        });
    }

    pub(super) fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

/// Formats a duration as settings write it.
pub(super) fn shown(time: Duration) -> String {
    humantime_serde::re::humantime::format_duration(time).to_string()
}
