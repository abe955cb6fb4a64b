//! Whole answers: looked at whatever the maker calls things, and read where they hold vectors.

use std::borrow::Cow;

use serde_json::Value;
use weir_types::Usage;

use crate::fault::AnswerFault;
use crate::format::AnswerFacts;
use crate::ir::{EmbeddingAnswer, Vector};
use crate::whole;

/// Where a maker counts tokens; of each count, the places in which it may stand.
struct Counts {
    input: &'static str,
    output: &'static str,
    cached: &'static [&'static str],
    written: &'static [&'static str],
    thinking: &'static str,
    /// What came from a cache, or went into one, is part of `input` and not counted beside it.
    is_whole: bool,
}

const PLAIN: Counts =
    Counts { input: "", output: "", cached: &[], written: &[], thinking: "", is_whole: true };

const COUNTS: [Counts; 5] = [
    Counts {
        input: "/usage/input_tokens",
        output: "/usage/output_tokens",
        cached: &["/usage/cache_read_input_tokens"],
        written: &["/usage/cache_creation_input_tokens"],
        thinking: "/usage/output_tokens_details/thinking_tokens",
        is_whole: false,
    },
    Counts {
        input: "/usage/inputTokens",
        output: "/usage/outputTokens",
        cached: &["/usage/cacheReadInputTokens", "/usage/cacheReadInputTokenCount"],
        written: &["/usage/cacheWriteInputTokens", "/usage/cacheWriteInputTokenCount"],
        is_whole: false,
        ..PLAIN
    },
    Counts {
        input: "/usage/prompt_tokens",
        output: "/usage/completion_tokens",
        cached: &["/usage/prompt_tokens_details/cached_tokens"],
        thinking: "/usage/completion_tokens_details/reasoning_tokens",
        ..PLAIN
    },
    Counts { input: "/inputTextTokenCount", output: "/results/0/tokenCount", ..PLAIN },
    Counts { input: "/prompt_token_count", output: "/generation_token_count", ..PLAIN },
];

/// What the host counts, at the end of every maker's stream.
const METRICS: Counts = Counts {
    input: "/inputTokenCount",
    output: "/outputTokenCount",
    cached: &["/cacheReadInputTokenCount"],
    written: &["/cacheWriteInputTokenCount"],
    is_whole: false,
    ..PLAIN
};

/// Where makers say why an answer ended.
const FINISHES: [&str; 8] = [
    "/stop_reason",
    "/stopReason",
    "/results/0/completionReason",
    "/outputs/0/stop_reason",
    "/choices/0/finish_reason",
    "/choices/0/stop_reason",
    "/generations/0/finish_reason",
    "/finish_reason",
];

/// Looks at an answer that is passed on. What no row knows says nothing.
pub(super) fn observe(body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
    whole::observe(body, |document| {
        let says = ["__type", "message", "Message"].iter().any(|name| document.raw(name).is_some());
        let built = |names: &[&str]| {
            let members =
                names.iter().filter_map(|name| Some(((*name).to_owned(), document.value(name)?)));
            Value::Object(members.collect())
        };
        let counted = built(&[
            "usage",
            "inputTextTokenCount",
            "prompt_token_count",
            "generation_token_count",
            "results",
        ]);
        let ends = built(&[
            "stop_reason",
            "stopReason",
            "finish_reason",
            "results",
            "outputs",
            "choices",
            "generations",
        ]);
        let finish = finish(&ends);
        AnswerFacts {
            usage: usage(&counted),
            is_error: says && finish.is_none() && document.is_no_answer(),
            finish: finish.map(Cow::into_owned),
            id: None,
        }
    })
}

impl Counts {
    fn of(&self, document: &Value) -> Usage {
        let count = |at: &str| document.pointer(at).and_then(Value::as_u64).unwrap_or(0);
        let first = |all: &[&str]| all.iter().map(|at| count(at)).find(|n| *n > 0).unwrap_or(0);
        let (cached, written) = (first(self.cached), first(self.written));
        let beside = if self.is_whole { 0 } else { cached.saturating_add(written) };
        Usage {
            input_tokens: count(self.input).saturating_add(beside),
            output_tokens: count(self.output),
            cached_input_tokens: cached,
            cache_write_tokens: written,
            reasoning_tokens: count(self.thinking),
        }
    }
}

/// Tokens, as far as `document` counts them in some maker's words.
pub(super) fn usage(document: &Value) -> Usage {
    let mut counts = COUNTS.iter().map(|counts| counts.of(document));
    counts.find(|usage| !usage.is_empty()).unwrap_or_default()
}

/// Tokens, as the host counts them.
pub(super) fn metered(metrics: &Value) -> Usage {
    METRICS.of(metrics)
}

/// Why the answer ended, in its maker's words.
pub(super) fn finish(document: &Value) -> Option<Cow<'_, str>> {
    let texts = FINISHES.iter().filter_map(|at| document.pointer(at)?.as_str());
    texts.map(Cow::Borrowed).find(|text| !text.is_empty())
}

/// Reads vectors: Titan's one, or Cohere's, by encoding or as a bare list.
pub(super) fn read_embedding(body: &[u8]) -> Result<EmbeddingAnswer, AnswerFault> {
    let document = whole::document(body)?;
    let vector = |index, encoding: &str, value: &Value| Vector {
        index,
        encoding: encoding.to_owned(),
        value: value.clone(),
    };
    let mut vectors = Vec::new();
    let list = |encoding: &str, list: &Value, vectors: &mut Vec<Vector>| {
        let list = list.as_array().map_or(&[][..], Vec::as_slice).iter().enumerate();
        vectors.extend(list.map(|(index, value)| vector(index, encoding, value)));
    };
    match (document.get("embeddings"), document.get("embeddingsByType"), document.get("embedding"))
    {
        (Some(all @ Value::Array(_)), ..) => list("float", all, &mut vectors),
        (Some(Value::Object(by_type)), ..) => {
            for (encoding, all) in by_type {
                list(encoding, all, &mut vectors);
            }
        }
        (None, Some(Value::Object(by_type)), _) if !by_type.is_empty() => {
            vectors.extend(by_type.iter().map(|(encoding, one)| vector(0, encoding, one)));
        }
        (None, _, Some(one @ Value::Array(_))) => vectors.push(vector(0, "float", one)),
        _ => return Err(AnswerFault::Shape("it holds no vectors".to_owned())),
    }
    // By input first: the sort is stable, so encodings stay in their order.
    vectors.sort_by_key(|vector| vector.index);
    let id = document.get("id").and_then(Value::as_str).unwrap_or_default();
    Ok(EmbeddingAnswer {
        id: id.to_owned(),
        model: String::new(),
        vectors,
        usage: usage(&document),
    })
}
