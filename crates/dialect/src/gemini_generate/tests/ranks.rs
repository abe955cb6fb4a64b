//! Documents by relevance, of Vertex AI.

use serde_json::json;

use super::*;
use crate::ir::{Answer, Extra, Rerank};

fn asked(documents: Value) -> Request {
    let Value::Array(documents) = documents else { panic!("{documents}") };
    Request::Rerank(Rerank {
        source: Dialect::CohereChat,
        model: "m".to_owned(),
        query: "q".to_owned(),
        documents,
        top_n: Some(3),
        return_documents: Some(true),
        extra: Extra::from_iter([("max_tokens_per_doc".to_owned(), json!(7))]),
    })
}

#[test]
fn records_are_called_by_their_place() {
    let documents = json!(["a", {"text": "b"}, {"title": "t", "text": "c"}, {"title": "u"},
        {"text": "d", "n": 1}, {"text": 7}, {}, null]);
    let target = target(Operation::Rerank, "semantic-ranker-512@latest", "vertex");
    let written = GeminiGenerate.write_request(&asked(documents), &target).unwrap();
    let (body, lost) = split(&written);
    let expected = json!({
        "model": "semantic-ranker-512@latest", "query": "q", "topN": 3,
        "ignoreRecordDetailsInResponse": true,
        "records": [
            {"id": "0", "content": "a"}, {"id": "1", "content": "b"},
            {"id": "2", "title": "t", "content": "c"}, {"id": "3", "title": "u"},
            {"id": "4", "content": r#"{"text":"d","n":1}"#},
            {"id": "5", "content": r#"{"text":7}"#}, {"id": "6", "content": "{}"},
            {"id": "7", "content": "null"},
        ],
    });
    assert_eq!((body, lost), (expected, vec!["max_tokens_per_doc".to_owned()]));
}

#[test]
fn the_gemini_api_ranks_nothing() {
    let target = target(Operation::Rerank, "m", "gemini");
    let fault = GeminiGenerate.write_request(&asked(json!(["a"])), &target).unwrap_err();
    assert!(fault.is_targets && fault.message.contains("gemini_generate has no rerank"));
}

#[test]
fn places_are_read_back() {
    let body = br#"{"records": [{"id": "2", "score": 0.98}, {"id": "0"}]}"#;
    let Answer::Rerank(answer) = GeminiGenerate.read_answer(Operation::Rerank, body).unwrap()
    else {
        panic!()
    };
    let places: Vec<_> = answer.results.iter().map(|one| (one.index, one.score)).collect();
    assert_eq!(places, [(2, 0.98), (0, 0.0)]);
    for broken in
        ["{}", r#"{"records": [{"id": "x"}]}"#, r#"{"records": [{"id": "0", "score": "1"}]}"#]
    {
        assert!(GeminiGenerate.read_answer(Operation::Rerank, broken.as_bytes()).is_err());
    }
}
