//! The closing mark: an edit of each document after the load.
//!
//! Events of a document arrive in order, so a copy of an earlier one, or one that a connection must not get, has arrived when this
//! mark does. It comes from a connection of its own that subscribes to nothing: all others receive it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::time::sleep;

use super::{
    seats::Target,
    spread::{UNHURRIED, spread},
};
use crate::driver::{Graphql, LinkOptions, Marker, Operation};

/// How often a mark is sent that the server cannot store at the time.
const ATTEMPTS: usize = 100;

/// The pause before it is sent again.
const PAUSE: Duration = Duration::from_millis(200);

/// Inserts the mark into the documents of these seats, each as its first sender.
///
/// # Errors
/// The server refuses a connection or a mark.
pub(crate) async fn write(targets: &[Target]) -> anyhow::Result<()> {
    let mut known = BTreeMap::new();
    // One connection for each user, who may have few.
    let mut users = BTreeMap::<usize, Vec<Target>>::new();
    for target in targets.iter().filter(|target| target.seat.sends.is_some()) {
        if let Entry::Vacant(entry) = known.entry(target.seat.document) {
            entry.insert(());
            users.entry(target.seat.user).or_default().push(target.clone());
        }
    }
    spread(users.into_values().map(insert_all), UNHURRIED).await.context("the closing marks")?;
    Ok(())
}

/// Inserts the marks of one user.
async fn insert_all(targets: Vec<Target>) -> anyhow::Result<()> {
    let Target { address, token, .. } = targets.first().context("a user without documents")?;
    let connection = Graphql::connect(address, token, LinkOptions::default(), |_| {}).await?;
    for Target { seat, document, .. } in &targets {
        insert(&connection, document, Marker::closing(seat.sends.unwrap_or_default())).await?;
    }
    Ok(())
}

async fn insert(connection: &Graphql, document: &str, marker: Marker) -> anyhow::Result<()> {
    let head = connection.run(Operation::HEAD, &format!(r#"{{"d":"{document}"}}"#)).await?;
    let head: Value = serde_json::from_str(&head)?;
    let version = head["data"]["document"]["version"].as_u64().context("a document is missing")?;
    let variables = format!(
        r#"{{"d":"{document}","b":{version},"s":[{{"insert":"{marker}"}}],"m":"{marker}"}}"#
    );
    for attempt in 0.. {
        match connection.run(Operation::EDIT, &variables).await {
            Ok(_stored) => break,
            Err(error) => {
                ensure!(error.is_temporary() && attempt < ATTEMPTS, error);
                sleep(PAUSE).await;
            }
        }
    }
    Ok(())
}
