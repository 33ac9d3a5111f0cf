//! TLS to the database and to Redis: with a server whose certificate is checked, or not at all.

use std::time::Duration;

use coscribe::{
    redis::{RedisOptions, Server},
    store::{Store, StoreError},
};

use crate::{
    process::until_meter,
    support::{Pair, TestDatabase, TestNode},
};

/// The authority behind the certificate of the server that `scripts/test` starts; none where somebody named his own.
fn authority() -> Option<String> {
    std::env::var("TEST_DATABASE_CA").ok()
}

#[actix_web::test]
async fn a_database_whose_certificate_is_right_is_used_over_tls_and_another_is_not() {
    let Some(authority) = authority() else {
        println!("skipped: TEST_DATABASE_CA is not set, so the server's certificate is not known");
        return;
    };
    let database = TestDatabase::create().await.expect("TEST_DATABASE_URL");
    let url = database.url();
    let verified = format!("{url}?sslmode=verify-full&sslrootcert={authority}");
    let settings = [
        ("COSCRIBE__STORE__URL", &*verified),
        ("JWT_SECRET", "a secret of a test, which is long enough"),
    ];
    let pair = Pair::meet_in(&settings, database).await;
    let mut options = pair.node.settings().store.clone();

    // Nobody vouches for it, or for another name than the one that is asked for.
    let of_nobody = format!("{url}?sslmode=verify-full");
    let of_another = verified.replace("@127.0.0.1:", "@127.0.0.2:");
    for wrong in [of_nobody, of_another] {
        options.url = wrong;
        let Err(StoreError::Unavailable(cause)) = Store::open(&options).await else {
            panic!("{} was opened", options.url)
        };
        assert!(format!("{cause:?}").contains("InvalidCertificate"), "{cause:?}");
    }
    pair.end(()).await;
}

#[actix_web::test]
async fn a_redis_whose_certificate_is_right_is_used_over_tls_and_another_is_not() {
    let Some((url, ca)) = redis_with_tls() else {
        println!("skipped: TEST_REDIS_TLS_URL and TEST_DATABASE_CA are not set");
        return;
    };
    let options = |url: &str, ca: Option<&str>| RedisOptions {
        url: url.to_owned(),
        ca: ca.map(Into::into),
        answer_within: Duration::from_secs(5),
        prefix: "tls".into(),
        envelope_version: 3,
    };
    let connect = async |options: RedisOptions| {
        let mut connection = Server::new(&options).unwrap().connect().await?;
        redis::cmd("PING").query_async::<String>(&mut connection).await
    };
    assert_eq!(connect(options(&url, Some(&ca))).await.unwrap(), "PONG");
    // Of nobody whom the system trusts, and for another name.
    assert!(connect(options(&url, None)).await.is_err());
    let other_name = url.replace("localhost", "127.0.0.2");
    assert!(connect(options(&other_name, Some(&ca))).await.is_err());

    // And a whole node over it.
    let settings = [("COSCRIBE__REDIS__URL", url.as_str()), ("COSCRIBE__REDIS__CA", ca.as_str())];
    let node = TestNode::start_with(&settings).await;
    until_meter(node.node().address(), "coscribe_relay_up", |up| up == 1.0).await;
    until_meter(node.node().address(), "coscribe_roster_up", |up| up == 1.0).await;
    node.stop().await;
}

/// The Redis of the test run that speaks TLS, and who signed its certificate; none where somebody named his own.
fn redis_with_tls() -> Option<(String, String)> {
    std::env::var("TEST_REDIS_TLS_URL").ok().zip(authority())
}
