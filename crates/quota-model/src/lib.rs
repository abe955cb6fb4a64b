//! The quota protocol, checked: the real machine and the real routers' side, in every order of events.
//!
//! [`Protocol`] is a model for a checker: a few routers, a few requests, one pool, and a network that
//! loses, delays and repeats. A [`Simulation`] is one long path through a larger world. Nothing of the protocol is written here a second time; what is here is
//! what drives it, what can go wrong, and what must hold (Q1, Q2, ... of `weir_quota`). That the checks
//! can fail is shown by [`Mutant`]s: faults that are put in on purpose, each of which is found.

mod judge;
mod model;
mod mutant;
mod router;
mod setup;
mod simulation;
mod world;

pub use model::{Action, Protocol};
pub use mutant::Mutant;
pub use setup::{Budget, Setup};
pub use simulation::{Figures, Finding, Simulation};
pub use world::World;
