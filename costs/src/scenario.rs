//! What is counted. Each operation waits for its whole effect before the next one begins.

use clap::ValueEnum;
use coscribe::domain::DocumentId;
use kit::new_doc;
use yrs::{Text as _, Transact as _};

use crate::{client::Client, messages, meter, stage::Stage};

/// Subscribers in the two intervals of the scenario `delivery`.
const SUBSCRIBERS: [usize; 2] = [4, 40];

/// A kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// A user moves the cursor with GraphQL, and another one receives it
    Cursor,
    /// A user inserts a word with `editDocument`, and another one receives the change
    Edit,
    /// A Yjs editor types a character over `/sync`, and another one receives the update
    Sync,
    /// One more subscriber receives a cursor
    Delivery,
    /// A connected session subscribes to a document, receives its text, and leaves, before another user
    Join,
    /// A client opens a WebSocket, is admitted, and closes it
    Connect,
}

impl Scenario {
    /// Returns the name, as on the command line and in the record.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cursor => "cursor",
            Self::Edit => "edit",
            Self::Sync => "sync",
            Self::Delivery => "delivery",
            Self::Join => "join",
            Self::Connect => "connect",
        }
    }

    /// Returns how many operations are counted; for `delivery`, moves of the cursor in each of its intervals.
    pub(crate) fn operations(self) -> u32 {
        match self {
            Self::Cursor => 150,
            Self::Edit | Self::Sync | Self::Connect => 80,
            Self::Delivery | Self::Join => 60,
        }
    }

    /// Returns how many intervals are counted.
    pub(crate) fn intervals(self) -> usize {
        match self {
            Self::Delivery => SUBSCRIBERS.len(),
            Self::Cursor | Self::Edit | Self::Sync | Self::Join | Self::Connect => 1,
        }
    }

    /// Returns the instructions of one operation, from those of all in each interval.
    pub(crate) fn instructions(self, intervals: &[u64]) -> u64 {
        let operations = u64::from(self.operations());
        match (self, intervals) {
            (Self::Delivery, [few, many]) => {
                let more = (SUBSCRIBERS[1] - SUBSCRIBERS[0]) as u64;
                many.saturating_sub(*few) / (more * operations)
            }
            (_, intervals) => intervals.iter().sum::<u64>() / operations,
        }
    }

    /// Counts `operations` operations.
    ///
    /// # Errors
    /// The node does something else than what the scenario expects.
    pub(crate) fn run(self, stage: &Stage, operations: u32) -> anyhow::Result<()> {
        match self {
            Self::Cursor => move_cursor(stage, operations),
            Self::Edit => edit(stage, operations),
            Self::Sync => type_over_sync(stage, operations),
            Self::Delivery => deliver(stage, operations),
            Self::Join => join(stage, operations),
            Self::Connect => connect(stage, operations),
        }?;
        stage.await_subscriptions(0)
    }
}

/// Opens the document for Alice, then for Bob, as two pages.
fn open_pages(stage: &Stage) -> anyhow::Result<(Client, Client)> {
    let mut alice = stage.open(&stage.alice)?;
    stage.await_subscriptions(3)?;
    let bob = stage.open(&stage.bob)?;
    stage.await_subscriptions(6)?;
    alice.expect(messages::JOINED)?;
    Ok((alice, bob))
}

fn cursors(document: DocumentId, operations: u32) -> impl Iterator<Item = Vec<u8>> {
    meter::numbers(operations).map(move |number| messages::cursor(document, number % 8))
}

fn move_cursor(stage: &Stage, operations: u32) -> anyhow::Result<()> {
    let (mut alice, mut bob) = open_pages(stage)?;
    meter::count(cursors(stage.document, operations), |cursor| {
        alice.send(&cursor)?;
        alice.expect(messages::MOVED)?;
        alice.expect(messages::DONE)?;
        bob.expect(messages::CURSOR)
    })
}

fn edit(stage: &Stage, operations: u32) -> anyhow::Result<()> {
    let (mut alice, mut bob) = open_pages(stage)?;
    // A document begins with version 1.
    let edits = meter::numbers(operations).map(|number| messages::edit(stage.document, number + 1));
    meter::count(edits, |edit| {
        alice.send(&edit)?;
        alice.expect(messages::STORED)?;
        alice.expect(messages::DONE)?;
        bob.expect(messages::CHANGE)
    })
}

fn type_over_sync(stage: &Stage, operations: u32) -> anyhow::Result<()> {
    let mut bob = open_editor(stage, &stage.bob)?;
    let mut alice = open_editor(stage, &stage.alice)?;
    meter::count(typed(operations), |update| {
        alice.send(&update)?;
        alice.expect(messages::SAVED)?;
        bob.expect(messages::UPDATE)
    })
}

/// Opens the document in a Yjs editor and waits until the node has taken its sync step 2.
fn open_editor(stage: &Stage, token: &str) -> anyhow::Result<Client> {
    let path = format!("/sync/{}?token={token}&saved=true", stage.document);
    let mut editor = Client::open(stage.address, &path, "")?;
    for step in messages::sync_steps() {
        editor.send(&step)?;
    }
    editor.skip_to(messages::SAVED)?;
    Ok(editor)
}

/// Returns the updates of an editor that types one character after another.
fn typed(operations: u32) -> impl Iterator<Item = Vec<u8>> {
    let doc = new_doc();
    let content = doc.get_or_insert_text("content");
    meter::numbers(operations).map(move |position| {
        let mut txn = doc.transact_mut();
        content.insert(&mut txn, position, "x");
        messages::update(&txn.encode_update_v1())
    })
}

/// Moves a cursor before some subscribers, then before more.
fn deliver(stage: &Stage, operations: u32) -> anyhow::Result<()> {
    let mut alice = stage.open(&stage.alice)?;
    let mut pages = vec![];
    for subscribers in SUBSCRIBERS {
        while pages.len() < subscribers {
            pages.push(stage.follow_cursors(&stage.bob)?);
        }
        stage.await_subscriptions(3 + subscribers as u64)?;
        meter::count(cursors(stage.document, operations), |cursor| {
            alice.send(&cursor)?;
            alice.skip_to(messages::DONE)?;
            pages.iter_mut().try_for_each(|page| page.expect(messages::CURSOR))
        })?;
    }
    Ok(())
}

fn join(stage: &Stage, operations: u32) -> anyhow::Result<()> {
    let mut alice = stage.open(&stage.alice)?;
    stage.await_subscriptions(3)?;
    let mut bob = stage.connect(&stage.bob)?;
    let (opening, end) = (messages::opening(stage.document), messages::end_of_changes());
    meter::count(meter::numbers(operations), |_| {
        bob.send(&opening)?;
        bob.expect(messages::CHANGE)?;
        alice.expect(messages::JOINED)?;
        bob.send(&end)?;
        alice.expect(messages::LEFT)
    })
}

fn connect(stage: &Stage, operations: u32) -> anyhow::Result<()> {
    let close = messages::close();
    meter::count(meter::numbers(operations), |_| {
        let mut client = stage.connect(&stage.alice)?;
        client.send(&close)?;
        client.expect_end()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_takes_its_part_of_an_interval() {
        assert_eq!(Scenario::Cursor.instructions(&[150_000]), 1_000);
    }

    #[test]
    fn a_delivery_takes_what_one_more_subscriber_adds() {
        let cursors = 60 * 1_000_000;
        let with = |subscribers: u64| cursors + 60 * subscribers * 1_000;
        assert_eq!(Scenario::Delivery.instructions(&[with(4), with(40)]), 1_000);
    }
}
