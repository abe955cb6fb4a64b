//! What a conversation, a request's options and an answer mean, as far as every format can say it.
//!
//! Formats join and split messages, put results before text, move system messages to the front and
//! write values of tools their own way. What is compared is what is left: who says what, in letters
//! and digits; which tools are called with what; what they answered; which tools there are. Options
//! may go, but only if a loss says so.

use std::collections::BTreeSet;

use serde_json::{Number, Value};
use weir_types::Usage;

use crate::ir::{
    Answer, Chat, ChatAnswer, FinishReason, Message, OutputFormat, Part, PartBody, Role, Source,
    Tool, ToolBody, ToolCall, ToolChoice, ToolResult,
};

/// A call, without its id.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    name: String,
    arguments: Value,
    is_custom: bool,
}

/// All that one side says before the other says something.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Turn {
    is_models: bool,
    text: String,
    calls: Vec<Call>,
    /// Letters and digits of each, in alphabetical order.
    results: Vec<String>,
    /// Images, sounds, films.
    media: usize,
    /// Documents, which some formats have as text.
    documents: usize,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Conversation {
    system: String,
    turns: Vec<Turn>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    turn: Turn,
    finish: Option<&'static str>,
    usage: Usage,
}

/// Letters and digits of `text`.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Letters and digits of a value, names of members included; of text that is JSON, of that.
fn letters_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => letters(&number.to_string()),
        Value::String(text) => match serde_json::from_str(text) {
            Ok(inner @ (Value::Array(_) | Value::Object(_))) => letters_of(&inner),
            _ => letters(text),
        },
        Value::Array(list) => list.iter().map(letters_of).collect(),
        Value::Object(object) => {
            object.iter().map(|(name, value)| letters(name) + &letters_of(value)).collect()
        }
    }
}

/// Whether `text` stands in `other` in this order, with whatever between.
fn is_within(text: &str, other: &str) -> bool {
    let mut others = other.chars();
    text.chars().all(|c| others.any(|other| other == c))
}

impl Call {
    fn new(call: &ToolCall) -> Self {
        let parsed = serde_json::from_str(&call.arguments).ok().filter(Value::is_object);
        let arguments = parsed.unwrap_or_else(|| Value::from(call.arguments.as_str()));
        Self { name: call.name.clone(), arguments, is_custom: call.is_custom }
    }

    /// Whether `other` is the same call in another format.
    fn is(&self, other: &Self) -> bool {
        let is_same = if self.is_custom || self.arguments.is_string() {
            letters_of(&other.arguments).contains(&letters_of(&self.arguments))
        } else {
            self.arguments == other.arguments
        };
        self.name == other.name && is_same
    }
}

impl Turn {
    fn add(&mut self, part: &Part) {
        match &part.body {
            PartBody::Text { text, .. } | PartBody::Refusal(text) => {
                self.text.push_str(&letters(text));
            }
            PartBody::Json(value) => self.text.push_str(&letters_of(value)),
            PartBody::ToolCall(call) => self.calls.push(Call::new(call)),
            PartBody::ToolResult(result) => self.add_result(result),
            PartBody::Document(document) => {
                if let Source::Text(text) = &document.source {
                    self.text.push_str(&letters(text));
                }
                self.documents += 1;
            }
            PartBody::Image(_) | PartBody::Audio(_) | PartBody::Video(_) => self.media += 1,
            PartBody::Thinking(_) | PartBody::Foreign { .. } => {}
        }
    }

    fn add_result(&mut self, result: &ToolResult) {
        let mut inner = Self::default();
        for part in &result.parts {
            match &part.body {
                PartBody::Text { text, .. } => {
                    inner.text.push_str(&letters_of(&Value::from(text.as_str())));
                }
                _ => inner.add(part),
            }
        }
        self.media += inner.media;
        self.documents += inner.documents;
        self.results.push(inner.text);
        self.results.sort_unstable();
    }

