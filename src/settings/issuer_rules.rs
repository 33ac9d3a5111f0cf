//! The rules for outside issuers of tokens.

use std::{collections::HashSet, time::Duration};

use super::fault_list::FaultList;
use crate::{
    auth::{AuthOptions, IssuerOptions, check_key_place},
    domain::OutsideSubject,
};

/// Keys that an issuer has taken back must stop working at some time.
const MAX_STALE: Duration = Duration::from_hours(24 * 7);

const SECOND: Duration = Duration::from_secs(1);

/// Adds the faults of the sections `auth.issuers.NAME`.
pub(super) fn check(faults: &mut FaultList, auth: &AuthOptions) {
    let mut issuers = HashSet::new();
    for (name, issuer) in &auth.issuers {
        let key = |member: &str| format!("auth.issuers.{name}.{member}");
        check_issuer(faults, issuer, key);
        faults.unless(issuers.insert(&issuer.issuer), &key("issuer"), || {
            format!("{:?} is the issuer of another section. Name each once.", issuer.issuer)
        });
        let is_application = issuer.issuer.starts_with(OutsideSubject::APPLICATION);
        faults.unless(!is_application, &key("issuer"), || {
            format!(
                "begins with {:?}, which is reserved for applications. Set it to the `iss` claim of the provider's tokens.",
                OutsideSubject::APPLICATION
            )
        });
        let is_ours = auth.issuer.as_ref() == Some(&issuer.issuer);
        faults.unless(!is_ours, &key("issuer"), || {
            "is the same as auth.issuer, the issuer of our own tokens. Give them different names.".into()
        });
    }
}

fn check_issuer(faults: &mut FaultList, issuer: &IssuerOptions, key: impl Fn(&str) -> String) {
    faults.unless(!issuer.issuer.trim().is_empty(), &key("issuer"), || {
        "is not set. Set it to the `iss` claim of the issuer's tokens, such as https://login.example.org.".into()
    });
    let has_audiences = !issuer.audiences.is_empty()
        && issuer.audiences.iter().all(|audience| !audience.trim().is_empty());
    faults.unless(has_audiences, &key("audiences"), || {
        "names no audience, so tokens for every other application would be accepted. Set it to the `aud` claim of tokens \
         for this server, such as [\"coscribe\"]."
            .into()
    });
    if !issuer.issuer.trim().is_empty()
        && let Err(problem) = check_key_place(issuer)
    {
        faults.unless(false, &key("keys"), || {
            format!(
                "{problem}. Set it to the https address of a JWK Set, or to a file; or leave it unset if the issuer is an \
                 https address with an OpenID configuration."
            )
        });
    }
    faults.unless(!issuer.algorithms.is_empty(), &key("algorithms"), || {
        "names no algorithm. Set it to those of RS256, ES256 and EdDSA that the issuer uses.".into()
    });
    faults.duration(&key("keys_every"), issuer.keys_every, SECOND);
    faults.duration(&key("keys_retry"), issuer.keys_retry, SECOND);
    faults.duration(&key("keys_stale"), issuer.keys_stale, issuer.keys_every.max(SECOND));
    faults.no_longer_than(&key("keys_stale"), issuer.keys_stale, MAX_STALE);
    for (member, claim) in [
        ("name_claim", &issuer.name_claim),
        ("email_claim", &issuer.email_claim),
        ("email_verified_claim", &issuer.email_verified_claim),
    ] {
        faults.unless(!claim.is_empty(), &key(member), || {
            "is empty. Set it to the name of a claim.".into()
        });
    }
}
