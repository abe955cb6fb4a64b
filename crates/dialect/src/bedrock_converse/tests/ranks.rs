//! Documents by relevance: requests whose model stands in the body, and answers.

use serde_json::json;

use super::*;
use crate::ir::{Answer, Extra, Ranked, Rerank, RerankAnswer};
use crate::{Patch, Quirks};

const ARN: &str = "arn:aws:bedrock:us-west-2::foundation-model/cohere.rerank-v3-5:0";

fn rerank(documents: Value) -> Rerank {
    let Value::Array(documents) = documents else { panic!("{documents}") };
    Rerank {
        source: OTHER,
        model: "m".to_owned(),
        query: "q".to_owned(),
        documents,
        top_n: None,
        return_documents: Some(true),
        extra: Extra::new(),
    }
}

fn write(asked: Rerank, model: &str) -> (Value, Vec<String>) {
    let target = Target { operation: Operation::Rerank, ..target(model) };
    let written = BedrockConverse.write_request(&Request::Rerank(asked), &target).unwrap();
    (json(&written), members(written.losses.iter()))
}

fn arn(body: &Value) -> &Value {
    &body["rerankingConfiguration"]["bedrockRerankingConfiguration"]["modelConfiguration"]["modelArn"]
}

#[test]
fn requests_are_written_as_they_were_read() {
    for (name, body) in fixtures::all("ranks") {
        let Request::Rerank(asked) = read(&body, Operation::Rerank) else { panic!("{name}") };
        let (written, lost) = write(asked, arn(&body).as_str().unwrap());
        assert_eq!((written, lost), (body, vec![]), "{name}");
    }
}

#[test]
fn all_documents_are_asked_for_each_in_its_own_kind() {
    let asked = rerank(json!(["a", {"text": "b"}, {"text": "c", "n": 1}, 7]));
    let (body, lost) = write(asked.clone(), ARN);
    let inline: Vec<_> = body["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["inlineDocumentSource"])
        .collect();
    let text = |text: &str| json!({"type": "TEXT", "textDocument": {"text": text}});
    let object = json!({"type": "JSON", "jsonDocument": {"text": "c", "n": 1}});
    assert_eq!(inline, [&text("a"), &text("b"), &object, &text("7")]);
    assert_eq!((arn(&body), lost), (&json!(ARN), vec![]));
    let wanted = |top_n| {
        let body = write(Rerank { top_n, ..asked.clone() }, ARN).0;
        body["rerankingConfiguration"]["bedrockRerankingConfiguration"]["numberOfResults"].as_u64()
    };
    assert_eq!([None, Some(2), Some(9)].map(wanted), [Some(4), Some(2), Some(4)]);
}

#[test]
fn what_coheres_model_takes_besides_goes_to_it_alone() {
    let mut asked = rerank(json!(["a"]));
    asked.extra.insert("max_tokens_per_doc".to_owned(), json!(9));
    asked.extra.insert("x_new".to_owned(), json!(1));
    let (body, lost) = write(asked.clone(), ARN);
    let additional = "/rerankingConfiguration/bedrockRerankingConfiguration/modelConfiguration/\
                      additionalModelRequestFields";
    assert_eq!(body.pointer(additional), Some(&json!({"max_tokens_per_doc": 9})));
    assert_eq!(lost, ["x_new"]);
    let (body, lost) = write(asked, "amazon.rerank-v1:0");
    assert_eq!((body.pointer(additional), lost.len()), (None, 2));
}

#[test]
fn the_model_is_found_where_it_stands_and_is_the_keys_to_place() {
    let named = |arn: &str| {
        let mut body = fixtures::one("ranks", "texts");
        *body
            .pointer_mut(
                "/rerankingConfiguration/bedrockRerankingConfiguration/modelConfiguration/modelArn",
            )
            .unwrap() = json!(arn);
        body["fallbacks"] = json!(["cohere/rerank-v3.5"]);
        let body = Bytes::from(body.to_string());
        BedrockConverse.peek(body, &PathFacts::of(Operation::Rerank)).unwrap()
    };
    let profile = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc";
    for (arn, model) in [
        (ARN, "cohere.rerank-v3-5:0"),
        ("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/m", "m"),
        (profile, profile),
        ("bedrock/my-alias", "bedrock/my-alias"),
        ("x::foundation-model/m", "x::foundation-model/m"),
    ] {
        let peeked = named(arn);
        assert_eq!((peeked.model.as_str(), peeked.stream), (model, false));
        assert_eq!(peeked.fallbacks, ["cohere/rerank-v3.5"]);
        assert!(!String::from_utf8_lossy(&peeked.body).contains("fallbacks"));
    }
    for (body, says) in [
        ("{}", "modelArn is missing"),
        (r#"{"rerankingConfiguration": {"bedrockRerankingConfiguration": 7}}"#, "is missing"),
        (
            r#"{"rerankingConfiguration": {"bedrockRerankingConfiguration":
                {"modelConfiguration": {"modelArn": 7}}}}"#,
            "must be a string",
        ),
        ("", "is empty"),
        ("[", "request body"),
    ] {
        let body = Bytes::from_static(body.as_bytes());
        let fault = BedrockConverse.peek(body, &PathFacts::of(Operation::Rerank)).unwrap_err();
        assert!(fault.message.contains(says) && !fault.is_targets, "{fault:?}");
    }
}

