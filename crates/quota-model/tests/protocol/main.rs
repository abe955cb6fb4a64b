//! The protocol as it is holds what it promises; with a fault it does not, and that is seen.

mod check;
mod mutants;
mod simulated;
mod walk;
