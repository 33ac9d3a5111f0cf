//! How far a subscriber's changes have been delivered, for both protocols.
//!
//! A subscriber is live (it receives each change as it is broadcast) or behind (it receives what it misses as its outbox has
//! capacity). A Yjs editor that has not sent its state vector yet waits.
//!
//! Invariant: a subscriber counts in `coscribe_seats_behind` exactly while it is behind.

use tokio::time::Instant;

use crate::{
    domain::Version,
    metrics::{BehindCause, GaugeGuard, Metrics},
    room::members::seat::Seat,
};

/// The progress of one subscriber.
#[derive(Debug)]
pub(super) struct Progress {
    phase: DeliveryPhase,
    /// The change that the subscriber must receive next.
    next: Version,
}

#[derive(Debug)]
enum DeliveryPhase {
    Waiting,
    Live,
    Behind(Lag),
}

/// Since when and why a subscriber is behind.
#[derive(Debug)]
struct Lag {
    since: Instant,
    cause: BehindCause,
    _counted: GaugeGuard,
}

impl Progress {
    /// Returns the progress of a subscriber that receives no change until it has caught up for the first time.
    pub(super) fn waiting() -> Self {
        Self { phase: DeliveryPhase::Waiting, next: Version::FIRST }
    }

    /// Returns the progress of a subscriber that has everything before `next`.
    pub(super) fn live(next: Version) -> Self {
        Self { phase: DeliveryPhase::Live, next }
    }

    /// Returns the change that the subscriber must receive next.
    pub(super) fn next(&self) -> Version {
        self.next
    }

    /// Whether the subscriber receives changes as they are broadcast.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.phase, DeliveryPhase::Live)
    }

    /// Whether the subscriber has not caught up for the first time.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.phase, DeliveryPhase::Waiting)
    }

    /// Whether the subscriber is sent what it misses.
    pub(super) fn is_behind(&self) -> bool {
        matches!(self.phase, DeliveryPhase::Behind(_))
    }

    /// Whether a broadcast change is due. A live subscriber may have started from a newer text than was broadcast.
    pub(super) fn is_due(&self, version: Version) -> bool {
        self.is_live() && version >= self.next
    }

    /// Notes that everything before `next` was delivered.
    pub(super) fn advance(&mut self, next: Version) {
        self.next = next;
    }

    /// Puts the subscriber behind: it is sent everything from `next` on later.
    pub(super) fn fall_behind(
        &mut self,
        next: Version,
        cause: BehindCause,
        seat: &Seat,
        metrics: &Metrics,
    ) {
        self.next = next;
        if self.is_behind() {
            return;
        }
        let (since, counted) = (Instant::now(), metrics.behind());
        self.phase = DeliveryPhase::Behind(Lag { since, cause, _counted: counted });
        metrics.fell_behind(cause);
        let (session, user, document) = (seat.session(), seat.user().id, seat.document());
        match cause {
            // A replay that the client asked for is nothing unusual.
            BehindCause::Since => tracing::debug!(
                session.id = %session, user.id = %user, document.id = %document,
                cause = cause.label(), %next, "subscriber starts with a replay"
            ),
            BehindCause::OutboxFull
            | BehindCause::LogGap
            | BehindCause::LostChanges
            | BehindCause::LargeChange => {
                tracing::warn!(
                    session.id = %session, user.id = %user, document.id = %document,
                    cause = cause.label(), %next, "subscriber fell behind"
                );
            }
        }
    }

    /// Makes the subscriber live: everything before `next` was delivered.
    pub(super) fn mark_live(&mut self, next: Version, seat: &Seat) {
        self.next = next;
        if let DeliveryPhase::Behind(lag) = &self.phase {
            let behind_ms = lag.since.elapsed().as_millis();
            let (session, user, document) = (seat.session(), seat.user().id, seat.document());
            match lag.cause {
                BehindCause::Since => tracing::debug!(
                    session.id = %session, user.id = %user, document.id = %document,
                    cause = lag.cause.label(), behind_ms, "subscriber caught up"
                ),
                BehindCause::OutboxFull
                | BehindCause::LogGap
                | BehindCause::LostChanges
                | BehindCause::LargeChange => {
                    tracing::info!(
                        session.id = %session, user.id = %user, document.id = %document,
                        cause = lag.cause.label(), behind_ms, "subscriber caught up"
                    );
                }
            }
        }
        self.phase = DeliveryPhase::Live;
    }
}
