//! Speech from text, and text from speech.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Asked, Form, House, Made, add};
use crate::answer::events::{Events, Kind};
use crate::answer::text::{hash, split};
use crate::answer::tokens_of;
use crate::ask::Ready;
use crate::refusal::Refusal;
use crate::shape::{ANY, FILLED, FLAG, OBJECT, Shape, TEXT, TEXTS, may, must};
use crate::wire::text;

const FORMATS: &[&str] = &["mp3", "opus", "aac", "flac", "wav", "pcm"];

static SPEECH: Shape = Shape::Members(&[
    may("model", &FILLED),
    must("input", &FILLED),
    must("voice", &Shape::TextOr(&OBJECT)),
    may("instructions", &TEXT),
    may("response_format", &Shape::Word(FORMATS)),
    may("speed", &Shape::Number(0.25, 4.0)),
    may("stream_format", &Shape::Word(&["sse", "audio"])),
]);

static MISTRAL_SPEECH: Shape = Shape::Members(&[
    may("model", &FILLED),
    must("input", &FILLED),
    may("voice_id", &FILLED),
    may("ref_audio", &FILLED),
    may("response_format", &Shape::Word(FORMATS)),
    may("stream", &FLAG),
    may("metadata", &ANY),
    may("additional_properties", &TEXTS),
]);

/// More text is refused.
const INPUT_CHARS_MAX: usize = 4096;
const PIECES: u32 = 4;

pub(super) fn speech(asked: &Asked<'_>, body: &Value) -> Made {
    let is_mistral = asked.house == House::Mistral;
    asked.check(body, if is_mistral { &MISTRAL_SPEECH } else { &SPEECH })?;
    let model = asked.model_of(body)?;
    let input = text(body, "input");
    if input.chars().count() > INPUT_CHARS_MAX {
        return Err(Refusal::bad_member("input", "expected at most 4096 characters"));
    }
    let stream = match is_mistral {
        true => body["stream"] == true,
        false => text(body, "stream_format") == "sse",
    };
    if stream && model.starts_with("tts-1") {
        return Err(Refusal::bad_member("stream_format", "'sse' is not supported by this model"));
    }
    let kind = match body["response_format"].as_str().unwrap_or("mp3") {
        "opus" => "audio/ogg",
        "aac" => "audio/aac",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "pcm" => "audio/pcm",
        _ => "audio/mpeg",
    };
    let mut events = Events::default();
    let member = if is_mistral { "audio_data" } else { "audio" };
    for piece in split(input, PIECES) {
        let piece = STANDARD.encode(piece);
        let data = json!({"type": "speech.audio.delta", member: piece});
        add(&mut events, Kind::Content, &data, is_mistral);
    }
    let (given, made) = (tokens_of(input.len()), 2 * tokens_of(input.len()));
    let usage = match is_mistral {
        true => json!({"prompt_tokens": given, "completion_tokens": made,
            "total_tokens": given + made}),
        false => json!({"input_tokens": given, "output_tokens": made,
            "total_tokens": given + made}),
    };
    add(
        &mut events,
        Kind::Finish,
        &json!({"type": "speech.audio.done", "usage": usage}),
        is_mistral,
    );
    let ready = match is_mistral {
        true => Ready::document(&json!({"audio_data": STANDARD.encode(input)})),
        false => Ready { kind, body: input.as_bytes().to_vec(), is_long: true, events: None },
    };
    Ok((model, stream, Ready { events: Some(events), ..ready }))
}

const SOUNDS: &[&str] = &["flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm"];

const TRANSCRIPTION: &[&str] = &[
    "model",
    "language",
    "prompt",
    "response_format",
    "temperature",
    "stream",
    "include[]",
    "timestamp_granularities[]",
    "chunking_strategy",
    "known_speaker_names[]",
    "known_speaker_references[]",
];

const MISTRAL_TRANSCRIPTION: &[&str] = &[
    "model",
    "language",
    "temperature",
    "stream",
    "file_url",
    "file_id",
    "diarize",
    "timestamp_granularities",
    "timestamp_granularities[]",
    "context_bias",
    "context_bias[]",
];

