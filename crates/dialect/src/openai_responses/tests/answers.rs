//! Whole answers, read, observed and written.

use serde_json::{Value, json};
use weir_types::{Dialect, Operation, Usage};

use super::*;
use crate::AnswerFault;
use crate::format::AnswerFacts;
use crate::ir::{
    Answer, ChatAnswer, Choice, Finish, FinishReason, Sealed, Thinking, Tool, ToolBody,
};
use crate::stored::UNKEPT;

fn read(name: &str) -> ChatAnswer {
    match FORMAT.read_answer(Operation::Responses, &fixture("answers", name)).unwrap() {
        Answer::Chat(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn reason(name: &str) -> FinishReason {
    read(name).choices[0].finish.clone().unwrap().reason
}

fn write(answer: &ChatAnswer, request: &Request) -> (Value, Vec<String>) {
    let answer = Answer::Chat(answer.clone());
    let written = FORMAT.write_answer(&answer, &asked(request)).unwrap();
    let losses = written.losses.iter().map(|loss| loss.member.to_string()).collect();
    (value(&written.body), losses)
}

fn question() -> Request {
    read_request(&fixture("requests", "everything"))
}

#[test]
fn every_answer_is_written_as_it_was_read() {
    for (name, body) in fixtures("answers") {
        if name == "count-tokens" || name == "failed" {
            continue;
        }
        let first = read(&name);
        let (written, losses) = write(&first, &question());
        assert!(losses.is_empty(), "{name}: {losses:?}");
        let bytes = Bytes::from(written.to_string());
        let again = FORMAT.read_answer(Operation::Responses, &bytes).unwrap();
        let Answer::Chat(mut again) = again else { panic!() };
        again.id.clone_from(&first.id);
        let mut first = first;
        for choice in [&mut first.choices[0], &mut again.choices[0]] {
            for part in &mut choice.parts {
                if let PartBody::Thinking(thinking) = &mut part.body {
                    // Reasoning is written as a summary, and gets an id where it has none.
                    thinking.is_summary = true;
                    thinking.id = thinking.id.take().filter(|id| id.len() == "rs_1".len());
                }
            }
        }
        assert_eq!(again, first, "{name}");
        // What SDKs demand, and the facts that bytes alone give.
        for required in ["created_at", "parallel_tool_calls", "tool_choice", "tools", "output"] {
            assert!(!written[required].is_null(), "{name} lacks {required}");
        }
        assert_eq!(written["status"], value(&body)["status"], "{name}");
        let [before, after] = [&body, &bytes].map(|bytes| FORMAT.observe_answer(bytes).unwrap());
        // It is another answer, which nobody keeps.
        assert!(after.id.as_deref().unwrap().starts_with(UNKEPT), "{name}");
        assert_eq!(AnswerFacts { id: after.id.clone(), ..before }, after, "{name}");
    }
}

#[test]
fn finish_reasons_are_made_true() {
    assert_eq!(reason("text"), FinishReason::Stop);
    assert_eq!(reason("function-calls"), FinishReason::ToolCalls);
    assert_eq!(reason("text-then-call"), FinishReason::ToolCalls);
    assert_eq!(reason("custom-call"), FinishReason::ToolCalls);
    assert_eq!(reason("refusal"), FinishReason::Refusal);
    assert_eq!(reason("incomplete-max-output-tokens"), FinishReason::Length);
    assert_eq!(reason("incomplete-content-filter"), FinishReason::ContentFilter);
    let failed = FORMAT.read_answer(Operation::Responses, &fixture("answers", "failed"));
    assert_eq!(failed, Err(AnswerFault::Broken("failed".into())));
}

#[test]
fn parts_are_read() {
    let parts = |name: &str| -> Vec<PartBody> {
        read(name).choices.remove(0).parts.into_iter().map(|part| part.body).collect()
    };
    let PartBody::Thinking(thinking) = &parts("reasoning")[0] else { panic!() };
    assert_eq!((thinking.text.as_str(), thinking.is_summary), ("First.\n\nSecond.", true));
    assert_eq!(thinking.signature.as_ref().unwrap().data, "gAAAAB1");
    // Nothing remains of reasoning that is empty and not encrypted.
    let encrypted = parts("reasoning-encrypted-only");
    assert_eq!(encrypted.len(), 2);
    assert!(matches!(&encrypted[0], PartBody::Thinking(t) if t.redacted.is_some()));
    let PartBody::Text { annotations, .. } = &parts("citations")[1] else { panic!() };
    assert_eq!(annotations[0]["url_citation"]["url"], "https://example.com/a");
    assert_eq!(annotations[1]["type"], "file_citation");
    assert!(matches!(&parts("image")[0], PartBody::Image(_)));
    let usage = Usage {
        input_tokens: 36,
        output_tokens: 87,
        cached_input_tokens: 12,
        cache_write_tokens: 4,
        reasoning_tokens: 20,
    };
    assert_eq!(read("text").usage, usage);
    assert_eq!(read("logprobs").choices[0].logprobs.as_ref().unwrap()["content"][0]["token"], "Hi");
}

#[test]
fn answers_of_others_are_written_in_whole() {
    let other = Sealed { origin: Dialect::AnthropicMessages, data: "s".to_owned() };
    let thinking =
        Thinking { text: "Hm".to_owned(), signature: Some(other.clone()), ..Thinking::default() };
    let sealed = Thinking { redacted: Some(other), ..Thinking::default() };
    let parts = vec![
        Part::new(PartBody::Thinking(thinking)),
        Part::new(PartBody::Thinking(sealed)),
        Part::text("a"),
        Part::text("b"),
        call("", "f", "not json"),
        call("toolu_1", "patch", r#"{"input":"*** Begin"}"#),
    ];
    let finish = Some(Finish::new(FinishReason::ToolCalls));
    let choice = Choice { parts, finish, ..Choice::default() };
    let answer = ChatAnswer { choices: vec![choice], ..ChatAnswer::default() };
    let mut asking = chat(&value(&fixture("requests", "everything")));
    let custom = ToolBody::Custom { name: "patch".to_owned(), description: None, format: None };
    asking.tools.push(Tool { body: custom, cache: None });
    let (written, losses) = write(&answer, &Request::Chat(Box::new(asking)));
    assert_eq!(losses, ["thinking.signature"]);
    let expected = json!([
        {"type": "reasoning", "id": "rs_req-1_0",
         "summary": [{"type": "summary_text", "text": "Hm"}]},
        {"type": "message", "id": "msg_req-1_1", "status": "completed",
         "role": "assistant", "content": [
            {"type": "output_text", "annotations": [], "logprobs": [], "text": "a"},
            {"type": "output_text", "annotations": [], "logprobs": [], "text": "b"},
        ]},
        {"type": "function_call", "id": "fc_req-1_2", "call_id": "call_req-1_2", "name": "f",
         "arguments": "not json", "status": "completed"},
        {"type": "custom_tool_call", "id": "ctc_req-1_3", "call_id": "toolu_1", "name": "patch",
         "input": "*** Begin"},
    ]);
    assert_eq!(written["output"], expected);
    assert_eq!(written["usage"], Value::Null, "unknown counts are not called zero");
    assert_eq!(written["instructions"], "Be brief.");
    assert_eq!(written["text"]["verbosity"], "high");
}

#[test]
fn counts_are_read_and_written() {
    let body = fixture("answers", "count-tokens");
    let answer = FORMAT.read_answer(Operation::CountTokens, &body).unwrap();
    assert_eq!(answer, Answer::Tokens(11));
    let request = question();
    let written = FORMAT.write_answer(&answer, &asked(&request)).unwrap();
    assert_eq!(value(&written.body), value(&body));
    assert!(FORMAT.read_answer(Operation::CountTokens, b"{}").is_err());
}

#[test]
fn facts_of_bytes_alone() {
    let observed = FORMAT.observe_answer(&fixture("answers", "incomplete-max-output-tokens"));
    assert_eq!(observed.unwrap().finish.as_deref(), Some("max_output_tokens"));
    assert!(FORMAT.observe_answer(&fixture("answers", "failed")).unwrap().is_error);
    assert!(FORMAT.observe_answer(br#"{"error":{"message":"no"}}"#).unwrap().is_error);
    let queued = FORMAT.observe_answer(br#"{"status":"queued","output":[]}"#).unwrap();
    assert_eq!(queued, AnswerFacts::default());
    assert_eq!(FORMAT.observe_answer(b"[]"), Ok(AnswerFacts::default()));
    assert!(FORMAT.observe_answer(b"<html>").is_err());
    for odd in [&b"{}"[..], b"[]", b"7", br#"{"output":7}"#, br#"{"status":"queued","output":[]}"#]
    {
        assert!(FORMAT.read_answer(Operation::Responses, odd).is_err());
    }
}
