//! Where the fixtures are.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// Every file of one kind, by name without ending, in order.
pub(super) fn all(kind: &str) -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/bedrock_converse");
    let mut found: Vec<_> = fs::read_dir(folder.join(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let value = serde_json::from_slice(&fs::read(&path).unwrap());
            let value = value.unwrap_or_else(|fault| panic!("{name}: {fault}"));
            (name, value)
        })
        .collect();
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    found
}

/// One file.
pub(super) fn one(kind: &str, name: &str) -> Value {
    all(kind).into_iter().find(|(found, _)| found == name).unwrap().1
}
