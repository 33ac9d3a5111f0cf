//! The relay's actor: it receives, asks the pure neighbours, and carries out.
//!
//! One batch is published at a time, and one change of what is listened to is made at a time; what comes meanwhile
//! gathers. When the listening connection breaks, or brings nothing although Redis answers, it is dropped and made anew.

use std::{collections::HashSet, sync::Arc, time::Duration};

use actix::prelude::*;
use redis::RedisError;
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior},
};

use super::{
    Ear,
    acknowledgements::Acknowledgements,
    bridge::Shared,
    canary::Canary,
    inbox::{Inbox, Sound},
    listening::Step,
    outgoing::{Message, Outgoing},
};
use crate::{
    bridge::Health,
    domain::{AccessLevel, DocumentId, NodeId, UserId},
    redis::{Away, Backoff, Commands, Connection, Server, chance},
    wire::envelope::{Envelope, OLDEST_VERSION, Signal},
};

/// How often the node speaks to itself.
const CANARY_EVERY: Duration = Duration::from_secs(1);

/// What a relay is built from.
pub(super) struct RelayParts {
    pub(super) shared: Arc<Shared>,
    pub(super) server: Server,
    pub(super) inbox: Arc<Inbox>,
    pub(super) ear: Ear,
}

/// The relay of this node.
pub(super) struct Relay {
    parts: RelayParts,
    publisher: Commands,
    outgoing: Outgoing,
    publishing: bool,
    /// Who waits until everything has been published.
    stopping: Option<oneshot::Sender<()>>,
    listening: Option<Listening>,
    /// A connection that listens is being made.
    connecting: bool,
    backoff: Backoff,
    canary: Canary,
    acknowledgements: Acknowledgements,
    /// How many connections that listen were made.
    connections: u64,
}

/// The connection that listens.
struct Listening {
    connection: Connection,
    /// The documents whose channels it listens to.
    heard: HashSet<DocumentId>,
    /// Where canaries are sent.
    places: Vec<u32>,
    /// What it listens to is being changed.
    changing: bool,
    /// It listens to everything that was wanted when it was made.
    is_complete: bool,
}

impl Relay {
    /// One that is not connected yet.
    pub(super) fn new(parts: RelayParts) -> Self {
        Self {
            publisher: Commands::new(parts.server.clone()),
            parts,
            outgoing: Outgoing::default(),
            publishing: false,
            stopping: None,
            listening: None,
            connecting: false,
            backoff: Backoff::default(),
            canary: Canary::new(Instant::now()),
            acknowledgements: Acknowledgements::default(),
            connections: 0,
        }
    }

    fn shared(&self) -> &Shared {
        &self.parts.shared
    }

    /// Queues a message and sees that it goes out.
    fn publish(&mut self, message: Message, ctx: &mut Context<Self>) {
        if !self.outgoing.push(message) {
            self.shared().metrics.relay_overflowed();
        }
        self.publish_next(ctx);
    }

    fn publish_next(&mut self, ctx: &mut Context<Self>) {
        if self.publishing {
            return;
        }
        let batch = self.outgoing.next();
        if batch.is_empty() {
            if let Some(stopping) = self.stopping.take()
                && stopping.send(()).is_ok()
            {
                ctx.stop();
            }
            return;
        }
        self.publishing = true;
        let publisher = self.publisher.clone();
        let publish = async move {
            let heard = publisher
                .ask(async |mut connection| {
                    let messages: Vec<_> = batch
                        .iter()
                        .map(|message| (message.channel.as_str(), message.bytes.as_slice()))
                        .collect();
                    connection.publish(&messages).await
                })
                .await;
            (batch, heard)
        };
        ctx.spawn(publish.into_actor(self).map(|(batch, heard), relay, ctx| {
            relay.publishing = false;
            relay.published(batch, heard);
            relay.publish_next(ctx);
        }));
    }

