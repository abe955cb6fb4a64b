//! Documents by relevance: `Rerank` of the runtime for agents, another host, which takes signatures alone;
//! and the same through InvokeModel, in Cohere's words.

use serde_json::{Value, json};

use super::{error, request};
use crate::answer::text as made;
use crate::ask::{Ask, Rerank, Task};
use crate::call::{Call, Signature};
use crate::refusal::Refusal;
use crate::shape::{ANY, COUNT, FILLED, OBJECT, POSITIVE, Reading, Shape, TEXTS, may, must};
use crate::wire::{Asked, Route, count, items, text};

/// Most documents of a request.
const SOURCES_MAX: usize = 1000;
/// Most characters of a query or a document.
const TEXT_MAX: usize = 32_000;

static RERANK: Shape = Shape::Members(&[
    must("queries", &Shape::List(&QUERY)),
    must("sources", &Shape::List(&SOURCE)),
    must("rerankingConfiguration", &CONFIGURATION),
    may("nextToken", &FILLED),
]);
static QUERY: Shape =
    Shape::Members(&[must("type", &Shape::Word(&["TEXT"])), must("textQuery", &TEXT)]);
static TEXT: Shape = Shape::Members(&[must("text", &BOUNDED)]);
static BOUNDED: Shape = Shape::Like(
    |text| (1..=TEXT_MAX).contains(&text.chars().count()),
    "between 1 and 32000 characters long",
);
static SOURCE: Shape = Shape::Members(&[
    must("type", &Shape::Word(&["INLINE"])),
    must("inlineDocumentSource", &DOCUMENT),
]);
static DOCUMENT: Shape = Shape::Members(&[
    must("type", &Shape::Word(&["TEXT", "JSON"])),
    may("textDocument", &TEXT),
    may("jsonDocument", &ANY),
]);
static CONFIGURATION: Shape = Shape::Members(&[
    must("type", &Shape::Word(&["BEDROCK_RERANKING_MODEL"])),
    must("bedrockRerankingConfiguration", &BEDROCK),
]);
static BEDROCK: Shape =
    Shape::Members(&[must("modelConfiguration", &MODEL), may("numberOfResults", &POSITIVE)]);
static MODEL: Shape = Shape::Members(&[
    must("modelArn", &Shape::Like(|arn| arn.starts_with("arn:aws"), "an ARN")),
    may("additionalModelRequestFields", &OBJECT),
]);

/// Cohere's model asks which version of its interface is meant, and Amazon's knows of none.
static COHERES: Shape = Shape::Members(&[
    must("query", &FILLED),
    must("documents", &TEXTS),
    must("api_version", &Shape::Number(1.0, 2.0)),
    may("top_n", &POSITIVE),
    may("max_tokens_per_doc", &COUNT),
]);
static AMAZONS: Shape =
    Shape::Members(&[must("query", &FILLED), must("documents", &TEXTS), may("top_n", &POSITIVE)]);

/// `None`: it is another host's.
pub(super) fn route(call: &Call<'_>) -> Option<Route<'static>> {
    let is_signed = Signature::read(call.header("authorization")).is_some();
    (is_signed && call.path.ends_with("/rerank")).then(|| Route::to(Asked::Rerank))
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::bad_request(message))
}

