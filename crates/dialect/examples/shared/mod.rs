//! What the examples share: a request on its way, and lines of JSON about what became of it.

use std::io::{self, Write};

use bytes::Bytes;
use ir::Losses;
use serde_json::Value;
use weir_dialect::{Format, PathFacts, RequestFault, Target, ir};

use super::fixture::{fit, operation_of, target};

/// What has become of something.
pub(crate) enum Outcome {
    Body(Bytes, Losses),
    Events(Vec<Value>, Losses),
    Refused(String),
}

/// A request on the way to a provider that speaks `to`.
pub(crate) fn request(
    from: &dyn Format,
    (body, path): (&Bytes, &PathFacts<'_>),
    to: &'static dyn Format,
    model: &str,
) -> Result<Outcome, RequestFault> {
    let mut request = from.read_request(body, path)?;
    let operation = operation_of(&request);
    let mut losses = Losses::default();
    let target = Target { model, known_as: model, ..target(to.dialect(), operation) };
    fit(to, &mut request, &target, &mut losses)?;
    let written = to.write_request(&request, &target)?;
    losses.extend(written.losses);
    Ok(Outcome::Body(written.body, losses))
}

/// Where the lines go.
pub(crate) struct Lines<W> {
    pub(crate) out: W,
}

impl<W: Write> Lines<W> {
    /// Writes `line` with what has become of it.
    pub(crate) fn put(&mut self, mut line: Value, outcome: Outcome) -> io::Result<()> {
        let losses = match outcome {
            Outcome::Body(body, losses) => {
                line["body"] = serde_json::from_slice(&body)?;
                losses
            }
            Outcome::Events(events, losses) => {
                line["events"] = Value::from(events);
                losses
            }
            Outcome::Refused(message) => {
                line["refused"] = Value::from(message);
                Losses::default()
            }
        };
        let each = losses.iter().map(|loss| format!("{}: {}", loss.member, loss.why));
        line["losses"] = each.collect();
        writeln!(self.out, "{line}")
    }
}
