//! Compares the queue with a model: a plain list with the same rules.

use proptest::prelude::*;

use super::*;
use crate::outbox::InFlightCount;

const BOUND: usize = 100;

/// One step in the life of a queue; seats and sessions by number.
#[derive(Debug, Clone)]
enum Step {
    Reply(usize),
    Cursor(usize, usize, usize),
    Joined(usize, usize, usize),
    Left(usize, usize, usize),
    Change(usize, usize),
    Lasting(usize, usize),
    EndSeat(usize, Option<usize>),
    Beat(Beat, usize),
    Take,
    Close(Closing),
    Abandon,
}

fn step() -> impl Strategy<Value = Step> {
    let (seat, about, length) = (0..3_usize, 0..4_usize, 1..40_usize);
    let beat = proptest::sample::select(vec![Beat::Ping, Beat::Pong]);
    let of_session = (seat.clone(), about, length.clone());
    prop_oneof![
        2 => length.clone().prop_map(Step::Reply),
        8 => of_session.clone().prop_map(|(s, a, l)| Step::Cursor(s, a, l)),
        6 => of_session.clone().prop_map(|(s, a, l)| Step::Joined(s, a, l)),
        6 => of_session.prop_map(|(s, a, l)| Step::Left(s, a, l)),
        6 => (seat.clone(), length.clone()).prop_map(|(s, l)| Step::Change(s, l)),
        1 => (seat.clone(), length.clone()).prop_map(|(s, l)| Step::Lasting(s, l)),
        1 => (seat, proptest::option::of(length.clone())).prop_map(|(s, l)| Step::EndSeat(s, l)),
        2 => (beat, length).prop_map(|(b, l)| Step::Beat(b, l)),
        4 => Just(Step::Take),
        1 => proptest::sample::select(vec![Closing::AfterWaiting, Closing::AtOnce])
            .prop_map(Step::Close),
    ]
}

/// Mostly an open queue; sometimes one that is closed or abandoned on the way.
fn life() -> impl Strategy<Value = Vec<Step>> {
    let open =
        step().prop_map(|step| if matches!(step, Step::Close(_)) { Step::Take } else { step });
    let end = prop_oneof![Just(Step::Abandon), step()];
    (proptest::collection::vec(open, 0..120), end, proptest::collection::vec(step(), 0..12))
        .prop_map(|(mut steps, end, after)| {
            steps.push(end);
            steps.extend(after);
            steps
        })
}

/// The class of a frame in the model; seats and sessions by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Reply,
    Cursor(usize, usize),
    Joined(usize, usize),
    Left(usize),
    Change(usize, Version),
    Beat(Beat),
}

impl Tag {
    fn is_of(self, seat: usize) -> bool {
        match self {
            Self::Cursor(of, _) | Self::Joined(of, _) | Self::Left(of) | Self::Change(of, _) => {
                of == seat
            }
            Self::Reply | Self::Beat(_) => false,
        }
    }
}

/// The same rules over a plain list, without regard to cost.
#[derive(Default)]
struct Model {
    waiting: Vec<(Tag, Vec<u8>)>,
    is_closing: bool,
    is_over: bool,
}

impl Model {
    fn bytes(&self) -> usize {
        self.waiting.iter().map(|(_, frame)| frame.len()).sum()
    }

    fn is_full(&self) -> bool {
        !self.waiting.is_empty() && self.bytes() >= BOUND
    }

    fn position(&self, tag: Tag) -> Option<usize> {
        self.waiting.iter().position(|(other, _)| *other == tag)
    }

    fn append(&mut self, tag: Tag, frame: Vec<u8>) -> PushOutcome {
        self.waiting.push((tag, frame));
        PushOutcome::Queued
    }

    /// Replaces a queued frame, or appends. `when_full` is the outcome in a full queue, if the frame may be refused.
    fn replace_or(
        &mut self,
        tag: Tag,
        frame: Vec<u8>,
        when_full: Option<PushOutcome>,
    ) -> PushOutcome {
        let old = self.position(tag);
        let old_length = old.map_or(0, |at| self.waiting[at].1.len());
        let is_tight = match old {
            Some(_) => frame.len() > old_length && self.bytes() - old_length >= BOUND,
            None => self.is_full(),
        };
        match (when_full, old) {
            (Some(PushOutcome::Overflow), _) if is_tight => self.overflow(tag),
            (Some(outcome), _) if is_tight => outcome,
            (_, None) => self.append(tag, frame),
            (_, Some(at)) => {
                self.waiting[at].1 = frame;
                PushOutcome::Replaced
            }
        }
    }

