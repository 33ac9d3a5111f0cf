//! Tests that are generated from the schema, so that they cover every field and argument that is added to it.

mod arguments;
mod operations;
mod same_answers;
mod sdl;
mod surroundings;
mod walk;
