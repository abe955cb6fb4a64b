//! The routes, as data: which paths lead to which operation, in which wire format. Adding a path is
//! adding a row; no other place knows a format or a path.

mod row;
mod stored;

use weir_types::{Dialect, Form, Framing, Operation};

pub use row::Route;
pub(crate) use row::Value;

const CHAT: Dialect = Dialect::OpenAiChat;
const RESPONSES: Dialect = Dialect::OpenAiResponses;
const ANTHROPIC: Dialect = Dialect::AnthropicMessages;
const GEMINI: Dialect = Dialect::GeminiGenerate;
const BEDROCK: Dialect = Dialect::BedrockConverse;
const INVOKE: Dialect = Dialect::BedrockInvoke;
const COHERE: Dialect = Dialect::CohereChat;

const fn media(name: &'static str, operation: Operation) -> Route {
    Route::new(name, CHAT, operation)
}

const fn openai(name: &'static str, operation: Operation) -> Route {
    Route::new(name, CHAT, operation).of("openai")
}

const fn azure(name: &'static str, operation: Operation) -> Route {
    Route::new(name, CHAT, operation).of("azure")
}

const fn mistral(name: &'static str, operation: Operation) -> Route {
    Route::new(name, CHAT, operation).of("mistral").in_form(Form::Mistral)
}

const fn gemini(name: &'static str, operation: Operation) -> Route {
    Route::new(name, GEMINI, operation).of("gemini")
}

/// Every inference route.
pub static ROUTES: &[Route] = &stored::behind::<{ MAIN.len() + stored::COUNT }>(MAIN);

