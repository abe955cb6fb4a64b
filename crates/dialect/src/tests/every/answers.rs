//! Answers of chance in which everything occurs that can be answered, whole and as streams.

use serde_json::{Value, json};
use weir_types::{Dialect, Usage};

use crate::ir::{
    ChatAnswer, Choice, Delta, Event, Finish, FinishReason, Image, Media, Part, PartBody,
    PartStart, Sealed, Source, Thinking, ToolCall,
};

/// An answer under way.
pub(super) struct Maker {
    pub(super) answer: ChatAnswer,
    to: Dialect,
    words: u32,
    way: usize,
}

/// Something that an answer can say.
pub(super) type Feature = (&'static str, fn(&mut Maker));

/// All of them.
pub(super) const FEATURES: &[Feature] = &[
    ("words", |it| {
        let text = it.word();
        it.say(PartBody::Text { text, annotations: Vec::new() });
    }),
    ("annotation", |it| {
        let url = format!("https://example.com/{}", it.word());
        let cited = json!({"url": url, "title": "t", "start_index": 0, "end_index": 5});
        let annotations = vec![json!({"type": "url_citation", "url_citation": cited})];
        let text = it.word();
        it.say(PartBody::Text { text, annotations });
    }),
    ("refusal", |it| {
        let body = PartBody::Refusal(it.word());
        it.say(body);
    }),
    ("thought", |it| {
        let mut thinking = Thinking { text: it.word(), ..Thinking::default() };
        match it.way % 3 {
            0 => thinking.signature = Some(it.seal()),
            1 => thinking = Thinking { redacted: Some(it.seal()), ..Thinking::default() },
            _ => {}
        }
        it.say(PartBody::Thinking(thinking));
    }),
    ("call", |it| {
        let (name, arguments) = (it.word(), json!({ "a": it.word() }).to_string());
        let signature = it.way.is_multiple_of(2).then(|| it.seal());
        let (id, is_custom) = (format!("call_{name}"), false);
        it.say(PartBody::ToolCall(ToolCall { id, name, arguments, is_custom, signature }));
        it.choice().finish = Some(Finish::new(FinishReason::ToolCalls));
    }),
    ("image", |it| {
        let data = format!("AAAA{}AA", it.word());
        let url = format!("https://example.com/{}.png", it.word());
        let source = match it.way % 2 {
            0 => Source::Base64 { media_type: "image/png".to_owned(), data },
            _ => Source::Url(url),
        };
        it.say(PartBody::Image(Image { source, detail: None }));
    }),
    ("audio", |it| {
        let data = format!("AAAA{}AA", it.word());
        let source = Source::Base64 { media_type: "audio/wav".to_owned(), data };
        it.say(PartBody::Audio(Media { source, media_type: None }));
    }),
    ("foreign", |it| {
        let word = it.word();
        let dialect = [it.to, it.other()][it.way % 2];
        let raw = match dialect {
            Dialect::GeminiGenerate => {
                json!({"executableCode": {"language": "PYTHON", "code": word}})
            }
            Dialect::BedrockConverse => json!({"hologram": {"text": word}}),
            Dialect::OpenAiResponses => json!({"type": "hologram", "id": "h_1", "text": word}),
            _ => json!({"type": "hologram", "text": word}),
        };
        it.say(PartBody::Foreign { dialect, raw });
    }),
    ("finish", |it| {
        let reasons = [
            FinishReason::Stop,
            FinishReason::StopSequence,
            FinishReason::Length,
            FinishReason::ContentFilter,
            FinishReason::Refusal,
            FinishReason::Pause,
            FinishReason::ContextWindow,
            FinishReason::Other("sunset".to_owned()),
        ];
        it.choice().finish = Some(Finish::new(reasons[it.way % reasons.len()].clone()));
    }),
    ("stop text", |it| {
        let stop_sequence = Some(it.word());
        it.choice().finish = Some(Finish { reason: FinishReason::StopSequence, stop_sequence });
    }),
    ("logprobs", |it| {
        let token = json!({"token": it.word(), "logprob": -0.5, "bytes": null, "top_logprobs": []});
        it.choice().logprobs = Some(json!({"content": [token], "refusal": null}));
    }),
    ("usage", |it| {
        it.answer.usage = Usage {
            input_tokens: 100,
            output_tokens: 20,
            cached_input_tokens: [0, 40][it.way % 2],
            cache_write_tokens: [0, 30][it.way / 2 % 2],
            reasoning_tokens: [0, 10][it.way / 4 % 2],
        };
    }),
    ("service tier", |it| {
        let tiers = ["default", "flex", "priority"];
        it.answer.service_tier = Some(tiers[it.way % tiers.len()].to_owned());
    }),
    ("created", |it| it.answer.created = Some(1_600_000_000)),
    ("extra", |it| {
        let word = Value::from(it.word());
        it.answer.extra.insert("x_new".to_owned(), word);
    }),
];

impl Maker {
    /// An answer for a client of `to` that says something and ends.
    pub(super) fn new(to: Dialect) -> Self {
        let answer = ChatAnswer {
            id: "a1".to_owned(),
            model: "m".to_owned(),
            choices: vec![Choice {
                finish: Some(Finish::new(FinishReason::Stop)),
                ..Choice::default()
            }],
            ..ChatAnswer::default()
        };
        let mut it = Self { answer, to, words: 0, way: 0 };
        let text = it.word();
        it.say(PartBody::Text { text, annotations: Vec::new() });
        it
    }

    /// Has `feature`, in one of its ways.
    pub(super) fn add(&mut self, feature: &Feature, way: usize) {
        self.way = way;
        (feature.1)(self);
    }

    fn word(&mut self) -> String {
        self.words += 1;
        format!("w{:04}x", self.words)
    }

    fn choice(&mut self) -> &mut Choice {
        &mut self.answer.choices[0]
    }

    fn say(&mut self, body: PartBody) {
        self.choice().parts.push(Part::new(body));
    }

    fn other(&self) -> Dialect {
        match self.to {
            Dialect::GeminiGenerate => Dialect::AnthropicMessages,
            _ => Dialect::GeminiGenerate,
        }
    }

    fn seal(&mut self) -> Sealed {
        let origin = [self.to, self.other()][self.way / 3 % 2];
        Sealed { origin, data: self.word() }
    }
}

/// The stream that says what `answer` does.
pub(super) fn events(answer: &ChatAnswer) -> Vec<Event> {
    let (id, model, created) = (answer.id.clone(), answer.model.clone(), answer.created);
    let mut all = vec![Event::Start { id, model, created, usage: Usage::default() }];
    for choice in &answer.choices {
        let mut logprobs = choice.logprobs.clone();
        for (part, body) in (0..).zip(&choice.parts) {
            let (start, deltas) = pieces(&body.body);
            let choice = choice.index;
            all.push(Event::PartStart { choice, part, start });
            for delta in deltas {
                let logprobs = logprobs.take_if(|_| matches!(delta, Delta::Text(_)));
                all.push(Event::Delta { choice, part, delta, logprobs });
            }
            all.push(Event::PartEnd { choice, part });
        }
        let finish = choice.finish.clone().unwrap_or_else(|| Finish::new(FinishReason::Stop));
        all.push(Event::Finish { choice: choice.index, finish });
    }
    if !answer.usage.is_empty() {
        all.push(Event::Usage(answer.usage));
    }
    all.push(Event::End);
    all
}

/// A block as it comes in a stream.
fn pieces(body: &PartBody) -> (PartStart, Vec<Delta>) {
    match body {
        PartBody::Text { text, annotations } => {
            let cited = annotations.iter().cloned().map(Delta::Annotation);
            (PartStart::Text, std::iter::once(Delta::Text(text.clone())).chain(cited).collect())
        }
        PartBody::Refusal(text) => (PartStart::Refusal, vec![Delta::Text(text.clone())]),
        PartBody::Thinking(Thinking { redacted: Some(sealed), .. }) => {
            (PartStart::Redacted(sealed.clone()), Vec::new())
        }
        PartBody::Thinking(Thinking { text, signature, id, is_summary, redacted: None }) => {
            let start = PartStart::Thinking { id: id.clone(), is_summary: *is_summary };
            let signed = signature.iter().cloned().map(Delta::Signature);
            (start, std::iter::once(Delta::Text(text.clone())).chain(signed).collect())
        }
        PartBody::ToolCall(ToolCall { id, name, arguments, is_custom, signature }) => {
            let (id, name) = (id.clone(), name.clone());
            let start = PartStart::ToolCall { id, name, is_custom: *is_custom };
            let signed = signature.iter().cloned().map(Delta::Signature);
            (start, signed.chain([Delta::Arguments(arguments.clone())]).collect())
        }
        PartBody::Image(image) => {
            let media = Media { source: image.source.clone(), media_type: None };
            (PartStart::Image(media), Vec::new())
        }
        PartBody::Audio(Media { source: Source::Base64 { data, .. }, .. }) => {
            let said = Delta::Transcript("transcribed".to_owned());
            (PartStart::Audio { id: None }, vec![Delta::Audio(data.clone()), said])
        }
        PartBody::Foreign { dialect, raw } => {
            (PartStart::Foreign { dialect: *dialect, raw: raw.clone() }, Vec::new())
        }
        PartBody::Json(_)
        | PartBody::Document(_)
        | PartBody::Audio(_)
        | PartBody::Video(_)
        | PartBody::ToolResult(_) => panic!("no stream has {body:?}"),
    }
}