    fn published(&mut self, batch: Vec<Message>, heard: Result<Vec<u64>, Away>) {
        self.canary.published(heard.is_ok(), Instant::now());
        match heard {
            Ok(heard) => {
                for (message, heard) in batch.into_iter().zip(heard) {
                    if let Some(asked) = message.heard_by
                        && asked.send(heard).is_err()
                    {
                        tracing::debug!("nobody waited to know how many had heard");
                    }
                }
                self.make_up();
            }
            Err(error) => {
                let documents: Vec<_> =
                    batch.iter().filter_map(|message| message.document).collect();
                if !matches!(error, Away::Resting) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, documents = documents.len(), "could not be published");
                }
                self.outgoing.failed(documents);
                self.note_health();
            }
        }
    }

    /// Tells the other nodes to compare what they were not told.
    fn make_up(&mut self) {
        let mut missed = self.outgoing.take_missed();
        missed.extend(self.shared().unqueued.lock().drain(..));
        for document in missed {
            let bytes = Envelope::Compare.encode(self.shared().node, OLDEST_VERSION);
            let channel = self.shared().keys.document(document);
            // What finds no room is remembered again.
            self.outgoing.push(Message {
                channel,
                bytes,
                document: Some(document),
                heard_by: None,
            });
        }
    }

    /// Makes the connection that listens, if there is none.
    fn connect(&mut self, ctx: &mut Context<Self>) {
        if self.connecting || self.listening.is_some() || self.stopping.is_some() {
            return;
        }
        self.connecting = true;
        self.connections += 1;
        let number = self.connections;
        let (server, inbox) = (self.parts.server.clone(), Arc::clone(&self.parts.inbox));
        let (keys, node) = (self.shared().keys.clone(), self.shared().node);
        let connect = async move {
            let hears = Arc::clone(&inbox);
            let hear = move |push| {
                hears.hear(push, number);
                Ok::<(), std::convert::Infallible>(())
            };
            let mut connection = server.listen(hear).await?;
            let places = connection.places(|place| keys.node(node, place)).await?;
            // Others speak to this node in the first place of all.
            let mut channels: Vec<_> = places.iter().map(|place| keys.node(node, *place)).collect();
            channels.push(keys.node(node, 0));
            channels.dedup();
            connection.subscribe(&channels).await?;
            Ok::<_, RedisError>((connection, places))
        };
        ctx.spawn(connect.into_actor(self).map(|connected, relay, ctx| {
            relay.connecting = false;
            match connected {
                Ok((connection, places)) => relay.connected(connection, places, ctx),
                Err(error) => {
                    let pause = relay.backoff.failed(chance());
                    let address = relay.parts.server.address();
                    tracing::warn!(%error, redis.address = %address, "Redis cannot be listened to");
                    ctx.run_later(pause, Self::connect);
                    relay.give_up_waiting();
                }
            }
        }));
    }

    fn connected(&mut self, connection: Connection, places: Vec<u32>, ctx: &mut Context<Self>) {
        tracing::info!(redis.address = %self.parts.server.address(), "listening to the other nodes");
        self.backoff.worked();
        self.canary.listens(Some(places.len()), Instant::now());
        let heard = HashSet::new();
        self.listening =
            Some(Listening { connection, heard, places, changing: false, is_complete: false });
        self.send_canary(ctx);
        self.change_listening(ctx);
    }

    /// The connection that listens is of no use any more.
    fn drop_listening(&mut self, ctx: &mut Context<Self>) {
        if self.listening.take().is_some() {
            self.shared().metrics.relay_lost();
            self.canary.listens(None, Instant::now());
            self.note_health();
            let pause = self.backoff.failed(chance());
            ctx.run_later(pause, Self::connect);
        }
        self.give_up_waiting();
    }

    fn give_up_waiting(&self) {
        self.shared().wanted.lock().give_up();
    }

    /// Brings what is listened to one step closer to what is wanted.
    fn change_listening(&mut self, ctx: &mut Context<Self>) {
        let Some(listening) = &mut self.listening else { return };
        if listening.changing {
            return;
        }
        let Some(step) = self.parts.shared.wanted.lock().next_step(&listening.heard) else {
            if !std::mem::replace(&mut listening.is_complete, true) {
                // Whatever was told before did not arrive.
                self.parts.ear.returned();
                self.note_health();
            }
            return;
        };
        listening.changing = true;
        let (keys, mut connection) = (self.parts.shared.keys.clone(), listening.connection.clone());
        let change = async move {
            let channels = |documents: &[DocumentId]| -> Vec<_> {
                documents.iter().map(|document| keys.document(*document)).collect()
            };
            let changed = match &step {
                Step::Subscribe(documents) => connection.subscribe(&channels(documents)).await,
                Step::Unsubscribe(documents) => connection.unsubscribe(&channels(documents)).await,
            };
            (step, changed)
        };
        ctx.spawn(change.into_actor(self).map(|(step, changed), relay, ctx| {
            let Some(listening) = &mut relay.listening else { return };
            listening.changing = false;
            match (changed, step) {
                (Ok(()), Step::Subscribe(documents)) => listening.heard.extend(documents),
                (Ok(()), Step::Unsubscribe(documents)) => {
                    for document in documents {
                        listening.heard.remove(&document);
                    }
                }
                (Err(error), _) => {
                    tracing::warn!(%error, "documents cannot be listened to");
                    return relay.drop_listening(ctx);
                }
            }
            relay.change_listening(ctx);
        }));
    }

    fn send_canary(&mut self, ctx: &mut Context<Self>) {
        let (keys, node) = (self.shared().keys.clone(), self.shared().node);
        let places = match &self.listening {
            Some(listening) => listening.places.clone(),
            // Whether it can be published at all is worth knowing, too.
            None => vec![0],
        };
        let numbers = self.canary.send(Instant::now());
        for (number, place) in numbers.into_iter().zip(places) {
            let bytes = Signal::Canary { number }.encode(node);
            let channel = keys.node(node, place);
            self.publish(Message { channel, bytes, document: None, heard_by: None }, ctx);
        }
    }

    fn note_health(&self) {
        let health = self.canary.health(Instant::now());
        let shared = self.shared();
        let before = shared.health();
        if before != health {
            tracing::info!(?before, ?health, "the relay between nodes");
            shared.health.store(health as u8, std::sync::atomic::Ordering::Relaxed);
        }
        shared.metrics.relay_is(health == Health::Well, health == Health::Deaf);
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        self.note_health();
        if self.canary.health(Instant::now()) == Health::Deaf {
            tracing::warn!("Redis answers, but nothing comes through: listening anew");
            self.drop_listening(ctx);
        }
        self.send_canary(ctx);
        self.connect(ctx);
        self.change_listening(ctx);
        self.shared().metrics.relay_listens(self.shared().wanted.lock().len());
    }

    fn acknowledge(
        &mut self,
        by: NodeId,
        request: u64,
        done: oneshot::Receiver<()>,
        ctx: &mut Context<Self>,
    ) {
        ctx.spawn(done.into_actor(self).map(move |_done, relay, ctx| {
            let bytes = Signal::Done { request }.encode(relay.shared().node);
            let channel = relay.shared().keys.node(by, 0);
            relay.publish(Message { channel, bytes, document: None, heard_by: None }, ctx);
        }));
    }
}

