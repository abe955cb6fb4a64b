//! What chat requests become, for programs that compare it with what others make of them
//! (`tests/second_opinion`): from standard input, one `{"from", "to", "model", "body"}` per line, to
//! one line each.
//!
//! Knows no format by more than its name, and judges nothing.

use std::io::{self, BufRead, BufWriter, Write};

use bytes::Bytes;
use fixture::formats;
use serde_json::{Value, json};
use shared::{Lines, Outcome, request};
use weir_dialect::fit;
use weir_dialect::{Asked, Format, PathFacts, RequestFault, Target, format, ir};
use weir_types::Operation;

#[expect(clippy::unwrap_used, clippy::panic, dead_code, reason = "it is the tests'")]
#[path = "../src/tests/fixture.rs"]
mod fixture;
#[expect(dead_code, reason = "it is shared with another example")]
mod shared;

fn main() -> io::Result<()> {
    let mut lines = Lines { out: BufWriter::new(io::stdout().lock()) };
    for line in io::stdin().lock().lines() {
        let mut wanted: Value = serde_json::from_str(&line?)?;
        let body = Bytes::from(serde_json::to_vec(&wanted["body"].take())?);
        let called = |member: &str| {
            let mut all = formats().into_iter();
            let found = all.find(|one| wanted[member] == fixture::folder(one.dialect()));
            found.ok_or_else(|| io::Error::other(format!("`{member}` names no format")))
        };
        let (from, to) = (called("from")?, called("to")?);
        let path = PathFacts { operation: Operation::Chat, model: None, stream: None };
        let model = wanted["model"].as_str().unwrap_or_default();
        let outcome = request(from, (&body, &path), to, model)
            .unwrap_or_else(|fault| Outcome::Refused(fault.message));
        lines.put(json!({}), outcome)?;
    }
    lines.out.flush()
}