    fn overflow(&mut self, tag: Tag) -> PushOutcome {
        self.waiting
            .retain(|(other, _)| (0..9).all(|seat| !(tag.is_of(seat) && other.is_of(seat))));
        PushOutcome::Overflow
    }

    /// Removes the queued changes of a seat, and returns the version of the first.
    fn fall_behind(&mut self, seat: usize) -> Option<Version> {
        let mut first = None;
        self.waiting.retain(|(tag, _)| match tag {
            Tag::Change(of, version) if *of == seat => {
                first.get_or_insert(*version);
                false
            }
            _ => true,
        });
        first
    }

    fn push(&mut self, number: usize, step: &Step, frame: Vec<u8>) -> PushOutcome {
        if self.is_closing || self.is_over {
            return PushOutcome::Closed;
        }
        match *step {
            Step::Reply(_) => self.append(Tag::Reply, frame),
            Step::Cursor(seat, about, _) => {
                self.replace_or(Tag::Cursor(seat, about), frame, Some(PushOutcome::Dropped))
            }
            Step::Joined(seat, about, _) => {
                self.replace_or(Tag::Joined(seat, about), frame, Some(PushOutcome::Overflow))
            }
            Step::Left(seat, about, _) => {
                if let Some(at) = self.position(Tag::Joined(seat, about)) {
                    self.waiting.remove(at);
                    return PushOutcome::Cancelled;
                }
                let full = self.is_full();
                if full {
                    self.overflow(Tag::Left(seat))
                } else {
                    self.append(Tag::Left(seat), frame)
                }
            }
            Step::Change(seat, _) => {
                let version = version(number);
                if self.is_full() {
                    return PushOutcome::Behind(self.fall_behind(seat).unwrap_or(version));
                }
                self.append(Tag::Change(seat, version), frame)
            }
            Step::Lasting(seat, _) => self.append(Tag::Left(seat), frame),
            Step::EndSeat(seat, last) => {
                self.waiting.retain(|(tag, _)| !tag.is_of(seat));
                match last {
                    Some(_) => self.append(Tag::Reply, frame),
                    None => PushOutcome::Cancelled,
                }
            }
            Step::Beat(beat, _) => self.replace_or(Tag::Beat(beat), frame, None),
            Step::Take | Step::Close(_) | Step::Abandon => panic!("not a push: {step:?}"),
        }
    }

    fn close(&mut self, closing: Closing, frame: Vec<u8>) -> PushOutcome {
        if self.is_over || (self.is_closing && closing == Closing::AfterWaiting) {
            return PushOutcome::Closed;
        }
        if closing == Closing::AtOnce {
            self.waiting.clear();
        }
        self.is_closing = true;
        self.append(Tag::Reply, frame)
    }

    /// Takes whole frames of `length` bytes together.
    fn take(&mut self, length: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while taken.len() < length && !self.waiting.is_empty() {
            taken.extend(self.waiting.remove(0).1);
        }
        if self.waiting.is_empty() && self.is_closing {
            self.is_over = true;
        }
        taken
    }
}

/// Returns the version of the change in step `number`.
fn version(number: usize) -> Version {
    Version::new(i64::try_from(number).unwrap())
}

