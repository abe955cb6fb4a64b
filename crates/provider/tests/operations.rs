//! The page for users says which operation is served at which provider, as the table of vendors has it.
//!
//! After a change of the table: `cargo test -p weir-provider --test operations -- --ignored`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use weir_provider::{Route, Vendor, vendors};
use weir_types::{Dialect, Form, Operation};

const PAGE: &str = "../../docs/compatibility.md";
const BEGIN: &str = "<!-- crates/provider/tests/operations.rs writes from here ... -->\n";
const END: &str = "<!-- ... to here: operations -->";

/// Where clients of a format that is not OpenAI's ask.
fn path(route: &Route) -> Option<&'static str> {
    match route.dialect {
        Dialect::OpenAiChat if route.forms.contains(&Form::Usual) => None,
        Dialect::OpenAiResponses => None,
        Dialect::OpenAiChat => Some("`/mistral`"),
        Dialect::GeminiGenerate => Some("`/genai`"),
        Dialect::AnthropicMessages => Some("`/anthropic`"),
        other => Some(other.label()),
    }
}

fn cell(vendor: &Vendor, operation: Operation) -> String {
    let serving = |stream| {
        vendor.all_routes().filter(move |route| route.serves(operation, stream)).collect::<Vec<_>>()
    };
    let (whole, streamed) = (serving(false), serving(true));
    if whole.is_empty() && streamed.is_empty() {
        return "-".to_owned();
    }
    let all = whole.iter().chain(&streamed);
    let paths: Vec<_> = all.map(|route| path(route)).collect();
    if !operation.is_translated() && paths.iter().all(Option::is_some) {
        return paths[0].unwrap().to_owned();
    }
    let said = if operation.streams() && streamed.is_empty() { "whole" } else { "yes" };
    said.to_owned()
}

/// A row per provider, a column per operation that anybody has.
fn table() -> String {
    let is_offered = |operation: &Operation| {
        vendors()
            .any(|vendor| [false, true].into_iter().any(|stream| vendor.offers(*operation, stream)))
    };
    let columns: Vec<_> = Operation::ALL.into_iter().filter(is_offered).collect();
    let heads: Vec<_> = columns.iter().map(|column| column.label().replace('_', " ")).collect();
    let mut table = format!("\n| | {} |\n|---|{}\n", heads.join(" | "), ":-:|".repeat(heads.len()));
    for vendor in vendors() {
        let cells: Vec<_> = columns.iter().map(|column| cell(vendor, *column)).collect();
        table.push_str(&format!("| `{}` | {} |\n", vendor.name, cells.join(" | ")));
    }
    table.push('\n');
    table
}

/// The page, cut around its table.
fn parts(page: &str) -> [&str; 3] {
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (table, tail) = rest.split_once(END).unwrap();
    [head, table, tail]
}

#[test]
fn the_page_says_what_the_table_says() {
    let page = fs::read_to_string(PAGE).unwrap();
    let [_, found, _] = parts(&page);
    assert_eq!(found, table(), "run `cargo test -p weir-provider --test operations -- --ignored`");
}

#[test]
#[ignore = "writes the page"]
fn write() {
    let page = fs::read_to_string(PAGE).unwrap();
    let [head, _, tail] = parts(&page);
    fs::write(PAGE, format!("{head}{BEGIN}{}{END}{tail}", table())).unwrap();
}
