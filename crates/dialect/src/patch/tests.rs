//! What is spliced into a request, and what stays as it came.

use super::*;
use crate::quirks::ModelDrops;

fn patch(body: &Bytes, quirks: &Quirks) -> Result<Patched, RequestFault> {
    apply(body, &Patch { model: "m", quirks, features: &["a-1", "b\"2"], outline: None })
}

fn patched(body: &'static str, quirks: &Quirks) -> String {
    let patched = patch(&Bytes::from_static(body.as_bytes()), quirks).unwrap();
    String::from_utf8(patched.joined().to_vec()).unwrap()
}

#[test]
fn only_the_model_changes() {
    let none = Quirks::NONE;
    let body = "{ \"messages\": [ {\"content\":\"\\u00e9\"} ],\"model\" :\"openai/x\", \"n\":1 }";
    assert_eq!(patched(body, &none), body.replace("\"openai/x\"", "\"m\""));
    assert_eq!(patched("{}", &none), "{\"model\":\"m\"}");
    let same = Bytes::from_static(br#"{"model":"m"}"#);
    let pieces = patch(&same, &none).unwrap().parts;
    assert_eq!((pieces.len(), pieces[0].as_ptr()), (1, same.as_ptr()));
    assert!(patch(&Bytes::from_static(br#"{"model":"a","model":"b"}"#), &none).is_err());
}

#[test]
fn quirks_are_applied() {
    let changes = Quirks {
        renames: &[("max_completion_tokens", "max_tokens")],
        drops: &["store"],
        model_drops: &[ModelDrops { prefixes: &["m"], except: &["x"], drops: &["stop"] }],
        values: &[("reasoning_effort", "\"minimal\"", "\"low\"")],
        objects: &[("tool_choice", "\"any\"")],
        block_drops: &[],
        text_bytes_max: &[("user", 3)],
        ..Quirks::NONE
    };
    let body = r#"{"model":"m","max_completion_tokens":5,"store":true,"stop":["x"],
        "reasoning_effort":"minimal","tool_choice":{"type":"function"},"user":"abcd"}"#;
    assert_eq!(
        patched(body, &changes).replace(char::is_whitespace, ""),
        r#"{"model":"m","max_tokens":5,"reasoning_effort":"low","tool_choice":"any"}"#
    );
    let lost = |body: &'static str| {
        let patched = patch(&Bytes::from_static(body.as_bytes()), &changes).unwrap();
        let lost = patched.losses.iter().map(|loss| loss.member.to_string());
        lost.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(lost(body), "reasoning_effort stop store tool_choice user");
    assert_eq!(lost(r#"{"model":"m","max_completion_tokens":5,"store":null}"#), "");
    let kept = r#"{"model":"m","max_tokens":7,"tool_choice":"auto","user":"abc"}"#;
    assert_eq!(patched(kept, &changes), kept);
    let both = r#"{"model":"m","max_completion_tokens":5,"max_tokens":7}"#;
    assert_eq!(patched(both, &changes), r#"{"model":"m","max_tokens":7}"#);
}

#[test]
fn members_of_blocks_are_dropped_and_schemas_left_alone() {
    let changes = Quirks { block_drops: &["cache_control"], ..Quirks::NONE };
    let body = r#"{"model":"m","messages":[{"role":"user","cache_control":{},"content":[
        {"cache_control":{"type":"ephemeral"},"type":"text","text":"\"cache_control\""}]},
        {"role":"user","content":"cache_control"}],"tools":[{"type":"function",
        "cache_control":1,"function":{"parameters":{"cache_control":{"type":"string"}}}}]}"#;
    let expected = r#"{"model":"m","messages":[{"role":"user","content":[
        {"type":"text","text":"\"cache_control\""}]},
        {"role":"user","content":"cache_control"}],"tools":[{"type":"function",
        "function":{"parameters":{"cache_control":{"type":"string"}}}}]}"#;
    let plain = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(plain(&patched(body, &changes)), plain(expected));
    let odd = r#"{"model":"m","messages":"cache_control","tools":[1,"cache_control",[]]}"#;
    assert_eq!(patched(odd, &changes), odd);
}