/// But for those of what is stored. SDKs append to a base URL that may or may not end in a version, so the
/// drop-in prefixes serve both.
const MAIN: &[Route] = &[
    Route::new("POST /v1/chat/completions", CHAT, Operation::Chat),
    Route::new("POST /v1/completions", CHAT, Operation::Completion),
    Route::new("POST /v1/embeddings", CHAT, Operation::Embedding),
    Route::new("POST /v1/rerank", CHAT, Operation::Rerank),
    Route::new("GET /v1/models", CHAT, Operation::ListModels),
    Route::new("GET /v1/models/{model}", CHAT, Operation::ListModels),
    Route::new("POST /v1/responses", RESPONSES, Operation::Responses),
    Route::new("POST /v1/responses/input_tokens", RESPONSES, Operation::CountTokens),
    Route::new("POST /v1/messages", ANTHROPIC, Operation::Chat),
    Route::new("POST /v1/messages/count_tokens", ANTHROPIC, Operation::CountTokens),
    // For a base URL without a version.
    Route::new("POST /chat/completions", CHAT, Operation::Chat),
    Route::new("POST /completions", CHAT, Operation::Completion),
    Route::new("POST /embeddings", CHAT, Operation::Embedding),
    Route::new("POST /rerank", CHAT, Operation::Rerank),
    Route::new("GET /models", CHAT, Operation::ListModels),
    Route::new("GET /models/{model}", CHAT, Operation::ListModels),
    Route::new("POST /responses", RESPONSES, Operation::Responses),
    Route::new("POST /responses/input_tokens", RESPONSES, Operation::CountTokens),
    Route::new("POST /openai/v1/chat/completions", CHAT, Operation::Chat).of("openai"),
    Route::new("POST /openai/v1/completions", CHAT, Operation::Completion).of("openai"),
    Route::new("POST /openai/v1/embeddings", CHAT, Operation::Embedding).of("openai"),
    Route::new("GET /openai/v1/models", CHAT, Operation::ListModels).of("openai"),
    Route::new("GET /openai/v1/models/{model}", CHAT, Operation::ListModels).of("openai"),
    Route::new("POST /openai/v1/responses", RESPONSES, Operation::Responses).of("openai"),
    Route::new("POST /openai/v1/responses/input_tokens", RESPONSES, Operation::CountTokens)
        .of("openai"),
    Route::new("POST /openai/chat/completions", CHAT, Operation::Chat).of("openai"),
    Route::new("POST /openai/completions", CHAT, Operation::Completion).of("openai"),
    Route::new("POST /openai/embeddings", CHAT, Operation::Embedding).of("openai"),
    Route::new("GET /openai/models", CHAT, Operation::ListModels).of("openai"),
    Route::new("GET /openai/models/{model}", CHAT, Operation::ListModels).of("openai"),
    Route::new("POST /openai/responses", RESPONSES, Operation::Responses).of("openai"),
    Route::new("POST /openai/responses/input_tokens", RESPONSES, Operation::CountTokens)
        .of("openai"),
    azure("POST /openai/deployments/{model}/chat/completions", Operation::Chat),
    azure("POST /openai/deployments/{model}/completions", Operation::Completion),
    azure("POST /openai/deployments/{model}/embeddings", Operation::Embedding),
    Route::new("POST /anthropic/v1/messages", ANTHROPIC, Operation::Chat).of("anthropic"),
    Route::new("POST /anthropic/v1/messages/count_tokens", ANTHROPIC, Operation::CountTokens)
        .of("anthropic"),
    Route::new("GET /anthropic/v1/models", ANTHROPIC, Operation::ListModels).of("anthropic"),
    Route::new("GET /anthropic/v1/models/{model}", ANTHROPIC, Operation::ListModels)
        .of("anthropic"),
    gemini("POST /genai/v1beta/models/{model}:generateContent", Operation::Chat).streamed(false),
    gemini("POST /genai/v1beta/models/{model}:streamGenerateContent", Operation::Chat)
        .streamed(true)
        .framed(Framing::JsonArray)
        .framed_if("alt", "sse", Framing::Sse),
    gemini("POST /genai/v1beta/models/{model}:countTokens", Operation::CountTokens),
    gemini("POST /genai/v1beta/models/{model}:embedContent", Operation::Embedding)
        .in_form(Form::Single),
    gemini("POST /genai/v1beta/models/{model}:batchEmbedContents", Operation::Embedding),
    gemini("GET /genai/v1beta/models", Operation::ListModels),
    gemini("GET /genai/v1beta/models/{model}", Operation::ListModels),
    gemini("POST /genai/v1/models/{model}:generateContent", Operation::Chat).streamed(false),
    gemini("POST /genai/v1/models/{model}:streamGenerateContent", Operation::Chat)
        .streamed(true)
        .framed(Framing::JsonArray)
        .framed_if("alt", "sse", Framing::Sse),
    gemini("POST /genai/v1/models/{model}:countTokens", Operation::CountTokens),
    gemini("POST /genai/v1/models/{model}:embedContent", Operation::Embedding)
        .in_form(Form::Single),
    gemini("POST /genai/v1/models/{model}:batchEmbedContents", Operation::Embedding),
    gemini("GET /genai/v1/models", Operation::ListModels),
    gemini("GET /genai/v1/models/{model}", Operation::ListModels),
    // Clients that are told the address of another service leave its version out.
    gemini("POST /genai/models/{model}:generateContent", Operation::Chat).streamed(false),
    gemini("POST /genai/models/{model}:streamGenerateContent", Operation::Chat)
        .streamed(true)
        .framed(Framing::JsonArray)
        .framed_if("alt", "sse", Framing::Sse),
    gemini("POST /genai/models/{model}:countTokens", Operation::CountTokens),
    gemini("POST /genai/models/{model}:embedContent", Operation::Embedding).in_form(Form::Single),
    gemini("POST /genai/models/{model}:batchEmbedContents", Operation::Embedding),
    gemini("GET /genai/models", Operation::ListModels),
    gemini("GET /genai/models/{model}", Operation::ListModels),
    Route::new("POST /bedrock/model/{model}/converse", BEDROCK, Operation::Chat)
        .of("bedrock")
        .streamed(false),
    Route::new("POST /bedrock/model/{model}/converse-stream", BEDROCK, Operation::Chat)
        .of("bedrock")
        .streamed(true)
        .framed(Framing::EventStream),
    Route::new("POST /bedrock/model/{model}/invoke", INVOKE, Operation::Chat)
        .of("bedrock")
        .streamed(false),
    Route::new("POST /bedrock/model/{model}/invoke-with-response-stream", INVOKE, Operation::Chat)
        .of("bedrock")
        .streamed(true)
        .framed(Framing::EventChunks),
    Route::new("POST /bedrock/model/{model}/count-tokens", BEDROCK, Operation::CountTokens)
        .of("bedrock"),
    Route::new("GET /bedrock/foundation-models", BEDROCK, Operation::ListModels).of("bedrock"),
    mistral("POST /mistral/v1/chat/completions", Operation::Chat),
    mistral("POST /mistral/v1/embeddings", Operation::Embedding),
    mistral("GET /mistral/v1/models", Operation::ListModels),
    mistral("GET /mistral/v1/models/{model}", Operation::ListModels),
    Route::new("POST /bedrock/rerank", BEDROCK, Operation::Rerank).of("bedrock"),
    Route::new("POST /cohere/v2/chat", COHERE, Operation::Chat).of("cohere"),
    Route::new("POST /cohere/v2/embed", COHERE, Operation::Embedding).of("cohere"),
    Route::new("POST /cohere/v2/rerank", COHERE, Operation::Rerank).of("cohere"),
    Route::new("GET /cohere/v1/models", COHERE, Operation::ListModels).of("cohere"),
    Route::new("GET /cohere/v1/models/{model}", COHERE, Operation::ListModels).of("cohere"),
    // Sound, images, judgements, and the text of documents.
    media("POST /v1/audio/speech", Operation::Speech),
    media("POST /v1/audio/transcriptions", Operation::Transcription),
    media("POST /v1/audio/translations", Operation::Translation),
    media("POST /v1/images/generations", Operation::ImageGeneration),
    media("POST /v1/images/edits", Operation::ImageEdit),
    media("POST /v1/images/variations", Operation::ImageVariation),
    media("POST /v1/moderations", Operation::Moderation),
    media("POST /v1/ocr", Operation::Ocr),
    media("POST /audio/speech", Operation::Speech),
    media("POST /audio/transcriptions", Operation::Transcription),
    media("POST /audio/translations", Operation::Translation),
    media("POST /images/generations", Operation::ImageGeneration),
    media("POST /images/edits", Operation::ImageEdit),
    media("POST /images/variations", Operation::ImageVariation),
    media("POST /moderations", Operation::Moderation),
    media("POST /ocr", Operation::Ocr),
    openai("POST /openai/v1/audio/speech", Operation::Speech),
    openai("POST /openai/v1/audio/transcriptions", Operation::Transcription),
    openai("POST /openai/v1/audio/translations", Operation::Translation),
    openai("POST /openai/v1/images/generations", Operation::ImageGeneration),
    openai("POST /openai/v1/images/edits", Operation::ImageEdit),
    openai("POST /openai/v1/images/variations", Operation::ImageVariation),
    openai("POST /openai/v1/moderations", Operation::Moderation),
    openai("POST /openai/audio/speech", Operation::Speech),
    openai("POST /openai/audio/transcriptions", Operation::Transcription),
    openai("POST /openai/audio/translations", Operation::Translation),
    openai("POST /openai/images/generations", Operation::ImageGeneration),
    openai("POST /openai/images/edits", Operation::ImageEdit),
    openai("POST /openai/images/variations", Operation::ImageVariation),
    openai("POST /openai/moderations", Operation::Moderation),
    azure("POST /openai/deployments/{model}/audio/speech", Operation::Speech),
    azure("POST /openai/deployments/{model}/audio/transcriptions", Operation::Transcription),
    azure("POST /openai/deployments/{model}/audio/translations", Operation::Translation),
    azure("POST /openai/deployments/{model}/images/generations", Operation::ImageGeneration),
    azure("POST /openai/deployments/{model}/images/edits", Operation::ImageEdit),
    mistral("POST /mistral/v1/audio/speech", Operation::Speech),
    mistral("POST /mistral/v1/audio/transcriptions", Operation::Transcription),
    mistral("POST /mistral/v1/moderations", Operation::Moderation),
    mistral("POST /mistral/v1/ocr", Operation::Ocr),
    gemini("POST /genai/v1beta/models/{model}:predict", Operation::ImageGeneration).streamed(false),
    gemini("POST /genai/v1/models/{model}:predict", Operation::ImageGeneration).streamed(false),
    gemini("POST /genai/models/{model}:predict", Operation::ImageGeneration).streamed(false),
];

