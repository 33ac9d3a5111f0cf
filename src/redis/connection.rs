//! An open connection, to one server or to a cluster.

use std::collections::HashSet;

use futures_util::future::try_join_all;
use indexmap::IndexMap;
use redis::{
    Cmd, FromRedisValue, ParsingError, Pipeline, RedisError, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::ClusterConnection,
    cluster_routing::Slot,
};

/// A connection. Clones share it, and pipeline their commands: a command is sent without waiting for the
/// replies to earlier ones.
#[derive(Clone)]
pub enum Connection {
    /// To one server.
    Single(MultiplexedConnection),
    /// To every primary of a cluster. Each command goes to the primary that has its key.
    Cluster(ClusterConnection),
}

impl Connection {
    /// Returns the command that publishes. A cluster uses sharded pub/sub (Redis 7), where a message goes
    /// only to the servers of its channel's shard.
    #[must_use]
    pub fn publish_command(&self) -> &'static str {
        match self {
            Self::Single(_) => "PUBLISH",
            Self::Cluster(_) => "SPUBLISH",
        }
    }

    /// Publishes messages, each a channel and a payload. Returns the number of subscribers that each
    /// message reached. One server keeps the order of all messages, a cluster that of each channel.
    ///
    /// # Errors
    /// [`redis::RedisError`]. Some messages may have been published.
    pub async fn publish(&mut self, messages: &[(&str, &[u8])]) -> RedisResult<Vec<u64>> {
        let command = self.publish_command();
        let commands = messages.iter().map(|(channel, bytes)| {
            let mut publish = redis::cmd(command);
            publish.arg(channel).arg(bytes);
            (*channel, publish)
        });
        self.run_all(commands.collect()).await
    }

    /// Runs commands, each given with its only key, and returns their replies. One server keeps the order
    /// of all commands, a cluster that of each key.
    ///
    /// # Errors
    /// [`redis::RedisError`]. Some commands may have been executed.
    pub async fn run_all<T: FromRedisValue + Default + Clone>(
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
                // The commands of one key go to one server in one pipeline, which keeps their order.
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
                        let replies: Vec<T> = pipeline.query_async(&mut connection).await?;
                        Ok::<_, RedisError>(indices.into_iter().zip(replies))
                    }
                });
                let mut all = vec![T::default(); count];
                for (index, reply) in try_join_all(each).await?.into_iter().flatten() {
                    all[index] = reply;
                }
                Ok(all)
            }
        }
    }

    /// Subscribes to channels. Once it returns, the connection receives everything published on them.
    ///
    /// # Errors
    /// [`redis::RedisError`]. Some channels may have been subscribed.
    pub async fn subscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        match self {
            Self::Single(connection) => connection.subscribe(channels).await,
            Self::Cluster(connection) => {
                // The channels may be on different servers, so each gets its own command.
                let each = channels.iter().map(|channel| {
                    let mut connection = connection.clone();
                    async move { connection.ssubscribe(channel).await }
                });
                try_join_all(each).await.map(drop)
            }
        }
    }

    /// Unsubscribes from channels.
    ///
    /// # Errors
    /// [`redis::RedisError`]. Some channels may have been unsubscribed.
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

/// The most names that are tried to find one for each primary. A primary with 1 % of the slots is missed
/// with a probability of 0.99^1000, about 4 in 100,000.
const MAX_NAMES: u32 = 1_000;

impl Connection {
    /// Returns the indices for which `name` yields one key on each primary; for one server only 0.
    ///
    /// # Errors
    /// [`redis::RedisError`], if the cluster does not return its slots.
    pub async fn cover_primaries(&mut self, name: impl Fn(u32) -> String) -> RedisResult<Vec<u32>> {
        let Self::Cluster(connection) = self else { return Ok(vec![0]) };
        let ranges: Vec<SlotRange> =
            redis::cmd("CLUSTER").arg("SLOTS").query_async(connection).await?;
        let primaries: HashSet<_> = ranges.iter().map(|range| &range.primary).collect();
        let mut indices = Vec::new();
        let mut covered = HashSet::new();
        for index in 0..MAX_NAMES {
            if covered.len() == primaries.len() {
                break;
            }
            let slot = Slot::for_key(name(index));
            let primary =
                ranges.iter().find(|range| range.contains(slot)).map(|range| &range.primary);
            if let Some(primary) = primary
                && covered.insert(primary)
            {
                indices.push(index);
            }
        }
        Ok(indices)
    }
}

/// A range of slots and its primary, as returned by `CLUSTER SLOTS`.
struct SlotRange {
    first: u16,
    last: u16,
    primary: (String, u16),
}

impl SlotRange {
    fn contains(&self, slot: Slot) -> bool {
        (self.first..=self.last).any(|number| Slot::new(number) == Some(slot))
    }
}

impl FromRedisValue for SlotRange {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let Value::Array(parts) = value else { return Err("a slot range is not an array".into()) };
        let mut parts = parts.into_iter();
        let (Some(first), Some(last), Some(Value::Array(primary))) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err("a slot range has no primary".into());
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