pub(super) fn transcription(asked: &Asked<'_>, form: &Form<'_>) -> Made {
    if asked.house == House::Mistral {
        return mistral_transcription(asked, form);
    }
    form.check(asked, TRANSCRIPTION, &["file"])?;
    let model = form.model(asked)?;
    let words = ["json", "text", "srt", "verbose_json", "vtt", "diarized_json"];
    let wanted = form.word("response_format", &words)?.unwrap_or("json");
    form.number("temperature", 0.0, 1.0)?;
    let is_older = model.contains("whisper");
    if !is_older && !matches!(wanted, "json" | "text" | "diarized_json") {
        let why = format!("response_format '{wanted}' is not compatible with model '{model}'");
        return Err(Refusal::bad_request(why)
            .with_code("unsupported_value")
            .about("response_format"));
    }
    let said = heard(form.file("file", SOUNDS)?.content);
    // The older model does not stream and says nothing of it.
    let stream = form.flag("stream")? && !is_older;
    let usage = match is_older {
        true => json!({"type": "duration", "seconds": 2}),
        false => {
            let (given, made) = (20, tokens_of(said.len()));
            json!({"type": "tokens", "input_tokens": given, "output_tokens": made,
                "total_tokens": given + made,
                "input_token_details": {"text_tokens": 0, "audio_tokens": given}})
        }
    };
    let mut events = Events::default();
    for piece in split(&said, PIECES) {
        let data = json!({"type": "transcript.text.delta", "delta": piece});
        add(&mut events, Kind::Content, &data, false);
    }
    let done = json!({"type": "transcript.text.done", "text": said, "usage": usage});
    add(&mut events, Kind::Finish, &done, false);
    let ready = written(wanted, &said, &usage);
    Ok((model, stream, Ready { events: Some(events), ..ready }))
}

pub(super) fn translation(asked: &Asked<'_>, form: &Form<'_>) -> Made {
    form.check(asked, &["model", "prompt", "response_format", "temperature"], &["file"])?;
    let model = form.model(asked)?;
    let words = ["json", "text", "srt", "verbose_json", "vtt"];
    let wanted = form.word("response_format", &words)?.unwrap_or("json");
    form.number("temperature", 0.0, 1.0)?;
    let said = heard(form.file("file", SOUNDS)?.content);
    let said = format!("In English: {said}");
    let usage = json!({"type": "duration", "seconds": 2});
    Ok((model, false, written(wanted, &said, &usage)))
}

/// The transcript of a file.
fn heard(file: &[u8]) -> String {
    format!("{} bytes of sound, {:016x}.", file.len(), hash(&[file]))
}

fn written(wanted: &str, said: &str, usage: &Value) -> Ready {
    let segment = json!({"id": 0, "seek": 0, "start": 0.0, "end": 2.0, "text": said,
        "tokens": [1], "temperature": 0.0, "avg_logprob": -0.1, "compression_ratio": 1.0,
        "no_speech_prob": 0.0});
    match wanted {
        "text" => Ready::plain("text/plain; charset=utf-8", format!("{said}\n")),
        "srt" => {
            let text = format!("1\n00:00:00,000 --> 00:00:02,000\n{said}\n\n");
            Ready::plain("text/plain; charset=utf-8", text)
        }
        "vtt" => {
            let text = format!("WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n{said}\n\n");
            Ready::plain("text/vtt", text)
        }
        "verbose_json" => Ready::document(&json!({"task": "transcribe", "language": "english",
            "duration": 2.0, "text": said, "segments": [segment], "usage": usage})),
        "diarized_json" => Ready::document(&json!({"task": "transcribe", "duration": 2.0,
            "text": said, "usage": usage, "segments": [{"id": "seg_0", "start": 0.0, "end": 2.0,
            "speaker": "A", "text": said, "type": "transcript.text.segment"}]})),
        _ => Ready::document(&json!({"text": said, "usage": usage})),
    }
}

fn mistral_transcription(asked: &Asked<'_>, form: &Form<'_>) -> Made {
    form.check(asked, MISTRAL_TRANSCRIPTION, &["file"])?;
    let model = form.model(asked)?;
    let said = match form.field("file_url").or_else(|| form.field("file_id")) {
        Some(place) => format!("Sound from {place}."),
        None => heard(form.file("file", SOUNDS)?.content),
    };
    let stream = form.flag("stream")?;
    let made = tokens_of(said.len());
    let usage = json!({"prompt_audio_seconds": 2, "prompt_tokens": 20, "completion_tokens": made,
        "total_tokens": 20 + made});
    let mut events = Events::default();
    let language = json!({"type": "transcription.language", "audio_language": "en"});
    add(&mut events, Kind::Role, &language, true);
    for piece in split(&said, PIECES) {
        let data = json!({"type": "transcription.text.delta", "text": piece});
        add(&mut events, Kind::Content, &data, true);
    }
    let whole = json!({"model": model, "text": said, "language": null, "segments": [],
        "usage": usage});
    let mut done = whole.clone();
    done["type"] = json!("transcription.done");
    add(&mut events, Kind::Finish, &done, true);
    Ok((model, stream, Ready { events: Some(events), ..Ready::document(&whole) }))
}
