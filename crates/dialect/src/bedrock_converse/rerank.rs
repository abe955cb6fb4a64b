//! Documents by relevance: `Rerank` of Bedrock's runtime for agents, which is another host.
//!
//! The model stands deep in the body and nowhere else, as an ARN.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html>

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use serde_json::{Map, Value, json};
use weir_types::Dialect;

use crate::fault::{AnswerFault, RequestFault};
use crate::fields::Fields;
use crate::format::Target;
use crate::ir::{Extra, Losses, Ranked, Rerank, RerankAnswer};
use crate::json::{Cuts, Spot, quoted};
use crate::peek::PathFacts;

const OWN: Dialect = Dialect::BedrockConverse;

const CONFIGURATION: &str = "rerankingConfiguration";
const BEDROCK: &str = "bedrockRerankingConfiguration";
const MODEL: &str = "modelConfiguration";
const ARN: &str = "modelArn";
/// What a model's maker takes besides.
const ADDITIONAL: &str = "additionalModelRequestFields";

/// What Cohere's models take of it.
const COHERES: &str = "max_tokens_per_doc";

/// Where the model is named, for people.
const ARN_AT: &str =
    "rerankingConfiguration.bedrockRerankingConfiguration.modelConfiguration.modelArn";

/// What requests of this kind have in them, and others hardly ever.
static HINT: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new("\"rerankingConfiguration\""));

/// The model that `body` names. One that is everybody's goes by its name alone: in which region it is
/// asked, the key says that serves it.
pub(super) fn model(body: &[u8]) -> Result<String, RequestFault> {
    let named = spot(body)?.map(|spot| serde_json::from_slice::<Value>(spot.raw()));
    match named {
        Some(Ok(Value::String(arn))) => Ok(plain(&arn).to_owned()),
        Some(Ok(Value::Null)) | None => {
            let text = format!("{ARN_AT} is missing; write a model's ARN, or \"provider/model\"");
            Err(RequestFault::invalid(ARN_AT, text))
        }
        Some(_) => Err(RequestFault::invalid(ARN_AT, format!("{ARN_AT} must be a string"))),
    }
}

fn plain(arn: &str) -> &str {
    match arn.split_once("::foundation-model/") {
        Some((head, name)) if head.starts_with("arn:") => name,
        _ => arn,
    }
}

fn spot(body: &[u8]) -> Result<Option<Spot<'_>>, RequestFault> {
    let mut spot = Spot::document(body)?;
    for name in [CONFIGURATION, BEDROCK, MODEL, ARN] {
        let Some(inner) = spot.member(name)? else { return Ok(None) };
        spot = inner;
    }
    Ok(Some(spot))
}

/// `body` with the model called `model`; `None` for a request of another kind.
pub(super) fn renamed(body: &Bytes, model: &str) -> Result<Option<Bytes>, RequestFault> {
    if HINT.find(body).is_none() {
        return Ok(None);
    }
    let Some(spot) = spot(body)? else { return Ok(None) };
    let mut cuts = Cuts::default();
    cuts.replace(&spot, quoted(model));
    Ok(Some(cuts.apply(body)))
}

/// Reads a request.
pub(super) fn read(mut fields: Fields, path: &PathFacts<'_>) -> Result<Rerank, RequestFault> {
    if fields.has("nextToken") {
        let text = "a further page is had of the provider alone that gave the token";
        return Err(RequestFault::unsupported("nextToken", text));
    }
    let mut queries = fields.objects("queries")?;
    let (Some(query), true) = (queries.pop(), queries.is_empty()) else {
        return Err(fields.wrong("queries", "must be a list of one query"));
    };
    let query = text_of(query, "textQuery")?;
    let sources = fields.objects("sources")?;
    let documents = sources.into_iter().map(document).collect::<Result<_, _>>()?;
    let mut configuration = needed(&mut fields, CONFIGURATION)?;
    configuration.text("type")?;
    let mut bedrock = needed(&mut configuration, BEDROCK)?;
    let mut model = needed(&mut bedrock, MODEL)?;
    let named = model.required_text(ARN)?;
    let mut extra = Extra::new();
    if let Some(mut additional) = model.object(ADDITIONAL)? {
        extra.extend(additional.any(COHERES).map(|value| (COHERES.to_owned(), value)));
        let rest = additional.rest();
        if !rest.is_empty() {
            extra.insert(ADDITIONAL.to_owned(), Value::Object(rest));
        }
    }
    let top_n = bedrock.count("numberOfResults")?;
    for rest in [model, bedrock, configuration, fields] {
        let at = rest.path().to_owned();
        let named = |name: String| if at.is_empty() { name } else { format!("{at}.{name}") };
        extra.extend(rest.rest().into_iter().map(|(name, value)| (named(name), value)));
    }
    Ok(Rerank {
        source: OWN,
        model: path.model.unwrap_or(&named).to_owned(),
        query,
        documents,
        top_n,
        return_documents: None,
        extra,
    })
}

