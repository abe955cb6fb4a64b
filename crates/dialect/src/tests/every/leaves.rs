//! Everything that is said, taken apart: each word, number and choice with what it is.
//!
//! What is no leaf stands in [`super`].

use serde_json::Value;
use weir_types::Usage;

use super::super::order::collected;
use crate::ir::{
    CacheMark, Chat, ChatAnswer, Choice, Delta, Document, Effort, Event, Finish, Image, Media,
    Message, OutputFormat, Part, PartBody, Reasoning, Role, Sampling, Source, Thinking, Tool,
    ToolBody, ToolCall, ToolChoice, ToolResult,
};

/// One thing that is said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    /// What it is.
    pub(super) what: &'static str,
    /// Of which tool, or which member; empty where there is one of it.
    pub(super) of: String,
    pub(super) value: String,
}

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    System,
    User,
    Model,
    Tool,
}

/// Leaves under way.
#[derive(Default)]
pub(super) struct Leaves(pub(super) Vec<Leaf>);

impl Leaves {
    #[expect(clippy::needless_pass_by_value, reason = "most are made for the call")]
    fn put(&mut self, what: &'static str, of: &str, value: impl ToString) {
        self.0.push(Leaf { what, of: of.to_owned(), value: value.to_string() });
    }

    fn put_some(&mut self, what: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.put(what, "", value);
        }
    }

    /// The leaves of a request.
    pub(super) fn of_chat(chat: &Chat) -> Self {
        let Chat {
            source: _,
            model: _,
            messages,
            tools,
            tool_choice,
            parallel_tool_calls,
            legacy_functions: _,
            sampling,
            reasoning,
            output,
            verbosity,
            stream,
            stream_usage: _,
            user,
            metadata,
            service_tier,
            store,
            modalities,
            cache,
            features: _,
            needs_state: _,
            extra,
        } = chat;
        let mut all = Self::default();
        messages.iter().for_each(|message| all.message(message, chat));
        let callable = callable(tools, tool_choice.as_ref());
        // What a provider itself runs has no name among those that may be called.
        let any_may = matches!(tool_choice, None | Some(ToolChoice::Auto | ToolChoice::Required));
        tools.iter().for_each(|tool| all.tool(tool, &callable, any_may));
        all.choice(tool_choice.as_ref(), &callable);
        if *parallel_tool_calls == Some(false) && !callable.is_empty() {
            all.put("parallel_tool_calls", "", "false");
        }
        all.sampling(sampling);
        reasoning.iter().for_each(|reasoning| all.reasoning(reasoning));
        output.iter().for_each(|output| all.output(output));
        all.put_some("verbosity", verbosity.as_ref());
        all.put("stream", "", stream);
        all.put_some("user", user.as_ref());
        for (name, value) in metadata {
            all.put("metadata", name, plain(value));
        }
        all.put_some("service_tier", service_tier.as_ref().filter(|tier| *tier != "auto"));
        all.put_some("store", *store);
        for word in modalities.iter().filter(|word| *word != "text") {
            all.put("modalities", "", word);
        }
        cache.iter().for_each(|mark| all.cache(mark));
        for (name, value) in extra {
            all.put("extra", name, value);
        }
        all
    }

    fn message(&mut self, message: &Message, chat: &Chat) {
        let Message { role, parts, name } = message;
        let side = match role {
            Role::System | Role::Developer => Side::System,
            Role::User | Role::Tool => Side::User,
            Role::Assistant => Side::Model,
        };
        self.put_some("messages.name", name.as_ref());
        parts.iter().for_each(|part| self.part(part, side, "", Some(chat)));
    }

    /// `of` is the tool that gave it.
    fn part(&mut self, part: &Part, side: Side, of: &str, chat: Option<&Chat>) {
        let Part { body, cache } = part;
        cache.iter().for_each(|mark| self.cache(mark));
        match body {
            PartBody::Text { text, annotations } => {
                self.put(words(side), of, text);
                annotations.iter().for_each(|one| self.put("annotations", "", one));
            }
            PartBody::Refusal(text) => self.put("refusal", of, text),
            PartBody::Json(value) => self.put(words(side), of, value),
            PartBody::Image(Image { source, detail }) => {
                self.source("image", source);
                self.put_some("image.detail", detail.as_ref().filter(|detail| *detail != "auto"));
            }
            PartBody::Document(document) => self.document(document),
            PartBody::Audio(Media { source, media_type: _ }) => self.source("audio", source),
            PartBody::Video(Media { source, media_type: _ }) => self.source("video", source),
            PartBody::ToolCall(call) => self.call(call),
            PartBody::ToolResult(result) => self.result(result, chat),
            PartBody::Thinking(thinking) => self.thinking(thinking),
            PartBody::Foreign { dialect, raw } => self.put("foreign", dialect.label(), raw),
        }
    }

    fn cache(&mut self, mark: &CacheMark) {
        let CacheMark { ttl } = mark;
        self.put("cache", "", "kept");
        self.put_some("cache.ttl", ttl.as_ref());
    }

    fn source(&mut self, of: &str, source: &Source) {
        match source {
            Source::Url(url) => self.put("media", of, url),
            Source::Base64 { media_type: _, data } => self.put("media", of, data),
            Source::Text(text) => self.put("media", of, text),
            // What it is, whoever keeps it knows.
            Source::File { dialect: _, id } => self.put("media.file", "", id),
        }
    }

    fn document(&mut self, document: &Document) {
        let Document { source, title, context, citations } = document;
        self.source("document", source);
        self.put_some("document.title", title.as_ref());
        self.put_some("document.context", context.as_ref());
        self.put_some("document.citations", citations.filter(|wanted| *wanted));
    }

    fn call(&mut self, call: &ToolCall) {
        let ToolCall { id: _, name, arguments, is_custom, signature } = call;
        self.put("call", name, arguments);
        if *is_custom {
            self.put("call.custom", name, "text");
        }
        self.put_some("call.signature", signature.as_ref().map(|sealed| &sealed.data));
    }

    fn result(&mut self, result: &ToolResult, chat: Option<&Chat>) {
        let ToolResult { call_id, name, parts, is_error } = result;
        let called = chat.and_then(|chat| chat.tool_name(call_id)).or(name.as_deref());
        let called = called.unwrap_or_default();
        self.put("result", called, "");
        parts.iter().for_each(|part| self.part(part, Side::Tool, called, None));
        if *is_error == Some(true) {
            self.put("result.is_error", called, "true");
        }
    }

    fn thinking(&mut self, thinking: &Thinking) {
        let Thinking { text, signature, redacted, id: _, is_summary: _ } = thinking;
        self.put_some("thinking", Some(text).filter(|text| !text.is_empty()));
        self.put_some("thinking.signature", signature.as_ref().map(|sealed| &sealed.data));
        self.put_some("thinking.redacted", redacted.as_ref().map(|sealed| &sealed.data));
    }

    fn tool(&mut self, tool: &Tool, callable: &[&str], any_may: bool) {
        let Tool { body, cache } = tool;
        cache.iter().for_each(|mark| self.cache(mark));
        match body {
            ToolBody::Function { name, description, parameters, strict } => {
                if !callable.contains(&name.as_str()) {
                    return;
                }
                if let Some(text) = description {
                    self.put("tools.description", name, text);
                }
                let properties =
                    parameters.as_ref().and_then(|schema| schema["properties"].as_object());
                for (property, schema) in properties.into_iter().flatten() {
                    self.put("tools.parameters", name, format!("{property} {schema}"));
                }
                if *strict == Some(true) {
                    self.put("tools.strict", name, "true");
                }
            }
            ToolBody::Custom { name, description, format } => {
                if !callable.contains(&name.as_str()) {
                    return;
                }
                self.put("tools.custom", name, "text");
                if let Some(text) = description {
                    self.put("tools.description", name, text);
                }
                if let Some(format) = format {
                    self.put("tools.format", name, format);
                }
            }
            ToolBody::Hosted { .. } if !any_may => {}
            ToolBody::Hosted { dialect, name, raw } => {
                self.put("tools.hosted", dialect.label(), format!("{name} {raw}"));
            }
        }
    }

    fn choice(&mut self, choice: Option<&ToolChoice>, callable: &[&str]) {
        callable.iter().for_each(|name| self.put("tools", name, ""));
        let is_forced = match choice {
            Some(ToolChoice::Required | ToolChoice::Function(_)) => true,
            Some(ToolChoice::Allowed { required, names: _ }) => *required,
            Some(ToolChoice::Auto | ToolChoice::None) | None => false,
        };
        if is_forced && !callable.is_empty() {
            self.put("tool_choice", "", "forced");
        }
    }

    fn sampling(&mut self, sampling: &Sampling) {
        let Sampling {
            max_output_tokens,
            temperature,
            top_p,
            top_k,
            frequency_penalty,
            presence_penalty,
            seed,
            stop,
            n,
            logprobs,
            top_logprobs,
            logit_bias,
        } = sampling;
        self.put_some("max_tokens", *max_output_tokens);
        self.put_some("temperature", temperature.as_ref());
        self.put_some("top_p", top_p.as_ref());
        self.put_some("top_k", *top_k);
        self.put_some("frequency_penalty", frequency_penalty.as_ref());
        self.put_some("presence_penalty", presence_penalty.as_ref());
        self.put_some("seed", *seed);
        stop.iter().for_each(|text| self.put("stop", "", text));
        self.put_some("n", n.filter(|n| *n > 1));
        self.put_some("logprobs", logprobs.filter(|wanted| *wanted));
        self.put_some("top_logprobs", top_logprobs.filter(|_| *logprobs != Some(false)));
        self.put_some("logit_bias", logit_bias.as_ref());
    }

    fn reasoning(&mut self, reasoning: &Reasoning) {
        let Reasoning { enabled, adaptive, effort: _, budget_tokens: _, visible, summary } =
            reasoning;
        match reasoning.effort() {
            Some(Effort::None) => self.put("reasoning", "", "none"),
            Some(effort) => self.put("reasoning", "", effort.label()),
            None if *enabled == Some(true) || *adaptive => self.put("reasoning", "", "on"),
            None => {}
        }
        if *visible == Some(true) || summary.is_some() {
            self.put("reasoning.visible", "", "true");
        }
    }

    fn output(&mut self, output: &OutputFormat) {
        match output {
            OutputFormat::Text => {}
            OutputFormat::JsonObject => self.put("output", "", "json"),
            OutputFormat::JsonSchema { name: _, description, schema, strict: _ } => {
                self.put("output", "", "json");
                for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
                    self.put("output.schema", "", format!("{property} {schema}"));
                }
                self.put_some("output.description", description.as_ref());
            }
        }
    }

    /// The leaves of an answer.
    pub(super) fn of_answer(answer: &ChatAnswer) -> Self {
        let ChatAnswer { id: _, model, created, choices, usage, service_tier, extra } = answer;
        let mut all = Self::default();
        all.put("model", "", model);
        all.put_some("created", *created);
        for choice in choices {
            let Choice { index, parts, finish, logprobs } = choice;
            let mut its = Self::default();
            parts.iter().for_each(|part| its.part(part, Side::Model, "", None));
            let has_calls = its.0.iter().any(|leaf| leaf.what == "call");
            if let Some(Finish { reason, stop_sequence }) = finish {
                its.put("finish", "", format!("{:?}", reason.clone().with_calls(has_calls)));
                its.put_some("stop_sequence", stop_sequence.as_ref());
            }
            its.put_some("logprobs", logprobs.as_ref().map(|all| &all["content"][0]["token"]));
            for leaf in its.0 {
                all.0.push(Leaf { of: format!("{index} {}", leaf.of), ..leaf });
            }
        }
        all.usage(usage);
        all.put_some("service_tier", service_tier.as_ref());
        for (name, value) in extra {
            all.put("extra", name, value);
        }
        all
    }

    /// The leaves of a stream: those of the answer that it is, and what is said in its sound.
    pub(super) fn of_events(events: &[Event]) -> Self {
        let mut all = Self::of_answer(&collected(events));
        for event in events {
            match event {
                Event::Delta { delta: Delta::Transcript(text), .. } => {
                    all.put("transcript", "", text);
                }
                Event::Delta { logprobs: Some(logprobs), choice, .. } => {
                    let token = &logprobs["content"][0]["token"];
                    all.put("logprobs", &format!("{choice} "), token);
                }
                _ => {}
            }
        }
        all
    }

    fn usage(&mut self, usage: &Usage) {
        let Usage {
            input_tokens,
            output_tokens,
            cached_input_tokens,
            cache_write_tokens,
            reasoning_tokens,
        } = usage;
        for (name, count) in [
            ("input", input_tokens),
            ("output", output_tokens),
            ("cached", cached_input_tokens),
            ("written", cache_write_tokens),
            ("reasoning", reasoning_tokens),
        ] {
            if *count > 0 {
                self.put("usage", name, count);
            }
        }
    }
}

const fn words(side: Side) -> &'static str {
    match side {
        Side::System => "text.system",
        Side::User => "text.user",
        Side::Model => "text.model",
        Side::Tool => "text.tool",
    }
}

/// Which tools may be called.
fn callable<'a>(tools: &'a [Tool], choice: Option<&ToolChoice>) -> Vec<&'a str> {
    let names = tools.iter().filter_map(|tool| match &tool.body {
        ToolBody::Function { name, .. } | ToolBody::Custom { name, .. } => Some(name.as_str()),
        ToolBody::Hosted { .. } => None,
    });
    let may = |name: &&str| match choice {
        Some(ToolChoice::None) => false,
        Some(ToolChoice::Function(only)) => only == name,
        Some(ToolChoice::Allowed { names, .. }) => names.iter().any(|allowed| allowed == name),
        Some(ToolChoice::Auto | ToolChoice::Required) | None => true,
    };
    names.filter(may).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
