//! A corpus and a dictionary for a target, made of the fixtures of the formats.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_dialect::format;
use weir_types::{Dialect, Framing};

use crate::target::{Kind, Link, Target, folder};

/// Words of a dictionary, at most.
const WORDS_MAX: usize = 600;

/// Writes the corpus into `to`, and the dictionary beside it as `to.dict`.
pub(crate) fn write(target: &Target, to: &Path) {
    fs::create_dir_all(to).expect("the corpus has a folder");
    let mut words = BTreeSet::new();
    for file in files(target) {
        let bytes = fs::read(&file).expect("a fixture can be read");
        let lines = bytes.split(|byte| *byte == b'\n');
        let data = lines.map(|line| line.strip_prefix(b"data: ").unwrap_or(line));
        for document in data.chain([&bytes[..]]) {
            if let Ok(value) = serde_json::from_slice(document) {
                collect(&value, &mut words);
            }
        }
        let name = format!("{}-{}", stem(&file.parent().expect("it is in a folder")), stem(&file));
        fs::write(to.join(name), seed(target, &bytes)).expect("a seed can be written");
    }
    for (name, bytes) in own(target) {
        fs::write(to.join(name), bytes).expect("a seed can be written");
    }
    let escaped = |word: &String| {
        let quoted = word.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"\\\"{quoted}\\\"\"\n")
    };
    let lines: String = words.iter().take(WORDS_MAX).map(escaped).collect();
    fs::write(to.with_extension("dict"), lines).expect("the dictionary can be written");
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn files(target: &Target) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/dialect/fixtures");
    let of = |dialect: Dialect, kind: Kind| {
        let entries = fs::read_dir(root.join(folder(dialect)).join(kind.folder()));
        let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
        paths.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let every = |kind| Dialect::ALL.iter().flat_map(move |dialect| of(*dialect, kind)).collect();
    match target {
        Target::Format(dialect, kind) => of(*dialect, *kind),
        Target::Framing(_) => every(Kind::Stream),
        Target::Json => every(Kind::Request),
        Target::Form | Target::AwsChunks | Target::Link(_) => Vec::new(),
    }
}

/// Seeds of readers that have no fixtures.
fn own(target: &Target) -> Vec<(&'static str, Vec<u8>)> {
    let (frames, [request, attempt, head, end]) = weir_rpc::chance::seeds();
    match target {
        Target::Link(Link::Frames) => vec![("all", frames)],
        Target::Link(Link::Messages) => {
            vec![("request", request), ("attempt", attempt), ("head", head), ("end", end)]
        }
        // A request with its body and answer, at each end: a move, whose it is, how much.
        Target::Link(Link::Peer) => vec![
            ("asked", vec![9, 0, 1, 0, 2, 1, 3, 4, 1, 0, 11, 1, 9, 9, 1, 2, 9, 1, 128, 15, 0, 0]),
            ("asking", vec![8, 9, 0, 1, 15, 0, 0, 1, 1, 0, 2, 1, 3, 4, 1, 0, 11, 1, 9, 13, 1, 0]),
        ],
        other => written(other).iter().map(|(name, bytes)| (*name, bytes.to_vec())).collect(),
    }
}

fn written(target: &Target) -> &'static [(&'static str, &'static [u8])] {
    match target {
        Target::Form => &[
            (
                "upload",
                b"--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\n\
                  Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
                  Content-Type: text/plain\r\n\r\nx\r\n--c\r\ny\r\n--b--\r\n",
            ),
            ("odd", b"before\r\n--b  \r\nx\r\n\r\n\r\n--b--after"),
            ("name", b"--b\r\ncontent-disposition: form-data; name*=UTF-8''%41; filename=a\r\n\r\n"),
        ],
        Target::AwsChunks => &[
            ("behind", b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAA==\r\n\r\n"),
            ("signed", b"5;chunk-signature=ab\r\nhello\r\n0;chunk-signature=cd\r\n\r\n"),
        ],
        _ => &[],
    }
}

/// A fixture as the target takes it.
fn seed(target: &Target, bytes: &[u8]) -> Vec<u8> {
    let is_framed = match target {
        Target::Format(dialect, Kind::Stream) => {
            matches!(format(*dialect).framing(), Framing::EventStream | Framing::EventChunks)
        }
        _ => false,
    };
    let events = serde_json::from_slice::<Vec<Value>>(bytes).ok().filter(|_| is_framed);
    let Some(events) = events else { return bytes.to_vec() };
    let line = |event: &Value| {
        format!("{}\t{}\n", event["name"].as_str().unwrap_or_default(), event["data"])
    };
    events.iter().map(line).collect::<String>().into_bytes()
}

/// Names of members, and values that are one word.
fn collect(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                words.insert(name.clone());
                collect(value, words);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, words)),
        Value::String(text) if is_word(text) => {
            words.insert(text.clone());
        }
        _ => {}
    }
}

fn is_word(text: &str) -> bool {
    (2..32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
