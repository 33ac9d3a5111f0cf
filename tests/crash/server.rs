//! The real binary, killed without warning, and somebody who uses it.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// On a free port, with its data in `folder`, snapshots every few changes, and no limit that gets in the way.
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_coscribe")), folder).await
    }

    /// The same, but a write past [`Server::limit_files`] fails there, as on a full disk, instead of ending it.
    pub(crate) async fn start_on_a_limited_disk(folder: &Path) -> Self {
        let mut shell = Command::new("/bin/sh");
        let binary = env!("CARGO_BIN_EXE_coscribe");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", binary]);
        Self::run(shell, folder).await
    }

    async fn run(mut command: Command, folder: &Path) -> Self {
        command.env_clear().arg("--data-dir").arg(folder.join("data"));
        command.args(["--host", "127.0.0.1", "--port", "0"]).envs([
            ("COSCRIBE__ROOM__SNAPSHOT_EVERY", "7"),
            ("COSCRIBE__ROOM__LINGER", "10ms"),
            ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000"),
            ("COSCRIBE__AUTH__ARGON2_MEMORY_KIB", "8"),
            ("COSCRIBE__AUTH__ARGON2_PASSES", "1"),
        ]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line = line.expect("a server that starts").unwrap().unwrap();
        let address = line.strip_prefix("coscribe listens on http://").unwrap();
        Self { child, address: address.parse().unwrap() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on no file may grow past so many bytes: `SOFT:` as `prlimit` has it.
    pub(crate) async fn limit_files(&self, limit: &str) {
        let process = self.child.id().unwrap().to_string();
        let mut command = Command::new("prlimit");
        let status = command.args(["--pid", &process, &format!("--fsize={limit}")]).status().await;
        assert!(status.unwrap().success(), "prlimit, of the package util-linux");
    }

    /// SIGKILL: nothing is finished.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Somebody with an account.
#[derive(Clone)]
pub(crate) struct Account {
    http: reqwest::Client,
    token: String,
}

impl Account {
    pub(crate) async fn register(server: &Server) -> Self {
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        let nobody = Self { http, token: String::new() };
        let register = "mutation { register(email: \"a@example.org\", name: \"A\", password: \"correct horse battery\") { token } }";
        let registered = nobody.ask(server.address(), register, json!({})).await.unwrap();
        let token = registered["register"]["token"].as_str().unwrap().to_owned();
        Self { token, ..nobody }
    }

    /// The data of an answer without errors; none when there was no answer.
    pub(crate) async fn ask(&self, to: SocketAddr, query: &str, variables: Value) -> Option<Value> {
        let mut answer = self.answer(to, query, variables).await?;
        assert!(answer.get("errors").is_none(), "{answer}");
        Some(answer["data"].take())
    }

    /// A whole answer; none when there was none.
    pub(crate) async fn answer(
        &self,
        to: SocketAddr,
        query: &str,
        variables: Value,
    ) -> Option<Value> {
        let mut request = self.http.post(format!("http://{to}/graphql"));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let body = json!({ "query": query, "variables": variables });
        request.json(&body).send().await.ok()?.json().await.ok()
    }

    pub(crate) async fn create_document(&self, server: &Server) -> String {
        let create = "mutation { createDocument(title: \"Plan\", content: \"Begin.\") { id } }";
        let created = self.ask(server.address(), create, json!({})).await.unwrap();
        created["createDocument"]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn read(&self, server: &Server, document: &str) -> (i64, String) {
        let read = "query ($id: ID!) { document(id: $id) { version content } }";
        let variables = json!({ "id": document });
        let read = self.ask(server.address(), read, variables).await.unwrap();
        let document = &read["document"];
        (document["version"].as_i64().unwrap(), document["content"].as_str().unwrap().to_owned())
    }
}
