//! The `/sim/...` calls by which a test sets rules and reads back what happened.

use http::request::Parts;
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::rule::{Rule, RuleBook};
use crate::service::Shared;
use crate::wire::openai::OpenAi;
use crate::wire::{Route, Wire as _};

/// Entries that one call hands out at most.
const ENTRIES_MAX: usize = 100_000;

/// Status and JSON body.
pub(crate) fn answer(shared: &Shared, parts: &Parts, body: &[u8]) -> (u16, String) {
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let ledger = &shared.ledger;
    let value = match (method, path) {
        ("GET", "/healthz") => Ok(json!({"status": "ok"})),
        ("GET", "/sim/stats") => Ok(json!(ledger.stats())),
        ("GET", "/sim/requests") => {
            let number = |name| number_of(parts.uri.query().unwrap_or_default(), name);
            number("after").and_then(|after| {
                let limit = number("limit")?.map_or(ENTRIES_MAX, |limit| limit as usize);
                let entries = ledger.entries(after.unwrap_or(0), limit.min(ENTRIES_MAX));
                Ok(json!({"requests": entries, "logging": ledger.logs()}))
            })
        }
        ("GET", "/sim/faults") => Ok(ledger.with_rules(|rules| json!({"faults": rules.list()}))),
        ("POST", "/sim/faults") => place(shared, body),
        ("DELETE", "/sim/faults") => {
            ledger.with_rules(RuleBook::clear);
            Ok(json!({"faults": []}))
        }
        ("POST", "/sim/reset") => {
            ledger.reset();
            shared.store.clear();
            Ok(json!({"reset": true}))
        }
        _ => Err(Refusal::no_route(method, path)),
    };
    match value {
        Ok(value) => (200, value.to_string()),
        Err(refusal) => {
            let spoken = OpenAi.error(&Route::default(), &refusal);
            (spoken.status, spoken.body)
        }
    }
}

fn place(shared: &Shared, body: &[u8]) -> Result<Value, Refusal> {
    let several = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let read = if several {
        serde_json::from_slice::<Vec<Rule>>(body)
    } else {
        serde_json::from_slice::<Rule>(body).map(|rule| vec![rule])
    };
    let rules = read.map_err(|error| Refusal::bad_request(format!("rule: {error}")))?;
    let ids = shared.ledger.with_rules(|book| {
        rules
            .into_iter()
            .map(|rule| book.add(rule, std::time::Instant::now()))
            .collect::<Result<Vec<_>, _>>()
    });
    ids.map(|ids| json!({"ids": ids})).map_err(Refusal::bad_request)
}

/// A number from a query such as `after=3&limit=10`.
fn number_of(query: &str, name: &str) -> Result<Option<u64>, Refusal> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, value)) = pairs.into_iter().find(|(key, _)| *key == name) else {
        return Ok(None);
    };
    value.parse().map(Some).map_err(|_| Refusal::bad_member(name, "expected a number"))
}
