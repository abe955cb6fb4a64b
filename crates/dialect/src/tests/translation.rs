//! Every request and every answer of every format, written by every format: what that format reads
//! in it is what was said, or the request is refused as one that another provider may serve.

use bytes::Bytes;
use serde_json::Value;
use weir_types::{Dialect, Operation};

use super::Problems;
use super::fixture::{
    Fixture, answer_operation, asked, every, fit, formats, is_in_path, operation_of, path,
    plain_request, reader, route, target,
};
use super::meaning::{answer_differs, chat_differs};
use crate::ir::{Extra, Losses, Request, Rerank};
use crate::{AnswerFault, Format, RequestFault, format};

/// Vectors of this format are read and never written: its clients ask for them where it is spoken.
const VECTORS_IN: Dialect = Dialect::BedrockInvoke;

/// Reads a request; `None` if its operation is not translated at all.
fn read(format: &dyn Format, fixture: &Fixture, problems: &mut Problems) -> Option<Request> {
    match format.read_request(&fixture.bytes, &fixture.path()) {
        Ok(request) => Some(request),
        Err(fault) => {
            problems.check(fault.is_targets && !fault.message.is_empty(), || {
                format!("{}: {fault:?}", fixture.label())
            });
            None
        }
    }
}

fn check_request(
    to: &'static dyn Format,
    request: &Request,
    is_own: bool,
) -> Result<(), Vec<String>> {
    let (mut request, mut losses) = (request.clone(), Losses::default());
    let operation = operation_of(&request);
    let mut target = target(to.dialect(), operation);
    let own = match &request {
        Request::Chat(chat) | Request::CountTokens(chat) if is_own => chat.model.clone(),
        _ => String::new(),
    };
    if !own.is_empty() {
        target.model = &own;
    }
    let fitted = fit(to, &mut request, &target, &mut losses);
    let written = match fitted.and_then(|_| to.write_request(&request, &target)) {
        Ok(written) => written,
        // Of those that have it in the path, the model is not the fixture's.
        Err(fault) => return refused(&fault, is_own && !is_in_path(to.dialect())),
    };
    losses.extend(written.losses);
    let body: Value = match serde_json::from_slice(&written.body) {
        Ok(body @ Value::Object(_)) => body,
        _ => return Err(vec![format!("no JSON object: {:?}", written.body)]),
    };
    let stream = matches!(&request, Request::Chat(chat) if chat.stream);
    let path = path(to.dialect(), target.operation, &body, stream);
    let back = match to.read_request(&written.body, &path) {
        Ok(back) => back,
        // What is no client's to ask for, such as another vendor's tokenizer, is written alone.
        Err(fault) if fault.is_targets && operation != Operation::Chat => return Ok(()),
        Err(fault) => return Err(vec![format!("not read back: {fault:?} in {body}")]),
    };
    let lost = !losses.is_empty();
    let found = match (&request, &back) {
        (Request::Chat(one), Request::Chat(two))
        | (Request::CountTokens(one), Request::CountTokens(two)) => chat_differs(one, two, lost),
        (Request::Embedding(one), Request::Embedding(two)) if one.inputs == two.inputs => vec![],
        (Request::Rerank(one), Request::Rerank(two))
            if (&one.query, one.documents.len()) == (&two.query, two.documents.len()) =>
        {
            vec![]
        }
        (one, two) => vec![format!("{one:?} became {two:?}")],
    };
    match found.is_empty() {
        true => Ok(()),
        false => Err(found.into_iter().map(|text| format!("{text}\n    in {body}")).collect()),
    }
}

fn refused(fault: &RequestFault, is_own: bool) -> Result<(), Vec<String>> {
    if fault.is_targets && !is_own && !fault.message.is_empty() {
        return Ok(());
    }
    Err(vec![format!("refused: {fault:?}")])
}

#[test]
fn a_request_means_the_same_in_every_format_or_is_refused() {
    let mut problems = Problems::default();
    for (from, fixture) in ["requests", "ranks"].into_iter().flat_map(every) {
        let Some(request) = read(from, &fixture, &mut problems) else { continue };
        for to in formats() {
            let is_own = to.dialect() == from.dialect();
            let place = format!("{} as {:?}", fixture.label(), to.dialect());
            if let Err(found) = check_request(to, &request, is_own) {
                problems.extend(&place, found);
            }
        }
    }
    problems.report();
}

#[test]
fn an_answer_says_the_same_in_every_format() {
    let mut problems = Problems::default();
    for (from, fixture) in ["answers", "ranks/answers"].into_iter().flat_map(every) {
        let Some(operation) = answer_operation(fixture.dialect, &fixture.json()) else { continue };
        let answer = reader(from.dialect(), operation).read_answer(operation, &fixture.bytes);
        let answer = match answer {
            Ok(answer) => answer,
            Err(fault) => {
                let is_apart =
                    operation == Operation::Completion || matches!(fault, AnswerFault::Broken(_));
                problems.check(is_apart, || format!("{}: {fault:?}", fixture.label()));
                continue;
            }
        };
        for to in formats() {
            let place = format!("{} as {:?}", fixture.label(), to.dialect());
            let request = plain_request(to.dialect());
            let asked = asked(to.dialect(), operation, &request);
            let Ok(written) = to.write_answer(&answer, &asked) else {
                // Only what a format has no operation for may be refused.
                let is_chat = route(from.dialect(), Operation::Chat) == operation;
                let is_own = from.dialect() == to.dialect() && to.dialect() != VECTORS_IN;
                problems.check(!is_chat && !is_own, || format!("{place}: refused"));
                continue;
            };
            match reader(to.dialect(), asked.operation).read_answer(asked.operation, &written.body)
            {
                Ok(back) => {
                    let found = answer_differs(&answer, &back, !written.losses.is_empty());
                    problems.extend(&place, found);
                }
                Err(fault) => {
                    problems.extend(&place, [format!("{fault:?} in {:?}", written.body)]);
                }
            }
        }
    }
    problems.report();
}

#[test]
fn what_is_not_translated_is_said_in_full() {
    for format in formats() {
        let dialect = format.dialect();
        let body = Bytes::from_static(br#"{"model":"m","prompt":"Once"}"#);
        let path = path(dialect, Operation::Completion, &Value::Null, false);
        let fault = format.read_request(&body, &path).unwrap_err();
        let label = dialect.label();
        let expected = format!(
            "text_completion requests of the format {label} are not translated; \
             send this one to a provider that speaks {label} itself"
        );
        assert_eq!((fault.message, fault.is_targets, fault.param), (expected, true, None));
    }
    let rerank = Request::Rerank(Rerank {
        source: Dialect::CohereChat,
        model: "m".to_owned(),
        query: "q".to_owned(),
        documents: vec!["d".into()],
        top_n: None,
        return_documents: None,
        extra: Extra::new(),
    });
    let to = Dialect::AnthropicMessages;
    let fault = format(to).write_request(&rerank, &target(to, Operation::Rerank)).unwrap_err();
    assert!(fault.is_targets && fault.message.contains("anthropic_messages has no rerank"));
}
