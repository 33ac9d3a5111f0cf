//! The number of a user's connections, counted over all nodes.

use futures_util::future::join_all;

use crate::{
    relay::redis,
    support::{Pair, Person, within},
};

const REFUSED: (u16, &str) = (4403, "Connection limit exceeded");

#[actix_web::test]
async fn the_eleventh_connection_is_refused_whichever_nodes_the_other_ten_are_on() {
    let pair = Pair::meet().await;
    let other = pair.node.beside().await;
    let mut sockets = Vec::new();
    for place in 0..10 {
        let node = if place % 3 == 0 { &pair.node } else { &other };
        sockets.push(pair.alice.at(node).try_to_connect().await.unwrap());
    }
    for node in [&pair.node, &other] {
        let refused = pair.alice.at(node).try_to_connect().await.err().unwrap();
        assert_eq!((refused.0, refused.1.as_str()), REFUSED);
        // Others are not concerned.
        drop(pair.bob.at(node).try_to_connect().await.unwrap());
    }
    // One that ends is free for any node.
    sockets.pop().unwrap().close().await;
    let again = async {
        loop {
            if let Ok(socket) = pair.alice.try_to_connect().await {
                return socket;
            }
        }
    };
    sockets.push(within("a free slot", again).await);
    pair.end_with(other, sockets).await;
}

#[actix_web::test]
async fn of_twenty_that_arrive_at_the_same_moment_ten_are_admitted() {
    let pair = Pair::meet().await;
    let (second, third) = (pair.node.beside().await, pair.node.beside().await);
    for _round in 0..3 {
        let people: Vec<_> =
            (0..20).map(|place| pair.alice.at([&pair.node, &second, &third][place % 3])).collect();
        let arrivals = people.iter().map(Person::try_to_connect);
        let (admitted, refused): (Vec<_>, Vec<_>) =
            join_all(arrivals).await.into_iter().partition(Result::is_ok);
        assert_eq!((admitted.len(), refused.len()), (10, 10));
        drop(admitted);
        // Until all of them are free again: then ten find a place on one node.
        let free = async {
            let mut sockets = Vec::new();
            while sockets.len() < 10 {
                sockets.extend(pair.alice.at(&second).try_to_connect().await.ok());
            }
            for socket in sockets {
                socket.close().await;
            }
        };
        within("ten free slots", free).await;
        within("the end of their sessions", second.node().sessions().gone()).await;
        let (mut connection, keys) = redis(&pair.node).await;
        let forgotten = async {
            let slots = keys.slots(pair.alice.id);
            while redis::cmd("HLEN").arg(&slots).query_async::<u64>(&mut connection).await.unwrap()
                > 0
            {}
        };
        within("no slot taken", forgotten).await;
    }
    third.stop().await;
    pair.end_with(second, ()).await;
}
