//! Images by a general form of prediction, as Imagen makes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Route;
use crate::answer::text::hash;
use crate::ask::{Ask, Ready, Task};
use crate::refusal::Refusal;
use crate::shape::{ANY, FILLED, FLAG, OBJECT, Shape, TEXT, WHOLE, may, must};

pub(super) static SHAPE: Shape = Shape::Members(&[
    must("instances", &Shape::List(&Shape::Members(&[must("prompt", &FILLED)]))),
    may(
        "parameters",
        &Shape::Members(&[
            may("sampleCount", &Shape::Number(1.0, 4.0)),
            may("seed", &WHOLE),
            may("aspectRatio", &FILLED),
            may("negativePrompt", &TEXT),
            may("guidanceScale", &ANY),
            may("personGeneration", &FILLED),
            may("safetySetting", &FILLED),
            may("addWatermark", &FLAG),
            may("enhancePrompt", &FLAG),
            may("includeRaiReason", &FLAG),
            may("includeSafetyAttributes", &FLAG),
            may("language", &FILLED),
            may("sampleImageSize", &FILLED),
            may("outputOptions", &OBJECT),
            may("storageUri", &FILLED),
        ]),
    ),
]);

/// The answer to a body that fits [`SHAPE`].
pub(super) fn ask<'a>(route: &Route<'a>, body: &Value) -> Result<Ask<'a>, Refusal> {
    let Some(prompt) = body["instances"][0]["prompt"].as_str() else {
        return Err(Refusal::bad_request("instances must not be empty"));
    };
    let count = body["parameters"]["sampleCount"].as_u64().unwrap_or(1);
    let seed = hash(&[route.model.as_bytes(), prompt.as_bytes()]);
    let image = |nth: u64| {
        let told = format!("{seed:016x}, {nth}");
        let bytes = [b"\x89PNG\r\n\x1a\n", told.as_bytes()].concat();
        json!({"mimeType": "image/png", "bytesBase64Encoded": STANDARD.encode(bytes)})
    };
    let answer = json!({"predictions": (0..count).map(image).collect::<Vec<_>>()});
    let task = Task::Media(Ready::document(&answer));
    Ok(Ask { model: route.model.clone(), stream: false, task })
}
