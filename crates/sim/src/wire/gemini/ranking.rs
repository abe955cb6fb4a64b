//! Records by relevance, as Google's cloud ranks them beside its models.

use serde_json::{Value, json};

use super::error;
use crate::ask::{Ask, Rerank, Task};
use crate::call::Call;
use crate::refusal::Refusal;
use crate::shape::{FILLED, FLAG, Reading, Shape, TEXT, WHOLE, may, must};
use crate::wire::{Asked, Host, Route, items, text};

/// Most records of a request.
const RECORDS_MAX: usize = 200;
/// Where records are ranked.
const LOCATIONS: [&str; 3] = ["global", "us", "eu"];

static RANK: Shape = Shape::Members(&[
    must("records", &Shape::List(&RECORD)),
    may("model", &TEXT),
    may("query", &TEXT),
    may("topN", &WHOLE),
    may("ignoreRecordDetailsInResponse", &FLAG),
    may("userLabels", &Shape::MapOf(&TEXT)),
]);
static RECORD: Shape = Shape::Members(&[
    must("id", &FILLED),
    may("title", &TEXT),
    may("content", &TEXT),
    may("score", &Shape::Any),
]);

/// `…/v1/projects/P/locations/L/rankingConfigs/default_ranking_config:rank`.
pub(super) fn route(path: &str) -> Option<Route<'static>> {
    let named = path.strip_suffix("/rankingConfigs/default_ranking_config:rank")?;
    let (_, named) = named.split_once("/v1/projects/")?;
    let (project, location) = named.split_once("/locations/")?;
    let is_known = !project.is_empty() && LOCATIONS.contains(&location);
    is_known.then(|| Route { host: Host::Vertex, ..Route::to(Asked::Rerank) })
}

/// # Errors
/// What Google would refuse.
pub(super) fn read<'a>(call: &Call<'a>, body: &Value) -> Result<Ask<'a>, Refusal> {
    let reading = Reading { lenient: call.lenient, snake: true };
    RANK.check(body, reading).map_err(|flaw| error::invalid(&flaw))?;
    let either = |camel: &str, snake: &str| body.get(camel).or_else(|| body.get(snake)).cloned();
    let records = items(body, "records");
    if !(1..=RECORDS_MAX).contains(&records.len()) {
        let message = format!("Between 1 and {RECORDS_MAX} records are expected.");
        return Err(Refusal::bad_request(message).about("records"));
    }
    let said = |record: &Value| [text(record, "title"), text(record, "content")].join(" ");
    let documents: Vec<String> = records.iter().map(said).collect();
    if documents.iter().any(|said| said.trim().is_empty()) {
        let message = "At least one of title or content should be set.";
        return Err(Refusal::bad_request(message).about("records"));
    }
    let model = match text(body, "model") {
        "" => "semantic-ranker-512@latest",
        named => named,
    };
    if !model.starts_with("semantic-ranker-") {
        return Err(Refusal::bad_request(format!("Unknown model: {model}")).about("model"));
    }
    let top = either("topN", "top_n").and_then(|top| top.as_u64()).filter(|top| *top > 0);
    let brief = either("ignoreRecordDetailsInResponse", "ignore_record_details_in_response");
    let rerank = Rerank {
        query: text(body, "query").to_owned(),
        documents,
        top: top.and_then(|top| usize::try_from(top).ok()),
        echo: brief.and_then(|brief| brief.as_bool()) != Some(true),
        records: records.to_vec(),
    };
    Ok(Ask { model: model.to_owned().into(), stream: false, task: Task::Rerank(rerank) })
}

/// The records, each under the id that it came with.
pub(super) fn whole(rerank: &Rerank, scores: &[(usize, f64)]) -> Vec<u8> {
    let one = |(nth, score): &(usize, f64)| {
        let record = rerank.records.get(*nth).cloned().unwrap_or_default();
        let mut said = if rerank.echo { record } else { json!({"id": record["id"]}) };
        // What would be 0 is not, so that it is seen.
        said["score"] = json!(score.max(0.0001));
        said
    };
    let records: Vec<Value> = scores.iter().map(one).collect();
    json!({ "records": records }).to_string().into_bytes()
}
