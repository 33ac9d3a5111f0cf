//! TLS to the database: with a server whose certificate is checked, or not at all.

use coscribe::store::{Store, StoreError};

use crate::support::{Pair, TestDatabase};

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
