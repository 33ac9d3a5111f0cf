//! TLS to the database and to Redis: a certificate that is not valid for the server is refused.

use std::time::Duration;

use coscribe::{
    redis::{RedisOptions, Server},
    store::{Store, StoreError},
};
use kit::{Node as _, Pair, TestDatabase, TestNode, certificate_authority, redis_tls_url};

#[actix_web::test]
async fn a_database_is_used_over_tls_only_with_a_valid_certificate() {
    let Some(authority) = certificate_authority() else {
        println!("skipped: TEST_DATABASE_CA is not set, so the server's certificate is not known");
        return;
    };
    let database = TestDatabase::require().await;
    let verified = database.url_with(&format!("?sslmode=verify-full&sslrootcert={authority}"));
    let settings = [
        ("COSCRIBE__STORE__URL", &*verified),
        ("JWT_SECRET", "a secret of a test, which is long enough"),
    ];
    let unknown_authority = database.url_with("?sslmode=verify-full");
    let pair = Pair::start_in(&settings, database).await;
    let mut options = pair.node.settings().store.clone();

    // Signed by an unknown authority, and issued for another name.
    let other_name = verified.replace("@127.0.0.1:", "@127.0.0.2:");
    for invalid in [unknown_authority, other_name] {
        options.url = invalid;
        let Err(StoreError::Unavailable(cause)) = Store::open(&options).await else {
            panic!("{} was opened", options.url)
        };
        assert!(format!("{cause:?}").contains("InvalidCertificate"), "{cause:?}");
    }
    pair.stop(()).await;
}

#[actix_web::test]
async fn a_redis_is_used_over_tls_only_with_a_valid_certificate() {
    let Some((url, ca)) = redis_tls_url().zip(certificate_authority()) else {
        println!("skipped: TEST_REDIS_TLS_URL and TEST_DATABASE_CA are not set");
        return;
    };
    let options = |url: &str, ca: Option<&str>| RedisOptions {
        url: url.to_owned(),
        ca: ca.map(Into::into),
        answer_within: Duration::from_secs(5),
        prefix: "tls".into(),
        envelope_version: 5,
        accept_unsigned: false,
    };
    let connect = async |options: RedisOptions| {
        let mut connection = Server::new(&options).unwrap().connect().await?;
        redis::cmd("PING").query_async::<String>(&mut connection).await
    };
    assert_eq!(connect(options(&url, Some(&ca))).await.unwrap(), "PONG");
    // Signed by an authority that the system does not know, and issued for another name.
    assert!(connect(options(&url, None)).await.is_err());
    let other_name = url.replace("localhost", "127.0.0.2");
    assert!(connect(options(&other_name, Some(&ca))).await.is_err());

    let settings = [("COSCRIBE__REDIS__URL", url.as_str()), ("COSCRIBE__REDIS__CA", ca.as_str())];
    let node = TestNode::start_with(&settings).await;
    node.expect_metric("coscribe_relay_up", 1).await;
    node.expect_metric("coscribe_roster_up", 1).await;
    node.stop().await;
}
