//! Names that formats refuse, alone and beside others.

use proptest::prelude::*;
use weir_types::Dialect;

use super::*;
use crate::ir::{Choice, Message, Role, Tool};

/// As Bedrock's Converse.
const STRICT: NameRules = NameRules {
    tool: NameRule { bytes_max: 64, beside: Some("_-"), is_exact: false },
    call_id: NameRule { bytes_max: 64, beside: Some("_.:-"), is_exact: false },
};
/// As Mistral.
const EXACT: NameRules = NameRules {
    tool: NameRule::ANY,
    call_id: NameRule { bytes_max: 9, beside: Some(""), is_exact: true },
};

fn tool(name: &str) -> Tool {
    let body = ToolBody::Function {
        name: name.to_owned(),
        description: None,
        parameters: None,
        strict: None,
    };
    Tool { body, cache: None }
}

fn call(id: &str, name: &str) -> Part {
    Part::new(PartBody::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: "{}".to_owned(),
        is_custom: false,
        signature: None,
    }))
}

fn result(id: &str, name: Option<&str>) -> Part {
    Part::new(PartBody::ToolResult(ToolResult {
        call_id: id.to_owned(),
        name: name.map(str::to_owned),
        parts: vec![Part::text("fine")],
        is_error: None,
    }))
}

/// A turn in which every tool is defined, called and answered.
fn chat(calls: &[(&str, &str)]) -> Chat {
    let mut chat = Chat::new(Dialect::OpenAiChat);
    let message = |role, parts| Message { role, parts, name: None };
    for (id, name) in calls {
        chat.tools.push(tool(name));
        chat.messages.push(message(Role::Assistant, vec![call(id, name)]));
        chat.messages.push(message(Role::Tool, vec![result(id, Some(name))]));
    }
    chat
}

/// Every name and every id, in order.
fn names(chat: &Chat) -> (Vec<String>, Vec<String>) {
    let (mut tools, mut ids) = (Vec::new(), Vec::new());
    each_name(&mut chat.clone(), &mut |kind, name| match kind {
        Kind::Tool => tools.push(name.clone()),
        Kind::CallId => ids.push(name.clone()),
    });
    (tools, ids)
}

fn form(rule: NameRule, name: &str) -> String {
    rule.form(name, 0)
}

#[test]
fn what_is_fine_stays() {
    let mut request = chat(&[("call_1", "get_weather"), ("", ""), ("a.b:c-d", "x-1")]);
    request.tool_choice = Some(ToolChoice::Function("get_weather".to_owned()));
    let before = request.clone();
    let renames = Renames::fit(&mut request, &STRICT);
    assert!(renames.is_empty());
    assert_eq!(request, before);
    let odd = "läng\u{1F600} ".repeat(100);
    let mut request = chat(&[(odd.as_str(), odd.as_str())]);
    let before = request.clone();
    assert!(Renames::fit(&mut request, &NameRules::ANY).is_empty());
    assert_eq!(request, before);
}

#[test]
fn trap_20_tool_names_are_renamed_alike_everywhere_and_given_back() {
    let long = format!("mcp__{}__search", "a-very-long-server-name-".repeat(4));
    let like = format!("{long}_2");
    let dotted = "github.issues/list";
    let mut request = chat(&[("1", &long), ("2", &like), ("3", dotted), ("4", "plain")]);
    request.tool_choice = Some(ToolChoice::Allowed {
        required: true,
        names: vec![dotted.to_owned(), "plain".to_owned()],
    });
    let (before, _) = names(&request);
    let renames = Renames::fit(&mut request, &STRICT);
    let (after, ids) = names(&request);
    assert_eq!(ids, ["1", "1", "2", "2", "3", "3", "4", "4"]);
    for (old, new) in before.iter().zip(&after) {
        assert!(STRICT.tool.takes(new), "{new}");
        assert_eq!(old == new, old == "plain");
        assert_eq!(*new == form(STRICT.tool, old), old != "plain");
    }
    assert!(after.contains(&form(STRICT.tool, dotted)));
    assert!(form(STRICT.tool, dotted).starts_with("github_issues_list_"));
    assert_ne!(form(STRICT.tool, &long), form(STRICT.tool, &like));

    let parts = after.iter().map(|name| call("id", name)).collect();
    let choice = Choice { parts, ..Choice::default() };
    let mut answer = ChatAnswer { choices: vec![choice], ..ChatAnswer::default() };
    renames.restore_answer(&mut answer);
    let restored = answer.choices[0].parts.iter().map(|part| match &part.body {
        PartBody::ToolCall(call) => call.name.clone(),
        other => panic!("{other:?}"),
    });
    assert_eq!(restored.collect::<Vec<_>>(), before);
    for (old, new) in before.iter().zip(&after) {
        let event = |name: &str| {
            let (id, name) = ("id".to_owned(), name.to_owned());
            let start = PartStart::ToolCall { id, name, is_custom: false };
            Event::PartStart { choice: 0, part: 1, start }
        };
        let mut streamed = event(new);
        renames.restore_event(&mut streamed);
        assert_eq!(streamed, event(old));
    }
}

