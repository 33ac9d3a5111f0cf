//! coscribe
fn main() {}