/// The format in which errors are written for somebody whose format is not known.
pub(crate) const UNKNOWN: Dialect = CHAT;

/// The path of somebody who has an address and no idea.
pub(crate) const ROOT: &str = "/";

/// The path that load balancers ask.
pub(crate) const HEALTH: &str = "/health";

/// The format in which somebody who asked for `path` reads errors, and its form: those of the routes that
/// begin alike.
pub(crate) fn words_of(routes: &[Route], path: &str) -> (Dialect, Form) {
    let first = |path: &str| path.split('/').nth(1).unwrap_or_default().to_owned();
    let prefix = first(path);
    let is_below = |route: &&Route| {
        let before = route.parameter().map(|(before, _)| before.trim_end_matches('/'));
        let rest = before.and_then(|before| path.strip_prefix(before));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut places = routes.iter().filter(|route| route.value == Value::Path);
    if let Some(route) = places.find(is_below) {
        return (route.dialect, route.form);
    }
    let alike = routes.iter().find(|route| first(route.path()) == prefix);
    (alike.map_or(UNKNOWN, |route| route.dialect), Form::Usual)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn parameters_may_hold_slashes_and_end_where_the_rest_begins() {
        let route = gemini("POST /genai/v1beta/models/{model}:generateContent", Operation::Chat);
        assert_eq!(route.parameter(), Some(("/genai/v1beta/models/", ":generateContent")));
        assert_eq!(route.value_in("openai/gpt-4o:generateContent"), Some("openai/gpt-4o"));
        assert_eq!(route.value_in(":generateContent"), None);
        assert_eq!(route.value_in("m:streamGenerateContent"), None);
        assert_eq!(route.method(), Method::POST);
    }

    #[test]
    fn places_may_be_anything_and_buckets_are_one_segment() {
        let bucket =
            Route::new("GET /s3/{bucket}", BEDROCK, Operation::FileList).taking(Value::Segment);
        let object =
            Route::new("GET /s3/{object}", BEDROCK, Operation::FileContent).taking(Value::Path);
        for (tail, is_bucket) in
            [("b", Some("b")), ("b/", Some("b")), ("b/k", None), ("b/k/", None), ("/", None)]
        {
            assert_eq!(bucket.value_in(tail), is_bucket, "{tail}");
            assert_eq!(object.value_in(tail), Some(tail));
        }
        assert_eq!(object.value_in(""), None);
    }

    #[test]
    fn rows_are_unambiguous() {
        for (at, route) in ROUTES.iter().enumerate() {
            assert!(ROUTES[..at].iter().all(|other| other.name != route.name), "{}", route.name);
            assert!(route.stream.is_none() || route.operation.streams(), "{}", route.name);
        }
        assert_eq!(words_of(ROUTES, "/anthropic/v9/x"), (ANTHROPIC, Form::Usual));
        assert_eq!(words_of(ROUTES, "/nowhere"), (CHAT, Form::Usual));
        assert_eq!(words_of(ROUTES, "/bedrock/s3/b/k"), (BEDROCK, Form::Objects));
        assert_eq!(words_of(ROUTES, "/bedrock/s3"), (BEDROCK, Form::Objects));
        assert_eq!(words_of(ROUTES, "/bedrock/s3x"), (BEDROCK, Form::Usual));
    }
}