fn needed(fields: &mut Fields, name: &str) -> Result<Fields, RequestFault> {
    fields.object(name)?.ok_or_else(|| fields.missing(name, "an object"))
}

/// The text of the member `name`.
fn text_of(mut fields: Fields, name: &str) -> Result<String, RequestFault> {
    needed(&mut fields, name)?.required_text("text")
}

fn document(mut source: Fields) -> Result<Value, RequestFault> {
    let mut inline = needed(&mut source, "inlineDocumentSource")?;
    match inline.required_text("type")?.as_str() {
        "TEXT" => text_of(inline, "textDocument").map(Value::String),
        "JSON" => {
            let document = inline.any("jsonDocument");
            document.ok_or_else(|| inline.missing("jsonDocument", "a document"))
        }
        other => Err(inline.wrong("type", format!("must be TEXT or JSON, found {other:?}"))),
    }
}

/// Writes a request. How many documents are wanted is always said: all, where nobody says so.
pub(super) fn write(
    rerank: &Rerank,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Map<String, Value> {
    let sources: Vec<_> = rerank.documents.iter().map(source).collect();
    let mut additional = Map::new();
    let is_own = rerank.source == OWN;
    for (name, value) in &rerank.extra {
        match (name.as_str(), value) {
            (ADDITIONAL, Value::Object(members)) if is_own => additional.extend(members.clone()),
            (COHERES, value) if is_own || target.known_as.contains("cohere") => {
                additional.insert(name.clone(), value.clone());
            }
            _ => losses.add(name.clone(), "Bedrock has no such member"),
        }
    }
    let mut model = Map::from_iter([(ARN.to_owned(), json!(target.model))]);
    if !additional.is_empty() {
        model.insert(ADDITIONAL.to_owned(), Value::Object(additional));
    }
    let mut bedrock = Map::from_iter([(MODEL.to_owned(), Value::Object(model))]);
    let all = u64::try_from(sources.len()).unwrap_or(u64::MAX);
    // More than there are would be refused.
    let wanted = rerank.top_n.map_or(all, |wanted| wanted.min(all));
    bedrock.insert("numberOfResults".to_owned(), json!(wanted));
    let configuration = json!({ "type": "BEDROCK_RERANKING_MODEL", BEDROCK: bedrock });
    Map::from_iter([
        ("queries".to_owned(), json!([{"type": "TEXT", "textQuery": {"text": rerank.query}}])),
        ("sources".to_owned(), Value::Array(sources)),
        (CONFIGURATION.to_owned(), configuration),
    ])
}

/// A document that is no more than a text is told as one.
fn source(document: &Value) -> Value {
    let text = |text: &str| json!({"type": "TEXT", "textDocument": {"text": text}});
    let inline = match document {
        Value::String(whole) => text(whole),
        Value::Object(members) => match members.get("text") {
            Some(Value::String(whole)) if members.len() == 1 => text(whole),
            _ => json!({"type": "JSON", "jsonDocument": document}),
        },
        other => text(&other.to_string()),
    };
    json!({"type": "INLINE", "inlineDocumentSource": inline})
}

/// Reads an answer.
pub(super) fn read_answer(members: &Map<String, Value>) -> Result<RerankAnswer, AnswerFault> {
    let shape = |what: &str| AnswerFault::Shape(what.to_owned());
    let results = members.get("results").and_then(Value::as_array);
    let one = |result: &Value| {
        let document = result.get("document");
        let text = document.and_then(|document| document.pointer("/textDocument/text"));
        let json = document.and_then(|document| document.get("jsonDocument"));
        Some(Ranked {
            index: result.get("index")?.as_u64()?,
            score: result.get("relevanceScore")?.as_f64()?,
            document: text.or(json).filter(|document| !document.is_null()).cloned(),
        })
    };
    let results: Option<Vec<Ranked>> =
        results.ok_or_else(|| shape("`results` is not an array"))?.iter().map(one).collect();
    Ok(RerankAnswer {
        results: results.ok_or_else(|| shape("a result lacks `index` or `relevanceScore`"))?,
        is_partial: members.get("nextToken").is_some_and(|token| !token.is_null()),
        ..RerankAnswer::default()
    })
}

/// Writes an answer. Who asks in this format has the documents.
pub(super) fn write_answer(answer: &RerankAnswer, losses: &mut Losses) -> Value {
    losses.add_if(answer.is_partial, "results", RerankAnswer::PARTIAL);
    let one = |ranked: &Ranked| json!({"index": ranked.index, "relevanceScore": ranked.score});
    json!({ "results": answer.results.iter().map(one).collect::<Vec<_>>() })
}
