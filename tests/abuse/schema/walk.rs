//! For every field and argument of the schema: an operation that uses it as often as the limits allow stays within the
//! budget, and does not keep a bystander waiting.

use serde_json::Value;

use super::{
    arguments::Values,
    operations::{Builder, Form, Repeat},
    sdl::{Field, Kind, Sdl},
    surroundings::{Outcome, Surroundings},
};

/// How often a field is repeated: from more than any limit allows to a few times.
const TIMES: [usize; 7] = [1_990, 500, 190, 60, 36, 12, 3];

/// Tries the operations that select the last field of a path: once, then as often as the limits allow.
async fn exhaust(around: &Surroundings, sdl: &Sdl, kind: Kind, path: &[Field], first: &mut usize) {
    let once = attempt(around, sdl, kind, path, Repeat::ONCE).await;
    let (last, title) = (path.len() - 1, path[path.len() - 1].title());
    assert!(
        once.is_ok(),
        "{title}: {once:?}; teach `Values` in tests/abuse/schema/arguments.rs arguments with which it succeeds"
    );
    for form in [Form::Aliases, Form::Copies, Form::Fragments] {
        climb(first, async |times| {
            attempt(around, sdl, kind, path, Repeat { depth: last, times, form }).await
        })
        .await;
    }
    // A field with everything below it, at each level above.
    if !sdl.is_object(&path[last].result) {
        return;
    }
    for depth in 0..path.len() {
        let mut first = TIMES.len() - 1;
        climb(&mut first, async |times| {
            let values = Values { sdl, names: around.names(kind, &path[0].name) };
            let repeat = Repeat { depth, times, form: Form::Aliases };
            let whole = Builder::with_everything(kind, path, &values).build(repeat);
            around.run(kind, &whole).await
        })
        .await;
    }
}

/// Tries the entry `first` of [`TIMES`], then more as long as it is accepted, or less until it is. Leaves in `first` the last
/// that was accepted, with which to begin for a similar field.
async fn climb(first: &mut usize, run: impl AsyncFn(usize) -> Outcome) {
    let is_accepted = async |index: usize| !run(TIMES[index]).await.is_too_much();
    if is_accepted(*first).await {
        while *first > 0 && is_accepted(*first - 1).await {
            *first -= 1;
        }
    } else {
        while *first + 1 < TIMES.len() {
            *first += 1;
            if is_accepted(*first).await {
                break;
            }
        }
    }
}

async fn attempt(
    around: &Surroundings,
    sdl: &Sdl,
    kind: Kind,
    path: &[Field],
    repeat: Repeat,
) -> Outcome {
    let values = Values { sdl, names: around.names(kind, &path[0].name) };
    around.run(kind, &Builder::new(kind, path, &values).build(repeat)).await
}

async fn exhaust_all(kind: Kind) {
    let (around, sdl) = (Surroundings::start().await, Sdl::of_the_server());
    let paths = sdl.paths(kind);
    assert!(paths.len() > 10, "the schema was read");
    let mut first = 0;
    for path in &paths {
        exhaust(&around, &sdl, kind, path, &mut first).await;
    }
    around.stop().await;
}

#[actix_web::test]
async fn no_field_of_a_query_exceeds_the_budget() {
    exhaust_all(Kind::Query).await;
}

#[actix_web::test]
async fn no_field_of_a_mutation_exceeds_the_budget() {
    exhaust_all(Kind::Mutation).await;
}

#[actix_web::test]
async fn no_field_of_an_event_exceeds_the_budget() {
    exhaust_all(Kind::Subscription).await;
}

#[actix_web::test]
async fn no_argument_exceeds_the_budget() {
    let (around, sdl) = (Surroundings::start().await, Sdl::of_the_server());
    for kind in Kind::ALL {
        for path in sdl.paths(kind) {
            for argument in &path[path.len() - 1].arguments {
                let extremes = {
                    let values = Values { sdl: &sdl, names: around.names(kind, &path[0].name) };
                    values.extreme(argument)
                };
                for value in extremes {
                    expect_bounded(&around, &sdl, kind, &path, (argument.name.as_str(), value))
                        .await;
                }
            }
        }
    }
    around.stop().await;
}

/// Uses a value once, and as often as the limits allow.
async fn expect_bounded(
    around: &Surroundings,
    sdl: &Sdl,
    kind: Kind,
    path: &[Field],
    (name, value): (&str, Value),
) {
    let last = &path[path.len() - 1];
    let argument = last.arguments.iter().find(|argument| argument.name == name).unwrap();
    for times in [36, 1] {
        let values = Values { sdl, names: around.names(kind, &path[0].name) };
        let repeat = Repeat { depth: path.len() - 1, times, form: Form::Aliases };
        let builder = Builder::new(kind, path, &values);
        around.run(kind, &builder.build_with(repeat, Some((argument, value.clone())))).await;
    }
}