#[test]
fn trap_20_a_form_is_never_the_name_of_another_tool() {
    let refused = "a.b";
    let first = form(STRICT.tool, refused);
    let second = STRICT.tool.form(refused, 1);
    assert_ne!(first, second);
    let mut request = chat(&[("1", refused), ("2", &first)]);
    let renames = Renames::fit(&mut request, &STRICT);
    let (after, _) = names(&request);
    assert_eq!(after, [&second, &first, &second, &second, &first, &first].map(String::clone));
    let mut answer = ChatAnswer::default();
    let parts = vec![call("x", &first), call("y", &second), call("z", "unknown")];
    answer.choices.push(Choice { parts, ..Choice::default() });
    renames.restore_answer(&mut answer);
    let parts = vec![call("x", &first), call("y", refused), call("z", "unknown")];
    assert_eq!(answer.choices[0].parts, parts);
}

#[test]
fn trap_21_ids_of_calls_are_shortened_alike_on_call_and_result() {
    let id = |end: &str| format!("call_{}|fc_{}{end}", "7".repeat(24), "0af3".repeat(14));
    let (one, two) = (id("1"), id("2"));
    assert!(one.len() > 85);
    let mut request = chat(&[(&one, "f"), (&two, "f")]);
    let renames = Renames::fit(&mut request, &STRICT);
    assert!(renames.is_empty(), "answers have ids of their own");
    let (_, ids) = names(&request);
    assert!(ids.iter().all(|id| STRICT.call_id.takes(id)));
    assert_eq!((&ids[0], &ids[2]), (&ids[1], &ids[3]));
    assert_ne!(ids[0], ids[2]);
    let mut next = chat(&[("call_1", "f"), (&one, "f")]);
    let _ = Renames::fit(&mut next, &STRICT);
    assert_eq!(names(&next).1, ["call_1", "call_1", &ids[0], &ids[0]]);
}

#[test]
fn ids_of_an_exact_length_are_hashed() {
    let mut request = chat(&[("toolu_01ABC", "f"), ("abcdefghi", "f"), ("abcdefgh_", "f")]);
    let _ = Renames::fit(&mut request, &EXACT);
    let (_, ids) = names(&request);
    assert!(ids.iter().all(|id| id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric())));
    assert_eq!(ids[2], "abcdefghi");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3);
    // Written down, so that an upgrade does not change what a provider has in its cache.
    assert_eq!(ids[0], form(EXACT.call_id, "toolu_01ABC"));
    assert_eq!(form(EXACT.call_id, "toolu_01ABC"), "ngv3z99cq");
    assert_eq!(form(STRICT.tool, "a.b"), "a_b_a6b10txjwj");
}

#[test]
fn rules_with_little_room_still_get_a_form() {
    for (bytes_max, beside) in [(1, Some("")), (5, Some("_")), (10, None), (12, Some(""))] {
        for is_exact in [false, true] {
            let rule = NameRule { bytes_max, beside, is_exact };
            let rules = NameRules { tool: rule, call_id: rule };
            let mut request =
                chat(&[("ééééééé.é", "über.lang"), ("b.......................", "b")]);
            let _ = Renames::fit(&mut request, &rules);
            let (tools, ids) = names(&request);
            assert!(tools.iter().chain(&ids).all(|name| rule.takes(name)), "{tools:?} {ids:?}");
        }
    }
    let none = NameRule { bytes_max: 0, beside: None, is_exact: false };
    assert_eq!(none.form("x", 0), "");
}

fn any_rule() -> impl Strategy<Value = NameRule> {
    let beside = prop::sample::select(vec![None, Some(""), Some("_-"), Some("-"), Some("_.:-")]);
    (9..80usize, beside, any::<bool>()).prop_map(|(bytes_max, beside, is_exact)| NameRule {
        bytes_max,
        beside,
        is_exact,
    })
}

proptest! {
    #[test]
    fn forms_are_legal_told_apart_and_given_back(
        all in prop::collection::vec(("[a-z.|é]{1,20}", "[ab._-]{1,6}|[ab]{60,70}"), 1..12),
        tool in any_rule(),
        call_id in any_rule(),
    ) {
        let calls: Vec<(&str, &str)> =
            all.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
        let mut request = chat(&calls);
        let before = names(&request);
        let rules = NameRules { tool, call_id };
        let renames = Renames::fit(&mut request, &rules);
        let after = names(&request);
        for (rule, before, after) in
            [(tool, &before.0, &after.0), (call_id, &before.1, &after.1)]
        {
            for (old, new) in before.iter().zip(after) {
                prop_assert!(rule.takes(new), "{:?} {:?}", rule, new);
                prop_assert_eq!(rule.takes(old), old == new);
                for (other_old, other_new) in before.iter().zip(after) {
                    prop_assert_eq!(old == other_old, new == other_new);
                }
            }
        }
        for (old, new) in before.0.iter().zip(&after.0) {
            let mut restored = new.clone();
            renames.restore(Kind::Tool, &mut restored);
            prop_assert_eq!(&restored, old);
        }
        let again = request.clone();
        prop_assert!(Renames::fit(&mut request, &rules).is_empty());
        prop_assert_eq!(&request, &again);
        renames.restore_tools(&mut request.tools);
        prop_assert_eq!(request.tools, chat(&calls).tools);
    }
}
