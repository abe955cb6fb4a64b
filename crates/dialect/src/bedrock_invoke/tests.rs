//! Bodies of several makers, as Amazon's pages show them.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Value, json};
use weir_framing::{Decoder, Frame};
use weir_types::{Dialect, Operation, Usage};

use super::answer;
use crate::format::{Depth, Kind, Observed};
use crate::ir::{Answer, Embedding, EmbeddingInput, Extra, Request, Rerank, Source};
use crate::tests::fixture::{fixtures, frames};
use crate::{PathFacts, Target, format};

fn embedding(inputs: Vec<EmbeddingInput>) -> Embedding {
    Embedding {
        source: Dialect::OpenAiChat,
        model: "m".to_owned(),
        inputs,
        dimensions: Some(256),
        encodings: Vec::new(),
        purpose: None,
        user: None,
        extra: Extra::default(),
    }
}

fn text(text: &str) -> EmbeddingInput {
    EmbeddingInput::Text(text.to_owned())
}

fn written(model: &str, inputs: Vec<EmbeddingInput>) -> Result<(Value, String), String> {
    let target =
        Target { operation: Operation::Embedding, model, known_as: model, vendor: "bedrock" };
    let request = Request::Embedding(embedding(inputs));
    let written = format(Dialect::BedrockInvoke).write_request(&request, &target);
    let written = written.map_err(|fault| fault.message)?;
    let lost: Vec<_> = written.losses.iter().map(|loss| loss.member.to_string()).collect();
    Ok((serde_json::from_slice(&written.body).unwrap(), lost.join(",")))
}

#[test]
fn vectors_are_asked_for_in_the_makers_words() {
    let image = || EmbeddingInput::Image(Source::from_url("data:image/png;base64,aGk="));
    let titan = "amazon.titan-embed-text-v2:0";
    let found = written(titan, vec![text("a")]).unwrap();
    assert_eq!(found, (json!({"inputText": "a", "dimensions": 256}), String::new()));
    let old = written("amazon.titan-embed-text-v1", vec![text("a")]).unwrap();
    assert_eq!(old, (json!({"inputText": "a"}), "dimensions".to_owned()));
    let seen = written("amazon.titan-embed-image-v1", vec![image()]).unwrap().0;
    let config = json!({"outputEmbeddingLength": 256});
    assert_eq!(seen, json!({"inputImage": "aGk=", "embeddingConfig": config}));
    let cohere = written("cohere.embed-english-v3", vec![text("a"), text("b")]).unwrap();
    let expected = json!({"texts": ["a", "b"], "input_type": "search_document"});
    assert_eq!(cohere, (expected, "dimensions".to_owned()));
    let newer = written("cohere.embed-v4:0", vec![image()]).unwrap().0;
    let expected = json!({"images": ["data:image/png;base64,aGk="], "input_type": "image",
        "output_dimension": 256});
    assert_eq!(newer, expected);
    assert!(written(titan, vec![text("a"), text("b")]).unwrap_err().contains("one input"));
    assert!(written(titan, vec![image()]).unwrap_err().contains("takes text"));
    assert!(written("amazon.nova-pro", vec![text("a")]).unwrap_err().contains("model_family"));
    assert!(written("cohere.embed-v4:0", vec![image(), text("a")]).is_err());
}