impl Actor for Relay {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let mut turns = tokio::time::interval(CANARY_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let turns = futures_util::stream::unfold(turns, async |mut turns| {
            turns.tick().await;
            Some(((), turns))
        });
        ctx.spawn(turns.into_actor(self).map(|(), relay, ctx| relay.tick(ctx)).finish());
    }
}

/// Publish this.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Publish(pub(super) Message);

impl Handler<Publish> for Relay {
    type Result = ();

    fn handle(&mut self, Publish(message): Publish, ctx: &mut Self::Context) {
        self.publish(message, ctx);
    }
}

/// Tell the other nodes that a user's access changed, and say when they have carried it out.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Tell {
    pub(super) document: DocumentId,
    pub(super) user: UserId,
    pub(super) level: Option<AccessLevel>,
    pub(super) done: oneshot::Sender<()>,
}

impl Handler<Tell> for Relay {
    type Result = ();

    fn handle(&mut self, Tell { document, user, level, done }: Tell, ctx: &mut Self::Context) {
        let request = self.acknowledgements.open(done);
        let (heard_by, heard) = oneshot::channel();
        let envelope = Envelope::AccessChanged { user, level, request: Some(request) };
        let bytes = envelope.encode(self.shared().node, OLDEST_VERSION);
        let channel = self.shared().keys.document(document);
        let here = self.listening.as_ref().is_some_and(|here| here.heard.contains(&document));
        self.publish(
            Message { channel, bytes, document: Some(document), heard_by: Some(heard_by) },
            ctx,
        );
        ctx.spawn(heard.into_actor(self).map(move |heard, relay, _ctx| {
            // This node hears itself, and does not answer.
            let others = heard.unwrap_or_default().saturating_sub(u64::from(here));
            relay.acknowledgements.asked(request, others);
        }));
    }
}

/// Something was heard.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Heard(pub(super) Sound);

impl Handler<Heard> for Relay {
    type Result = ();

    fn handle(&mut self, Heard(sound): Heard, ctx: &mut Self::Context) {
        match sound {
            Sound::Signal(Signal::Canary { number }) => {
                if let Some(lag) = self.canary.heard(number, Instant::now()) {
                    self.shared().metrics.relay_lagged(lag);
                }
                self.note_health();
            }
            Sound::Signal(Signal::Done { request }) => self.acknowledgements.came(request),
            Sound::Asked { by, request, done } => self.acknowledge(by, request, done, ctx),
            Sound::Unsubscribed(document) => {
                if let Some(listening) = &mut self.listening {
                    listening.heard.remove(&document);
                }
                self.change_listening(ctx);
            }
            Sound::Lost { connection } if connection == self.connections => {
                self.drop_listening(ctx);
            }
            Sound::Lost { .. } => {}
        }
    }
}

/// Look at what is wanted.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Look;

impl Handler<Look> for Relay {
    type Result = ();

    fn handle(&mut self, _look: Look, ctx: &mut Self::Context) {
        self.change_listening(ctx);
        if self.listening.is_none() {
            self.give_up_waiting();
        }
    }
}

/// Publish what waits, then end.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

impl Handler<Stop> for Relay {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) -> Self::Result {
        let (sender, stopped) = oneshot::channel();
        self.stopping = Some(sender);
        self.listening = None;
        self.publish_next(ctx);
        Box::pin(async move {
            if stopped.await.is_err() {
                tracing::debug!("the relay ended with something unpublished");
            }
        })
    }
}
