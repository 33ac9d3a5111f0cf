//! Revoking what was granted to groups.

use chrono::TimeDelta;

use super::*;
use crate::store::test_store::TestStore;

#[tokio::test]
async fn a_revoked_grant_counts_for_no_clock_and_its_deletion_is_another_change() {
    let store = TestStore::new().await;
    let ana = store.user("ana").await;
    let document = store.document(ana).await.id;
    let name = GroupName::new("wiki", "Writers").unwrap();
    store.grant_to_group(ana, document, &name, AccessLevel::Edit.into()).await.unwrap();
    let group = GroupId::from(group_id(&name));
    // A call after one that was interrupted goes on.
    for _ in 0..2 {
        assert!(store.revoke_from_group(ana, document, group).await.unwrap());
    }
    // It has ended for a node whose clock is far behind, too.
    let long_ago = Utc::now() - TimeDelta::days(365);
    assert_eq!(store.list_ended_group_grants(long_ago).await.unwrap(), [(document, group)]);
    let version = async || store.find_access(ana, document).await.unwrap().unwrap().1;
    let before = version().await;

    store.delete_ended_group_grant(document, group).await.unwrap();
    // A node that has read the grant after the first change finds this one.
    assert_eq!(version().await, before + 1);
    store.delete_ended_group_grant(document, group).await.unwrap();
    assert_eq!(version().await, before + 1);
    assert!(!store.revoke_from_group(ana, document, group).await.unwrap());
}
