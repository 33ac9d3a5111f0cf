//! Requests that prepare a scenario. They use no HTTP library: those in the workspace read the certificates of the machine, which
//! takes longer than the start of a node.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// The metrics that count active subscriptions.
const SUBSCRIPTIONS: &str = "active_subscriptions_total{";

/// Runs an operation and returns its data. An empty token means none.
///
/// # Errors
/// The node refuses the operation.
pub(crate) fn run(
    address: SocketAddr,
    token: &str,
    query: &str,
    variables: &Value,
) -> anyhow::Result<Value> {
    let body = serde_json::json!({ "query": query, "variables": variables }).to_string();
    let authorization = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    let length = body.len();
    let head = format!(
        "POST /graphql HTTP/1.1\r\n{authorization}Content-Type: application/json\r\nContent-Length: {length}\r\n"
    );
    let answer = exchange(address, &head, &body)?;
    let mut answer: Value = serde_json::from_str(&answer)?;
    ensure!(answer.get("errors").is_none(), "an operation is refused: {answer}");
    Ok(answer["data"].take())
}

/// Returns the number of active subscriptions of all topics.
///
/// # Errors
/// The metrics cannot be read.
pub(crate) fn subscriptions(address: SocketAddr) -> anyhow::Result<u64> {
    let page = exchange(address, "GET /metrics HTTP/1.1\r\n", "")?;
    let counts = page.lines().filter(|line| line.starts_with(SUBSCRIPTIONS));
    let counts = counts.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<u64>());
    Ok(counts.sum::<Result<_, _>>()?)
}

/// Sends a request and returns the body of the response.
fn exchange(address: SocketAddr, head: &str, body: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let request = format!("{head}Host: {address}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes())?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").context("half a response")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "a request is refused: {response}");
    Ok(body.to_owned())
}
