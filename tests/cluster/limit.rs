//! The limit on the connections of one user, which holds for all nodes together.

use futures_util::future::join_all;
use kit::{Pair, Person, expect_eventually, within};

use crate::relay::connect_to_redis;

const REFUSED: (u16, &str) = (4403, "Connection limit exceeded");

#[actix_web::test]
async fn the_eleventh_connection_is_refused_on_every_node() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let mut sockets = Vec::new();
    for number in 0..10 {
        let node = if number % 3 == 0 { &pair.node } else { &peer };
        sockets.push(pair.alice.at(node).try_connect().await.unwrap());
    }
    for node in [&pair.node, &peer] {
        let refused = pair.alice.at(node).try_connect().await.err().unwrap();
        assert_eq!((refused.0, refused.1.as_str()), REFUSED);
        // Other users are not affected.
        drop(pair.bob.at(node).try_connect().await.unwrap());
    }
    // A slot that is released on one node is free on every node.
    sockets.pop().unwrap().close().await;
    let connected = async {
        loop {
            if let Ok(socket) = pair.alice.try_connect().await {
                return socket;
            }
        }
    };
    sockets.push(within("a free slot", connected).await);
    pair.stop_with(peer, sockets).await;
}

#[actix_web::test]
async fn of_twenty_simultaneous_connections_ten_are_admitted() {
    let pair = Pair::start().await;
    let (second, third) = (pair.node.start_peer().await, pair.node.start_peer().await);
    for _round in 0..3 {
        let people: Vec<_> = (0..20)
            .map(|number| pair.alice.at([&pair.node, &second, &third][number % 3]))
            .collect();
        let arrivals = people.iter().map(Person::try_connect);
        let (admitted, refused): (Vec<_>, Vec<_>) =
            join_all(arrivals).await.into_iter().partition(Result::is_ok);
        assert_eq!((admitted.len(), refused.len()), (10, 10));
        drop(admitted);
        // All slots are free again when ten connections are admitted on one node.
        let all_free = async {
            let mut sockets = Vec::new();
            while sockets.len() < 10 {
                sockets.extend(pair.alice.at(&second).try_connect().await.ok());
            }
            for socket in sockets {
                socket.close().await;
            }
        };
        within("ten free slots", all_free).await;
        within("the end of their sessions", second.sessions().gone()).await;
        let (connection, keys) = connect_to_redis(&pair.node).await;
        let slots = keys.slots(pair.alice.id);
        let no_slot_is_taken = async || {
            let mut connection = connection.clone();
            redis::cmd("HLEN").arg(&slots).query_async::<u64>(&mut connection).await.unwrap() == 0
        };
        expect_eventually("the release of all slots", no_slot_is_taken).await;
    }
    third.stop().await;
    pair.stop_with(second, ()).await;
}