#[test]
fn ids_of_calls_are_made_to_fit_alike_and_others_stay() {
    let rule = NameRule { bytes_max: 9, beside: Some(""), is_exact: true };
    let changes = Quirks { call_ids: Some(rule), ..Quirks::NONE };
    let body = r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[ {"id" : "toolu_01ABC",
        "type":"function","function":{"name":"f","arguments":"{\"id\":\"toolu_01ABC\"}"}},
        {"id":"abcdefghi","function":{"name":"f"}},{"id":"","function":{"name":"g"}}]},
        {"role":"tool", "tool_call_id":"toolu_01ABC","content":"toolu_01ABC"},
        {"role":"tool","tool_call_id":"abcdefghi","content":"\u00e9"}]}"#;
    let expected = body
        .replace(r#""id" : "toolu_01ABC""#, r#""id" : "ngv3z99cq""#)
        .replace(r#""tool_call_id":"toolu_01ABC""#, r#""tool_call_id":"ngv3z99cq""#);
    assert_eq!(patched(body, &changes), expected);
    assert_eq!(patched(body, &Quirks::NONE), body);
    let fine = r#"{"model":"m","messages":[{"role":"tool","tool_call_id":"abcdefghi"}]}"#;
    assert_eq!(patched(fine, &changes), fine);
}

#[test]
fn a_long_prompt_is_not_copied_for_a_name() {
    let text = format!(r#"{{"model":"other","messages":["{}"],"n":3}}"#, "x".repeat(10_000));
    let body = Bytes::from(text);
    let patched = patch(&body, &Quirks::NONE).unwrap();
    assert_eq!((patched.parts.len(), patched.choices), (3, 3));
    let tail = patched.parts.last().unwrap();
    assert_eq!(tail.as_ptr(), body[body.len() - tail.len()..].as_ptr());
}

#[test]
fn what_the_vendor_cannot_be_told_is_refused_unless_it_says_nothing() {
    let bound =
        Quirks { refuses: &[("geo", &[b"null", b"\"global\""])], drops: &["geo"], ..Quirks::NONE };
    assert_eq!(patched(r#"{"model":"m","geo":"global"}"#, &bound), r#"{"model":"m"}"#);
    let fault = patch(&Bytes::from_static(br#"{"model":"m","geo":"us"}"#), &bound).unwrap_err();
    assert_eq!((fault.param.as_deref(), fault.is_targets), (Some("geo"), true));
    assert!(fault.message.contains("\"us\""), "{fault}");
}

#[test]
fn features_stand_in_the_body_where_the_vendor_wants_them_there() {
    let there = Quirks { features: Some("beta"), ..Quirks::NONE };
    let body = r#"{"model":"m","x":{}}"#;
    assert_eq!(patched(body, &there), r#"{"model":"m","x":{},"beta":["a-1","b\"2"]}"#);
    assert_eq!(patched(body, &Quirks::NONE), body);
    let own = r#"{"model":"m","beta":["mine"]}"#;
    assert_eq!(patched(own, &there), own);
}

#[test]
fn the_model_is_called_alike_in_each_request_of_a_batch() {
    let quirks =
        Quirks { omits_model: true, models_within: Some(("requests", "models/")), ..Quirks::NONE };
    let body = r#"{"requests": [{"model" :"models/gemini/e", "content":{"parts":[{"text":"\u00e9"}]}},
        {"content":{"parts":[]},"x":1.0}], "model":"gemini/e"}"#;
    let expected = r#"{"requests": [{"model" :"models/m", "content":{"parts":[{"text":"\u00e9"}]}},
        {"content":{"parts":[]},"x":1.0}]}"#;
    assert_eq!(patched(body, &quirks), expected);
    let one = r#"{"content":{"model":"x"}}"#;
    assert_eq!(patched(one, &quirks), one);
}

#[test]
fn the_model_leaves_the_body_where_it_stands_in_the_path() {
    let quirks = Quirks {
        omits_model: true,
        adds: &[("anthropic_version", "\"vertex-2023-10-16\"")],
        ..Quirks::NONE
    };
    let body = r#"{"model":"a","max_tokens":1}"#;
    let expected = r#"{"max_tokens":1,"anthropic_version":"vertex-2023-10-16"}"#;
    assert_eq!(patched(body, &quirks), expected);
    let own = r#"{"anthropic_version":"x"}"#;
    assert_eq!(patched(own, &quirks), own);
}

/// Where the members stand may come from somebody else: then nothing is scanned, and what comes out is
/// the same. What cannot be right is not believed.
#[test]
fn an_outline_is_as_good_as_a_scan_and_a_wrong_one_does_no_harm() {
    let body = Bytes::from_static(br#"{"model" : "a", "messages":[{"role":"user"}], "n": 2}"#);
    let right = Members::scan(&body).unwrap().outline().unwrap();
    let mut wrong = right.positions().to_vec();
    wrong[2] += 1;
    let wrong = Outline::new(&wrong).unwrap();
    let patched = |outline| {
        let patch = Patch { model: "m", quirks: &Quirks::NONE, features: &[], outline };
        let patched = apply(&body, &patch).unwrap();
        (patched.joined(), patched.choices)
    };
    let expected = br#"{"model" : "m", "messages":[{"role":"user"}], "n": 2}"#;
    for outline in [None, Some(&right), Some(&wrong)] {
        assert_eq!(patched(outline), (Bytes::from_static(expected), 2));
    }
    // Nothing is scanned: what is broken in a value is passed on.
    let broken = Bytes::from_static(br#"{"model" : "a", "messages":[{"role" "user"}], "n": 2}"#);
    let patch = Patch { model: "m", quirks: &Quirks::NONE, features: &[], outline: Some(&right) };
    apply(&broken, &patch).unwrap();
}
