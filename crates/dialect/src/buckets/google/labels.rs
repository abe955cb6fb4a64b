//! A request's name in its labels: the only part of a request for a model that a job gives back and the
//! model does not read. A value has at most 63 lower-case letters, digits, `_` and `-`; names of other
//! letters, and longer ones, are there in hexadecimal digits, in several labels.
//! <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/add-labels-to-api-calls>

use serde_json::{Map, Value};

const WHOLE: &str = "weir_id";
/// What the labels of parts begin with, before their number.
const PART: &str = "weir_id_";
const VALUE_MAX: usize = 63;
/// So many bytes of a name are one part.
const PART_BYTES: usize = 31;
/// A request has 64 labels; OpenAI's names have 512 bytes.
const BYTES_MAX: usize = 512;

/// The labels that say `id`; `None`: it is too long.
pub(super) fn of(id: &str) -> Option<Map<String, Value>> {
    let is_fit =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if id.len() <= VALUE_MAX && id.bytes().all(is_fit) {
        return Some([(WHOLE.to_owned(), id.into())].into_iter().collect());
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let parts = id.as_bytes().chunks(PART_BYTES).enumerate();
    let parts = parts.map(|(nth, part)| (format!("{PART}{nth}"), hex(part).into()));
    (id.len() <= BYTES_MAX).then(|| parts.collect())
}

/// Takes what [`of`] made out of `labels`; `None`: there is none.
pub(super) fn taken(labels: &mut Map<String, Value>) -> Option<String> {
    if let Some(Value::String(id)) = labels.remove(WHOLE) {
        return Some(id);
    }
    let mut bytes = Vec::new();
    for nth in 0..=BYTES_MAX / PART_BYTES {
        let Some(Value::String(part)) = labels.remove(&format!("{PART}{nth}")) else { break };
        for at in (0..part.len()).step_by(2) {
            bytes.push(u8::from_str_radix(part.get(at..at + 2)?, 16).ok()?);
        }
    }
    (!bytes.is_empty()).then(|| String::from_utf8(bytes).ok()).flatten()
}
