//! Which of the offered tools an answer calls, and with which arguments.
//!
//! A tool is called if the choice demands it, or if the user's last message contains its name.
//! Arguments are made from the tool's own JSON Schema. Pure.

use serde_json::Value;

use crate::ask::{Chat, Choice, LastWords, Tool};
use crate::sample;

/// A call in an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    pub(crate) arguments: Value,
    /// The arguments as JSON text.
    pub(crate) text: String,
}

/// The calls that this request gets instead of a text; empty if it gets a text.
pub(crate) fn calls(chat: &Chat<'_>, said: &LastWords) -> Vec<ToolCall> {
    let tools = &chat.tools;
    let mut called: Vec<&Tool> = match &chat.choice {
        Choice::None => return Vec::new(),
        Choice::Named(name) => tools.iter().filter(|tool| tool.name == *name).take(1).collect(),
        // After a tool's answer the model speaks, or it would call for ever.
        Choice::Auto if said.after_tool => return Vec::new(),
        Choice::Auto | Choice::Required => {
            tools.iter().filter(|tool| said.user.contains(&tool.name)).collect()
        }
    };
    if called.is_empty() && chat.choice == Choice::Required {
        called.extend(tools.first());
    }
    if !chat.parallel {
        called.truncate(1);
    }
    called.into_iter().map(call).collect()
}

fn call(tool: &Tool) -> ToolCall {
    let arguments = sample::arguments(&tool.schema);
    ToolCall { name: tool.name.clone(), text: arguments.to_string(), arguments }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ask::Words;

    fn tools() -> Vec<Tool> {
        let schema = json!({"type": "OBJECT", "properties": {"city": {"type": "string"},
            "days": {"type": "INTEGER"}, "unit": {"enum": ["C", "F"]},
            "tags": {"type": "array", "items": {"type": "boolean"}}}});
        let tool = |name: &str, schema| Tool { name: name.to_owned(), schema };
        vec![tool("get_weather", schema), tool("get_time", Value::Null)]
    }

    fn called(choice: Choice, parallel: bool, said: &str, after_tool: bool) -> Vec<String> {
        let said = LastWords { user: said.to_owned(), after_tool };
        let plain = Chat::new("".into(), Words::Known(said.clone()));
        let chat = Chat { tools: tools(), choice, parallel, ..plain };
        calls(&chat, &said).into_iter().map(|call| call.name).collect()
    }

    #[test]
    fn tools_are_called_when_asked_for() {
        let both = "use get_weather and get_time";
        let named = Choice::Named("get_time".to_owned());
        for (choice, parallel, said, after_tool, expected) in [
            (Choice::Auto, true, "hello", false, vec![]),
            (Choice::Auto, true, both, false, vec!["get_weather", "get_time"]),
            (Choice::Auto, true, both, true, vec![]),
            (Choice::Auto, false, both, false, vec!["get_weather"]),
            (Choice::None, true, both, false, vec![]),
            (Choice::Required, true, "hello", false, vec!["get_weather"]),
            (Choice::Required, true, "get_time!", false, vec!["get_time"]),
            (named, true, "hello", true, vec!["get_time"]),
        ] {
            let label = format!("{choice:?} {said}");
            assert_eq!(called(choice, parallel, said, after_tool), expected, "{label}");
        }
    }

    #[test]
    fn arguments_follow_the_schema() {
        let tools = tools();
        let made = call(&tools[0]);
        let expected = json!({"city": "sample city", "days": 7, "unit": "C", "tags": [true]});
        assert_eq!(made.arguments, expected);
        assert_eq!(made.text, expected.to_string());
        assert_eq!(call(&tools[1]).text, "{}");
    }
}