    fn is_empty(&self) -> bool {
        let media = self.media + self.documents;
        self.text.is_empty() && self.calls.is_empty() && self.results.is_empty() && media == 0
    }

    /// What `other` lacks that is here. `lost`: losses were reported.
    fn differs(&self, other: &Self, lost: bool) -> Option<String> {
        let wrong = |what: &str| Some(format!("{what}: {self:?} became {other:?}"));
        let has_media = self.media + other.media + self.documents + other.documents > 0;
        let is_text_same = match has_media {
            true => is_within(&self.text, &other.text) || lost,
            false => self.text == other.text,
        };
        if self.is_models != other.is_models {
            return wrong("who speaks");
        }
        if !is_text_same {
            return wrong("text");
        }
        let same_count = self.calls.len() == other.calls.len();
        if !same_count || !self.calls.iter().zip(&other.calls).all(|(one, two)| one.is(two)) {
            return wrong("calls");
        }
        let mut left = other.results.clone();
        for result in &self.results {
            match left.iter().position(|other| other.contains(result.as_str())) {
                Some(at) => drop(left.remove(at)),
                None if has_media && lost => {}
                None => return wrong("results"),
            }
        }
        if self.results.len() != other.results.len() {
            return wrong("number of results");
        }
        let is_text = other.text.len() > self.text.len();
        let has_less = other.media < self.media || (other.documents < self.documents && !is_text);
        (has_less && !lost).then(|| wrong("media without a loss"))?
    }
}

impl Conversation {
    /// The conversation of a request.
    pub(crate) fn of(messages: &[Message]) -> Self {
        let mut all = Self::default();
        for message in messages {
            let mut turn = Turn::default();
            message.parts.iter().for_each(|part| turn.add(part));
            match message.role {
                Role::System | Role::Developer => all.system.push_str(&turn.text),
                Role::User | Role::Tool => all.join(turn),
                Role::Assistant => all.join(Turn { is_models: true, ..turn }),
            }
        }
        all
    }

    fn join(&mut self, turn: Turn) {
        if turn.is_empty() {
            return;
        }
        match self.turns.last_mut() {
            Some(last) if last.is_models == turn.is_models => {
                last.text.push_str(&turn.text);
                last.calls.extend(turn.calls);
                last.results.extend(turn.results);
                last.results.sort_unstable();
                last.media += turn.media;
                last.documents += turn.documents;
            }
            _ => self.turns.push(turn),
        }
    }

    /// The same without turns of which nothing is left but what a loss may take.
    fn without_media(&self) -> Self {
        let mut all = Self { system: self.system.clone(), turns: Vec::new() };
        for turn in &self.turns {
            let has_words = !(turn.text.is_empty() && turn.calls.is_empty());
            if has_words || !turn.results.is_empty() {
                all.join(turn.clone());
            }
        }
        all
    }

    fn differs(&self, other: &Self, lost: bool) -> Vec<String> {
        if lost && self.turns.len() != other.turns.len() {
            let (one, two) = (self.without_media(), other.without_media());
            if one.turns.len() == two.turns.len() {
                return one.differs(&two, lost);
            }
        }
        let mut found = Vec::new();
        if self.system != other.system {
            found.push(format!("system: {:?} became {:?}", self.system, other.system));
        }
        if self.turns.len() != other.turns.len() {
            found.push(format!("turns: {:?} became {:?}", self.turns, other.turns));
        }
        let pairs = self.turns.iter().zip(&other.turns);
        found.extend(pairs.filter_map(|(one, two)| one.differs(two, lost)));
        found
    }
}

