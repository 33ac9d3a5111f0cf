//! The users and documents of a run.

use anyhow::ensure;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::{Http, Operation, TokenSource, User};

/// Requests that are under way at the same time.
const AT_ONCE: usize = 16;

/// Who is to be there.
pub(crate) struct CastPlan<'a> {
    /// The number of users.
    pub(crate) users: usize,
    /// For each document the numbers of its users. The first one owns it; the others may edit it.
    pub(crate) members: Vec<Vec<usize>>,
    /// The text of each document.
    pub(crate) content: &'a str,
}

/// The users and documents.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    pub(crate) users: Vec<User>,
    /// The ids of the documents.
    pub(crate) documents: Vec<String>,
}

impl Cast {
    /// Creates the users and documents.
    ///
    /// # Errors
    /// The server refuses a user or a document.
    pub(crate) async fn assemble(
        http: &Http,
        tokens: &TokenSource,
        plan: CastPlan<'_>,
    ) -> anyhow::Result<Self> {
        let is_allowed =
            matches!(tokens, TokenSource::Minted(_)) || plan.users <= TokenSource::MAX_REGISTERED;
        ensure!(
            is_allowed,
            "this load needs {} users, but a server registers {} of one address in an hour: pass --secret, or less load",
            plan.users,
            TokenSource::MAX_REGISTERED
        );
        let users = stream::iter(0..plan.users).map(|number| tokens.create(http, number));
        let users: Vec<User> = users.buffered(AT_ONCE).try_collect().await?;
        let documents = plan.members.iter().enumerate();
        let documents = documents.map(|(number, members)| {
            let members: Vec<&User> = members.iter().map(|member| &users[*member]).collect();
            create_document(http, members, number, plan.content)
        });
        let documents = stream::iter(documents.collect::<Vec<_>>());
        let documents: Vec<String> = documents.buffered(AT_ONCE).try_collect().await?;
        Ok(Self { users, documents })
    }
}

async fn create_document(
    http: &Http,
    members: Vec<&User>,
    number: usize,
    content: &str,
) -> anyhow::Result<String> {
    let (owner, others) = (members[0], &members[1..]);
    let variables = json!({ "t": format!("Document {number}"), "c": content });
    let data = http.run(Some(&owner.token), Operation::CREATE, variables).await?;
    let id = text(&data["createDocument"]["id"]);
    for other in others.iter().filter(|other| other.id != owner.id) {
        let variables = json!({ "d": id, "u": other.id });
        http.run(Some(&owner.token), Operation::GRANT, variables).await?;
    }
    Ok(id)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