/// # Errors
/// What Amazon would refuse.
pub(super) fn read<'a>(call: &Call<'a>, body: &[u8]) -> Result<Ask<'a>, Refusal> {
    let body = request::json(body)?;
    let reading = Reading { lenient: call.lenient, snake: false };
    RERANK.check(&body, reading).map_err(|flaw| error::invalid(&flaw))?;
    let [query] = items(&body, "queries") else {
        return refuse(
            "Value at 'queries' failed to satisfy constraint: Member must have length 1",
        );
    };
    if body.get("nextToken").is_some() {
        return refuse("The provided nextToken is invalid.");
    }
    let documents = items(&body, "sources").iter().map(document);
    let documents: Vec<String> = documents.collect::<Result<_, _>>()?;
    let bedrock = &body["rerankingConfiguration"]["bedrockRerankingConfiguration"];
    let model = &bedrock["modelConfiguration"];
    let arn = text(model, "modelArn");
    check_region(call, arn)?;
    check_additional(arn, &model["additionalModelRequestFields"])?;
    let query = text(&query["textQuery"], "text").to_owned();
    let rerank = ranked(query, documents, count(bedrock, "numberOfResults"))?;
    Ok(Ask { model: arn.to_owned().into(), stream: false, task: Task::Rerank(rerank) })
}

fn document(source: &Value) -> Result<String, Refusal> {
    let inline = &source["inlineDocumentSource"];
    match (text(inline, "type"), inline.get("textDocument"), inline.get("jsonDocument")) {
        ("TEXT", Some(document), None) => Ok(text(document, "text").to_owned()),
        ("JSON", None, Some(document)) => Ok(document.to_string()),
        _ => refuse("The document's type must be that of the one document that is given."),
    }
}

/// A model is asked where it is.
fn check_region(call: &Call<'_>, arn: &str) -> Result<(), Refusal> {
    let region = Signature::read(call.header("authorization")).map(|one| one.region);
    if arn.split(':').nth(3) == region {
        return Ok(());
    }
    refuse("The model ARN that you provided is not of this Region.")
}

fn check_additional(arn: &str, additional: &Value) -> Result<(), Refusal> {
    let names = additional.as_object().into_iter().flat_map(serde_json::Map::keys);
    let knows = |name: &str| arn.contains("cohere.") && name == "max_tokens_per_doc";
    match names.into_iter().find(|name| !knows(name)) {
        Some(name) => refuse(format!("extraneous key [{name}] is not permitted")),
        None => Ok(()),
    }
}

fn ranked(query: String, documents: Vec<String>, top: Option<usize>) -> Result<Rerank, Refusal> {
    if !(1..=SOURCES_MAX).contains(&documents.len()) {
        return refuse(format!("Between 1 and {SOURCES_MAX} documents are expected."));
    }
    if top.is_some_and(|top| top > documents.len()) {
        return refuse("More results are asked for than there are documents.");
    }
    Ok(Rerank { query, documents, top, echo: false, records: Vec::new() })
}

/// # Errors
/// What the model behind InvokeModel would refuse.
pub(super) fn invoked<'a>(call: &Call<'a>, model: &str, body: &Value) -> Result<Task<'a>, Refusal> {
    let shape = if model.contains("cohere.") { &COHERES } else { &AMAZONS };
    let reading = Reading { lenient: call.lenient, snake: false };
    shape.check(body, reading).map_err(|flaw| error::invalid(&flaw))?;
    let documents = items(body, "documents").iter().filter_map(Value::as_str);
    let documents = documents.map(str::to_owned).collect();
    ranked(text(body, "query").to_owned(), documents, count(body, "top_n")).map(Task::Rerank)
}

pub(super) fn whole(scores: &[(usize, f64)]) -> Vec<u8> {
    let one = |(nth, score): &(usize, f64)| json!({"index": nth, "relevanceScore": score});
    json!({"results": scores.iter().map(one).collect::<Vec<_>>()}).to_string().into_bytes()
}

/// The answer of the model behind InvokeModel.
pub(super) fn told(model: &str, rerank: &Rerank, scores: &[(usize, f64)]) -> Value {
    let one = |(nth, score): &(usize, f64)| json!({"index": nth, "relevance_score": score});
    let results: Vec<Value> = scores.iter().map(one).collect();
    if !model.contains("cohere.") {
        return json!({ "results": results });
    }
    let hash = made::hash(&[model.as_bytes(), rerank.query.as_bytes()]);
    json!({"id": made::id("", hash), "results": results,
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}})
}
