//! Images from text, and from images.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Asked, Form, Made, add};
use crate::answer::events::{Events, Kind};
use crate::answer::text::{hash, id};
use crate::answer::{CREATED, tokens_of};
use crate::ask::Ready;
use crate::refusal::Refusal;
use crate::shape::{ANY, FILLED, FLAG, Shape, TEXT, may, must};
use crate::wire::text;

static GENERATION: Shape = Shape::Members(&[
    may("model", &FILLED),
    must("prompt", &FILLED),
    may("n", &Shape::Number(1.0, 10.0)),
    may("size", &FILLED),
    may("quality", &FILLED),
    may("style", &FILLED),
    may("user", &TEXT),
    may("response_format", &Shape::Word(&["url", "b64_json"])),
    may("background", &Shape::Word(&["transparent", "opaque", "auto"])),
    may("moderation", &Shape::Word(&["low", "auto"])),
    may("output_format", &Shape::Word(&["png", "jpeg", "webp"])),
    may("output_compression", &Shape::Number(0.0, 100.0)),
    may("partial_images", &Shape::Number(0.0, 3.0)),
    may("stream", &FLAG),
    may("input_fidelity", &ANY),
]);

/// What decides an answer.
struct Wish<'a> {
    /// `image_generation` or `image_edit`.
    what: &'a str,
    model: String,
    prompt: &'a str,
    /// The images that it is made from, one behind the other.
    given: Vec<u8>,
    count: usize,
    partial: usize,
    /// As an address.
    as_url: bool,
    stream: bool,
}

pub(super) fn generation(asked: &Asked<'_>, body: &Value) -> Made {
    asked.check(body, &GENERATION)?;
    let number = |name: &str| body[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let model = match text(body, "model") {
        "" if asked.path_model.is_empty() => "dall-e-2".to_owned(),
        _ => asked.model_of(body)?,
    };
    made(Wish {
        what: "image_generation",
        model,
        prompt: text(body, "prompt"),
        given: Vec::new(),
        count: number("n").unwrap_or(1),
        partial: number("partial_images").unwrap_or(0),
        as_url: text(body, "response_format") == "url",
        stream: body["stream"] == true,
    })
}

const EDIT: &[&str] = &[
    "model",
    "prompt",
    "n",
    "size",
    "quality",
    "response_format",
    "user",
    "background",
    "input_fidelity",
    "output_format",
    "output_compression",
    "partial_images",
    "stream",
];

const PICTURES: &[&str] = &["png", "jpg", "jpeg", "webp"];

pub(super) fn edit(asked: &Asked<'_>, form: &Form<'_>) -> Made {
    form.check(asked, EDIT, &["image", "image[]", "mask"])?;
    let images = form.files(&["image", "image[]"]);
    if images.is_empty() {
        return Err(super::missing("image"));
    }
    form.number("n", 1.0, 10.0)?;
    form.number("partial_images", 0.0, 3.0)?;
    let number = |name: &str| form.field(name).and_then(|text| text.parse().ok());
    made(Wish {
        what: "image_edit",
        model: form.model(asked)?,
        prompt: form.field("prompt").ok_or_else(|| super::missing("prompt"))?,
        given: images.iter().flat_map(|image| image.content).copied().collect(),
        count: number("n").unwrap_or(1),
        partial: number("partial_images").unwrap_or(0),
        as_url: form.word("response_format", &["url", "b64_json"])? == Some("url"),
        stream: form.flag("stream")?,
    })
}

pub(super) fn variation(asked: &Asked<'_>, form: &Form<'_>) -> Made {
    form.check(asked, &["model", "n", "response_format", "size", "user"], &["image"])?;
    let image = form.file("image", PICTURES)?;
    form.number("n", 1.0, 10.0)?;
    let model = form.model(asked)?;
    if model != "dall-e-2" {
        return Err(Refusal::bad_member("model", "expected 'dall-e-2'"));
    }
    made(Wish {
        what: "image_variation",
        model,
        prompt: "",
        given: image.content.to_vec(),
        count: form.field("n").and_then(|text| text.parse().ok()).unwrap_or(1),
        partial: 0,
        as_url: form.word("response_format", &["url", "b64_json"])? == Some("url"),
        stream: false,
    })
}

fn made(wish: Wish<'_>) -> Made {
    let is_newer = wish.model.contains("image");
    if !is_newer && (wish.stream || wish.partial > 0) {
        return Err(Refusal::bad_member("stream", "this model does not stream"));
    }
    if is_newer && wish.as_url {
        let refusal = super::super::error::unknown("response_format");
        return Err(refusal);
    }
    let seed = hash(&[wish.model.as_bytes(), wish.prompt.as_bytes(), &wish.given]);
    // The signature of a PNG, and what tells one from another.
    let picture = |nth: usize| {
        let told = format!("{} bytes, {seed:016x}, {nth}", wish.given.len());
        STANDARD.encode([b"\x89PNG\r\n\x1a\n", told.as_bytes()].concat())
    };
    let (asked, drawn) = (tokens_of(wish.prompt.len()), 272 * wish.count);
    let usage = json!({"input_tokens": asked, "output_tokens": drawn,
        "total_tokens": asked + drawn,
        "input_tokens_details": {"text_tokens": asked, "image_tokens": 0}});
    let one = |nth: usize| match wish.as_url {
        true => json!({"url": format!("https://images.invalid/{}", id("img-", seed))}),
        false => json!({"b64_json": picture(nth)}),
    };
    let mut document =
        json!({"created": CREATED, "data": (0..wish.count).map(one).collect::<Vec<_>>()});
    if is_newer {
        document["usage"] = usage.clone();
    }
    let facts = |kind: &str, nth: usize| {
        json!({"type": format!("{}.{kind}", wish.what), "b64_json": picture(nth),
            "created_at": CREATED, "size": "1024x1024", "quality": "low", "background": "opaque",
            "output_format": "png"})
    };
    let mut events = Events::default();
    for nth in 0..wish.partial {
        let mut data = facts("partial_image", nth);
        data["partial_image_index"] = json!(nth);
        add(&mut events, Kind::Content, &data, true);
    }
    for nth in 0..wish.count {
        let mut data = facts("completed", nth);
        data["usage"] = usage.clone();
        add(&mut events, Kind::Finish, &data, true);
    }
    Ok((wish.model, wish.stream, Ready { events: Some(events), ..Ready::document(&document) }))
}
