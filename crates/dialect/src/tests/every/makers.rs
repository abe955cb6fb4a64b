//! Requests of chance in which everything occurs that can be said: a feature for each, put together
//! as readers of clients' requests do.

use serde_json::{Number, Value, json};
use weir_types::Dialect;

use crate::ir::{
    CacheMark, Chat, Document, Effort, Image, Media, Message, OutputFormat, Part, PartBody,
    Reasoning, Role, Sealed, Source, Thinking, Tool, ToolBody, ToolCall, ToolChoice, ToolResult,
};

/// A request under way.
pub(super) struct Maker {
    pub(super) chat: Chat,
    /// The format that it goes to.
    pub(super) to: Dialect,
    /// Number of words made so far: no two are the same, and none is the beginning of another.
    words: u32,
    /// Which of the ways in which the feature can be had.
    pub(super) way: usize,
}

/// Something that a request can ask for or say.
pub(super) type Feature = (&'static str, fn(&mut Maker));

/// All of them. Where there are several ways, the chance decides.
pub(super) const FEATURES: &[Feature] = &[
    ("system", |it| it.say(Role::System, 1)),
    ("developer", |it| it.say(Role::Developer, 1)),
    ("words", |it| it.answer(vec![])),
    ("name", |it| {
        let name = Some(it.word());
        it.chat.messages[0].name = name;
    }),
    ("image", |it| {
        let (source, detail) = (it.source("image/png"), it.pick([None, Some("low"), Some("high")]));
        it.show(PartBody::Image(Image { source, detail: detail.map(str::to_owned) }));
    }),
    ("document", |it| {
        let body = it.document();
        it.show(body);
    }),
    ("audio", |it| {
        let media = Media { source: it.source("audio/wav"), media_type: None };
        it.show(PartBody::Audio(media));
    }),
    ("video", |it| {
        let media = Media { source: it.source("video/mp4"), media_type: None };
        it.show(PartBody::Video(media));
    }),
    ("foreign", |it| {
        let body = it.foreign();
        it.show(body);
    }),
    ("call", |it| {
        let text = Part::text(it.word());
        it.called(false, vec![text], None);
    }),
    ("call of text", |it| {
        let text = Part::text(it.word());
        it.called(true, vec![text], None);
    }),
    ("json result", |it| {
        let word = it.word();
        it.called(false, vec![Part::new(PartBody::Json(json!({"r": word, "n": 1})))], None);
    }),
    ("image result", |it| {
        let image = Image { source: it.source("image/png"), detail: None };
        it.called(false, vec![Part::new(PartBody::Image(image))], None);
    }),
    ("document result", |it| {
        let body = it.document();
        it.called(false, vec![Part::new(body)], None);
    }),
    ("sound result", |it| {
        let audio = Media { source: it.source("audio/wav"), media_type: None };
        let video = Media { source: it.source("video/mp4"), media_type: None };
        let body = it.pick([PartBody::Audio(audio), PartBody::Video(video)]);
        it.called(false, vec![Part::new(body)], None);
    }),
    ("foreign result", |it| {
        let body = it.foreign();
        it.called(false, vec![Part::new(body)], None);
    }),
    ("failed result", |it| {
        let (text, failed) = (Part::text(it.word()), it.pick([true, false]));
        it.called(false, vec![text], Some(failed));
    }),
    ("refusal", |it| {
        let body = PartBody::Refusal(it.word());
        it.answer(vec![body]);
    }),
    ("thought", |it| {
        let mut thinking = Thinking { text: it.word(), ..Thinking::default() };
        match it.way % 3 {
            0 => thinking.signature = Some(it.seal()),
            1 => thinking = Thinking { redacted: Some(it.seal()), ..Thinking::default() },
            _ => {}
        }
        thinking.is_summary = it.way.is_multiple_of(2);
        it.answer(vec![PartBody::Thinking(thinking)]);
    }),
    ("media in an answer", |it| {
        let image = Image { source: it.source("image/png"), detail: None };
        let audio = Media { source: it.source("audio/wav"), media_type: None };
        let video = Media { source: it.source("video/mp4"), media_type: None };
        let bodies = [PartBody::Image(image), PartBody::Audio(audio), PartBody::Video(video)];
        let body = bodies[it.way / 3 % 3].clone();
        it.answer(vec![body]);
    }),
    ("document in an answer", |it| {
        let body = it.document();
        it.answer(vec![body]);
    }),
    ("foreign in an answer", |it| {
        let body = it.foreign();
        it.answer(vec![body]);
    }),
    ("annotation", |it| {
        let url = format!("https://example.com/{}", it.word());
        let cited = json!({"url": url, "title": "t", "start_index": 0, "end_index": 5});
        let annotations = vec![json!({"type": "url_citation", "url_citation": cited})];
        let text = it.word();
        it.answer(vec![PartBody::Text { text, annotations }]);
    }),
    ("begun answer", |it| {
        it.say(Role::Assistant, 1);
    }),
    ("cache of a block", |it| {
        let mark = it.mark();
        if let Some(part) = it.chat.messages[0].parts.last_mut() {
            part.cache = mark;
        }
    }),
    ("cache of all", |it| it.chat.cache = it.mark()),
    ("cache of a tool", |it| {
        let mark = it.mark();
        it.tool(false);
        it.chat.tools.iter_mut().for_each(|tool| tool.cache.clone_from(&mark));
    }),
    ("tool", |it| drop(it.tool(false))),
    ("tool of text", |it| drop(it.tool(true))),
    ("strict tool", |it| {
        it.tool(false);
        if let Some(Tool { body: ToolBody::Function { strict, .. }, .. }) = it.chat.tools.last_mut()
        {
            *strict = Some(true);
        }
    }),
    ("tool without arguments", |it| {
        it.tool(false);
        if let Some(Tool { body: ToolBody::Function { parameters, description, .. }, .. }) =
            it.chat.tools.last_mut()
        {
            (*parameters, *description) = (None, None);
        }
    }),
    ("hosted tool", |it| {
        let dialect = it.pick([it.to, it.other()]);
        let (name, word) = ("web_search".to_owned(), it.word());
        let raw = match dialect {
            Dialect::GeminiGenerate => json!({"googleSearch": {"word": word}}),
            Dialect::BedrockConverse => json!({"systemTool": {"name": word}}),
            _ => json!({"type": "web_search_20250305", "name": "web_search", "word": word}),
        };
        it.chat.tools.push(Tool { body: ToolBody::Hosted { dialect, name, raw }, cache: None });
    }),
    ("tool choice", |it| {
        let names = vec![it.tool(false), it.tool(false)];
        it.tool(false);
        it.chat.tool_choice = Some(it.pick([
            ToolChoice::Auto,
            ToolChoice::None,
            ToolChoice::Required,
            ToolChoice::Function(names[0].clone()),
            ToolChoice::Allowed { required: true, names: names.clone() },
            ToolChoice::Allowed { required: false, names },
        ]));
    }),
    ("one call at a time", |it| {
        it.tool(false);
        it.chat.parallel_tool_calls = Some(it.pick([false, true]));
    }),
    ("max_tokens", |it| it.chat.sampling.max_output_tokens = Some(it.pick([0, 9, 4000, 900_000]))),
    ("temperature", |it| {
        it.chat.sampling.temperature = Number::from_f64(it.pick([0.25, 1.0, 1.5]));
    }),
    ("top_p", |it| it.chat.sampling.top_p = Number::from_f64(it.pick([0.5, 0.97, 1.0]))),
    ("top_k", |it| it.chat.sampling.top_k = Some(40)),
    ("frequency_penalty", |it| {
        it.chat.sampling.frequency_penalty = Number::from_f64(it.pick([0.5, -0.5]));
    }),
    ("presence_penalty", |it| {
        it.chat.sampling.presence_penalty = Number::from_f64(it.pick([0.5, -0.5]));
    }),
    ("seed", |it| it.chat.sampling.seed = Some(it.pick([7, -7, 1 << 40]))),
    ("stop", |it| {
        let word = it.word();
        it.chat.sampling.stop = vec![word, it.pick(["\n", "."]).to_owned()];
    }),
    ("n", |it| it.chat.sampling.n = Some(it.pick([1, 2]))),
    ("logprobs", |it| {
        it.chat.sampling.logprobs = Some(it.pick([true, false]));
        if it.way.is_multiple_of(3) {
            it.chat.sampling.logprobs = Some(true);
            it.chat.sampling.top_logprobs = Some(2);
        }
    }),
    ("logit_bias", |it| it.chat.sampling.logit_bias = Some(json!({"50256": -100}))),
    ("reasoning", |it| it.chat.reasoning = Some(it.reasoning())),
    ("effort", |it| {
        let effort = Some(Effort::ALL[it.way % Effort::ALL.len()]);
        it.chat.reasoning = Some(Reasoning { effort, ..Reasoning::default() });
    }),
    ("json", |it| it.chat.output = Some(it.pick([OutputFormat::JsonObject, OutputFormat::Text]))),
    ("schema", |it| {
        it.chat.output = Some(OutputFormat::JsonSchema {
            name: Some(it.word()),
            description: it.pick([None, Some("d".to_owned())]),
            schema: it.schema(),
            strict: it.pick([None, Some(true), Some(false)]),
        });
    }),
    ("verbosity", |it| it.chat.verbosity = Some("low".to_owned())),
    ("stream", |it| {
        it.chat.stream = true;
        it.chat.stream_usage = it.pick([None, Some(true)]);
    }),
    ("user", |it| it.chat.user = Some(it.word())),
    ("metadata", |it| {
        let word = it.word();
        it.chat.metadata.insert("m".to_owned(), it.pick([Value::from(word), Value::from(12)]));
    }),
    ("service_tier", |it| {
        let tier = it.pick(["auto", "default", "flex", "priority", "fast"]);
        it.chat.service_tier = Some(tier.to_owned());
    }),
    ("store", |it| it.chat.store = Some(it.pick([true, false]))),
    ("modalities", |it| {
        let wanted = it.pick([vec!["text"], vec!["text", "image"], vec!["audio"]]);
        it.chat.modalities = wanted.into_iter().map(str::to_owned).collect();
    }),
    ("extra", |it| {
        let (name, word) = (it.pick(["x_new", "prompt_cache_key", "safety_identifier"]), it.word());
        it.chat.extra.insert(name.to_owned(), Value::from(word));
    }),
];

impl Maker {
    /// A request of `source` on its way to `to`, in which the user says something.
    pub(super) fn new(source: Dialect, to: Dialect) -> Self {
        let mut it = Self { chat: Chat::new(source), to, words: 0, way: 0 };
        it.say(Role::User, 1);
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

    fn pick<T, const N: usize>(&self, of: [T; N]) -> T {
        of.into_iter().nth(self.way % N).unwrap()
    }

    /// A format that is not asked.
    fn other(&self) -> Dialect {
        match self.to {
            Dialect::GeminiGenerate => Dialect::AnthropicMessages,
            _ => Dialect::GeminiGenerate,
        }
    }

    fn say(&mut self, role: Role, words: usize) {
        let parts = (0..words).map(|_| Part::text(self.word())).collect();
        self.chat.messages.push(Message { role, parts, name: None });
    }

    /// The user shows something beside words.
    fn show(&mut self, body: PartBody) {
        let parts = vec![Part::text(self.word()), Part::new(body)];
        self.chat.messages.push(Message { role: Role::User, parts, name: None });
    }

    /// The model has said something beside words, and the user goes on.
    fn answer(&mut self, bodies: Vec<PartBody>) {
        let thought = |body: &PartBody| matches!(body, PartBody::Thinking(_));
        let (first, then): (Vec<_>, Vec<_>) = bodies.into_iter().partition(thought);
        let mut parts: Vec<_> = first.into_iter().map(Part::new).collect();
        parts.push(Part::text(self.word()));
        parts.extend(then.into_iter().map(Part::new));
        self.chat.messages.push(Message { role: Role::Assistant, parts, name: None });
        self.say(Role::User, 1);
    }

    /// The model has called a tool, which gave `parts`.
    fn called(&mut self, is_custom: bool, parts: Vec<Part>, is_error: Option<bool>) {
        let name = self.tool(is_custom);
        let (id, word) = (format!("call_{name}"), self.word());
        let arguments = if is_custom { word } else { json!({ "a": word }).to_string() };
        let signature = self.way.is_multiple_of(2).then(|| self.seal());
        let call = ToolCall { id: id.clone(), name, arguments, is_custom, signature };
        let call = vec![Part::new(PartBody::ToolCall(call))];
        self.chat.messages.push(Message { role: Role::Assistant, parts: call, name: None });
        let result = ToolResult { call_id: id, name: None, parts, is_error };
        let result = vec![Part::new(PartBody::ToolResult(result))];
        self.chat.messages.push(Message { role: Role::Tool, parts: result, name: None });
    }

    fn tool(&mut self, is_custom: bool) -> String {
        let (name, description) = (self.word(), Some(self.word()));
        let body = if is_custom {
            let format = self.pick([None, Some(json!({"type": "text"}))]);
            ToolBody::Custom { name: name.clone(), description, format }
        } else {
            let (parameters, strict) = (Some(self.schema()), None);
            ToolBody::Function { name: name.clone(), description, parameters, strict }
        };
        self.chat.tools.push(Tool { body, cache: None });
        name
    }

    fn schema(&mut self) -> Value {
        let (one, two) = (self.word(), self.word());
        json!({
            "type": "object",
            "properties": { one.as_str(): {"type": "string", "description": two} },
            "required": [one],
            "additionalProperties": false
        })
    }

    fn source(&mut self, media_type: &str) -> Source {
        let word = self.word();
        let (media_type, data) = (media_type.to_owned(), format!("AAAA{word}AA"));
        let url = format!("https://example.com/{word}.bin");
        let to = self.to;
        self.pick([
            Source::Base64 { media_type, data },
            Source::Url(url),
            Source::File { dialect: to, id: word },
        ])
    }

    fn document(&mut self) -> PartBody {
        let text = Source::Text(self.word());
        let source = self.source("application/pdf");
        PartBody::Document(Document {
            source: if self.way % 4 == 3 { text } else { source },
            title: self.pick([None, Some("t")]).map(|_| self.word()),
            context: self.pick([None, None, Some("c")]).map(|_| self.word()),
            citations: self.pick([None, Some(true), Some(false)]),
        })
    }

    fn foreign(&mut self) -> PartBody {
        let (dialect, word) = (self.pick([self.to, self.other()]), self.word());
        let raw = match dialect {
            Dialect::GeminiGenerate => {
                json!({"executableCode": {"language": "PYTHON", "code": word}})
            }
            Dialect::BedrockConverse => json!({"hologram": {"text": word}}),
            _ => json!({"type": "hologram", "text": word}),
        };
        PartBody::Foreign { dialect, raw }
    }

    fn seal(&mut self) -> Sealed {
        Sealed { origin: self.pick([self.to, self.other(), self.to]), data: self.word() }
    }

    fn mark(&self) -> Option<CacheMark> {
        let ttl = self.pick([None, Some("5m"), Some("1h"), Some("30m")]);
        Some(CacheMark { ttl: ttl.map(str::to_owned) })
    }

    fn reasoning(&self) -> Reasoning {
        let none = Reasoning::default;
        let summary = |word: &str| Some(word.to_owned());
        self.pick([
            Reasoning { enabled: Some(false), ..none() },
            Reasoning { enabled: Some(true), adaptive: true, ..none() },
            Reasoning { enabled: Some(true), budget_tokens: Some(3000), ..none() },
            Reasoning { effort: Some(Effort::Low), ..none() },
            Reasoning { effort: Some(Effort::Max), visible: Some(true), ..none() },
            Reasoning { effort: Some(Effort::None), ..none() },
            Reasoning { effort: Some(Effort::High), summary: summary("detailed"), ..none() },
            Reasoning { budget_tokens: Some(30_000), visible: Some(false), ..none() },
            Reasoning { adaptive: true, summary: summary("auto"), ..none() },
        ])
    }
}
