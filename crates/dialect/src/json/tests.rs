//! Edits compared with the same edits on a built value; faults with their positions.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

fn fault(body: &[u8]) -> (String, usize, usize) {
    let fault = Members::scan(body).expect_err("must be refused");
    (fault.message, fault.line, fault.column)
}

#[test]
fn members_are_found_without_building_values() {
    let body = br#" { "model" : "a\"b" , "n":[1,{"x":[]}], "stream":true,"\u0073top":null } "#;
    let members = Members::scan(body).unwrap();
    assert_eq!(members.text("model").unwrap().as_deref(), Some("a\"b"));
    assert_eq!(members.raw("n").unwrap(), Some(&br#"[1,{"x":[]}]"#[..]));
    assert_eq!(members.truth("stream").unwrap(), Some(true));
    assert_eq!(members.truth("stop").unwrap(), None);
    assert_eq!(members.raw("stop").unwrap(), Some(&b"null"[..]));
    assert_eq!(members.find("absent").unwrap(), None);
}

#[test]
fn faults_say_what_and_where() {
    assert_eq!(fault(b""), ("the body is empty, expected a JSON object".into(), 1, 1));
    assert_eq!(fault(b"\n  [1]"), ("expected a JSON object".into(), 2, 3));
    assert_eq!(fault(b"{\"a\":1,\n\"b\" 2}"), ("expected ':', found '2'".into(), 2, 5));
    assert_eq!(fault(b"{\"a\":\"\xff\"}"), ("the body is not valid UTF-8".into(), 1, 7));
    let twice = br#"{"model":"a","mod\u0065l":"b"}"#;
    let found = Members::scan(twice).unwrap().find("model").unwrap_err();
    assert_eq!((found.message.as_str(), found.column), ("member \"model\" occurs twice", 14));
    let wrong = br#"{"model":7}"#;
    let found = Members::scan(wrong).unwrap().text("model").unwrap_err();
    assert_eq!(found.message, "\"model\" must be a string, found a number");
}

#[test]
fn deep_nesting_is_refused_and_allowed_nesting_is_not() {
    let nested = |depth: usize| {
        format!("{{\"a\":{}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1)).into_bytes()
    };
    assert!(Members::scan(&nested(128)).is_ok());
    assert!(fault(&nested(129)).0.contains("nested deeper"));
    assert!(fault(&nested(1_000_000)).0.contains("nested deeper"));
    let objects = format!("{}1{}", "{\"a\":".repeat(128), "}".repeat(128));
    assert!(Members::scan(objects.as_bytes()).is_ok());
}

#[test]
fn no_edit_is_no_copy() {
    let body = Bytes::from_static(br#"{"a":1}"#);
    let members = Members::scan(&body).unwrap();
    let mut splices = Splices::default();
    assert_eq!(splices.clone().apply(&body, &members).as_ptr(), body.as_ptr());
    splices.remove_member("absent");
    assert_eq!(splices.apply(&body, &members).as_ptr(), body.as_ptr());
}

#[test]
fn bytes_around_an_edit_stay_as_they_are() {
    let body = Bytes::from_static(b"{ \"a\" : 1.50 ,\n\t\"b\":\"\\u0041\" , \"c\":[ ] }");
    let members = Members::scan(&body).unwrap();
    let mut splices = Splices::default();
    splices.replace(members.find("b").unwrap().unwrap().value.clone(), quoted("x"));
    splices.insert_member("d", "2");
    let edited = splices.apply(&body, &members);
    assert_eq!(&edited[..], b"{ \"a\" : 1.50 ,\n\t\"b\":\"x\" , \"c\":[ ],\"d\":2 }");
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Exact in decimal and in binary, so that reading back gives the same number.
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof!["[a-f]", any::<String>()];
    prop::collection::btree_map(name, any_value(), 0..6).prop_map(|map| map.into_iter().collect())
}

fn written(object: &Map<String, Value>, pretty: bool) -> Bytes {
    let text =
        if pretty { serde_json::to_string_pretty(object) } else { serde_json::to_string(object) };
    Bytes::from(text.unwrap())
}

proptest! {
    #[test]
    fn edits_do_what_the_same_edits_on_a_value_do(
        object in any_object(),
        pretty: bool,
        edits in prop::collection::vec((0..3u8, "[a-f]", any_value()), 0..6),
    ) {
        let body = written(&object, pretty);
        let members = Members::scan(&body).unwrap();
        let mut expected = object;
        let mut splices = Splices::default();
        let mut touched = Vec::new();
        for (kind, name, value) in edits {
            if touched.contains(&name) {
                continue;
            }
            touched.push(name.clone());
            let member = members.find(&name).unwrap();
            match (kind, member) {
                (0, Some(member)) => {
                    splices.replace(member.value.clone(), value.to_string());
                    expected.insert(name, value);
                }
                (1, _) => {
                    splices.remove_member(&name);
                    expected.remove(&name);
                }
                (_, None) => {
                    splices.insert_member(&name, value.to_string());
                    expected.insert(name, value);
                }
                (_, Some(_)) => {}
            }
        }
        let edited = splices.apply(&body, &members);
        let read: Value = serde_json::from_slice(&edited).unwrap();
        prop_assert_eq!(read, Value::Object(expected));
    }

    #[test]
    fn every_object_is_read_member_by_member(object in any_object(), pretty: bool) {
        let body = written(&object, pretty);
        let members = Members::scan(&body).unwrap();
        prop_assert_eq!(members.iter().count(), object.len());
        for (name, value) in &object {
            let raw = members.raw(name).unwrap().unwrap();
            prop_assert_eq!(&serde_json::from_slice::<Value>(raw).unwrap(), value);
        }
    }

    #[test]
    fn what_is_accepted_is_what_serde_accepts(
        text in r#"[ {}\[\],:"\\0-9a-eE.+truefalsn-]{0,24}"#,
    ) {
        let body = format!("{{\"a\":{text}}}");
        let known = serde_json::from_str::<Map<String, Value>>(&body);
        let ours = Members::scan(body.as_bytes());
        // Numbers that overflow a float are JSON all the same.
        let out_of_range = known.as_ref().is_err_and(|e| e.to_string().contains("out of range"));
        prop_assert!(known.is_ok() == ours.is_ok() || out_of_range, "{body}: {known:?} {ours:?}");
    }
}

#[test]
fn duplicates_are_all_removed() {
    let body = Bytes::from_static(br#"{"a":1,"b":2,"a":3,"c":4,"a":5}"#);
    let members = Members::scan(&body).unwrap();
    let mut splices = Splices::default();
    splices.remove_member("a");
    let read: Value = serde_json::from_slice(&splices.apply(&body, &members)).unwrap();
    assert_eq!(read, json!({"b": 2, "c": 4}));
}
