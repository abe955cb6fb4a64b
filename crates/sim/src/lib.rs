//! A simulated provider: answers like the services it stands for, fails on command, remembers what
//! it saw.
//!
//! One program serves three purposes: the demo that answers when no key is configured, the upstream
//! of the end-to-end scenarios (faults, request log, high-water marks), and the upstream of the
//! benchmarks (cheap when nothing is logged). It stands outside the rooms and knows none of them.
//!
//! A request comes in as a format of `wire/` (`shape` checks bodies against tables), becomes the
//! small plan of `ask`, is answered by `answer/` and `tool`, and goes out as the same format. It
//! shares no code with the gateway's formats, so that it does not share their mistakes.
//!
//! Pure: those, and `sample`, `schema`, `call`, `behaviour`, `rule`, `plan`, `refusal`. The shell around them: `ledger`
//! (counts and log), `body` (plays a plan), `service` (one request), `admin` (`/sim/...`), `server`
//! (connections; closes them with RST when told to).
//!
//! It takes the provider's part, so it sees provider keys and keeps the ones it saw in its log.
//! Give it made-up keys only.

mod admin;
mod answer;
mod ask;
mod behaviour;
mod body;
mod call;
mod form;
mod ledger;
mod manner;
mod plan;
mod refusal;
mod rule;
mod sample;
mod schema;
mod server;
mod service;
mod settings;
mod shape;
mod store;
mod tool;
mod wire;

pub use behaviour::{Behaviour, GrammarError};
pub use ledger::{Entry, Load, Outcome, Stats};
pub use rule::{Matcher, Rule};
pub use server::Sim;
pub use settings::Settings;
