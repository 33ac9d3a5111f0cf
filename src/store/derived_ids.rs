//! Ids that are derived from other values, so that the same values always have the same id.
//!
//! Invariant: a derived id has version 8 (RFC 9562, section 5.8), which no id that this server draws has.

use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

/// The version of derived ids: that of UUIDs whose contents an application defines.
const DERIVED_VERSION: usize = 8;

/// Returns the id that is derived from the values that were hashed: the first half of the hash, apart from six bits.
pub(super) fn derived_id(hash: Sha256) -> Uuid {
    let digest: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(half).into_uuid()
}

/// Returns whether an id is a derived one.
pub(super) fn is_derived(id: Uuid) -> bool {
    id.get_version_num() == DERIVED_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(text: &str) -> Uuid {
        derived_id(Sha256::new().chain_update(text))
    }

    #[test]
    fn the_same_values_have_the_same_derived_id() {
        assert_eq!(id_of("a"), id_of("a"));
        assert_ne!(id_of("a"), id_of("b"));
    }

    #[test]
    fn derived_ids_are_told_from_others() {
        assert!(is_derived(id_of("a")));
        assert!(!is_derived(Uuid::now_v7()));
        assert!(!is_derived(Uuid::nil()));
    }
}
