//! Seeded plans over three nodes: people write in both protocols, subscribe, move cursors and leave. Meanwhile nodes are
//! killed, paused, and cut off from Redis and PostgreSQL, Redis is slow, connections to PostgreSQL bring nothing any more,
//! and the document is locked. In the end all participants and the database agree, every acknowledged edit is stored once,
//! the same sessions are present for all, everybody is told of a new one, and no slot stays taken.
//!
//! In other plans the database loses its last changes now and then, as after a failover. Then the edits of GraphQL clients
//! may be lost. What was typed in Yjs editors is not, and all agree.
//!
//! In a third kind of plan the nodes use a Redis Cluster. Its primaries are killed, some of them with writes that their
//! replicas have not received. The replicas take over, and the killed servers come back.
//!
//! A seed determines a plan, but not the order of concurrent events. `COSCRIBE_SEED=n scripts/test cluster` runs one plan
//! of each kind again, `COSCRIBE_SEEDS=n` runs n new ones.

mod author;
mod edit;
mod judgement;
mod plan_redis;
mod sites;
mod subscriber;
mod told;
mod world;

use kit::{Random, number};

use plan_redis::PlanRedis;
use world::World;

const STEPS: usize = 60;

/// The seeds of every run.
const SEEDS: [u64; 4] = [1, 2, 3, 20_261_125];
const LOSING_SEEDS: [u64; 2] = [4, 5];
const SHARDED_SEEDS: [u64; 2] = [6, 7];

#[actix_web::test]
async fn all_participants_agree_after_failures() {
    run_all(&SEEDS, PlanRedis::proxied().await, false).await;
}

#[actix_web::test]
async fn all_participants_agree_although_the_database_loses_changes() {
    run_all(&LOSING_SEEDS, PlanRedis::proxied().await, true).await;
}

#[actix_web::test]
async fn all_participants_agree_after_primaries_of_a_redis_cluster_were_killed() {
    run_all(&SHARDED_SEEDS, PlanRedis::sharded().await, false).await;
}

/// Runs a plan for each seed, on one Redis.
async fn run_all(seeds: &[u64], mut redis: PlanRedis, is_losing: bool) {
    let seeds: Vec<u64> = match (number("COSCRIBE_SEED"), number("COSCRIBE_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => {
            let begin = u64::from(std::process::id()) << 32;
            (begin..begin + count).collect()
        }
        (None, None) => seeds.to_vec(),
    };
    for seed in seeds {
        let plan = run(seed, redis, is_losing);
        let Ok((summary, used)) = tokio::task::spawn_local(plan).await else {
            panic!("run it again with COSCRIBE_SEED={seed} scripts/test cluster")
        };
        println!("seed {seed}: {summary}");
        redis = used;
    }
}

/// Runs a plan. Returns a summary, and the Redis for the next plan.
async fn run(seed: u64, redis: PlanRedis, is_losing: bool) -> (String, PlanRedis) {
    let mut random = Random::new(seed);
    let mut world = World::new(redis, is_losing).await;
    for number in 0..STEPS {
        world.step(&mut random, number).await;
    }
    world.finish().await
}
