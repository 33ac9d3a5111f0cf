//! Yjs editors: who is let in, what they write and are told, who is there, and what they cannot break.

mod awareness;
mod hostile;
mod letting_in;
mod writing;
