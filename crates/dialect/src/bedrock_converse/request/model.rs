//! What depends on who made the model: families, and what stands in `additionalModelRequestFields`
//! for each.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>

use serde_json::Value;

use super::read::{keep, reasoning};
use crate::families::claude::{self, Claude};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Chat, Effort, OutputFormat, ToolChoice};

/// Who made the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic.
    Claude(&'static Claude),
    /// Amazon.
    Nova {
        /// From the second generation on they think if told to.
        reasons: bool,
    },
    /// OpenAI's open weights.
    OpenAi,
    /// Others, of which none thinks.
    Plain,
    /// Others that may think, and names that do not say it: profiles of an application.
    Unknown,
}

const PLAIN: [&str; 10] = [
    "meta.llama",
    "amazon.titan",
    "mistral.mistral",
    "mistral.mixtral",
    "mistral.ministral",
    "mistral.pixtral",
    "cohere.",
    "ai21.",
    "writer.",
    "llama",
];

/// Models, by parts of their names, that cannot be held to a JSON schema.
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html>
const WITHOUT_SCHEMAS: [&str; 16] = [
    "claude-3",
    "claude-2",
    "claude-v2",
    "claude-instant",
    "claude-opus-4-1",
    "claude-opus-4-2",
    "claude-sonnet-4-2",
    "amazon.nova",
    "amazon.titan",
    "llama",
    "cohere.",
    "ai21.",
    "writer.",
    "deepseek.r1",
    "mistral.mistral-7b",
    "mistral.mixtral",
];

/// The family of `model`, which may be an id, a profile's id or an ARN.
pub(super) fn family(model: &str) -> Family {
    let model = model.to_ascii_lowercase();
    if claude::is_claude(&model) {
        Family::Claude(claude::of(&model))
    } else if model.contains("amazon.nova") {
        Family::Nova { reasons: model.contains("nova-2") }
    } else if model.contains("openai.") || model.contains("gpt-oss") {
        Family::OpenAi
    } else if PLAIN.iter().any(|part| model.contains(part)) {
        Family::Plain
    } else {
        Family::Unknown
    }
}

/// Whether `model` can be held to a JSON schema, of the answer or of a tool.
pub(super) fn takes_schemas(model: &str) -> bool {
    let model = model.to_ascii_lowercase();
    !WITHOUT_SCHEMAS.iter().any(|part| model.contains(part))
}

impl Family {
    /// Cache points are taken.
    pub(super) const fn caches(self) -> bool {
        matches!(self, Self::Claude(_) | Self::Nova { .. } | Self::Unknown)
    }

    /// A tool's result says whether the tool failed.
    pub(super) const fn tool_status(self) -> bool {
        matches!(self, Self::Claude(_) | Self::Nova { .. } | Self::Unknown)
    }

    /// Instructions are taken in mid-conversation.
    pub(super) const fn system_turns(self) -> bool {
        matches!(self, Self::Claude(Claude { system_turns: true, .. }))
    }
}

/// Reads `additionalModelRequestFields`. What is of no known use stays as it is.
pub(super) fn read(additional: Value, chat: &mut Chat) -> Result<(), RequestFault> {
    const NAME: &str = "additionalModelRequestFields";
    let mut fields = Fields::new(additional, NAME)?;
    for name in ["thinking", "reasoning_config"] {
        if let Some(thinking) = fields.object(name)? {
            claude_thinking(thinking, chat)?;
        }
    }
    if let Some(mut nova) = fields.object("reasoningConfig")? {
        reasoning(chat).enabled = nova.text("type")?.map(|word| word == "enabled");
        if let Some(effort) = nova.text("maxReasoningEffort")? {
            reasoning(chat).effort = Effort::from_label(&effort);
        }
    }
    if let Some(effort) = fields.text("reasoning_effort")? {
        reasoning(chat).effort = Effort::from_label(&effort);
    }
    chat.sampling.top_k = fields.count("top_k")?;
    let mut rest = serde_json::Map::new();
    if let Some(mut nova) = fields.object("inferenceConfig")? {
        chat.sampling.top_k = nova.count("topK")?.or(chat.sampling.top_k);
        let left = nova.rest();
        if !left.is_empty() {
            rest.insert("inferenceConfig".to_owned(), Value::Object(left));
        }
    }
    if let Some(mut output) = fields.object("output_config")? {
        output_config(&mut output, chat)?;
        let left = output.rest();
        if !left.is_empty() {
            rest.insert("output_config".to_owned(), Value::Object(left));
        }
    }
    if let Some(mut choice) = fields.object("tool_choice")? {
        let name = choice.text("name")?;
        match (choice.text("type")?.as_deref(), name) {
            (Some("none"), _) => chat.tool_choice = Some(ToolChoice::None),
            (Some("any"), _) => chat.tool_choice = Some(ToolChoice::Required),
            (Some("tool"), Some(name)) => chat.tool_choice = Some(ToolChoice::Function(name)),
            _ => {}
        }
        let disabled = choice.flag("disable_parallel_tool_use")?;
        chat.parallel_tool_calls = disabled.map(|disabled| !disabled);
    }
    rest.extend(fields.rest());
    keep(chat, NAME, rest);
    Ok(())
}

fn claude_thinking(mut thinking: Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    let word = thinking.text("type")?.unwrap_or_default();
    let budget = thinking.count("budget_tokens")?;
    let display = thinking.text("display")?;
    let into = reasoning(chat);
    into.enabled = Some(word != "disabled");
    into.adaptive = word == "adaptive";
    into.budget_tokens = budget;
    into.visible = display.map(|display| display != "omitted");
    Ok(())
}

fn output_config(output: &mut Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    if let Some(effort) = output.text("effort")? {
        reasoning(chat).effort = Effort::from_label(&effort);
    }
    let schema = match output.object("format")? {
        Some(mut format) => format.any("schema"),
        None => None,
    };
    if let Some(schema) = schema {
        let (name, description) = (None, None);
        let format = OutputFormat::JsonSchema { name, description, schema, strict: None };
        chat.output.get_or_insert(format);
    }
    Ok(())
}
