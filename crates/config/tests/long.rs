//! A file that is one long line, with a problem at every few bytes of it, is judged in time, and its
//! report is one that somebody can read.

#![expect(clippy::unwrap_used, reason = "the helpers of tests")]

use std::time::{Duration, Instant};

use weir_config::{Options, Report, TOLD_MAX};

fn judged(text: &str) -> Report {
    let begun = Instant::now();
    let report = weir_config::parse("long.json", text, &Options::new(|_| true)).unwrap_err();
    // What grows with the square takes minutes.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}: {text:.90}", begun.elapsed());
    report
}

/// `count` of what `one` makes of their number, with commas.
fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(",")
}

fn provider(members: &str) -> String {
    format!(r#"{{"providers": {{"openai": {{{members}}}}}}}"#)
}

#[test]
fn many_problems_on_one_line_are_found_in_time() {
    let count = 20_000;
    let keys =
        |one: &dyn Fn(usize) -> String| provider(&format!(r#""keys": [{}]"#, many(count, one)));
    let of_key = |members: String| {
        provider(&format!(r#""keys": [{{"name": "a", "value": "v", "weight": 1, {members}}}]"#))
    };
    for text in [
        format!("{{{}}}", many(10 * count, |at| format!(r#""{at}": 0"#))),
        format!("{{{}}}", many(count, |_| r#""a": 0"#.to_owned())),
        keys(&|_| "0".to_owned()),
        keys(&|at| format!(r#"{{"name": "n{at}", "value": 1}}"#)),
        keys(&|_| r#"{"name": "n", "value": "v"}"#.to_owned()),
        of_key(format!(r#""models": [{}], "x": 0"#, many(count, |at| format!(r#""m{at}""#)))),
        of_key(format!(r#""models": [{}]"#, many(count, |_| r#""m*""#.to_owned()))),
        of_key(format!(r#""aliases": {{{}}}"#, many(count, |at| format!(r#""m{at}": 0"#)))),
        of_key(format!(
            r#""aliases": {{{}}}, "x": 0"#,
            many(count, |at| format!(r#""m{at}": "m""#))
        )),
        provider(&format!(
            r#""keys": [], "network_config": {{"extra_headers": {{{}}}}}"#,
            many(count, |at| format!(r#""x-{at}": "v""#))
        )),
        format!(r#"{{"providers": {{{}}}}}"#, many(count, |at| format!(r#""p{at}": {{}}"#))),
    ] {
        judged(&text);
    }
}

#[test]
fn a_report_is_cut_and_says_by_how_much() {
    let text = format!("{{{}}}", many(TOLD_MAX + 23, |at| format!(r#""{at}": 0"#)));
    let report = judged(&text);
    let all = report.problems.len();
    let shown = report.to_string();
    assert_eq!(shown.matches("long.json:1:").count(), TOLD_MAX);
    let end = format!("\nand {} more\n{} errors, 1 warning", all - TOLD_MAX, all - 1);
    assert!(shown.ends_with(&end), "{end}");
    let last = text.rfind(r#""122""#).unwrap();
    assert_eq!(report.problems[all - 1].column, last + 1);
}
