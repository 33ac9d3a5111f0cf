//! Large changes, which are rendered on another thread while the room goes on.
//!
//! Invariant: each subscriber is sent the changes in order. While a large change of an audience is rendered, the later ones
//! wait; if that does not work out, its subscribers are behind from the large change on.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    Audience, AudienceKey, Audiences, Broadcast, BroadcastReport, Listener, frame_of_change,
};
use crate::{
    domain::{Event, UserId, Version},
    editing::loader::MAX_INLINE_BYTES,
    metrics::{BehindCause, Metrics},
    outbox::{OutboxFrame, SeatFrame, SeatId},
    room::delivery::{
        large_events::{LargeEvent, LargeEvents},
        render::{ChangeBytes, RenderError},
    },
};

/// The most changes that wait for a large one, and the most bytes that they keep.
const MAX_WAITING: usize = 1_000;
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// The most users in whose turn a large change may be rendered. The first of them to have one is enough.
const MAX_USERS: usize = 8;

/// The rendering of one large change for one audience. Unique in this process and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::room) struct RenderingId(u64);

impl RenderingId {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A large change that is to be rendered for an audience.
#[derive(Debug)]
pub(in crate::room) struct AudienceRendering {
    pub(in crate::room) audience: AudienceKey,
    pub(in crate::room) id: RenderingId,
    /// The first subscribers to be sent it.
    pub(in crate::room) users: Vec<UserId>,
    pub(in crate::room) event: LargeEvent,
}

/// A large change that is being rendered, and what waits for it.
pub(super) struct Rendering {
    id: RenderingId,
    version: Version,
    broadcast: Broadcast,
    waiting: VecDeque<Broadcast>,
}

impl Rendering {
    fn has_capacity(&self, next: &Broadcast) -> bool {
        let kept = |broadcast: &Broadcast| broadcast.bytes.map_or(0, ChangeBytes::kept);
        let bytes: usize = self.waiting.iter().map(kept).sum();
        self.waiting.is_empty()
            || (self.waiting.len() < MAX_WAITING && bytes + kept(next) <= MAX_WAITING_BYTES)
    }
}

impl Audiences {
    /// Sends a rendered change to its subscribers, then what has waited for it. Returns nothing if the rendering is not wanted
    /// any more.
    pub(in crate::room) fn end_rendering(
        &mut self,
        key: &AudienceKey,
        id: RenderingId,
        rendered: Result<Bytes, RenderError>,
        events: &LargeEvents,
    ) -> Option<(Instant, BroadcastReport)> {
        let audience = self.audiences.get_mut(key)?;
        let rendering = audience.rendering.take_if(|rendering| rendering.id == id)?;
        let (accepted, mut report) = (rendering.broadcast.accepted, BroadcastReport::default());
        match rendered {
            Ok(rendered) => {
                let Rendering { broadcast, waiting, .. } = *rendering;
                audience.send_rendered(&broadcast, &rendered, events, &mut report, &self.metrics);
                audience.continue_with(key, waiting, &mut report, &self.metrics);
            }
            Err(RenderError::Busy) => {
                let cause = BehindCause::LargeChange;
                report.behind = audience.fall_behind(rendering.version, cause, &self.metrics);
            }
            Err(error) => audience.report_broken(&error, &mut report),
        }
        Some((accepted, report))
    }
}

impl Audience {
    /// Takes an event: sends it, or has it wait or be rendered on another thread.
    pub(super) fn take(
        &mut self,
        key: &AudienceKey,
        broadcast: &Broadcast,
        report: &mut BroadcastReport,
        metrics: &Metrics,
    ) {
        let bytes = broadcast.bytes.map(|bytes| bytes.selected(self.large_fields));
        match (bytes, &mut self.rendering) {
            (Some(_), Some(rendering)) if rendering.has_capacity(broadcast) => {
                rendering.waiting.push_back(broadcast.clone());
            }
            (Some(_), Some(rendering)) => {
                let next = rendering.version;
                report.behind.extend(self.fall_behind(next, BehindCause::LargeChange, metrics));
            }
            (Some(bytes), None) if bytes > MAX_INLINE_BYTES => {
                self.begin_rendering(key, broadcast, bytes, report, metrics);
            }
            (_, _) => self.send(broadcast, report, metrics),
        }
    }

