//! What the tests are written with: nodes, people and their sockets.

mod node;

pub(crate) use node::TestNode;
