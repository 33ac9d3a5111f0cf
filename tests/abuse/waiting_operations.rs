//! Sockets whose operations wait for each other.

use std::time::Duration;

use kit::{Client as _, Node as _, RawSocket, ServerFrame, TestNode};
use serde_json::json;
use tokio::{select, time::Instant};

use crate::MEMORY;

/// The longest that a request of the bystander may take. It is wide, because it has to hold on a busy machine.
const MAX_LATENCY: Duration = Duration::from_secs(5);

/// The most memory that the attacker may take, in the node and in this test.
const MAX_MEMORY: usize = 128 * 1024 * 1024;

/// Keeps as many operations waiting as the node allows: sends many together, then as many more as are answered.
async fn flood(socket: &mut RawSocket, operation: &str) {
    let starts = |from: usize, count: usize| {
        let payload = json!({ "query": operation });
        let start =
            |id: usize| json!({ "type": "subscribe", "id": id.to_string(), "payload": payload });
        (from..from + count).map(start).collect::<Vec<_>>()
    };
    let mut started = 400;
    socket.send_together(&starts(0, started)).await;
    loop {
        match socket.expect_frame().await {
            ServerFrame::Text(text)
                if text.contains("\"type\":\"complete\"")
                    || text.contains("\"type\":\"error\"") =>
            {
                socket.send_together(&starts(started, 1)).await;
                started += 1;
            }
            ServerFrame::Text(_) | ServerFrame::Ping(_) => {}
            other => panic!("received {other:?} instead of a message"),
        }
    }
}

#[actix_web::test]
async fn operations_that_wait_delay_only_their_own_session() {
    let node =
        TestNode::start_with(&[("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "1000000")]).await;
    let (alice, mallory) = (node.person("Alice").await, node.person("Mallory").await);
    for number in 0..20 {
        mallory.create_document(&format!("Document {number}"), "text").await;
    }
    let operation = "{ documents(first: 20) { nodes { id title content owner { name } } } }";
    let mut sockets = vec![];
    for _ in 0..5 {
        sockets.push(mallory.connect_raw().await);
    }
    let socket = alice.connect().await;
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();

    let flooding = futures_util::future::join_all(
        sockets.iter_mut().map(|attacking| flood(attacking, operation)),
    );
    let working = async {
        node.expect_metric_that("waiting operations", "coscribe_operations_waiting", |shown| {
            shown > 0
        })
        .await;
        for _ in 0..20 {
            let asked = Instant::now();
            assert!(socket.run("{ me { id } }", json!({})).await.is_ok());
            let latency = asked.elapsed();
            assert!(latency < MAX_LATENCY, "a bystander waited for {latency:?}");
        }
    };
    select! {
        _ = flooding => unreachable!("it has no end"),
        () = working => {}
    }

    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken < MAX_MEMORY, "{taken} bytes");
    drop((sockets, socket));
    node.expect_metric("coscribe_operations_waiting", 0).await;
    node.stop().await;
}
