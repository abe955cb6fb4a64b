//! Embeddings, in each of their forms.

use serde_json::json;

use super::*;
use crate::ir::{Answer, Embedding, EmbeddingAnswer, EmbeddingInput, Vector};

fn embedding(body: &Value) -> Embedding {
    match read(Operation::Embedding, body).unwrap() {
        Request::Embedding(embedding) => embedding,
        other => panic!("{other:?}"),
    }
}

fn write(embedding: &Embedding, vendor: &'static str) -> Result<Value, RequestFault> {
    let target = target(Operation::Embedding, "gemini-embedding-001", vendor);
    let request = Request::Embedding(embedding.clone());
    GeminiGenerate.write_request(&request, &target).map(|written| json(&written.body))
}

#[test]
fn one_and_many_are_read_and_many_are_written() {
    let one = json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "a"}]},
        "task_type": "RETRIEVAL_QUERY", "outputDimensionality": 256, "title": "t"});
    let read_one = embedding(&one);
    assert_eq!(read_one.inputs, [EmbeddingInput::Text("a".into())]);
    assert_eq!(read_one.purpose.as_deref(), Some("search_query"));
    let written = json!({"requests": [{"model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY",
        "outputDimensionality": 256, "title": "t"}]});
    assert_eq!(write(&read_one, "gemini").unwrap(), written);

    let many = json!({"requests": [
        {"content": {"parts": [{"text": "a"}]}, "taskType": "FACT_VERIFICATION"},
        {"content": {"parts": [{"text": "b"}, {"text": "c"}]}, "taskType": "FACT_VERIFICATION"}]});
    let many = embedding(&many);
    assert_eq!(many.inputs.len(), 2);
    assert_eq!(write(&many, "gemini").unwrap()["requests"][1]["taskType"], "FACT_VERIFICATION");
    assert_eq!(
        write(&read_one, "vertex").unwrap(),
        json!({"instances": [{"content": "a", "task_type": "RETRIEVAL_QUERY", "title": "t"}],
            "parameters": {"outputDimensionality": 256}})
    );
    let unequal = json!({"requests": [{"content": {"parts": [{"text": "a"}]}},
        {"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 1}]});
    assert!(read(Operation::Embedding, &unequal).unwrap_err().is_targets);
    assert!(read(Operation::Embedding, &json!({"requests": []})).is_err());
}

#[test]
fn what_cannot_be_embedded_is_refused() {
    let mut asked = embedding(&json!({"content": {"parts": [{"text": "a"}]}}));
    asked.encodings = vec!["int8".into()];
    assert!(write(&asked, "gemini").unwrap_err().is_targets);
    asked.encodings = vec!["base64".into()];
    assert!(write(&asked, "gemini").is_ok());
    asked.inputs = vec![EmbeddingInput::Tokens(vec![1])];
    assert!(write(&asked, "gemini").unwrap_err().is_targets);
    assert!(write(&asked, "vertex").unwrap_err().is_targets);
}

#[test]
fn answers_have_the_form_that_was_asked() {
    let request = Request::Embedding(embedding(&json!({"content": {"parts": [{"text": "a"}]}})));
    for (form, body) in [
        (Form::Single, json!({"embedding": {"values": [0.5, -1.0]}})),
        (Form::Usual, json!({"embeddings": [{"values": [0.5, -1.0]}]})),
    ] {
        let answer =
            GeminiGenerate.read_answer(Operation::Embedding, body.to_string().as_bytes()).unwrap();
        let asked = Asked { form, ..asked(&request, Operation::Embedding) };
        let written = GeminiGenerate.write_answer(&answer, &asked).unwrap();
        assert_eq!(json(&written.body), body);
        let vector = Vector { index: 0, encoding: "base64".into(), value: json!("AAAA") };
        let packed = EmbeddingAnswer { vectors: vec![vector], ..EmbeddingAnswer::default() };
        assert!(GeminiGenerate.write_answer(&Answer::Embedding(packed), &asked).is_err());
    }
    let predicted = br#"{"predictions":[{"embeddings":{"values":[1],"statistics":
        {"token_count":3.0,"truncated":false}}},{"embeddings":{"values":[2],"statistics":
        {"token_count":4}}}]}"#;
    let answer = GeminiGenerate.read_answer(Operation::Embedding, predicted).unwrap();
    let Answer::Embedding(answer) = answer else { panic!() };
    assert_eq!((answer.vectors.len(), answer.usage.input_tokens), (2, 7));
}
