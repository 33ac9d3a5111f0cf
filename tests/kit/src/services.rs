//! What the test run was given: addresses of servers and seeds. `scripts/test` starts the servers and sets the variables.

/// The PostgreSQL that `TEST_DATABASE_URL` names, if it is set. Each test creates databases of its own there.
#[must_use]
pub fn database_url() -> Option<String> {
    variable("TEST_DATABASE_URL")
}

/// The Redis that `TEST_REDIS_URL` names, if it is set. Each test uses a prefix of its own there.
#[must_use]
pub fn redis_url() -> Option<String> {
    variable("TEST_REDIS_URL")
}

/// The Redis Cluster that `TEST_REDIS_CLUSTER_URL` names, if it is set.
#[must_use]
pub fn redis_cluster_url() -> Option<String> {
    variable("TEST_REDIS_CLUSTER_URL")
}

/// The address at which the same Redis accepts TLS, if `TEST_REDIS_TLS_URL` is set.
#[must_use]
pub fn redis_tls_url() -> Option<String> {
    variable("TEST_REDIS_TLS_URL")
}

/// The PEM file of the authority that signed the certificates of these servers, if `TEST_DATABASE_CA` is set.
#[must_use]
pub fn certificate_authority() -> Option<String> {
    variable("TEST_DATABASE_CA")
}

/// The number in an environment variable, such as a seed.
#[must_use]
pub fn number(name: &str) -> Option<u64> {
    variable(name).map(|text| text.parse().unwrap())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
