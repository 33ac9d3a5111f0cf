//! One attack, or several at once, on a node of its own.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_rt::time::sleep;
use kit::{Client as _, Node as _, NodeProcess, Program};
use tempfile::TempDir;

use crate::{
    attacks::{Attack, Attacker, Bystander, Size, Target},
    measurement::Measurement,
    node_memory::{reset_peak, resident},
    report::Report,
};

/// How long the bystander works before and after an attack.
const CALM: Duration = Duration::from_secs(3);

/// The time after an attack in which the node gives back what it took.
const RECOVERY: Duration = Duration::from_secs(10);

/// Runs attacks and measures before, during and after.
pub(crate) async fn run(name: &str, attacks: &[&'static Attack]) -> Report {
    let folder = TempDir::new().unwrap();
    let node = program().start(folder.path(), &[("RUST_LOG", "off")]).await;
    let bystander = Bystander::register(&node, "Alice").await;
    let attackers = attackers(&node, &bystander, attacks).await;
    let (process, measurement) = (node.process_id(), Measurement::start(&bystander));
    sleep(CALM).await;
    let (before, memory_before) = (measurement.take(), resident(process).now);

    reset_peak(process);
    let is_over = Arc::new(AtomicBool::new(false));
    let threads = attackers.into_iter().map(|(attack, attacker)| {
        let is_over = Arc::clone(&is_over);
        std::thread::spawn(move || attack_until(&is_over, attack, attacker))
    });
    let threads: Vec<_> = threads.collect();
    sleep(duration()).await;
    let (during, memory_peak) = (measurement.take(), resident(process).peak);
    is_over.store(true, Ordering::Relaxed);
    let mut outcomes = BTreeMap::new();
    for thread in threads {
        for (outcome, count) in thread.join().unwrap() {
            *outcomes.entry(outcome).or_default() += count;
        }
    }

    sleep(RECOVERY).await;
    measurement.take();
    sleep(CALM).await;
    let (after, memory_after) = (measurement.take(), resident(process).now);
    measurement.stop();
    node.kill().await;
    Report {
        name: name.to_owned(),
        attackers: attacks.len() as u64,
        latencies: [before, during, after],
        memory: [memory_before, memory_peak, memory_after],
        outcomes,
    }
}

/// What a thread needs to become an attacker.
type Seed = Box<dyn FnOnce() -> Attacker + Send>;

async fn attackers(
    node: &NodeProcess,
    bystander: &Bystander,
    attacks: &[&'static Attack],
) -> Vec<(&'static Attack, Seed)> {
    let target = Target { email: bystander.person.email.clone(), document: bystander.document };
    let mut attackers: Vec<(&'static Attack, Seed)> = vec![];
    for (number, attack) in attacks.iter().enumerate() {
        let person = node.person(&format!("Mallory{number}")).await;
        bystander.person.grant(bystander.document, &person, "VIEW").await.value();
        let (target, url) = (target.clone(), node.url(""));
        attackers.push((attack, Box::new(move || Attacker::new(url, person, target, Size::Full))));
    }
    attackers
}

/// Attacks until it is over. Returns what the server answered.
fn attack_until(is_over: &AtomicBool, attack: &Attack, seed: Seed) -> BTreeMap<String, usize> {
    actix_rt::System::new().block_on(async {
        let attacker = seed();
        let attacking = async {
            loop {
                if actix_rt::spawn((attack.run)(attacker.clone())).await.is_err() {
                    attacker.note("waited too long");
                }
            }
        };
        let over = async {
            while !is_over.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            () = attacking => unreachable!("it has no end"),
            () = over => attacker.outcomes(),
        }
    })
}

fn program() -> Program {
    let beside =
        || std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("coscribe");
    let path = std::env::var_os("COSCRIBE_BIN").map_or_else(beside, PathBuf::from);
    let path = path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // It lives as long as the program.
    Program::new(path.to_str().unwrap().to_owned().leak())
}

fn duration() -> Duration {
    Duration::from_secs(kit::number("COSCRIBE_SECONDS").unwrap_or(10))
}