#[test]
fn another_model_changes_nothing_else() {
    let quirks = Quirks { omits_model: true, ..Quirks::NONE };
    let patched = |body: &Bytes, model| {
        let patch = Patch { model, quirks: &quirks, features: &[], outline: None };
        BedrockConverse.patch(body, &patch).unwrap().joined()
    };
    for (name, body) in fixtures::all("ranks") {
        let text = body.to_string();
        let named = arn(&body).to_string();
        let expected = text.replace(&named, r#""arn:other \"é\"""#);
        assert_eq!(patched(&text.into(), "arn:other \"é\""), expected, "{name}");
    }
    // A conversation may speak of it.
    let chat = json!({"messages": [{"role": "user",
        "content": [{"text": "\"rerankingConfiguration\""}]}]});
    let chat = Bytes::from(chat.to_string());
    assert_eq!(patched(&chat, "m"), chat);
}

#[test]
fn a_request_that_is_none_says_where() {
    let fault = |pointer: &str, value: Value| {
        let mut body = fixtures::one("ranks", "texts");
        match pointer.rsplit_once('/') {
            Some((at, name)) => body.pointer_mut(at).unwrap()[name] = value,
            None => body[pointer] = value,
        }
        let body = Bytes::from(body.to_string());
        BedrockConverse.read_request(&body, &PathFacts::of(Operation::Rerank)).unwrap_err()
    };
    let query = json!({"type": "TEXT", "textQuery": {"text": "q"}});
    for (pointer, value, says) in [
        ("queries", json!([]), "queries"),
        ("queries", json!([query, query]), "one query"),
        ("queries", json!([{"type": "TEXT"}]), "queries[0].textQuery"),
        ("sources", json!([{"type": "INLINE"}]), "sources[0].inlineDocumentSource"),
        (
            "/sources/0/inlineDocumentSource/type",
            json!("PDF"),
            "sources[0].inlineDocumentSource.type",
        ),
        (
            "/sources/0/inlineDocumentSource/type",
            json!("JSON"),
            "sources[0].inlineDocumentSource.jsonDocument",
        ),
        ("rerankingConfiguration", json!(null), "rerankingConfiguration"),
    ] {
        let fault = fault(pointer, value);
        assert!(fault.message.contains(says) && !fault.is_targets, "{pointer}: {fault:?}");
    }
    let fault = fault("nextToken", json!("t"));
    assert!(fault.is_targets && fault.param.as_deref() == Some("nextToken"), "{fault:?}");
}

#[test]
fn answers_are_read_and_written() {
    let answer = |name: &str| {
        let body = fixtures::one("ranks/answers", name).to_string();
        let answer = BedrockConverse.read_answer(Operation::Rerank, body.as_bytes()).unwrap();
        let Answer::Rerank(answer) = answer else { panic!("{answer:?}") };
        answer
    };
    let places = answer("places");
    let bare = |index, score| Ranked { index, score, document: None };
    let expected = vec![bare(1, 0.9129), bare(0, 0.0011)];
    assert_eq!(places, RerankAnswer { results: expected, ..RerankAnswer::default() });
    let repeated = answer("repeated").results;
    let documents: Vec<_> = repeated.into_iter().map(|one| one.document.unwrap()).collect();
    assert_eq!(documents, [json!("A weir holds water back."), json!({"title": "Lighthouses"})]);
    let request = Request::Rerank(rerank(json!(["a", "b"])));
    let asked = Asked { operation: Operation::Rerank, ..asked(&request) };
    let written = BedrockConverse.write_answer(&Answer::Rerank(places), &asked).unwrap();
    assert_eq!(json(&written), fixtures::one("ranks/answers", "places"));
    for broken in [r#"{"results": 7}"#, "{}", r#"{"results": [{"index": 1}]}"#, "[]"] {
        assert!(BedrockConverse.read_answer(Operation::Rerank, broken.as_bytes()).is_err());
    }
}

#[test]
fn an_answer_that_is_not_all_of_it_says_so_in_every_format() {
    let body = br#"{"results": [{"index": 0, "relevanceScore": 1}], "nextToken": "t"}"#;
    let answer = BedrockConverse.read_answer(Operation::Rerank, body).unwrap();
    let request = Request::Rerank(rerank(json!(["a", "b"])));
    let asked = Asked { operation: Operation::Rerank, ..asked(&request) };
    for dialect in [OWN, Dialect::OpenAiChat, Dialect::CohereChat] {
        let written = crate::format(dialect).write_answer(&answer, &asked).unwrap();
        assert_eq!(members(written.losses.iter()), ["results"], "{dialect:?}");
    }
}
