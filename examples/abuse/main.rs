//! Attacks a node of its own, in full sizes, and measures what a bystander notices of it.
//!
//! `cargo run --release --example abuse` lists the attacks, `… -- NAME…` runs some, `… -- all` runs each, and `… -- ten` runs
//! ten attackers at once. `COSCRIBE_BIN` names the binary of the node (by default the one beside this program), and
//! `COSCRIBE_SECONDS` the length of an attack (10). The program fails if a bound of docs/SECURITY.md does not hold.
//!
//! Everything shares one machine: on a busy one, or one with few cores, the attackers themselves slow the bystander.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, which reads its settings from the environment"
)]

#[allow(dead_code, reason = "the tests use the same attacks, in small sizes")]
#[path = "../../tests/abuse/attacks/mod.rs"]
mod attacks;
mod measurement;
mod node_memory;
mod report;
mod scenario;

use std::process::ExitCode;

use attacks::{ATTACKS, Attack, TEN};
use report::Report;

#[actix_web::main]
async fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let mut scenarios: Vec<(&str, Vec<&'static Attack>)> = vec![];
    for name in &names {
        match name.as_str() {
            "all" => scenarios.extend(ATTACKS.iter().map(|attack| (attack.name, vec![attack]))),
            "ten" => scenarios.push(("ten", TEN.map(attack).to_vec())),
            name => scenarios.push((name, vec![attack(name)])),
        }
    }
    if scenarios.is_empty() {
        println!("usage: abuse all | ten | NAME…, with one of these names:");
        ATTACKS.iter().for_each(|attack| println!("  {}", attack.name));
        return ExitCode::from(2);
    }
    // A wait of an attack that takes too long panics. The attack then begins again.
    std::panic::set_hook(Box::new(|_panic| {}));
    Report::print_header();
    let mut holds = true;
    for (name, attacks) in scenarios {
        let report = scenario::run(name, &attacks).await;
        report.print();
        holds &= report.exceeded().is_empty();
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn attack(name: &str) -> &'static Attack {
    let mut named = ATTACKS.iter().filter(|attack| attack.name == name);
    named.next().unwrap_or_else(|| panic!("there is no attack {name}"))
}
