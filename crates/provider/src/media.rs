//! Sound, images and judgements, as OpenAI and those who imitate it offer them.
//!
//! What chat needs is nothing to these requests, most of which have no member that only OpenAI knows.

use weir_dialect::Quirks;
use weir_types::{Dialect, Operation};

use crate::route::Route;

/// A route of its own.
pub(crate) const fn media(operation: Operation, template: &'static str) -> Route {
    Route::post(operation, template, Dialect::OpenAiChat).needs(&Quirks::NONE)
}

pub(crate) const SPEECH: Route = media(Operation::Speech, "/v1/audio/speech");
pub(crate) const TRANSCRIPTION: Route = media(Operation::Transcription, "/v1/audio/transcriptions");
pub(crate) const TRANSLATION: Route = media(Operation::Translation, "/v1/audio/translations");
pub(crate) const IMAGES: Route = media(Operation::ImageGeneration, "/v1/images/generations");
pub(crate) const MODERATION: Route = media(Operation::Moderation, "/v1/moderations");
