//! `generationConfig`, both ways.

use serde_json::{Map, Number, Value, json};
use weir_types::Dialect;

use super::super::{camel, schema};
use super::{read::keep, thinking};
use crate::families::gemini::Gemini;
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Chat, Losses, OutputFormat};

/// The name of the object.
const CONFIG: &str = "generationConfig";

/// Reads it.
pub(super) fn read(mut config: Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    let sampling = &mut chat.sampling;
    sampling.max_output_tokens = config.count("maxOutputTokens")?;
    sampling.temperature = config.number("temperature")?;
    sampling.top_p = config.number("topP")?;
    sampling.top_k = config.count("topK")?;
    sampling.frequency_penalty = config.number("frequencyPenalty")?;
    sampling.presence_penalty = config.number("presencePenalty")?;
    sampling.seed = config.integer("seed")?;
    sampling.stop = config.texts("stopSequences")?;
    sampling.n = small(&mut config, "candidateCount")?;
    sampling.logprobs = config.flag("responseLogprobs")?;
    sampling.top_logprobs = small(&mut config, "logprobs")?;
    let modalities = config.texts("responseModalities")?;
    chat.modalities = modalities.iter().map(|word| word.to_ascii_lowercase()).collect();
    if let Some(thought) = camel::object(&mut config, "thinkingConfig")? {
        chat.reasoning = Some(thinking::read(thought)?);
    }
    chat.output = output(&mut config)?;
    keep(&mut chat.extra, CONFIG, config.rest());
    Ok(())
}

fn small(config: &mut Fields, name: &str) -> Result<Option<u32>, RequestFault> {
    let Some(count) = config.count(name)? else { return Ok(None) };
    u32::try_from(count).map(Some).map_err(|_| config.wrong(name, "is too large"))
}

fn output(config: &mut Fields) -> Result<Option<OutputFormat>, RequestFault> {
    let media_type = config.peek("responseMimeType").and_then(Value::as_str).unwrap_or_default();
    match media_type {
        "application/json" => {}
        "text/plain" => {
            config.any("responseMimeType");
            return Ok(Some(OutputFormat::Text));
        }
        // One word of an enumeration, or something newer: stays as it is, schema and all.
        _ => return Ok(None),
    }
    config.text("responseMimeType")?;
    let own = config.any("responseSchema").map(schema::to_json_schema);
    let json = config.any("responseJsonSchema").or_else(|| config.any("_responseJsonSchema"));
    Ok(Some(match json.or(own) {
        None => OutputFormat::JsonObject,
        Some(schema) => {
            OutputFormat::JsonSchema { name: None, description: None, schema, strict: None }
        }
    }))
}

/// Writes it.
pub(super) fn write(chat: &Chat, family: &Gemini, losses: &mut Losses) -> Map<String, Value> {
    let mut config = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(name.to_owned(), value);
        }
    };
    let sampling = &chat.sampling;
    set("maxOutputTokens", sampling.max_output_tokens.map(Value::from));
    set("temperature", sampling.temperature.clone().map(Value::Number));
    set("topP", sampling.top_p.clone().map(Value::Number));
    set("topK", sampling.top_k.map(Value::from));
    let mut penalty = |name: &'static str, number: &Option<Number>| {
        // A client of this very format knows its model, and a penalty of nothing is none.
        let is_taken = family.penalties || chat.source == Dialect::GeminiGenerate;
        let number = number.as_ref().filter(|number| is_taken || number.as_f64() != Some(0.0))?;
        losses.add_if(!is_taken, name, "this model takes no penalties");
        is_taken.then(|| Value::Number(number.clone()))
    };
    set("frequencyPenalty", penalty("frequency_penalty", &sampling.frequency_penalty));
    set("presencePenalty", penalty("presence_penalty", &sampling.presence_penalty));
    set("seed", seed(sampling.seed, losses));
    set("stopSequences", (!sampling.stop.is_empty()).then(|| json!(sampling.stop)));
    set("candidateCount", sampling.n.map(Value::from));
    set("responseLogprobs", sampling.logprobs.map(Value::from));
    let top = sampling.top_logprobs.filter(|_| sampling.logprobs != Some(false));
    set("logprobs", top.map(Value::from));
    losses.add_if(sampling.logit_bias.is_some(), "logit_bias", "Gemini has no such member");
    let modalities: Vec<_> = chat.modalities.iter().map(|word| word.to_ascii_uppercase()).collect();
    set("responseModalities", (!modalities.is_empty()).then(|| json!(modalities)));
    match &chat.output {
        None => {}
        Some(OutputFormat::Text) => set("responseMimeType", Some(json!("text/plain"))),
        Some(OutputFormat::JsonObject) => set("responseMimeType", Some(json!("application/json"))),
        Some(OutputFormat::JsonSchema { description, schema, .. }) => {
            let why = "Gemini takes the schema only";
            losses.add_if(description.is_some(), "response_format.description", why);
            set("responseMimeType", Some(json!("application/json")));
            let mut schema = schema.clone();
            schema::tidy(&mut schema);
            set("responseJsonSchema", Some(schema));
        }
    }
    if let Some(reasoning) = &chat.reasoning {
        set("thinkingConfig", thinking::write(reasoning, chat.source, family, losses));
    }
    config
}

/// Google's seeds have 32 bits.
fn seed(seed: Option<i64>, losses: &mut Losses) -> Option<Value> {
    let fits = seed.and_then(|seed| i32::try_from(seed).ok());
    losses.add_if(seed.is_some() && fits.is_none(), "seed", "seeds of Gemini have 32 bits");
    fits.map(Value::from)
}