/// What `read` lacks of what `written` says; `lost`: losses were reported.
pub(crate) fn chat_differs(written: &Chat, read: &Chat, lost: bool) -> Vec<String> {
    let before = Conversation::of(&written.messages);
    let mut found = before.differs(&Conversation::of(&read.messages), lost);
    found.extend(tools_differ(written, read, lost));
    if written.stream != read.stream {
        found.push(format!("stream: {} became {}", written.stream, read.stream));
    }
    if lost {
        return found;
    }
    let (one, two) = (&written.sampling, &read.sampling);
    let numbers = [
        ("temperature", &one.temperature, &two.temperature),
        ("top_p", &one.top_p, &two.top_p),
        ("frequency_penalty", &one.frequency_penalty, &two.frequency_penalty),
        ("presence_penalty", &one.presence_penalty, &two.presence_penalty),
    ];
    let is_close = |one: &Number, two: &Option<Number>| {
        let value = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
        two.as_ref().is_some_and(|two| (value(one) - value(two)).abs() < 1e-6)
    };
    for (name, one, two) in numbers {
        if one.as_ref().is_some_and(|one| !is_close(one, two)) {
            found.push(format!("{name} without a loss: {one:?} became {two:?}"));
        }
    }
    let others = [
        ("max_output_tokens", kept(one.max_output_tokens, two.max_output_tokens)),
        ("top_k", kept(one.top_k, two.top_k)),
        ("seed", kept(one.seed, two.seed)),
        ("n", kept(one.n.filter(|n| *n > 1), two.n)),
        ("logprobs", kept(one.logprobs.filter(|wanted| *wanted), two.logprobs)),
        ("stop", one.stop.is_empty() || one.stop == two.stop),
        ("output", kept(shape(written.output.as_ref()), shape(read.output.as_ref()))),
    ];
    let gone = others.into_iter().filter(|(_, is_kept)| !is_kept);
    found.extend(gone.map(|(name, _)| format!("{name} changed without a loss")));
    found
}

fn kept<T: PartialEq + Copy>(before: Option<T>, after: Option<T>) -> bool {
    before.is_none() || before == after
}

/// What kind of JSON is asked for.
fn shape(output: Option<&OutputFormat>) -> Option<&'static str> {
    match output? {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => Some("object"),
        OutputFormat::JsonSchema { .. } => Some("schema"),
    }
}

/// A tool's name and the names of its arguments; `None` for one that its provider runs.
fn signature(tool: &Tool) -> Option<(&str, Option<BTreeSet<&str>>)> {
    match &tool.body {
        ToolBody::Function { name, parameters, .. } => {
            let schema = parameters.as_ref().filter(|schema| schema.get("$ref").is_none());
            let properties = schema.map(|schema| schema["properties"].as_object());
            let names = properties.map(|all| all.into_iter().flatten().map(|(name, _)| &**name));
            // A tool without arguments has a schema in some formats and none in others.
            Some((name, Some(names.into_iter().flatten().collect())))
        }
        ToolBody::Custom { name, .. } => Some((name, None)),
        ToolBody::Hosted { .. } => None,
    }
}

fn tools_differ(written: &Chat, read: &Chat, lost: bool) -> Vec<String> {
    let before: Vec<_> = written.tools.iter().filter_map(signature).collect();
    let after: Vec<_> = read.tools.iter().filter_map(signature).collect();
    // A choice among tools, or of none, may be said by leaving tools out.
    let choice = written.tool_choice.as_ref();
    let may_lack = |name: &str| match choice {
        Some(ToolChoice::None) => true,
        Some(ToolChoice::Allowed { names, .. }) => !names.iter().any(|allowed| allowed == name),
        Some(ToolChoice::Function(only)) => only != name,
        Some(ToolChoice::Auto | ToolChoice::Required) | None => false,
    };
    let mut found = Vec::new();
    for (name, arguments) in &before {
        let other = after.iter().find(|(other, _)| other == name);
        match (arguments, other) {
            (_, None) if may_lack(name) || (arguments.is_none() && lost) => {}
            (Some(arguments), Some((_, Some(others)))) if arguments != others => {
                found.push(format!("arguments of {name}: {arguments:?} became {others:?}"));
            }
            (_, None) => found.push(format!("the tool {name} is gone")),
            _ => {}
        }
    }
    if !before.is_empty() && after.len() > before.len() {
        found.push(format!("tools: {before:?} became {after:?}"));
    }
    let forces = |choice: Option<&ToolChoice>| match choice {
        Some(ToolChoice::Required) => Some(None),
        Some(ToolChoice::Function(name)) => Some(Some(name.clone())),
        _ => None,
    };
    // Forcing the only tool is the same as forcing any.
    let (one, two) = (forces(choice), forces(read.tool_choice.as_ref()));
    if one != two && one.is_some() && !lost && !(two.is_some() && after.len() == 1) {
        found.push(format!("tool choice without a loss: {choice:?} became {:?}", read.tool_choice));
    }
    found
}

