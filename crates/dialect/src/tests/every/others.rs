//! What is no conversation, said in every format that has it: vectors, documents by relevance, and
//! counts of a conversation's tokens.
//!
//! Hosts have forms of requests that no client sends and nobody reads: [`as_asked`] says what they
//! would be in one that is read. Of a count, only what is counted matters: not how the answer is to be.

mod made;
mod said;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use weir_types::{Dialect, Operation};

use super::super::Problems;
use super::super::fixture::{fit, operation_of, path};
use super::super::mutation::{ANSWERS, Change, changed, changes, feed_answer, feed_request};
use super::covers::{missing, words};
use super::leaves::{Leaf, Leaves};
use super::makers::{FEATURES, Maker};
use super::variants::Seen;
use super::{WAYS, sources};
use crate::ir::{Losses, Request};
use crate::{RequestFault, Target, format};
use made::{
    COUNTERS, EMBEDDED_BY, EMBEDDERS, OF_RANKS, OF_VECTORS, RANKED_BY, RANKERS, To, embedding,
    rerank,
};
use said::leaves;

// --- There and back -------------------------------------------------------------------------------

/// What a host is told, as a client would have said it.
fn as_asked(body: Value, (dialect, model, vendor): To) -> (Dialect, Value) {
    let own = |members: Value| {
        let mut members = members;
        members.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        members
    };
    match dialect {
        Dialect::GeminiGenerate if vendor == "vertex" && body.get("instances").is_some() => {
            let requests = body["instances"].as_array().unwrap().iter().map(|instance| {
                let mut request = own(json!({
                    "content": {"parts": [{"text": instance["content"]}]},
                    "taskType": instance.get("task_type"), "title": instance.get("title"),
                }));
                let shared = body.get("parameters").and_then(Value::as_object).cloned();
                request.as_object_mut().unwrap().extend(shared.unwrap_or_default());
                request
            });
            (dialect, json!({"requests": requests.collect::<Vec<_>>()}))
        }
        Dialect::GeminiGenerate if body.get("records").is_some() => {
            let document = |record: &Value| match (record.get("title"), record.get("content")) {
                (None, Some(content)) => content.clone(),
                (title, content) => own(json!({"title": title, "text": content})),
            };
            let documents = body["records"].as_array().unwrap().iter().map(document);
            let documents = documents.collect::<Vec<_>>();
            let members = json!({"model": model, "query": body["query"], "documents": documents,
                "top_n": body.get("topN")});
            (Dialect::OpenAiChat, own(members))
        }
        Dialect::BedrockInvoke if model.contains("titan") => {
            let image = body
                .get("inputImage")
                .map(|data| json!([format!("data:image/png;base64,{}", data.as_str().unwrap())]));
            let length = body.pointer("/embeddingConfig/outputEmbeddingLength");
            let members = json!({
                "model": model, "texts": body.get("inputText"), "images": image,
                "output_dimension": body.get("dimensions").or(length),
                "embedding_types": body.get("embeddingTypes"),
            });
            (Dialect::CohereChat, own(members))
        }
        Dialect::BedrockInvoke => {
            let mut body = body;
            body["model"] = json!(model);
            (Dialect::CohereChat, body)
        }
        _ => (dialect, body),
    }
}

/// What `request` is for `to`, and what is left of it.
fn sent(request: &Request, to: To) -> Result<(Leaves, Losses), RequestFault> {
    let (dialect, model, vendor) = to;
    let operation = operation_of(request);
    let target = Target { operation, model, known_as: model, vendor };
    let (mut request, mut losses) = (request.clone(), Losses::default());
    let fitted = fit(format(dialect), &mut request, &target, &mut losses)?;
    let written = format(dialect).write_request(&request, &target)?;
    losses.extend(written.losses);
    let body: Value = serde_json::from_slice(&written.body).unwrap();
    if (dialect, operation) == (Dialect::CohereChat, Operation::CountTokens) {
        return Ok((in_words(&request, &body), losses));
    }
    let (dialect, body) = as_asked(body, to);
    let path = path(dialect, operation, &body, false);
    let back = format(dialect).read_request(&Bytes::from(body.to_string()), &path);
    let mut back = back.unwrap_or_else(|fault| panic!("{to:?}: not read: {fault:?}: {body}"));
    if let Request::CountTokens(chat) = &mut back {
        fitted.renames.restore_tools(&mut chat.tools);
    }
    Ok((leaves(&back), losses))
}

