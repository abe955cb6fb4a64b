//! What all bodies of a process may take of its memory together, and what they are gathered in:
//! a run of bytes for whoever reads them, pieces for whoever passes them on.
//!
//! Knows bytes, not what they mean. What a body takes is counted by what has arrived of it, never
//! by what somebody has announced, and is given back with its last reference: a body that several
//! rooms of one process share is counted once. Who does not fit waits for a moment and is refused then,
//! or at once if it is the last of too many: whoever lacks least comes first.

mod gather;
mod hold;
mod pieces;
mod pools;
mod room;
#[cfg(test)]
mod tests;
mod waiter;

pub use gather::Gather;
pub use hold::Hold;
pub use pieces::Pieces;
pub use pools::{Budget, NoRoom};