    /// Has a large change rendered, if any subscriber can be sent it.
    fn begin_rendering(
        &mut self,
        key: &AudienceKey,
        broadcast: &Broadcast,
        bytes: usize,
        report: &mut BroadcastReport,
        metrics: &Metrics,
    ) {
        let Event::Changed(change) = broadcast.event.event() else { return };
        let mut users = Vec::new();
        let recipients = self.listeners.iter_mut().filter(|one| one.is_recipient(broadcast));
        for Listener { seat, progress, .. } in recipients {
            let frame = SeatFrame::Change(change.version, OutboxFrame::default());
            if let Some(refused) = seat.outbox().refuse(seat.id(), frame) {
                report.add(refused, seat, progress, metrics);
            } else if users.len() < MAX_USERS && !users.contains(&seat.user().id) {
                users.push(seat.user().id);
            }
        }
        if users.is_empty() {
            return;
        }
        let (id, renderer) = (RenderingId::new(), self.renderer.another());
        let event = LargeEvent { renderer, event: broadcast.event.clone(), bytes };
        report.renderings.push(AudienceRendering { audience: key.clone(), id, users, event });
        let (version, broadcast) = (change.version, broadcast.clone());
        let waiting = VecDeque::new();
        self.rendering = Some(Box::new(Rendering { id, version, broadcast, waiting }));
    }

    /// Sends a large change that was rendered. Subscribers whose user has no memory for it fall behind.
    fn send_rendered(
        &mut self,
        broadcast: &Broadcast,
        rendered: &Bytes,
        events: &LargeEvents,
        report: &mut BroadcastReport,
        metrics: &Metrics,
    ) {
        let Event::Changed(change) = broadcast.event.event() else { return };
        let mut copies = HashMap::new();
        let recipients = self.listeners.iter_mut().filter(|one| one.is_recipient(broadcast));
        for Listener { seat, operation, progress, .. } in recipients {
            let user = seat.user().id;
            let copy = copies.entry(user).or_insert_with(|| events.claim_for(user, rendered).ok());
            match copy {
                Some(copy) => {
                    let frame = self.renderer.frame_around(copy.clone(), operation);
                    let pushed = seat.outbox().send(seat.id(), frame_of_change(change, frame));
                    report.add(pushed.outcome, seat, progress, metrics);
                }
                None => {
                    let cause = BehindCause::LargeChange;
                    progress.fall_behind(change.version, cause, seat, metrics);
                    report.behind.push(seat.id());
                }
            }
        }
    }

    /// Takes what has waited for a rendering, up to the next large change. The rest waits for that.
    fn continue_with(
        &mut self,
        key: &AudienceKey,
        mut waiting: VecDeque<Broadcast>,
        report: &mut BroadcastReport,
        metrics: &Metrics,
    ) {
        while let Some(next) = waiting.pop_front() {
            self.take(key, &next, report, metrics);
            if let Some(rendering) = &mut self.rendering {
                rendering.waiting = waiting;
                return;
            }
            if !report.broken.is_empty() {
                return;
            }
        }
    }

    /// Puts every live subscriber behind from `next` on, or from the large change on that they wait for. Returns them.
    pub(super) fn fall_behind(
        &mut self,
        next: Version,
        cause: BehindCause,
        metrics: &Metrics,
    ) -> Vec<SeatId> {
        let next = self.rendering.take().map_or(next, |rendering| rendering.version.min(next));
        let mut behind = Vec::new();
        for Listener { seat, progress, .. } in &mut self.listeners {
            if progress.is_live() {
                let next = progress.next().max(next);
                progress.fall_behind(next, cause, seat, metrics);
                behind.push(seat.id());
            }
        }
        behind
    }
}
