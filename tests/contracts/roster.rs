//! The contract of rosters.

use std::{
    sync::{Arc, atomic::AtomicU8},
    time::Duration,
};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use coscribe::{
    domain::{Color, Cursor, DocumentId, NodeId, Position, Presence, SessionId, User, UserId},
    metrics::Metrics,
    roster::{LocalRoster, RedisRoster, Roster, RosterOptions, SessionEvictor, SlotError},
};
use kit::expect_eventually;
use parking_lot::Mutex;

use crate::{
    contract,
    servers::{Over, signer},
};

contract!(
    a_slot_beyond_the_limit_is_refused_until_one_is_released,
    a_session_belongs_to_its_user_while_it_holds_a_slot,
    a_session_is_listed_from_enter_to_exit_with_its_last_cursor,
    arrivals_and_departures_are_counted,
);

/// The sessions that were evicted.
#[derive(Default)]
struct Evicted(Mutex<Vec<SessionId>>);

impl SessionEvictor for Evicted {
    fn evict(&self, session: SessionId) {
        self.0.lock().push(session);
    }
}

/// Starts the rosters of `count` nodes: one if it is in memory, none if there is no server.
async fn rosters(over: Over, count: usize) -> Vec<Arc<dyn Roster>> {
    if over == Over::Memory {
        return vec![Arc::new(LocalRoster::default())];
    }
    let Some((server, keys)) = over.server() else { return vec![] };
    let options =
        RosterOptions { lease: Duration::from_secs(15), renew_every: Duration::from_secs(5) };
    let mut rosters: Vec<Arc<dyn Roster>> = Vec::new();
    for _ in 0..count {
        let (server, keys) = (server.clone(), keys.clone());
        let (roster, mut keeper) =
            RedisRoster::new(server, keys, NodeId::new(), signer(), options, Metrics::new());
        let version = Arc::new(AtomicU8::new(1));
        keeper.begin(&version).await;
        assert!(roster.is_up());
        actix_web::rt::spawn(async move { keeper.run(&Evicted::default(), &version).await });
        rosters.push(Arc::new(roster));
    }
    rosters
}

fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

fn presence(document: DocumentId, after: i64) -> Presence {
    let user = User { id: UserId::new(), name: "Alice".into() };
    let at = now() + TimeDelta::seconds(after);
    Presence {
        document,
        session: SessionId::new(),
        color: Color::of(document, user.id),
        user,
        cursor: None,
        joined_at: at,
        last_seen: at,
    }
}

async fn a_slot_beyond_the_limit_is_refused_until_one_is_released(over: Over) {
    let rosters = rosters(over, 2).await;
    let (Some(one), Some(other)) = (rosters.first(), rosters.last()) else { return };
    let user = UserId::new();
    let [first, second, third] = [(); 3].map(|()| SessionId::new());
    one.take_slot(user, first, 2).await.unwrap();
    one.take_slot(user, first, 2).await.unwrap();
    other.take_slot(user, second, 2).await.unwrap();

    for roster in &rosters {
        let refused = roster.take_slot(user, third, 2).await;
        assert_eq!(refused, Err(SlotError::LimitReached { limit: 2 }));
    }
    other.take_slot(UserId::new(), SessionId::new(), 2).await.unwrap();

    one.release_slot(user, first);
    one.release_slot(user, first);
    expect_eventually("a free slot", async || other.take_slot(user, third, 2).await.is_ok()).await;
    let refused = one.take_slot(user, first, 2).await;
    assert_eq!(refused, Err(SlotError::LimitReached { limit: 2 }));
}

async fn a_session_belongs_to_its_user_while_it_holds_a_slot(over: Over) {
    let rosters = rosters(over, 2).await;
    let (Some(one), Some(other)) = (rosters.first(), rosters.last()) else { return };
    let (user, stranger, session) = (UserId::new(), UserId::new(), SessionId::new());
    assert_eq!(other.find_session_owner(session, user).await, Ok(None));
    one.take_slot(user, session, 2).await.unwrap();
    for roster in &rosters {
        assert_eq!(roster.find_session_owner(session, user).await, Ok(Some(user)));
        assert_ne!(roster.find_session_owner(session, stranger).await, Ok(Some(stranger)));
    }
    one.release_slot(user, session);
    expect_eventually("a session without a user", async || {
        other.find_session_owner(session, user).await == Ok(None)
    })
    .await;
}

async fn a_session_is_listed_from_enter_to_exit_with_its_last_cursor(over: Over) {
    let rosters = rosters(over, 2).await;
    let (Some(one), Some(other)) = (rosters.first(), rosters.last()) else { return };
    let document = DocumentId::new();
    let (first, mut second) = (presence(document, 0), presence(document, 1));
    one.enter(first.clone());
    other.enter(second.clone());
    let cursor = Cursor { head: Position::new(1, 2).unwrap(), anchor: None };
    let at = now();
    other.touch(document, second.session, Some(cursor), at);
    (second.cursor, second.last_seen) = (Some(cursor), at);
    // A session that is not present has no cursor.
    one.touch(document, SessionId::new(), Some(cursor), at);

    let both = vec![first.clone(), second.clone()];
    for roster in &rosters {
        expect_eventually("both in the list", async || roster.list(document).await == both).await;
        let found = roster.find_presence(document, second.session).await;
        assert_eq!(found, Ok(Some(second.clone())));
    }
    assert_eq!(one.list(DocumentId::new()).await, vec![]);

    one.exit(document, first.session);
    one.exit(document, first.session);
    other.exit(document, second.session);
    for roster in &rosters {
        expect_eventually("an empty list", async || roster.list(document).await.is_empty()).await;
        assert_eq!(roster.find_presence(document, first.session).await, Ok(None));
    }
}

async fn arrivals_and_departures_are_counted(over: Over) {
    let rosters = rosters(over, 2).await;
    let Some(one) = rosters.first() else { return };
    let document = DocumentId::new();
    assert_eq!(one.find_snapshot(document).await.unwrap().elsewhere, vec![]);
    assert_eq!(one.find_sequences(&[document]).await, Some(vec![]));
    let [_, other] = &rosters[..] else { return };

    let (first, second) = (presence(document, 0), presence(document, 1));
    let count = async || {
        let found = one.find_sequences(&[document]).await.unwrap();
        found.first().map_or(0, |(_, sequence)| sequence.number)
    };
    other.enter(first.clone());
    expect_eventually("the first arrival", async || count().await == 1).await;
    one.enter(second.clone());
    expect_eventually("the second arrival", async || count().await == 2).await;
    // Each node lists the sessions of the other, not its own.
    let standing = one.find_snapshot(document).await.unwrap();
    assert_eq!((standing.elsewhere, standing.sequence.number), (vec![first.clone()], 2));
    let standing = other.find_snapshot(document).await.unwrap();
    assert_eq!(standing.elsewhere, vec![second]);

    other.exit(document, first.session);
    expect_eventually("a departure", async || count().await == 3).await;
    assert_eq!(one.find_snapshot(document).await.unwrap().elsewhere, vec![]);
}
