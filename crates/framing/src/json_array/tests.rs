//! Arrays as hosts write them, and broken ones.

use proptest::prelude::*;

use crate::tests::{check_splits, cut, said};
use crate::{FrameError, Framing};

/// The elements, and how many frames carry nothing.
fn elements(stream: &str) -> (Vec<String>, usize) {
    let said = said(Framing::JsonArray, stream.as_bytes());
    let count = said.len();
    let elements: Vec<String> = said.into_iter().filter_map(|(_, data)| data).collect();
    let empty = count - elements.len();
    (elements, empty)
}

#[test]
fn elements_are_found_whatever_is_in_and_between_them() {
    let stream = "[{\n  \"a\": \"}]\\\"\\\\\"\n}\n,\r\n{\"b\":[[1],{}]}\n]\n";
    let (found, empty) = elements(stream);
    assert_eq!(found, ["{\n  \"a\": \"}]\\\"\\\\\"\n}", "{\"b\":[[1],{}]}"]);
    assert_eq!(empty, 1);
    assert_eq!(
        elements(" [ 1 ,true,\"x,]\" , [2 , [] ] , null ] ").0,
        ["1", "true", "\"x,]\"", "[2 , [] ]", "null"]
    );
    assert_eq!(elements("[[1]]").0, ["[1]"]);
    assert_eq!(elements("[[],[[]]]").0, ["[]", "[[]]"]);
    for empty in ["[]", " [ \n ] "] {
        assert_eq!(elements(empty), (vec![], 1));
    }
}

#[test]
fn a_frame_has_what_stands_before_its_element() {
    let cuts = cut(Framing::JsonArray, [&b" [{} ,\r\n {} , 7 ]\r\n"[..]]);
    let frames: Vec<&[u8]> = cuts.frames.iter().map(Vec::as_slice).collect();
    let expected: [&[u8]; 4] = [b" [{}", b" ,\r\n {}", b" , 7", b" ]"];
    assert_eq!(frames, expected);
    assert_eq!(cuts.rest, Ok(Some(b"\r\n".to_vec())));
}

#[test]
fn an_element_is_there_with_its_last_byte() {
    let stream = b"[{\"a\":\"x\"},\"y\"";
    for (end, count) in [(9, 0), (10, 1), (13, 1), (14, 2)] {
        assert_eq!(cut(Framing::JsonArray, [&stream[..end]]).frames.len(), count, "{end}");
    }
}

#[test]
fn what_is_no_array_is_refused() {
    for (stream, frames) in [
        ("{\"error\":{}}", 0),
        ("[,1]", 0),
        ("[1,]", 1),
        ("[1,,2]", 1),
        ("[{}{}]", 1),
        ("[{} {}]", 1),
        ("[}", 0),
        ("[1] x", 2),
        ("[][", 1),
        ("<html>", 0),
    ] {
        let cuts = cut(Framing::JsonArray, [stream.as_bytes()]);
        assert_eq!(cuts.frames.len(), frames, "{stream}");
        assert!(matches!(cuts.rest, Err(FrameError::Malformed(_))), "{stream}");
        check_splits(Framing::JsonArray, stream.as_bytes(), &[1]);
    }
}

/// JSON with blanks in odd places.
fn json() -> impl Strategy<Value = String> {
    let blank = || "[ \t\r\n]{0,2}";
    let leaf = prop_oneof!["-?[0-9]{1,4}", "true|false|null", "\"([a-z\\[\\]{},]|\\\\\")*\""];
    leaf.prop_recursive(3, 20, 4, move |inner| {
        let element = (blank(), inner, blank()).prop_map(|(a, b, c)| [a, b, c].concat());
        let member = element.clone().prop_map(|element| format!("\"]}}\\\\\" :{element}"));
        prop_oneof![
            prop::collection::vec(element, 0..4).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec(member, 0..4).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn every_array_is_cut_into_its_elements(
        all in prop::collection::vec(json(), 0..5),
        (before, after) in ("[ \t\r\n]{0,3}", "[ \t\r\n]{0,3}"),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let between = format!("{after},{before}");
        let stream = format!("{before}[{after}{}{before}]{after}", all.join(&between));
        prop_assert_eq!(elements(&stream), (all, 1));
        check_splits(Framing::JsonArray, stream.as_bytes(), &cuts);
    }
}