/// The leaves of `request` of which every word stands in `body`, for what is told as plain text.
fn in_words(request: &Request, body: &Value) -> Leaves {
    let text = body.to_string();
    let stands = |leaf: &Leaf| {
        let mut said = words(&leaf.value).chain(words(&leaf.of));
        said.all(|word| text.contains(word))
    };
    Leaves(leaves(request).0.into_iter().filter(stands).collect())
}

/// What is gone of `request` on the way to `to`, and whether it went there at all.
fn check(request: &Request, to: To) -> (Vec<String>, bool) {
    match sent(request, to) {
        Ok((after, losses)) => {
            let mut before = leaves(request);
            before.0.retain(|leaf| !goes_without_saying(leaf, to));
            (missing(&before, &after, &losses, to), true)
        }
        Err(fault) if fault.is_targets && !fault.message.is_empty() => (Vec::new(), false),
        Err(fault) => (vec![format!("refused: {fault:?}")], false),
    }
}

/// What is so where nothing is said.
fn goes_without_saying(leaf: &Leaf, (to, ..): To) -> bool {
    match (leaf.what, leaf.value.as_str()) {
        ("encoding", "float") => true,
        // Whoever asked for packed numbers packs them.
        ("encoding", "base64") => matches!(to, Dialect::GeminiGenerate | Dialect::BedrockInvoke),
        // A seal has no words, and words are all that is counted.
        ("call.signature" | "thinking.signature" | "thinking.redacted", _) => {
            to == Dialect::CohereChat
        }
        // Whoever wants documents repeated has them.
        ("return_documents", _) => to != Dialect::OpenAiChat,
        _ => false,
    }
}

fn others(of: &[Dialect], to: Dialect) -> Vec<Dialect> {
    of.iter().copied().filter(|source| *source != to).collect()
}

// --- Tests ----------------------------------------------------------------------------------------

#[test]
fn vectors_are_asked_for_alike_everywhere_or_refused() {
    let mut problems = Problems::default();
    for to in EMBEDDERS.iter().copied() {
        let mut written = 0;
        for ((name, make), way) in
            OF_VECTORS.iter().flat_map(|one| (0..WAYS).map(move |n| (one, n)))
        {
            let sources = others(&EMBEDDED_BY, to.0);
            let mut asked = embedding(sources[way / 8 % sources.len()]);
            make(&mut asked, way);
            let request = Request::Embedding(asked);
            let (found, went) = check(&request, to);
            written += usize::from(went);
            problems.extend(&format!("{name} (way {way}) to {to:?}"), found);
        }
        problems.check(written > 70, || format!("{to:?} takes {written} alone"));
    }
    problems.report();
}

#[test]
fn documents_are_ordered_alike_everywhere_or_refused() {
    let mut problems = Problems::default();
    for to in RANKERS.iter().copied() {
        for ((name, make), way) in OF_RANKS.iter().flat_map(|one| (0..WAYS).map(move |n| (one, n)))
        {
            let mut asked = rerank(others(&RANKED_BY, to.0)[0]);
            make(&mut asked, way);
            let request = Request::Rerank(asked);
            let (found, went) = check(&request, to);
            problems.check(went, || format!("{name}: {to:?} refuses"));
            problems.extend(&format!("{name} (way {way}) to {to:?}"), found);
        }
    }
    problems.report();
}

#[test]
fn what_is_counted_is_the_prompt_everywhere_or_refused() {
    let mut problems = Problems::default();
    for to in COUNTERS.iter().copied() {
        let sources = sources(to.0);
        let mut written = 0;
        for (feature, way) in FEATURES.iter().flat_map(|one| (0..WAYS).map(move |way| (one, way))) {
            let mut maker = Maker::new(sources[way % sources.len()], to.0);
            maker.add(feature, way);
            let request = Request::CountTokens(Box::new(maker.chat));
            let (found, went) = check(&request, to);
            written += usize::from(went);
            problems.extend(&format!("{} (way {way}) to {to:?}", feature.0), found);
        }
        problems.check(written > FEATURES.len() * WAYS / 2, || format!("{to:?} takes {written}"));
    }
    problems.report();
}

