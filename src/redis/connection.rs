//! One open connection, whatever stands at the other end.

use std::collections::HashSet;

use futures_util::future::try_join_all;
use indexmap::IndexMap;
use redis::{
    Cmd, FromRedisValue, ParsingError, Pipeline, RedisError, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::ClusterConnection,
    cluster_routing::Slot,
};

/// A connection. Clones share it: what one asks is sent behind what another asked, without waiting for the answer.
#[derive(Clone)]
pub enum Connection {
    /// To one server.
    Single(MultiplexedConnection),
    /// To every primary of a cluster; each command goes to the one that has its key.
    Cluster(ClusterConnection),
}

impl Connection {
    /// The command that publishes: with a cluster only those servers hear of it that have the channel (sharded pub/sub,
    /// Redis 7).
    #[must_use]
    pub fn publish_command(&self) -> &'static str {
        match self {
            Self::Single(_) => "PUBLISH",
            Self::Cluster(_) => "SPUBLISH",
        }
    }

    /// Publishes these messages, each a channel and what to say there, in the order given; with a cluster, in that order on
    /// each channel. How many listeners each had.
    ///
    /// # Errors
    /// [`redis::RedisError`]: some may have been published, all the same.
    pub async fn publish(&mut self, messages: &[(&str, &[u8])]) -> RedisResult<Vec<u64>> {
        let command = self.publish_command();
        let commands = messages.iter().map(|(channel, bytes)| {
            let mut publish = redis::cmd(command);
            publish.arg(channel).arg(bytes);
            (*channel, publish)
        });
        self.ask_all(commands.collect()).await
    }

    /// Runs these commands, each with its only key, in the order given; with a cluster, in that order for each key. Their
    /// answers.
    ///
    /// # Errors
    /// [`redis::RedisError`]: some may have been run, all the same.
    pub async fn ask_all<T: FromRedisValue + Default + Clone>(
        &mut self,
        commands: Vec<(&str, Cmd)>,
    ) -> RedisResult<Vec<T>> {
        match self {
            Self::Single(connection) => {
                let mut pipeline = redis::pipe();
                for (_, command) in commands {
                    pipeline.add_command(command);
                }
                pipeline.query_async(connection).await
            }
            Self::Cluster(connection) => {
                // Those of one key go to one server together, and so stay in order.
                let count = commands.len();
                let mut keys: IndexMap<&str, (Vec<usize>, Pipeline)> = IndexMap::new();
                for (index, (key, command)) in commands.into_iter().enumerate() {
                    let (indices, pipeline) = keys.entry(key).or_default();
                    indices.push(index);
                    pipeline.add_command(command);
                }
                let each = keys.into_values().map(|(indices, pipeline)| {
                    let mut connection = connection.clone();
                    async move {
                        let answers: Vec<T> = pipeline.query_async(&mut connection).await?;
                        Ok::<_, RedisError>(indices.into_iter().zip(answers))
                    }
                });
                let mut all = vec![T::default(); count];
                for (index, answer) in try_join_all(each).await?.into_iter().flatten() {
                    all[index] = answer;
                }
                Ok(all)
            }
        }
    }

    /// Listens to these channels; when it returns, nothing that is published on them is missed.
    ///
    /// # Errors
    /// [`redis::RedisError`]: some may be listened to, all the same.
    pub async fn subscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        match self {
            Self::Single(connection) => connection.subscribe(channels).await,
            Self::Cluster(connection) => {
                // Each has its own server.
                let each = channels.iter().map(|channel| {
                    let mut connection = connection.clone();
                    async move { connection.ssubscribe(channel).await }
                });
                try_join_all(each).await.map(drop)
            }
        }
    }

    /// Listens to these channels no more.
    ///
    /// # Errors
    /// [`redis::RedisError`].
    pub async fn unsubscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        match self {
            Self::Single(connection) => connection.unsubscribe(channels).await,
            Self::Cluster(connection) => {
                let each = channels.iter().map(|channel| {
                    let mut connection = connection.clone();
                    async move { connection.sunsubscribe(channel).await }
                });
                try_join_all(each).await.map(drop)
            }
        }
    }
}

/// So many names are tried to find one for each primary: a primary with a hundredth of the slots is found among them all
/// but certainly.
const MAX_POSITIONS: u32 = 1_000;

impl Connection {
    /// Numbers of which `name` makes one key on each primary; for one server just 0.
    ///
    /// # Errors
    /// [`redis::RedisError`].
    pub async fn places(&mut self, name: impl Fn(u32) -> String) -> RedisResult<Vec<u32>> {
        let Self::Cluster(connection) = self else { return Ok(vec![0]) };
        let ranges: Vec<SlotRange> =
            redis::cmd("CLUSTER").arg("SLOTS").query_async(connection).await?;
        let primaries: HashSet<_> = ranges.iter().map(|range| &range.primary).collect();
        let mut places = Vec::new();
        let mut reached = HashSet::new();
        for place in 0..MAX_POSITIONS {
            if reached.len() == primaries.len() {
                break;
            }
            let slot = Slot::for_key(name(place));
            let primary = ranges.iter().find(|range| range.holds(slot)).map(|range| &range.primary);
            if let Some(primary) = primary
                && reached.insert(primary)
            {
                places.push(place);
            }
        }
        Ok(places)
    }
}

/// Some slots and the primary that has them, as `CLUSTER SLOTS` tells it.
struct SlotRange {
    first: u16,
    last: u16,
    primary: (String, u16),
}

impl SlotRange {
    fn holds(&self, slot: Slot) -> bool {
        (self.first..=self.last).any(|number| Slot::new(number) == Some(slot))
    }
}

impl FromRedisValue for SlotRange {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let Value::Array(parts) = value else { return Err("a range of slots is no array".into()) };
        let mut parts = parts.into_iter();
        let (Some(first), Some(last), Some(Value::Array(primary))) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err("a range of slots has no primary".into());
        };
        let mut primary = primary.into_iter();
        let (host, port) = (primary.next(), primary.next());
        Ok(Self {
            first: u16::from_redis_value(first)?,
            last: u16::from_redis_value(last)?,
            primary: (
                String::from_redis_value(host.unwrap_or(Value::Nil))?,
                u16::from_redis_value(port.unwrap_or(Value::Nil))?,
            ),
        })
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
