use super::*;

fn delta(json: &str) -> Delta {
    serde_json::from_str(json).unwrap()
}

#[test]
fn an_update_has_the_effect_of_its_delta() {
    let mut replica = Replica::of("a🎈b\n");
    let state = replica.state();
    let first = replica
        .apply(
            &delta(r#"[{"retain":3},{"insert":"ö👍"},{"delete":1}]"#),
            ApplyBounds { text: 100, structs: usize::MAX, budget: &Budget::unlimited() },
        )
        .unwrap();
    let second = replica
        .apply(
            &delta(r#"[{"delete":1},{"retain":2},{"insert":"x"}]"#),
            ApplyBounds { text: 100, structs: usize::MAX, budget: &Budget::unlimited() },
        )
        .unwrap();

    assert_eq!(*replica.content(), *"🎈xö👍\n", "{}", replica.content());
    let other = Replica::load(&state, &Budget::unlimited())
        .unwrap()
        .followed_by([&*first, &*second], &Budget::unlimited())
        .unwrap();
    assert_eq!(other.content(), replica.content());
    assert_eq!(
        Replica::text_of(&replica.state(), &Budget::unlimited()).unwrap(),
        (replica.content().clone(), false)
    );
}

#[test]
fn a_rejected_delta_changes_nothing() {
    let mut replica = Replica::of("🎈");
    for misfit in [r#"[{"retain":1},{"insert":"x"}]"#, r#"[{"delete":1}]"#, r#"[{"delete":3}]"#] {
        replica
            .apply(
                &delta(misfit),
                ApplyBounds { text: 100, structs: usize::MAX, budget: &Budget::unlimited() },
            )
            .unwrap_err();
    }
    let large = replica.apply(
        &delta(r#"[{"insert":"123"}]"#),
        ApplyBounds { text: 6, structs: usize::MAX, budget: &Budget::unlimited() },
    );
    assert_eq!(large.unwrap_err(), ApplyError::TooLarge { size: 7, limit: 6 });
    let (text, _) = Replica::text_of(&replica.state(), &Budget::unlimited()).unwrap();
    assert_eq!(text, *"🎈");
}

#[test]
fn a_malformed_state_is_rejected() {
    assert!(Replica::load(b"no update", &Budget::unlimited()).is_err());
}