#[test]
fn what_a_format_has_no_operation_for_is_refused_as_one_that_another_has() {
    let chat = Maker::new(Dialect::OpenAiResponses, Dialect::AnthropicMessages).chat;
    let source = Dialect::OpenAiChat;
    for (request, served) in [
        (Request::Embedding(embedding(source)), EMBEDDERS),
        (Request::Rerank(rerank(source)), RANKERS),
        (Request::CountTokens(Box::new(chat)), COUNTERS),
    ] {
        for dialect in Dialect::ALL.iter().copied() {
            let known = served.iter().copied().find(|to| to.0 == dialect);
            match (sent(&request, known.unwrap_or((dialect, "m", "x"))), known) {
                (Ok(_), Some(_)) => {}
                (Err(fault), None) => {
                    let label = dialect.label();
                    assert!(fault.is_targets && fault.message.contains(label), "{fault:?}");
                }
                (found, _) => panic!("{dialect:?}: {:?}", found.err()),
            }
        }
    }
}

#[test]
fn every_variant_of_these_is_made() {
    let mut seen = Seen::default();
    for ((_, make), way) in OF_VECTORS.iter().flat_map(|one| (0..WAYS).map(move |n| (one, n))) {
        let mut asked = embedding(Dialect::OpenAiChat);
        make(&mut asked, way);
        seen.whole(&Request::Embedding(asked));
    }
    seen.whole(&Request::Rerank(rerank(Dialect::OpenAiChat)));
    let chat = Maker::new(Dialect::OpenAiResponses, Dialect::AnthropicMessages).chat;
    seen.whole(&Request::CountTokens(Box::new(chat)));
    let missing = seen.missing();
    let mut wanted = super::OTHERS.iter().filter(|name| !name.starts_with("Answer"));
    assert!(wanted.all(|name| !missing.contains(name)), "{missing:?}");
}

/// A request of any of these kinds with several features, and where it goes.
fn any_request() -> impl Strategy<Value = (Request, To)> {
    let place = any::<prop::sample::Index>;
    let ways = |most| prop::collection::vec((place(), 0..WAYS), 1..most);
    let vectors =
        (prop::sample::select(EMBEDDERS), place(), ways(5)).prop_map(|(to, from, wanted)| {
            let mut asked = embedding(*from.get(&others(&EMBEDDED_BY, to.0)));
            wanted.iter().for_each(|(one, way)| (one.get(OF_VECTORS).1)(&mut asked, *way));
            (Request::Embedding(asked), to)
        });
    let ranks = (prop::sample::select(RANKERS), ways(5)).prop_map(|(to, wanted)| {
        let mut asked = rerank(others(&RANKED_BY, to.0)[0]);
        wanted.iter().for_each(|(one, way)| (one.get(OF_RANKS).1)(&mut asked, *way));
        (Request::Rerank(asked), to)
    });
    let counts =
        (prop::sample::select(COUNTERS), place(), ways(6)).prop_map(|(to, from, wanted)| {
            let mut maker = Maker::new(*from.get(&sources(to.0)), to.0);
            wanted.iter().for_each(|(one, way)| maker.add(one.get(FEATURES), *way));
            (Request::CountTokens(Box::new(maker.chat)), to)
        });
    prop_oneof![vectors, ranks, counts]
}

proptest! {
    #[test]
    fn several_at_once_are_carried_told_of_or_refused((request, to) in any_request()) {
        let (found, _) = check(&request, to);
        prop_assert!(found.is_empty(), "{request:?} to {to:?}: {found:#?}");
    }

    /// As a writer wrote it, but for some bytes: no reader of any format panics.
    #[test]
    fn what_is_written_and_broken_is_not_the_end(
        (request, to) in any_request(),
        changes in changes(),
    ) {
        feed_broken(&request, to, &changes);
    }
}

fn feed_broken(request: &Request, (dialect, model, vendor): To, changes: &[Change]) {
    let target = Target { operation: operation_of(request), model, known_as: model, vendor };
    let mut request = request.clone();
    let fitted = fit(format(dialect), &mut request, &target, &mut Losses::default());
    let Ok(written) = fitted.and_then(|_| format(dialect).write_request(&request, &target)) else {
        return;
    };
    let body = changed(&written.body, changes);
    let all: Vec<_> = Dialect::ALL.iter().map(|dialect| format(*dialect)).collect();
    for reader in &all {
        for operation in ANSWERS {
            feed_request(*reader, operation, &body, &all);
        }
        feed_answer(*reader, &ANSWERS, &body, &[]);
    }
}
