//! Tools that take plain text, for formats whose tools take JSON: there such a tool is a function
//! with the text as its one member, `input`. Clients that speak of such tools get the text back.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::ir::{Losses, Request, ToolBody, ToolCall};
use crate::json::quoted;

const MEMBER: &str = "input";

/// A tool in a format that has functions, and tools of its own, only.
pub(crate) enum Simple<'a> {
    /// A function.
    Function(Function<'a>),
    /// A tool that the provider itself runs.
    Hosted {
        /// What errors and losses call it.
        name: &'a str,
        /// The definition.
        raw: &'a Value,
    },
}

/// As in [`ToolBody::Function`].
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: Option<&'a str>,
    pub(crate) parameters: Option<Cow<'a, Value>>,
    pub(crate) strict: Option<bool>,
}

/// `body` in a format that has functions only.
pub(crate) fn simple<'a>(body: &'a ToolBody, losses: &mut Losses) -> Simple<'a> {
    match body {
        ToolBody::Function { name, description, parameters, strict } => {
            let parameters = parameters.as_ref().map(Cow::Borrowed);
            let (description, strict) = (description.as_deref(), *strict);
            Simple::Function(Function { name, description, parameters, strict })
        }
        ToolBody::Hosted { name, raw, .. } => Simple::Hosted { name, raw },
        ToolBody::Custom { name, description, format } => {
            tell(losses);
            losses.add_if(format.is_some(), "tools.format", "the target has no grammars");
            let parameters = json!({
                "type": "object",
                "properties": { MEMBER: { "type": "string" } },
                "required": [MEMBER],
                "additionalProperties": false
            });
            let (description, parameters) = (description.as_deref(), Some(Cow::Owned(parameters)));
            Simple::Function(Function { name, description, parameters, strict: None })
        }
    }
}

/// Says that a tool, or a call of one that is not shown any more, is a function here.
pub(crate) fn tell(losses: &mut Losses) {
    let why = "a tool that takes plain text is a function with the text as its member `input`";
    losses.add("tools.custom", why);
}

/// The text that a tool is called with, as such a function's arguments.
pub(crate) fn wrapped(text: &str) -> Value {
    json!({ MEMBER: text })
}

/// The arguments of `call` as JSON text, whatever tool it calls.
pub(crate) fn json_arguments(call: &ToolCall) -> Cow<'_, str> {
    if call.is_custom {
        return Cow::Owned(wrapped(&call.arguments).to_string());
    }
    Cow::Borrowed(&call.arguments)
}

/// The text in such a function's arguments; what a model made otherwise stays as it is.
pub(crate) fn unwrapped(arguments: &str) -> String {
    let Ok(members) = serde_json::from_str::<Map<String, Value>>(arguments) else {
        return arguments.to_owned();
    };
    let mut values = members.into_iter();
    match (values.next(), values.next()) {
        (None, _) => String::new(),
        (Some((_, Value::String(text))), None) => text,
        _ => arguments.to_owned(),
    }
}

/// What stands before the text of a call that comes in pieces, and behind it.
pub(crate) const PIECES: (&str, &str) = ("{\"input\":\"", "\"}");

/// A piece of the text, to stand between [`PIECES`].
pub(crate) fn piece(text: &str) -> String {
    let quoted = quoted(text);
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    String::from_utf8_lossy(inner).into_owned()
}

/// The tools of `request` that take plain text, by name: calls of them are to be unwrapped.
pub(crate) fn names(request: &Request) -> Vec<String> {
    let tools = match request {
        Request::Chat(chat) | Request::CountTokens(chat) => chat.tools.as_slice(),
        Request::Embedding(_) | Request::Rerank(_) => &[],
    };
    let custom = tools.iter().filter_map(|tool| match &tool.body {
        ToolBody::Custom { name, .. } => Some(name.clone()),
        ToolBody::Function { .. } | ToolBody::Hosted { .. } => None,
    });
    custom.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_from_where_they_were_put() {
        for text in ["", "x", "*** \"patch\"\n\\ \u{e9}\u{1F600}"] {
            assert_eq!(unwrapped(&wrapped(text).to_string()), text);
            let in_pieces = format!("{}{}{}", PIECES.0, piece(text), PIECES.1);
            assert_eq!(in_pieces, wrapped(text).to_string());
        }
        assert_eq!(unwrapped(r#"{"text":"x"}"#), "x");
        assert_eq!(unwrapped("{}"), "");
        for odd in [r#"{"a":"x","b":1}"#, r#"{"a":1}"#, "plain", "[]"] {
            assert_eq!(unwrapped(odd), odd);
        }
    }

    #[test]
    fn grammars_are_told_of() {
        let format = Some(json!({ "type": "grammar" }));
        let body = ToolBody::Custom { name: "sh".to_owned(), description: None, format };
        let mut losses = Losses::default();
        let tool = simple(&body, &mut losses);
        assert!(matches!(tool, Simple::Function(Function { name: "sh", .. })));
        let lost: Vec<_> = losses.iter().map(|loss| loss.member.as_ref()).collect();
        assert_eq!(lost, ["tools.custom", "tools.format"]);
    }
}
