//! Everything that can be said between formats, said in each: what is written and read again says the
//! same, but for what the losses name, or it is refused as something that another provider may serve.
//!
//! [`makers`] and [`answers`] make requests and answers in which all of it occurs, and a test here
//! sees to that. [`covers`] says by what name a loss may tell of a thing that is gone: a thing that
//! goes without it fails.
//!
//! Every type between formats is taken apart without a rest, so that what is added to one of them
//! does not compile until it is said here what it means. Two values mean the same if they have the
//! same leaves; that is equality modulo what is not a leaf:
//!
//! - how messages are cut and ordered: what stands in which turn, but not on which side;
//! - `system` or `developer`, `user` or `tool`;
//! - ids: of answers, of calls (a result belongs to the tool that was called), of thoughts;
//! - whether thoughts are a summary, and that they are hidden where nobody would see them;
//! - a budget of thinking and the effort that stands for it; how thinking is turned on; how long
//!   thoughts are summed up;
//! - the name of a schema, and that an answer must match it where every answer does;
//! - tools that may not be called;
//! - what means what is so anyway: `parallel_tool_calls: true`, `n: 1`, `logprobs: false`,
//!   `service_tier: auto`, `is_error: false`, free text as the form of the answer;
//! - the model, the format that is spoken and features in trial, which whoever translates sets; how
//!   the client wants to be told (`legacy_functions`, `stream_usage`);
//! - the word for an end for which a format has none (`ends_alike` in [`covers`]).

mod answers;
mod covers;
mod leaves;
mod makers;
mod others;
mod variants;

use proptest::prelude::*;
use weir_framing::{Decoder, Writer};
use weir_types::{Dialect, Operation};

use super::CONVERSING;
use super::fixture::{asked, fit, frames, path, plain_request, route};
use crate::ir::{Answer, Chat, ChatAnswer, Error, Event, FinishReason, Losses, Request};
use crate::{RequestFault, Target, format};
use answers::events;
use covers::missing;
use leaves::Leaves;
use makers::{FEATURES, Maker};
use variants::Seen;

/// How often each feature is had: in all of its ways.
const WAYS: usize = 16;

/// Where requests go: format, model, vendor.
const TARGETS: &[(Dialect, &str, &str)] = &[
    (Dialect::OpenAiChat, "gpt-4o", "openai"),
    (Dialect::OpenAiChat, "gpt-5.6", "openai"),
    (Dialect::OpenAiChat, "anthropic/claude-opus-5", "openrouter"),
    (Dialect::OpenAiChat, "llama", "vllm"),
    (Dialect::OpenAiChat, "mistral-large-latest", "mistral"),
    (Dialect::OpenAiResponses, "gpt-5", "openai"),
    (Dialect::AnthropicMessages, "claude-sonnet-4-5", "anthropic"),
    (Dialect::AnthropicMessages, "claude-opus-5-5", "anthropic"),
    (Dialect::AnthropicMessages, "claude-3-haiku-20240307", "vertex"),
    (Dialect::GeminiGenerate, "gemini-2.5-pro", "gemini"),
    (Dialect::GeminiGenerate, "gemini-3.1-pro-preview", "vertex"),
    (Dialect::BedrockConverse, "anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock"),
    (Dialect::BedrockConverse, "amazon.nova-2-lite-v1:0", "bedrock"),
    (Dialect::BedrockConverse, "meta.llama3-3-70b-instruct-v1:0", "bedrock"),
    (Dialect::CohereChat, "command-a-03-2025", "cohere"),
    (Dialect::CohereChat, "command-a-reasoning-08-2025", "cohere"),
];

/// Writes `chat` for `target` and reads it again.
fn sent(chat: &Chat, to: (Dialect, &str, &str)) -> Result<(Chat, Chat, Losses), RequestFault> {
    let (dialect, model, vendor) = to;
    let (format, operation) = (format(dialect), route(dialect, Operation::Chat));
    let target = Target { operation, model, known_as: model, vendor };
    let (mut request, mut losses) = (Request::Chat(Box::new(chat.clone())), Losses::default());
    let fitted = fit(format, &mut request, &target, &mut losses)?;
    let written = format.write_request(&request, &target)?;
    losses.extend(written.losses);
    let body = serde_json::from_slice(&written.body).unwrap();
    let path = path(dialect, operation, &body, chat.stream);
    let back = format.read_request(&written.body, &path);
    let back = back.unwrap_or_else(|fault| panic!("{dialect:?}: not read back: {fault:?}: {body}"));
    let (Request::Chat(mut back), Request::Chat(mut chat)) = (back, request) else { panic!() };
    fitted.renames.restore_tools(&mut back.tools);
    fitted.renames.restore_tools(&mut chat.tools);
    Ok((*chat, *back, losses))
}

/// What `chat` says and what is left of it on the way to `to`.
fn check(chat: &Chat, to: (Dialect, &str, &str)) -> Vec<String> {
    match sent(chat, to) {
        Ok((_, back, losses)) => {
            let (before, after) = (Leaves::of_chat(chat), Leaves::of_chat(&back));
            missing(&before, &after, &losses, to)
        }
        Err(fault) if fault.is_targets && !fault.message.is_empty() => Vec::new(),
        Err(fault) => vec![format!("refused: {fault:?}")],
    }
}