#[test]
fn documents_are_ranked_in_coheres_words() {
    let ranked = |model: &str, top_n| {
        let target =
            Target { operation: Operation::Rerank, model, known_as: model, vendor: "bedrock" };
        let request = Request::Rerank(Rerank {
            source: Dialect::OpenAiChat,
            model: "m".to_owned(),
            query: "q".to_owned(),
            documents: vec![json!("a"), json!({"text": "b"}), json!({"text": "c", "n": 1})],
            top_n,
            return_documents: None,
            extra: Extra::from_iter([("max_tokens_per_doc".to_owned(), json!(7))]),
        });
        let written = format(Dialect::BedrockInvoke).write_request(&request, &target).unwrap();
        let body: Value = serde_json::from_slice(&written.body).unwrap();
        (body, written.losses.iter().count())
    };
    let documents = json!(["a", "b", r#"{"text":"c","n":1}"#]);
    let coheres = json!({"query": "q", "documents": documents, "api_version": 2, "top_n": 3,
        "max_tokens_per_doc": 7});
    assert_eq!(ranked("cohere.rerank-v3-5:0", Some(9)), (coheres, 0));
    let amazons = json!({"query": "q", "documents": documents});
    assert_eq!(ranked("amazon.rerank-v1:0", None), (amazons, 1));
    let read = |body: &[u8]| format(Dialect::BedrockInvoke).read_answer(Operation::Rerank, body);
    let body = br#"{"id": "x", "results": [{"index": 1, "relevance_score": 0.5}]}"#;
    let Answer::Rerank(answer) = read(body).unwrap() else { panic!() };
    assert_eq!((answer.id.as_str(), answer.results[0].index), ("x", 1));
    for broken in [&b"{}"[..], br#"{"results": [{"index": 1}]}"#, b"["] {
        assert!(read(broken).is_err());
    }
}

#[test]
fn vectors_are_read_from_every_shape() {
    let read = |body: &Value| {
        let answer = answer::read_embedding(body.to_string().as_bytes()).unwrap();
        let shown = answer.vectors.iter();
        let shown = shown.map(|one| format!("{}{}{}", one.index, one.encoding, one.value));
        (shown.collect::<Vec<_>>().join(" "), answer.usage.input_tokens)
    };
    let titan = json!({"embedding": [1], "embeddingsByType": {"float": [1], "binary": [0]},
        "inputTextTokenCount": 7});
    assert_eq!(read(&titan), ("0float[1] 0binary[0]".to_owned(), 7));
    let old = json!({"embedding": [1], "inputTextTokenCount": 7});
    assert_eq!(read(&old), ("0float[1]".to_owned(), 7));
    let cohere = json!({"embeddings": [[1], [2]], "id": "x", "texts": ["a", "b"]});
    assert_eq!(read(&cohere).0, "0float[1] 1float[2]");
    let by_type = json!({"embeddings": {"float": [[1], [2]], "int8": [[3], [4]]}});
    assert_eq!(read(&by_type).0, "0float[1] 0int8[3] 1float[2] 1int8[4]");
    assert!(answer::read_embedding(b"{}").is_err());
}

#[test]
fn claudes_bodies_are_read_and_others_refused() {
    let path =
        PathFacts { model: Some("m"), stream: Some(false), ..PathFacts::of(Operation::Chat) };
    let read = |body: Value| {
        format(Dialect::BedrockInvoke).read_request(&Bytes::from(body.to_string()), &path)
    };
    let claude = json!({"anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["x"],
        "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let Ok(Request::Chat(chat)) = read(claude) else { panic!() };
    assert_eq!((chat.model.as_str(), chat.sampling.max_output_tokens), ("m", Some(9)));
    assert!(chat.extra.is_empty() && chat.features == ["x"], "{chat:?}");
    let odd = json!({"anthropic_version": "bedrock-2023-05-31", "anthropic_beta": "x",
        "max_tokens": 9, "messages": []});
    let fault = read(odd).unwrap_err();
    assert_eq!((fault.param.as_deref(), fault.is_targets), (Some("anthropic_beta"), false));
    let fault = read(json!({"inputText": "hi"})).unwrap_err();
    assert!(fault.is_targets && fault.message.contains("Claude's words"));
}

#[test]
fn answers_of_every_maker_say_why_they_ended_and_what_they_cost() {
    for (body, finish, tokens) in [
        (
            json!({"content": [], "stop_reason": "end_turn",
            "usage": {"input_tokens": 3, "output_tokens": 2}}),
            "end_turn",
            (3, 2),
        ),
        (
            json!({"output": {"message": {}}, "stopReason": "max_tokens",
            "usage": {"inputTokens": 3, "outputTokens": 2}}),
            "max_tokens",
            (3, 2),
        ),
        (
            json!({"inputTextTokenCount": 3, "results": [{"tokenCount": 2, "outputText": "x",
            "completionReason": "FINISH"}]}),
            "FINISH",
            (3, 2),
        ),
        (
            json!({"generation": "x", "prompt_token_count": 3, "generation_token_count": 2,
            "stop_reason": "stop"}),
            "stop",
            (3, 2),
        ),
        (json!({"outputs": [{"text": "x", "stop_reason": "length"}]}), "length", (0, 0)),
    ] {
        let facts = answer::observe(body.to_string().as_bytes()).unwrap();
        assert_eq!(facts.finish.as_deref(), Some(finish), "{body}");
        assert_eq!((facts.usage.input_tokens, facts.usage.output_tokens), tokens, "{body}");
        assert!(!facts.is_error, "{body}");
    }
    assert!(answer::observe(br#"{"message":"no"}"#).unwrap().is_error);
}

/// What an event is to a stream that is passed on.
fn look(name: &str, data: &Value) -> Observed {
    let data = Some(Cow::Owned(data.to_string().into_bytes()));
    let frame = Frame { raw: b"", name: name.as_bytes(), data, is_exception: false };
    format(Dialect::BedrockInvoke).observe(&frame, Depth::Full).unwrap()
}

#[test]
fn the_hosts_counts_end_every_makers_stream() {
    let look = |data: Value| {
        let seen = look("", &data);
        (seen.kind, seen.finish().map(str::to_owned), seen.usage.map(|usage| usage.output_tokens))
    };
    let metrics = json!({"inputTokenCount": 3, "outputTokenCount": 2});
    let named = |mut event: Value| {
        event["amazon-bedrock-invocationMetrics"] = metrics.clone();
        event
    };
    assert_eq!(look(json!({"type": "message_start", "message": {}})).0, Kind::Preamble);
    let delta = json!({"type": "content_block_delta", "delta": {"text": "a"}});
    assert_eq!(look(delta).0, Kind::Content);
    let stop = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 2}});
    assert_eq!(look(stop), (Kind::Preamble, Some("end_turn".to_owned()), Some(2)));
    assert_eq!(look(named(json!({"type": "message_stop"}))), (Kind::Done, None, Some(2)));
    let llama = json!({"generation": "", "stop_reason": "stop"});
    assert_eq!(look(named(llama)), (Kind::Done, Some("stop".to_owned()), Some(2)));
    let nova = json!({"messageStop": {"stopReason": "end_turn"}});
    assert_eq!(look(nova), (Kind::Preamble, Some("end_turn".to_owned()), None));
    assert_eq!(look(json!({"contentBlockDelta": {"delta": {"text": "a"}}})).0, Kind::Content);
}

/// Input, of it read from a cache and written to one, output, of it thoughts.
const fn parts(usage: &Usage) -> [u64; 5] {
    [
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    ]
}

#[test]
fn what_a_cache_gave_and_took_is_part_of_the_input_of_every_maker() {
    let claudes = json!({"input_tokens": 7, "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20, "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4}});
    let novas = json!({"inputTokens": 7, "outputTokens": 9, "cacheReadInputTokenCount": 100,
        "cacheWriteInputTokenCount": 20});
    let openais = json!({"prompt_tokens": 127, "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 4}});
    let metrics = json!({"inputTokenCount": 7, "outputTokenCount": 9,
        "cacheReadInputTokenCount": 100, "cacheWriteInputTokenCount": 20});
    for (body, expected) in [
        (json!({"content": [], "usage": claudes}), [127, 100, 20, 9, 4]),
        (json!({"output": {}, "usage": novas}), [127, 100, 20, 9, 0]),
        (json!({"choices": [], "usage": openais}), [127, 100, 0, 9, 4]),
    ] {
        let facts = answer::observe(body.to_string().as_bytes()).unwrap();
        assert_eq!(parts(&facts.usage), expected, "{body}");
    }
    let host = |data: Value| {
        let mut data = data;
        data["amazon-bedrock-invocationMetrics"] = metrics.clone();
        data
    };
    for (event, expected) in [
        (json!({"type": "message_start", "message": {"usage": claudes}}), [127, 100, 20, 9, 4]),
        (json!({"type": "message_delta", "delta": {}, "usage": claudes}), [127, 100, 20, 9, 4]),
        (json!({"type": "message_stop", "usage": claudes}), [127, 100, 20, 9, 4]),
        (host(json!({"type": "message_stop"})), [127, 100, 20, 9, 0]),
        (json!({"metadata": {"usage": novas}}), [127, 100, 20, 9, 0]),
        (host(json!({"generation": "a"})), [127, 100, 20, 9, 0]),
    ] {
        assert_eq!(look("", &event).usage.as_ref().map(parts), Some(expected), "{event}");
    }
}

#[test]
fn errors_of_every_maker_and_of_the_host_are_seen_in_a_stream() {
    let metrics = json!({"inputTokenCount": 1, "outputTokenCount": 0});
    for (name, data) in [
        ("", json!({"type": "error", "error": {"type": "overloaded_error"}})),
        ("", json!({"error": {"message": "no"}})),
        ("", json!({"error": "no", "amazon-bedrock-invocationMetrics": metrics})),
        ("throttlingException", json!({"message": "wait"})),
    ] {
        assert_eq!(look(name, &data).kind, Kind::Error, "{name} {data}");
    }
    let fine = json!({"error": null, "generation": "a"});
    assert_eq!(look("", &fine).kind, Kind::Content);
}

/// Claude's answers and events are here those of its own format.
#[test]
fn claudes_answers_are_seen_as_its_own_format_sees_them() {
    let (here, there) = (format(Dialect::BedrockInvoke), format(Dialect::AnthropicMessages));
    let answers = fixtures(Dialect::AnthropicMessages, "answers");
    for fixture in &answers {
        let body = &fixture.bytes;
        let label = fixture.label();
        assert_eq!(here.observe_answer(body), there.observe_answer(body), "{label}");
    }
    let streams = fixtures(Dialect::AnthropicMessages, "streams");
    for fixture in &streams {
        let (framing, stream) = fixture.stream();
        let decoder = Decoder::new(framing);
        for raw in frames(framing, &stream, &[]) {
            let frame = decoder.parse(&raw).unwrap();
            let seen = here.observe(&frame, Depth::Full);
            assert_eq!(seen, there.observe(&frame, Depth::Full), "{}: {raw:?}", fixture.label());
        }
    }
    assert!(answers.len() > 9 && streams.len() > 9);
}
