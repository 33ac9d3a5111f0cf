//! Runs one fault after another, and the proof at the end.

use std::{ops::Range, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{author::Author, fault::Fault, ledger::Ledger, proof::Claim, watcher::Watcher};
use crate::{
    driver::Cast,
    measure::{Board, Counts, Promise, wait_until},
    report::{ScenarioOutcome, console},
    scenario::{change_log::ChangeLog, closing, edit_stage::Protocol, run::Run, seats::Seats},
};

const DOCUMENTS: usize = 8;
const QUICK_DOCUMENTS: usize = 3;

/// Edits of each author per second.
const RATE: f64 = 20.0;

/// How long a fault lasts.
const LASTS: Duration = Duration::from_secs(6);
const QUICK_LASTS: Duration = Duration::from_millis(700);

/// The longest wait until all authors go on after a fault, and until the watchers have everything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the scenario.
///
/// # Errors
/// The users cannot be created, a fault cannot be brought about, or an edit is refused for good.
pub(crate) async fn run(run: &mut Run<'_>) -> anyhow::Result<ScenarioOutcome> {
    ensure!(
        !run.deployment.nodes.is_empty(),
        "faults only runs against nodes of its own: leave out --url"
    );
    let documents = run.options.documents(DOCUMENTS, QUICK_DOCUMENTS);
    let seats = Seats::pairs(documents, 1);
    let cast = seats.cast(run, "").await?;
    let ledger = Arc::new(Ledger::new(seats.senders(), 1 + Fault::ALL.len()));
    let board = Arc::<Board>::default();
    let (stops, stopped) = watch::channel(false);
    let (mut authors, mut watchers, mut logs) = (JoinSet::new(), JoinSet::new(), vec![]);
    for author in all_authors(run, &cast, &seats, &ledger) {
        let (ledger, stopped) = (Arc::clone(&ledger), stopped.clone());
        authors.spawn(async move {
            if let Err(error) = author.write(stopped).await {
                ledger.give_up(&error);
            }
        });
    }
    let (ends, ended) = watch::channel(false);
    for watcher in all_watchers(run, &cast, &seats, &board) {
        logs.push(Arc::clone(&watcher.log));
        watchers.spawn(watcher.watch(ended.clone()));
    }

    let mut outcome = ScenarioOutcome::default();
    outcome.set_size(documents, seats.0.len() + documents);
    outcome.size.rate = Some(rate(run));
    calm(run, &ledger).await?;
    for (fault, part) in Fault::ALL.into_iter().zip(1..) {
        match fault.obstacle(&run.deployment) {
            Some(obstacle) => outcome.notes.push(obstacle.to_owned()),
            None => suffer(run, &cast, fault, part, &ledger, &mut outcome).await?,
        }
    }
    stops.send_replace(true);
    while let Some(author) = authors.join_next().await {
        author.context("an author failed")?;
    }
    ledger.check()?;
    prove(run, &cast, &seats, &ledger, &logs, &board, &mut outcome).await?;
    ends.send_replace(true);
    watchers.shutdown().await;
    outcome.add_series("undisturbed", ledger.part(0).latencies);
    outcome.notes.extend(board.first_fault());
    Ok(outcome)
}

fn all_authors(run: &Run<'_>, cast: &Cast, seats: &Seats, ledger: &Arc<Ledger>) -> Vec<Author> {
    let every = Duration::from_secs_f64(1.0 / rate(run));
    let targets = seats.targets(run, cast).into_iter().enumerate();
    let authors = targets.map(|(number, target)| Author {
        number,
        addresses: run.deployment.addresses.clone(),
        target,
        protocol: if number % 2 == 0 { Protocol::Graphql } else { Protocol::Yjs },
        every,
        ledger: Arc::clone(ledger),
    });
    authors.collect()
}

/// Returns a watcher of each document, on alternating nodes.
fn all_watchers(run: &Run<'_>, cast: &Cast, seats: &Seats, board: &Arc<Board>) -> Vec<Watcher> {
    let firsts = seats.targets(run, cast).into_iter().step_by(2);
    let watchers = firsts.map(|target| Watcher {
        number: target.seat.document,
        addresses: run.deployment.addresses.clone(),
        log: Arc::new(Mutex::new(ChangeLog::since(1, senders(target.seat.document)))),
        target,
        board: Arc::clone(board),
    });
    watchers.collect()
}

/// Waits until all authors write, and for as long as a fault lasts.
async fn calm(run: &Run<'_>, ledger: &Ledger) -> anyhow::Result<()> {
    let all_write = wait_until(PATIENCE, || {
        ledger.check().is_err() || ledger.counts().iter().all(|count| *count > 0)
    })
    .await;
    ledger.check()?;
    ensure!(all_write, "not all authors could write before the first fault");
    sleep(lasts(run)).await;
    Ok(())
}

/// Lets a fault occur, and waits until all authors go on.
async fn suffer(
    run: &mut Run<'_>,
    cast: &Cast,
    fault: Fault,
    part: usize,
    ledger: &Ledger,
    outcome: &mut ScenarioOutcome,
) -> anyhow::Result<()> {
    ledger.begin(part);
    console::progress(&format!("faults: {}", fault.label()));
    let duration = lasts(run);
    fault.occur(&mut run.deployment, &cast.documents[0], duration).await.context(fault.label())?;
    let (over, before) = (Instant::now(), ledger.counts());
    let go_on = wait_until(PATIENCE, || {
        ledger.check().is_err()
            || ledger.counts().iter().zip(&before).all(|(now, before)| now > before)
    });
    if !go_on.await {
        outcome
            .failures
            .push(format!("After {PATIENCE:?} not all authors went on: {}.", fault.label()));
    }
    ledger.check()?;
    let recovered = over.elapsed();
    let found = ledger.part(part);
    let label = fault.label();
    outcome.add_figure(
        format!("{label}: no edit was acknowledged for"),
        found.longest_pause.as_secs_f64(),
        "s",
    );
    outcome.add_figure(format!("{label}: all authors went on after"), recovered.as_secs_f64(), "s");
    outcome.add_figure(format!("{label}: repeated attempts"), found.repeated as f64, "");
    outcome.add_series(label, found.latencies);
    ledger.begin(0);
    Ok(())
}

/// Compares texts, history and what the watchers received with what was acknowledged.
async fn prove(
    run: &Run<'_>,
    cast: &Cast,
    seats: &Seats,
    ledger: &Ledger,
    logs: &[Arc<Mutex<ChangeLog>>],
    board: &Arc<Board>,
    outcome: &mut ScenarioOutcome,
) -> anyhow::Result<()> {
    let acknowledged = ledger.counts();
    let of_document = |document: usize| senders(document).map(|sender| acknowledged[sender]).sum();
    closing::write(&seats.targets(run, cast)).await?;
    wait_until(PATIENCE, || logs.iter().all(|log| log.lock().has_closing())).await;
    let (mut texts, mut watched) = (Counts::default(), Counts::default());
    for (document, log) in logs.iter().enumerate() {
        let seat = &seats.0[2 * document];
        let claim = Claim {
            document: &cast.documents[document],
            token: &cast.users[seat.user].token,
            authors: senders(document).map(|sender| (sender, acknowledged[sender])).collect(),
        };
        let (found, sentences) = claim.check(&run.deployment.http()?).await?;
        texts.add(&found);
        outcome.failures.extend(sentences);
        watched.add(&log.lock().counts(of_document(document)));
    }
    watched.add(&replay(run, cast, seats, &acknowledged, board).await?);
    let labelled = |what: &str, counts: &Counts| {
        counts
            .failures(Promise::OnceInOrder)
            .into_iter()
            .map(|sentence| format!("{what}: {sentence}"))
            .collect::<Vec<_>>()
    };
    outcome.failures.extend(labelled("acknowledged edits in the texts", &texts));
    outcome.failures.extend(labelled("events of subscribers", &watched));
    outcome.counts = texts;
    outcome.counts.add(&watched);
    outcome.add_figure("acknowledged edits", texts.expected as f64, "");
    outcome.add_figure(
        "of these in the texts, once each",
        texts.delivered.saturating_sub(texts.repeated) as f64,
        "",
    );
    Ok(())
}

/// Reads the whole change log of each document through each node.
async fn replay(
    run: &Run<'_>,
    cast: &Cast,
    seats: &Seats,
    acknowledged: &[u64],
    board: &Arc<Board>,
) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    for address in &run.deployment.addresses {
        for (document, watcher) in all_watchers(run, cast, seats, board).into_iter().enumerate() {
            let expected = senders(document).map(|sender| acknowledged[sender]).sum();
            let connecting = timeout(PATIENCE, watcher.subscribe(address)).await;
            let _open = connecting.ok().flatten().context("a node does not accept a subscriber")?;
            wait_until(PATIENCE, || watcher.log.lock().has_closing()).await;
            counts.add(&watcher.log.lock().counts(expected));
        }
    }
    Ok(counts)
}

/// Returns the numbers of the authors of a document.
fn senders(document: usize) -> Range<usize> {
    2 * document..2 * document + 2
}

/// Returns the edits of each author per second.
fn rate(run: &Run<'_>) -> f64 {
    run.options.rate(RATE, RATE)
}

fn lasts(run: &Run<'_>) -> Duration {
    if run.options.quick { QUICK_LASTS } else { LASTS }
}
