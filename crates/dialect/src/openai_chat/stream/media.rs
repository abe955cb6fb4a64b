//! Events of spoken answers, of transcripts and of images: each says in `type` what it is, and none has
//! choices. The last one of an answer ends in `.done` or `.completed`; with several images each has one.

use serde_json::value::RawValue;

use crate::format::{Kind, Observed};
use crate::openai_chat::usage;

/// How their types begin, those of Mistral's transcripts among them.
const BEGINNINGS: [&str; 5] =
    ["speech.", "transcript.", "transcription.", "image_generation.", "image_edit."];

/// What such an event says of its stream; `None`: it is none.
pub(super) fn observe(kind: Option<&RawValue>, counts: Option<&RawValue>) -> Option<Observed> {
    let kind: &str = serde_json::from_str(kind?.get()).ok()?;
    if !BEGINNINGS.iter().any(|beginning| kind.starts_with(beginning)) {
        return None;
    }
    let end = kind.rsplit('.').next().filter(|end| matches!(*end, "done" | "completed"));
    Some(Observed {
        kind: Kind::Content,
        choices: vec![(0, end.map(str::to_owned))],
        usage: counts.and_then(|raw| usage::read(raw.get().as_bytes())),
        id: None,
    })
}

#[cfg(test)]
mod tests {
    use weir_types::Usage;

    use super::super::observe;
    use super::*;

    #[test]
    fn the_end_is_told_by_the_type() {
        for (data, end) in [
            (r#"{"type":"speech.audio.delta","audio":"AA=="}"#, None),
            (
                r#"{"audio":"","type":"speech.audio.done","usage":{"input_tokens":3,"output_tokens":4}}"#,
                Some("done"),
            ),
            (r#"{"type":"transcript.text.delta","delta":"a"}"#, None),
            (r#"{"type":"transcript.text.done","text":"a"}"#, Some("done")),
            (r#"{"type":"transcription.language","audio_language":"en"}"#, None),
            (r#"{"type":"transcription.done","model":"v","text":"a"}"#, Some("done")),
            (r#"{"type":"image_generation.partial_image","partial_image_index":0}"#, None),
            (r#"{"type":"image_edit.completed","b64_json":"AA=="}"#, Some("completed")),
        ] {
            let seen = observe(b"", data.as_bytes()).unwrap();
            assert_eq!(seen.kind, Kind::Content, "{data}");
            assert_eq!(seen.choices, [(0, end.map(str::to_owned))], "{data}");
        }
        let done = br#"{"type":"speech.audio.done","usage":{"input_tokens":3,"output_tokens":4}}"#;
        let usage = Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() };
        assert_eq!(observe(b"", done).unwrap().usage, Some(usage));
    }

    #[test]
    fn errors_and_other_events_are_what_they_were() {
        let kind = |data: &str| observe(b"", data.as_bytes()).unwrap().kind;
        assert_eq!(kind(r#"{"type":"error","error":{"message":"no"}}"#), Kind::Error);
        assert_eq!(kind(r#"{"type":"error","message":"no"}"#), Kind::Error);
        assert_eq!(kind(r#"{"type":"ping"}"#), Kind::Preamble);
    }
}
