//! A bystander works while others attack: in small sizes, with wide bounds that hold on a busy machine. `examples/abuse` has
//! the full sizes, with the bounds of a node of its own.

use std::time::Duration;

use futures_util::future::join_all;
use kit::{Client as _, Node as _, TestNode, expect_eventually};

use crate::{
    MEMORY,
    attacks::{ATTACKS, Attack, Attacker, Bystander, Size, TEN, Target},
};

/// Half of what the bystander does takes less time than this.
const MAX_MEDIAN: Duration = Duration::from_secs(2);

/// The longest time that anything that the bystander does may take: other work may stop a busy machine for seconds.
const MAX_LATENCY: Duration = Duration::from_secs(30);

/// The most memory that an attacker may take, in the node and in this test.
const MAX_MEMORY: usize = 256 * 1024 * 1024;

/// Lets attackers attack while a bystander does everything this many times. Checks that everything that the bystander does
/// succeeds in time, and that the memory is bounded and given back.
async fn expect_undisturbed(attacks: &[&Attack], rounds: usize) {
    let node = TestNode::start().await;
    let bystander = Bystander::register(&node, "Alice").await;
    let target = Target { email: bystander.person.email.clone(), document: bystander.document };
    let mut attackers = vec![];
    for number in 0..attacks.len() {
        let mallory = node.person(&format!("Mallory{number}")).await;
        bystander.person.grant(target.document, &mallory, "VIEW").await.value();
        attackers.push(Attacker::new(node.url(""), mallory, target.clone(), Size::Small));
    }
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();

    let running =
        attacks.iter().zip(&attackers).map(|(attack, attacker)| (attack.run)(attacker.clone()));
    let working = async {
        expect_eventually("the first answers to every attacker", async || {
            attackers.iter().all(|attacker| !attacker.outcomes().is_empty())
        })
        .await;
        let mut took = vec![];
        for round in 0..rounds {
            let mut samples = bystander.work().await;
            // From a network that the node does not know.
            let source = [127, 0, 1, u8::try_from(round).unwrap()].into();
            samples.push(bystander.sign_in(&node.url(""), source).await);
            for sample in samples {
                assert!(sample.failure.is_none(), "{sample:?}");
                took.push(sample.took);
            }
        }
        took.sort_unstable();
        let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
        assert!(median < MAX_MEDIAN && longest < MAX_LATENCY, "{took:?}");
    };
    tokio::select! {
        _ = join_all(running) => unreachable!("an attack has no end"),
        () = working => {}
    }

    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken < MAX_MEMORY * attacks.len(), "{taken} bytes");
    let unexpected = attackers.iter().flat_map(|attacker| attacker.outcomes().into_keys());
    let unexpected: Vec<_> =
        unexpected.filter(|outcome| outcome == "INTERNAL" || outcome == "500").collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    drop(bystander);
    expect_eventually("the end of all sessions", async || node.sessions().count() == 0).await;
    expect_eventually("the return of the memory", async || {
        MEMORY.current_usage() < before + MAX_MEMORY / 4
    })
    .await;
    node.stop().await;
}

macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        $(#[actix_web::test]
        async fn $name() {
            let attack = ATTACKS.iter().find(|attack| attack.name == stringify!($name)).unwrap();
            expect_undisturbed(&[attack], 8).await;
        })+

        #[test]
        fn every_attack_has_a_test() {
            let tested = [$(stringify!($name)),+];
            let all: Vec<_> = ATTACKS.iter().map(|attack| attack.name).collect();
            assert_eq!(all, tested);
        }
    };
}

tests! {
    content_copies, unread_answers, sipped_answers, deaf_sockets,
    update_copies, delta_copies, viewer_renders, replays,
    conflicts, conflicts_of_two_clients, poisoned_documents, deleted_ranges, map_entries, many_clients, sync_requests,
    schema_aliases, long_texts, large_variables, repeated_variables, database_questions, database_writes, bad_tokens,
    wrong_passwords, right_passwords, address_lookups,
    half_heads, page_scripts, sockets_before_admission, unauthenticated_paths,
    large_texts, open_documents, restorations, unwanted_grants,
}

#[actix_web::test]
async fn ten_attackers_at_once() {
    let attacks: Vec<_> = ATTACKS.iter().filter(|attack| TEN.contains(&attack.name)).collect();
    assert_eq!(attacks.len(), 10);
    expect_undisturbed(&attacks, 3).await;
}