/// Formats that clients speak other than `to`, whose own are not translated.
fn sources(to: Dialect) -> Vec<Dialect> {
    CONVERSING.into_iter().filter(|source| *source != to).collect()
}

/// What `answer` says and what is left of it for a client of `to`: whole, and as a stream.
fn check_answer(answer: &ChatAnswer, to: Dialect) -> Vec<String> {
    let request = plain_request(to);
    let asked = asked(to, Operation::Chat, &request);
    let before = Leaves::of_answer(answer);
    let written = format(to).write_answer(&Answer::Chat(answer.clone()), &asked).unwrap();
    let back = format(to).read_answer(asked.operation, &written.body);
    let Ok(Answer::Chat(back)) = back else { panic!("{to:?}: {back:?}: {:?}", written.body) };
    let mut found = missing(&before, &Leaves::of_answer(&back), &written.losses, (to, "", ""));
    let mut writer = format(to).stream_writer(&asked).unwrap();
    let mut out = Writer::new(format(to).framing());
    events(answer).into_iter().for_each(|event| writer.write(event, &mut out));
    out.end();
    let (mut reader, decoder) = (format(to).stream_reader().unwrap(), Decoder::new(out.framing()));
    let mut heard = Vec::new();
    for raw in frames(format(to).framing(), &out.take(), &[]) {
        let frame = decoder.parse(&raw).unwrap();
        if frame.data.is_some() {
            reader.read(&frame, &mut heard).unwrap();
        }
    }
    reader.finish(&mut heard).unwrap();
    let (one, two) = (Leaves::of_events(&events(answer)), Leaves::of_events(&heard));
    let gone = missing(&one, &two, &writer.losses(), (to, "stream", ""));
    found.extend(gone.into_iter().map(|text| format!("streamed: {text}")));
    found
}

#[test]
fn each_thing_that_can_be_answered_is_carried_or_told_of() {
    let mut problems = super::Problems::default();
    for to in CONVERSING {
        for feature in answers::FEATURES {
            for way in 0..WAYS {
                let mut maker = answers::Maker::new(to);
                maker.add(feature, way);
                let place = format!("{} (way {way}) for {to:?}", feature.0);
                problems.extend(&place, check_answer(&maker.answer, to));
            }
        }
    }
    problems.report();
}

#[test]
fn everything_that_there_is_between_formats_is_made() {
    let mut seen = Seen::default();
    for (feature, way) in FEATURES.iter().flat_map(|one| (0..WAYS).map(move |way| (one, way))) {
        let mut maker = Maker::new(Dialect::OpenAiChat, Dialect::CohereChat);
        maker.add(feature, way);
        seen.whole(&Request::Chat(Box::new(maker.chat)));
    }
    for (feature, way) in
        answers::FEATURES.iter().flat_map(|one| (0..WAYS).map(move |way| (one, way)))
    {
        let mut maker = answers::Maker::new(Dialect::OpenAiChat);
        maker.add(feature, way);
        seen.answer(&Answer::Chat(maker.answer.clone()));
        for event in events(&maker.answer) {
            seen.event(&event);
            match &event {
                Event::PartStart { start, .. } => seen.start(start),
                Event::Delta { delta, .. } => seen.delta(delta),
                Event::Finish { finish, .. } => seen.finish(&finish.reason),
                _ => {}
            }
        }
    }
    // An answer that is broken off is an error to the client, which tests of errors look at; the
    // others have few members, and tests over fixtures compare each.
    seen.event(&Event::Error(Error::new(500, "")));
    seen.finish(&FinishReason::Error(String::new()));
    assert_eq!(seen.missing(), OTHERS);
}

/// The requests of [`others`], and answers that [`super::translation`] compares as a whole.
const OTHERS: [&str; 9] = [
    "Request count",
    "Request embedding",
    "Request rerank",
    "EmbeddingInput text",
    "EmbeddingInput tokens",
    "EmbeddingInput image",
    "Answer tokens",
    "Answer embedding",
    "Answer rerank",
];

#[test]
fn each_thing_that_can_be_asked_for_is_carried_told_of_or_refused() {
    let mut problems = super::Problems::default();
    for to in TARGETS.iter().copied() {
        let sources = sources(to.0);
        for (feature, way) in FEATURES.iter().flat_map(|one| (0..WAYS).map(move |way| (one, way))) {
            let source = sources[way % sources.len()];
            let mut maker = Maker::new(source, to.0);
            maker.add(feature, way);
            let place = format!("{} (way {way}) of {source:?} to {to:?}", feature.0);
            problems.extend(&place, check(&maker.chat, to));
        }
    }
    problems.report();
}

proptest! {
    #[test]
    fn so_are_several_at_once(
        to in prop::sample::select(TARGETS),
        source in any::<prop::sample::Index>(),
        wanted in prop::collection::vec((prop::sample::select(FEATURES), any::<usize>()), 2..6),
    ) {
        let sources = sources(to.0);
        let mut maker = Maker::new(*source.get(&sources), to.0);
        for (feature, way) in &wanted {
            maker.add(feature, *way);
        }
        let found = check(&maker.chat, to);
        let wanted: Vec<_> = wanted.iter().map(|(feature, way)| (feature.0, way)).collect();
        prop_assert!(found.is_empty(), "{:?} to {to:?}: {wanted:?}: {found:#?}", maker.chat.source);
    }
}