impl Said {
    /// What the first choice of an answer says.
    pub(crate) fn by(answer: &ChatAnswer) -> Self {
        let mut turn = Turn { is_models: true, ..Turn::default() };
        let first = answer.choices.iter().find(|choice| choice.index == 0);
        first.into_iter().flat_map(|choice| &choice.parts).for_each(|part| turn.add(part));
        let finish = first.and_then(|choice| choice.finish.clone());
        let finish =
            finish.and_then(|finish| class(&finish.reason.with_calls(!turn.calls.is_empty())));
        Self { turn, finish, usage: answer.usage }
    }

    /// What `other` lacks that is said here.
    pub(crate) fn differs(&self, other: &Self, lost: bool) -> Vec<String> {
        let mut found: Vec<String> = self.turn.differs(&other.turn, lost).into_iter().collect();
        if self.finish.is_some() && self.finish != other.finish {
            found.push(format!("finish: {:?} became {:?}", self.finish, other.finish));
        }
        let counts =
            |usage: &Usage| (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens);
        if !self.usage.is_empty() && counts(&self.usage) != counts(&other.usage) {
            found.push(format!("usage: {:?} became {:?}", self.usage, other.usage));
        }
        found
    }
}

/// What every format has a word for.
fn class(reason: &FinishReason) -> Option<&'static str> {
    match reason {
        FinishReason::Stop | FinishReason::StopSequence => Some("stop"),
        FinishReason::Length | FinishReason::ContextWindow => Some("length"),
        FinishReason::ToolCalls => Some("calls"),
        FinishReason::ContentFilter
        | FinishReason::Refusal
        | FinishReason::Pause
        | FinishReason::Error(_)
        | FinishReason::Other(_) => None,
    }
}

/// What `read` lacks of what `written` says.
pub(crate) fn answer_differs(written: &Answer, read: &Answer, lost: bool) -> Vec<String> {
    match (written, read) {
        (Answer::Chat(one), Answer::Chat(two)) => Said::by(one).differs(&Said::by(two), lost),
        (Answer::Embedding(one), Answer::Embedding(two)) => {
            let vectors = |answer: &crate::ir::EmbeddingAnswer| {
                let all = answer.vectors.iter();
                all.map(|vector| (vector.index, vector.value.clone())).collect::<Vec<_>>()
            };
            let is_same = vectors(one) == vectors(two) || lost;
            (!is_same).then(|| format!("vectors: {one:?} became {two:?}")).into_iter().collect()
        }
        (Answer::Rerank(one), Answer::Rerank(two)) => {
            let places = |answer: &crate::ir::RerankAnswer| {
                let all = answer.results.iter();
                all.map(|ranked| (ranked.index, ranked.score)).collect::<Vec<_>>()
            };
            let is_same = places(one) == places(two);
            (!is_same).then(|| format!("places: {one:?} became {two:?}")).into_iter().collect()
        }
        (one, two) if one == two => Vec::new(),
        (one, two) => vec![format!("{one:?} became {two:?}")],
    }
}