/// Returns a frame that differs from all others: its number, then padding.
fn numbered(number: usize, length: usize) -> Vec<u8> {
    let mut frame = number.to_string().into_bytes();
    frame.resize(frame.len().max(length), b'.');
    frame
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_queue_agrees_with_the_model(steps in life()) {
        let seats: Vec<_> = (0..3).map(|_| SeatId::new()).collect();
        let sessions: Vec<_> = (0..4).map(|_| SessionId::new()).collect();
        let count = InFlightCount::default();
        let now = Instant::now();
        let mut queue = Queue::new(BOUND);
        let mut model = Model::default();
        let mut may_report = true;

        for (number, step) in steps.iter().enumerate() {
            let before = queue.bytes();
            let length = match *step {
                Step::Reply(length) | Step::Beat(_, length) => length,
                Step::Change(_, length) | Step::Lasting(_, length) => length,
                Step::Cursor(_, _, length) | Step::Joined(_, _, length) => length,
                Step::Left(_, _, length) => length,
                Step::EndSeat(_, length) => length.unwrap_or(0),
                Step::Take | Step::Close(_) | Step::Abandon => 1,
            };
            let bytes = numbered(number, length);
            let frame = Bytes::from(bytes.clone());
            let none = Bytes::new();
            let would_refuse = match *step {
                Step::Joined(seat, about, _) => {
                    let kind = PresenceChangeKind::Joined;
                    queue.would_refuse(seats[seat], &SeatFrame::Presence(sessions[about], kind, none))
                }
                Step::Left(seat, about, _) => {
                    let kind = PresenceChangeKind::Left;
                    queue.would_refuse(seats[seat], &SeatFrame::Presence(sessions[about], kind, none))
                }
                Step::Cursor(seat, about, _) => {
                    queue.would_refuse(seats[seat], &SeatFrame::Cursor(sessions[about], none))
                }
                Step::Change(seat, _) => {
                    queue.would_refuse(seats[seat], &SeatFrame::Change(version(number), none.into()))
                }
                _ => false,
            };
            let mut may_be_refused = false;
            let mut presence = |queue: &mut Queue, seat: usize, about: usize, kind| {
                may_be_refused = true;
                queue.presence(seats[seat], sessions[about], kind, frame.clone(), now)
            };
            let pushed = match *step {
                Step::Joined(seat, about, _) => {
                    presence(&mut queue, seat, about, PresenceChangeKind::Joined)
                }
                Step::Left(seat, about, _) => {
                    presence(&mut queue, seat, about, PresenceChangeKind::Left)
                }
                Step::Reply(_) => queue.reply(frame, Some(count.enter(1)), now),
                Step::Cursor(seat, about, _) => {
                    may_be_refused = true;
                    queue.cursor(seats[seat], sessions[about], frame, now)
                }
                Step::Change(seat, _) => {
                    may_be_refused = true;
                    queue.change(seats[seat], version(number), frame, now)
                }
                Step::Lasting(seat, _) => queue.lasting(seats[seat], frame, now),
                Step::EndSeat(seat, last) => {
                    queue.end_seat(seats[seat], last.map(|_| frame), now)
                }
                Step::Beat(beat, _) => queue.beat(beat, frame, now),
                Step::Close(closing) => {
                    let closed = queue.close(frame, closing, now);
                    prop_assert_eq!(closed.outcome, model.close(closing, bytes.clone()));
                    closed
                }
                Step::Take => {
                    let chunk = queue.take(now).unwrap_or_default();
                    prop_assert_eq!(chunk.is_empty(), model.waiting.is_empty());
                    prop_assert_eq!(&chunk[..], &model.take(chunk.len())[..]);
                    may_report |= !chunk.is_empty() && model.bytes() <= BOUND / 2;
                    continue;
                }
                Step::Abandon => {
                    queue.abandon();
                    model.waiting.clear();
                    model.is_over = true;
                    continue;
                }
            };
            let is_queued = matches!(pushed.outcome, PushOutcome::Queued | PushOutcome::Replaced);
            prop_assert!(!(would_refuse && is_queued), "it said that it would not queue it");
            prop_assert!(may_report || !pushed.reached_limit, "reported twice");
            may_report &= !pushed.reached_limit;
            if !matches!(step, Step::Close(_)) {
                prop_assert_eq!(pushed.outcome, model.push(number, step, bytes.clone()));
            }
            if may_be_refused {
                let limit = BOUND + bytes.len();
                prop_assert!(queue.bytes() <= before.max(limit), "{} bytes", queue.bytes());
            }
            prop_assert_eq!(queue.bytes(), model.bytes());
            prop_assert_eq!(queue.is_full(), model.is_full());
            prop_assert_eq!(queue.is_empty(), model.waiting.is_empty());
            prop_assert_eq!(queue.is_open(), !model.is_closing && !model.is_over);
            prop_assert_eq!(queue.is_over(), model.is_over);
        }

        while let Some(chunk) = queue.take(now) {
            prop_assert_eq!(&chunk[..], &model.take(chunk.len())[..]);
        }
        prop_assert!(model.waiting.is_empty());
        prop_assert_eq!((queue.bytes(), count.current()), (0, 0));
    }
}
