//! Rows that must hold together, and answers as vendors really give them.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use weir_types::{Dialect, FailureClass, Form, Operation};

use super::*;

#[test]
fn what_clients_may_choose_is_in_the_table_of_headers_and_some_vendors_take_it() {
    use weir_types::headers::{ClientMay, client_may, provider_takes};
    let dialect = Dialect::OpenAiChat;
    let mut count = 0;
    for vendor in vendors() {
        for name in vendor.client_headers {
            assert_eq!(client_may(name, dialect), ClientMay::Send, "{}: {name}", vendor.name);
            assert!(provider_takes(name, dialect, vendor.client_headers, false), "{name}");
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
    let manual = include_str!("../../../docs/api.md");
    for wish in weir_types::headers::wishes() {
        assert!(manual.contains(&format!("`{wish}`")), "{wish} is not in docs/api.md");
        assert!(vendors().any(|vendor| vendor.client_headers.contains(&wish)), "{wish}");
    }
}

#[test]
fn rows_are_complete_and_unambiguous() {
    for (at, row) in vendors().enumerate() {
        assert!(!vendors().take(at).any(|other| other.name == row.name), "{}", row.name);
        assert!(row.offers(Operation::Chat, true), "{}", row.name);
        assert!(row.offers(Operation::Responses, false), "{}", row.name);
        assert!(!row.base_url.ends_with('/'), "{}", row.name);
        assert_eq!(row.base_url.is_empty(), row.base_url_from_key, "{}", row.name);
        for route in row.all_routes() {
            let is_address = route.template.starts_with('/') || route.template.contains("://");
            assert!(is_address, "{}: {}", row.name, route.template);
            assert!(route.stream.is_none() || route.operation.streams(), "{}", row.name);
        }
    }
    assert_eq!(served_names().count(), 26);
    assert!(served("groq") && served("vertex") && !served("github-copilot") && !served("Groq"));
}

#[test]
fn model_names_take_the_vendors_form() {
    let huggingface = vendor("huggingface").unwrap();
    assert_eq!(huggingface.wire_model("groq/openai/gpt-oss-120b"), "openai/gpt-oss-120b:groq");
    assert_eq!(huggingface.wire_model("openai/gpt-oss-120b"), "openai/gpt-oss-120b");
    assert_eq!(vendor("openrouter").unwrap().wire_model("a/b/c"), "a/b/c");
    let vertex = vendor("vertex").unwrap();
    assert_eq!(vertex.wire_model("google/gemini-x"), "gemini-x");
    assert_eq!(vertex.wire_model("meta/llama-x"), "meta/llama-x");
}

#[test]
fn drops_depend_on_the_model_where_the_row_says_so() {
    let quirks = vendor("xai").unwrap().quirks;
    let drops = |model| quirks.drops_for(model).collect::<Vec<_>>();
    assert_eq!(drops("grok-2"), Vec::<&str>::new());
    assert_eq!(drops("grok-3"), ["presence_penalty", "reasoning_effort"]);
    assert!(!drops("grok-3-mini-fast").contains(&"reasoning_effort"));
    assert!(drops("grok-4-0709").contains(&"stop"));
    assert_eq!(drops("grok-4-fast-non-reasoning"), Vec::<&str>::new());
}

fn class_of(status: u16, code: &str, kind: &str, message: &str) -> FailureClass {
    let asked = Asked::with(br#"{"model": "gpt-x"}"#);
    let facts = ErrorFacts { code, kind, message, param: "", model: "gpt-x", asked };
    classify(status, &facts, &HeaderMap::new(), b"", SystemTime::UNIX_EPOCH).class
}

#[test]
fn answers_are_classified() {
    use FailureClass as C;
    for (expected, status, code, kind, message) in [
        (C::Transient, 500, "", "server_error", "The server had an error"),
        (C::Transient, 503, "", "", ""),
        (C::Transient, 529, "", "overloaded_error", "Overloaded"),
        (C::Transient, 524, "", "", "a proxy timed out"),
        (C::RateLimited, 429, "rate_limit_exceeded", "requests", "Rate limit reached for gpt-x"),
        (C::RateLimited, 429, "", "", ""),
        (C::RateLimited, 413, "", "tokens", "Request too large on tokens per minute (TPM)"),
        (C::RateLimited, 400, "", "", "Too many requests, slow down"),
        (C::QuotaExhausted, 429, "insufficient_quota", "insufficient_quota", "You exceeded ..."),
        (C::QuotaExhausted, 402, "", "", "Insufficient Balance"),
        (C::QuotaExhausted, 400, "", "", "Your credit balance is too low"),
        (C::Credential, 401, "invalid_api_key", "", "Incorrect API key provided"),
        (C::Credential, 401, "", "", ""),
        (C::Credential, 403, "invalid_api_key", "", ""),
        (C::Credential, 403, "", "authentication_error", ""),
        (C::Credential, 400, "", "", "Incorrect API key provided: xa***"),
        (C::Credential, 400, "API_KEY_INVALID", "INVALID_ARGUMENT", "API key not valid."),
        (C::Credential, 403, "", "", "This API key has been revoked"),
        (C::QuotaExhausted, 403, "", "", "Sorry, insufficient credits"),
        (C::Refused, 403, "", "", "Forbidden"),
        (C::Refused, 403, "", "", ""),
        (C::ModelMissing, 403, "", "", "Project does not have access to model gpt-x"),
        (C::ModelMissing, 404, "model_not_found", "", "The model does not exist"),
        (C::ModelMissing, 422, "", "", "The specified version does not exist (or perhaps ...)"),
        (C::Caller, 422, "E005", "", "The input or output was flagged as sensitive. (E005)"),
        (C::ModelMissing, 404, "", "", "GPT-X is unknown here"),
        (C::ModelMissing, 400, "", "invalid_model", "Invalid model: gpt-x"),
        (C::ModelMissing, 400, "", "", "Model Not Exist"),
        (C::ModelMissing, 410, "", "", "gone"),
        (C::ContextLength, 400, "context_length_exceeded", "", "This model's maximum ..."),
        (C::ContextLength, 422, "", "", "the prompt is too long: 9 tokens > 8 maximum"),
        (C::ContextLength, 413, "", "", "This model's maximum context length is 8192 tokens"),
        (C::Caller, 400, "content_filter", "", "The response was filtered"),
        (C::Caller, 403, "", "", "Your input was flagged by moderation"),
        (C::Elsewhere, 403, "unsupported_country_region_territory", "", "Country not supported"),
        (C::Elsewhere, 403, "", "", "Country, region, or territory not supported"),
        (
            C::Elsewhere,
            400,
            "",
            "FAILED_PRECONDITION",
            "User location is not supported for the API",
        ),
        (C::Elsewhere, 404, "404", "", "No endpoints found that support tool use."),
        (C::Elsewhere, 404, "404", "", "No endpoints found for gpt-x."),
        (C::Elsewhere, 404, "404", "", "Provider returned error"),
        (C::Elsewhere, 404, "", "", ""),
        (C::Elsewhere, 405, "", "", "Method Not Allowed"),
        (C::Elsewhere, 451, "", "", "Unavailable For Legal Reasons"),
        (C::Elsewhere, 400, "", "", "registry.ollama.ai/library/gpt-x does not support tools"),
        (C::Elsewhere, 400, "unsupported_value", "invalid_request_error", "'temperature' ..."),
        (C::Elsewhere, 422, "", "", "response_format of type json_schema is not supported"),
        (C::Elsewhere, 400, "ValidationException", "", "This model doesn't support tool use."),
        (C::ModelMissing, 404, "404", "", "No endpoints found matching your data policy"),
        (C::Caller, 400, "", "invalid_request_error", "messages must not be empty"),
        (C::Elsewhere, 404, "", "", "404 page not found"),
        (C::Caller, 413, "", "", "Payload too large"),
        (C::Caller, 422, "", "", "temperature: must be at most 2"),
        (C::Elsewhere, 501, "", "", "Not implemented"),
    ] {
        let found = class_of(status, code, kind, message);
        assert_eq!(found, expected, "{status} {code} {kind} {message}");
    }
}

#[test]
fn servers_of_ones_own_have_words_of_their_own() {
    use FailureClass as C;
    for (expected, status, code, kind, message) in [
        (
            C::ContextLength,
            400,
            "400",
            "exceed_context_size_error",
            "request (1201 tokens) exceeds the available context size (1024 tokens), try increasing it",
        ),
        (C::ContextLength, 400, "", "", "the request exceeds the available context size"),
        (
            C::ContextLength,
            500,
            "500",
            "server_error",
            "input (700 tokens) is too large to process. increase the physical batch size",
        ),
        (
            C::ContextLength,
            400,
            "400",
            "None",
            "litellm.ContextWindowExceededError: litellm.BadRequestError: ... too long",
        ),
        (
            C::ContextLength,
            400,
            "400",
            "BadRequestError",
            "The decoder prompt (length 3000) is longer than the maximum model length of 2048. \
             Make sure that `max_model_len` is no smaller than the number of text tokens.",
        ),
        (
            C::ContextLength,
            422,
            "",
            "validation",
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000",
        ),
        (
            C::ContextLength,
            413,
            "",
            "Validation",
            "`inputs` must have less than 512 tokens. Given: 600",
        ),
        (C::Elsewhere, 404, "", "", "Not Found"),
        (
            C::Elsewhere,
            501,
            "501",
            "not_supported_error",
            "This server does not support embeddings. Start it with `--embeddings`",
        ),
    ] {
        let found = class_of(status, code, kind, message);
        assert_eq!(found, expected, "{status} {code} {kind} {message}");
    }
}

/// Whoever can have a provider repeat words of his must not rest a key for everybody with them.
#[test]
fn words_of_the_request_are_no_evidence() {
    use FailureClass as C;
    fn class(status: u16, asked: Asked<'_>, message: &str) -> C {
        let facts = ErrorFacts { message, model: "gpt-x", asked, ..ErrorFacts::default() };
        classify(status, &facts, &HeaderMap::new(), b"", SystemTime::UNIX_EPOCH).class
    }
    let rests = |class| {
        matches!(class, C::Credential | C::QuotaExhausted | C::RateLimited | C::ModelMissing)
    };
    for words in [
        "insufficient balance",
        "credit balance",
        "Spending Limit",
        "invalid api key",
        "Incorrect API key provided",
        "your credit balance is too low",
        "too many requests",
        "Rate limit reached",
        "quota exceeded",
        "model not found",
        "model does not exist",
        "gpt-x",
        "deployment",
    ] {
        let request = format!(r#"{{"model":"gpt-x","messages":[{{"role":"{words}"}}]}}"#);
        let escaped = request.replace(' ', "\\u0020").replace('i', "\\u0069");
        let sealed = Asked::unknown();
        for asked in [Asked::with(request.as_bytes()), Asked::with(escaped.as_bytes()), sealed] {
            for status in [400, 403, 404, 413, 422] {
                for message in [
                    format!("Invalid value: '{words}'"),
                    format!("{words} is not one of 'user', 'assistant'"),
                    words.to_owned(),
                ] {
                    let found = class(status, asked, &message);
                    assert!(!rests(found), "{status} {message}: {found:?}");
                }
            }
        }
    }
    // Without them in the request, they are the provider's.
    let plain = Asked::with(br#"{"model":"gpt-x","messages":[]}"#);
    assert_eq!(class(403, plain, "insufficient balance"), C::QuotaExhausted);
    assert_eq!(class(403, plain, "your api key is disabled"), C::Credential);
    assert_eq!(class(404, plain, "gpt-x is not here"), C::ModelMissing);
    assert_eq!(class(400, plain, "no such model"), C::ModelMissing);
    // A client does not choose the status that says the same.
    let same = Asked::with(br#"{"model":"insufficient balance"}"#);
    assert_eq!(class(402, same, "insufficient balance"), C::QuotaExhausted);
    assert_eq!(class(429, same, "insufficient balance"), C::RateLimited);
    // Words about money say nothing elsewhere in a 400, whoever said them.
    assert_eq!(class(400, plain, "the word 'insufficient balance' is no role"), C::Caller);
}

/// As they were met in public.
#[test]
fn refused_seals_are_told_from_other_refusals() {
    for (code, message) in [
        ("invalid_request_error", "messages.1.content.0: Invalid `signature` in `thinking` block"),
        ("", "messages.1.content.0: Invalid signature in thinking block"),
        ("", "messages.3.content.1: Invalid `data` in `redacted_thinking` block"),
        (
            "ValidationException",
            "The model returned the following errors: messages.5.content.0: Invalid `signature` in \
             `thinking` block",
        ),
        (
            "",
            "The model returned the following errors: messages.369.content.0.thinking.signature: \
             Field required",
        ),
        (
            "INVALID_ARGUMENT",
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.1.content.0:
            Invalid `signature` in `thinking` block"},"request_id":"req_vrtx_1"}"#,
        ),
        (
            "",
            "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant \
             message cannot be modified.",
        ),
        ("invalid_encrypted_content", ""),
        ("400", "The encrypted content gAAA...DQ== could not be verified."),
        (
            "",
            "The encrypted content for item rs_0a18 could not be verified. Reason: Encrypted content \
             could not be decrypted or parsed.",
        ),
        ("400", "Corrupted thought signature."),
        ("", "Invalid thought signature."),
        ("", "Unable to submit request because Thought signature is not valid.."),
    ] {
        assert!(refuses_sealed(code, message), "{code} {message}");
        // Nobody's key is at fault.
        assert_eq!(class_of(400, code, "", message), FailureClass::Caller, "{message}");
    }
    for (code, message) in [
        ("", "Function call is missing a thought_signature in functionCall parts."),
        ("InvalidSignatureException", "The request signature we calculated does not match"),
        ("", "Item 'rs_1' of type 'reasoning' was provided without its required following item."),
        ("", "`thinking` may not be enabled when tool_choice forces tool use"),
        ("", ""),
    ] {
        assert!(!refuses_sealed(code, message), "{code} {message}");
    }
}

#[test]
fn errors_inside_answers_are_believed_where_they_are_clear() {
    let class = |status, code, kind, message| {
        let asked = Asked::with(b"{}");
        let facts = ErrorFacts { code, kind, message, asked, ..ErrorFacts::default() };
        classify_in_band(status, &facts, b"", SystemTime::UNIX_EPOCH).class
    };
    assert_eq!(class(None, "", "server_error", "boom"), FailureClass::Transient);
    assert_eq!(class(None, "", "", ""), FailureClass::Transient);
    assert_eq!(class(Some(429), "429", "", "slow down"), FailureClass::RateLimited);
    assert_eq!(class(None, "rate_limit_exceeded", "", ""), FailureClass::RateLimited);
    assert_eq!(class(None, "context_length_exceeded", "", ""), FailureClass::ContextLength);
    assert_eq!(class(None, "", "invalid_request_error", "bad tool"), FailureClass::Caller);
    assert_eq!(class(None, "content_filter", "", ""), FailureClass::Caller);
}

fn wait(status: u16, headers: &[(&str, &str)], body: &str) -> Option<Duration> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
        })
        .collect();
    let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:00 GMT").unwrap();
    classify(status, &ErrorFacts::default(), &headers, body.as_bytes(), now).retry_after
}

#[test]
fn every_form_of_retry_after_is_read() {
    let millis = |ms| Some(Duration::from_millis(ms));
    assert_eq!(wait(429, &[("retry-after", "7")], ""), millis(7000));
    assert_eq!(wait(503, &[("retry-after", "0.25")], ""), millis(250));
    assert_eq!(wait(529, &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], ""), millis(37_000));
    assert_eq!(wait(429, &[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], ""), millis(0));
    assert_eq!(wait(429, &[("retry-after-ms", "120"), ("retry-after", "1")], ""), millis(120));
    assert_eq!(wait(429, &[("retry-after", "soon")], ""), None);
    assert_eq!(wait(429, &[("retry-after", "-5")], ""), None);
    assert_eq!(wait(429, &[("retry-after", "NaN")], ""), None);
    assert_eq!(wait(400, &[("retry-after", "7")], ""), None);
    let huge = wait(429, &[("retry-after", "1e300")], "").unwrap();
    assert!(huge < Duration::from_secs(400 * 24 * 3600));
}

#[test]
fn resets_count_only_where_nothing_remains() {
    let spent = |unit: &str, reset: &str| {
        let remaining = format!("x-ratelimit-remaining{unit}");
        let at = format!("x-ratelimit-reset{unit}");
        wait(429, &[(&remaining, "0"), (&at, reset)], "")
    };
    let millis = |ms| Some(Duration::from_millis(ms));
    assert_eq!(spent("-requests", "1s"), millis(1000));
    assert_eq!(spent("-tokens", "6m0s"), millis(360_000));
    assert_eq!(spent("-requests", "20ms"), millis(20));
    assert_eq!(spent("-requests", "1h0m2.5s"), millis(3_602_500));
    assert_eq!(spent("-requests-day", "33011.5"), millis(33_011_500));
    assert_eq!(spent("-requests", "later"), None);
    let both = [
        ("x-ratelimit-remaining-requests", "5"),
        ("x-ratelimit-reset-requests", "9m"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "3s"),
    ];
    assert_eq!(wait(429, &both, ""), millis(3000));
    assert_eq!(wait(503, &both, ""), None);
}

#[test]
fn moments_since_1970_become_durations() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_741_305_600);
    let at = |text: &'static str| {
        let headers: HeaderMap = [
            (HeaderName::from_static("x-ratelimit-remaining"), HeaderValue::from_static("0")),
            (HeaderName::from_static("x-ratelimit-reset"), HeaderValue::from_static(text)),
        ]
        .into_iter()
        .collect();
        retry_after(FailureClass::RateLimited, &headers, b"", now)
    };
    assert_eq!(at("1741305612"), Some(Duration::from_secs(12)));
    assert_eq!(at("1741305601500"), Some(Duration::from_millis(1500)));
    assert_eq!(at("1741305000"), Some(Duration::ZERO));
    // Moments that no clock reaches.
    for absurd in ["1e22", "1e300", "9223372036854775807", "inf"] {
        let wait = at(absurd).unwrap();
        assert!(wait <= Duration::from_secs(366 * 24 * 3600), "{absurd}: {wait:?}");
    }
    assert_eq!(at("NaN"), None);
}

#[test]
fn retry_info_in_the_body_is_read() {
    let body = r#"{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay" : "33.5s"}]}}"#;
    assert_eq!(wait(429, &[], body), Some(Duration::from_millis(33_500)));
    assert_eq!(wait(429, &[], r#"{"retryDelay":33}"#), None);
}

/// The route that a request takes, and how it fits it.
fn found(
    vendor: &str,
    operation: Operation,
    dialect: Dialect,
    model: &str,
    choices: Choices,
) -> Option<(&'static str, Fit)> {
    let family = Family::of(model);
    let wanted =
        Wanted { operation, stream: false, dialect, form: Form::Usual, model, family, choices };
    let routes = super::vendor(vendor).unwrap().routes.iter();
    let routes = routes.filter(|route| route.wants.is_none());
    let fits = routes.filter_map(|route| Some((route, route.fit(&wanted)?)));
    fits.min_by_key(|(_, fit)| *fit).map(|(route, fit)| (route.template, fit))
}

#[test]
fn hosts_with_anthropic_style_endpoints_are_asked_there_if_client_or_configuration_want_it() {
    let (openai, anthropic) = (Dialect::OpenAiChat, Dialect::AnthropicMessages);
    let chat = |vendor, dialect, chosen| {
        let choices = Choices { anthropic_endpoints: chosen, ..Choices::default() };
        found(vendor, Operation::Chat, dialect, "m", choices).unwrap()
    };
    for (vendor, chat_path, messages_path) in [
        ("deepseek", "/chat/completions", "/anthropic/v1/messages"),
        ("fireworks", "/v1/chat/completions", "/v1/messages"),
        ("sgl", "/v1/chat/completions", "/v1/messages"),
        ("vllm", "/v1/chat/completions", "/v1/messages"),
    ] {
        for chosen in [None, Some(false)] {
            assert_eq!(chat(vendor, openai, chosen), (chat_path, Fit::Same));
        }
        for chosen in [None, Some(true)] {
            assert_eq!(chat(vendor, anthropic, chosen), (messages_path, Fit::Same));
        }
        assert_eq!(chat(vendor, openai, Some(true)), (messages_path, Fit::Translated));
        assert_eq!(chat(vendor, anthropic, Some(false)), (chat_path, Fit::Translated));
        let choices = Choices { anthropic_endpoints: Some(true), ..Choices::default() };
        let responses = (Operation::Responses, Dialect::OpenAiResponses);
        let found = found(vendor, responses.0, responses.1, "m", choices);
        assert_eq!(found, Some((messages_path, Fit::Translated)));
    }
    for vendor in ["ollama", "openrouter"] {
        assert_eq!(chat(vendor, anthropic, None), ("/v1/messages", Fit::Same));
        assert_eq!(chat(vendor, openai, None), ("/v1/chat/completions", Fit::Same));
    }
}

#[test]
fn a_model_leads_to_the_route_of_its_family_in_the_clients_format_if_there_is_one() {
    let found = |vendor: &str, operation, dialect, model: &str| {
        found(vendor, operation, dialect, model, Choices::default())
    };
    let (chat, responses) = (Operation::Chat, Operation::Responses);
    let embedding = Operation::Embedding;
    let gemini_batch = "/v1beta/models/{model}:batchEmbedContents";
    for (vendor, operation, dialect, model, expected) in [
        ("openai", chat, Dialect::OpenAiChat, "gpt-x", ("/v1/chat/completions", Fit::Same)),
        ("openai", responses, Dialect::OpenAiResponses, "gpt-x", ("/v1/responses", Fit::Same)),
        (
            "cerebras",
            responses,
            Dialect::OpenAiResponses,
            "m",
            ("/v1/chat/completions", Fit::Translated),
        ),
        ("groq", responses, Dialect::OpenAiResponses, "m", ("/v1/responses", Fit::Same)),
        ("anthropic", chat, Dialect::AnthropicMessages, "claude-x", ("/v1/messages", Fit::Same)),
        ("anthropic", chat, Dialect::OpenAiChat, "claude-x", ("/v1/messages", Fit::Translated)),
        ("gemini", embedding, Dialect::GeminiGenerate, "m", (gemini_batch, Fit::Same)),
        (
            "azure",
            chat,
            Dialect::OpenAiChat,
            "claude-x",
            ("/anthropic/v1/messages", Fit::Translated),
        ),
    ] {
        assert_eq!(found(vendor, operation, dialect, model), Some(expected), "{vendor} {model}");
    }
    let at = "/projects/{project}/locations/{region}/";
    for (dialect, model, path, fit) in [
        (
            Dialect::OpenAiChat,
            "gemini-x",
            "publishers/google/models/{model}:generateContent",
            Fit::Translated,
        ),
        (
            Dialect::AnthropicMessages,
            "claude-x@20250514",
            "publishers/anthropic/models/{model}:rawPredict",
            Fit::Same,
        ),
        (Dialect::OpenAiChat, "meta/llama-x", "endpoints/openapi/chat/completions", Fit::Same),
        (
            Dialect::OpenAiChat,
            "mistral-small-2503",
            "publishers/mistralai/models/{model}:rawPredict",
            Fit::Same,
        ),
    ] {
        let (template, found) = found("vertex", chat, dialect, model).unwrap();
        let path_of = template.split_once(at).map(|(_, path)| path);
        assert_eq!((path_of, found), (Some(path), fit), "{model}");
    }
    assert_eq!(found("groq", embedding, Dialect::OpenAiChat, "m"), None);
    assert_eq!(found("anthropic", Operation::Completion, Dialect::OpenAiChat, "m"), None);
}

#[test]
fn a_request_passes_as_it_is_where_its_form_is_taken() {
    let fit = |vendor: &str, operation, dialect, form| {
        let (family, choices) = (Family::Other, Choices::default());
        let model = "m";
        let wanted = Wanted { operation, stream: false, dialect, form, model, family, choices };
        let routes = super::vendor(vendor).unwrap().routes.iter();
        let fits = routes.filter_map(|route| Some((route.template, route.fit(&wanted)?)));
        fits.min_by_key(|(_, fit)| *fit)
    };
    let (embedding, gemini, openai) =
        (Operation::Embedding, Dialect::GeminiGenerate, Dialect::OpenAiChat);
    let (several, one) =
        ("/v1beta/models/{model}:batchEmbedContents", "/v1beta/models/{model}:embedContent");
    for (vendor, dialect, form, expected) in [
        ("gemini", gemini, Form::Usual, (several, Fit::Same)),
        ("gemini", gemini, Form::Single, (one, Fit::Same)),
        ("gemini", openai, Form::Usual, (several, Fit::Translated)),
        ("openai", gemini, Form::Single, ("/v1/embeddings", Fit::Translated)),
        ("openai", openai, Form::Mistral, ("/v1/embeddings", Fit::Translated)),
        ("mistral", openai, Form::Mistral, ("/v1/embeddings", Fit::Same)),
        ("mistral", openai, Form::Usual, ("/v1/embeddings", Fit::Same)),
    ] {
        assert_eq!(fit(vendor, embedding, dialect, form), Some(expected), "{vendor} {form:?}");
    }
    let vertex = fit("vertex", embedding, gemini, Form::Usual).unwrap();
    assert_eq!(vertex.1, Fit::Translated);
}

#[test]
fn names_of_models_lead_to_routes_of_their_own() {
    let (chat, responses) = (Operation::Chat, Operation::Responses);
    let found = |vendor: &str, operation, dialect, model: &str| {
        found(vendor, operation, dialect, model, Choices::default())
    };
    let mantle = |operation, dialect, model| found("bedrock_mantle", operation, dialect, model);
    for (operation, dialect, model, template) in [
        (chat, Dialect::OpenAiChat, "openai.gpt-5.6-x", "/openai/v1/chat/completions"),
        (responses, Dialect::OpenAiResponses, "xai.grok-5", "/openai/v1/responses"),
        (chat, Dialect::AnthropicMessages, "openai.gpt-6", "/openai/v1/chat/completions"),
        (chat, Dialect::OpenAiChat, "openai.gpt-oss-120b", "/v1/chat/completions"),
        (responses, Dialect::OpenAiResponses, "qwen.qwen3", "/v1/responses"),
        (chat, Dialect::OpenAiChat, "anthropic.claude-x", "/anthropic/v1/messages"),
    ] {
        let found = mantle(operation, dialect, model).map(|(template, _)| template);
        assert_eq!(found, Some(template), "{model}");
    }
    let tuned = found("vertex", chat, Dialect::OpenAiChat, "4567");
    assert!(tuned.is_some_and(|(template, _)| template.contains("/endpoints/{model}:")));
}

#[test]
fn a_model_on_vertex_leads_to_its_makers_route() {
    let chat = Operation::Chat;
    let found = |dialect, model: &str| found("vertex", chat, dialect, model, Choices::default());
    for (dialect, model, expected) in [
        (
            Dialect::OpenAiChat,
            "gemini-x",
            (
                "/v1beta1/projects/{project}/locations/{region}/publishers/google/models/\
                 {model}:generateContent",
                Fit::Translated,
            ),
        ),
        (
            Dialect::AnthropicMessages,
            "claude-x@20250514",
            (
                "/v1/projects/{project}/locations/{region}/publishers/anthropic/models/\
                 {model}:rawPredict",
                Fit::Same,
            ),
        ),
        (
            Dialect::OpenAiChat,
            "meta/llama-x",
            (
                "/v1/projects/{project}/locations/{region}/endpoints/openapi/chat/completions",
                Fit::Same,
            ),
        ),
        (
            Dialect::OpenAiChat,
            "mistral-small-2503",
            (
                "/v1/projects/{project}/locations/{region}/publishers/mistralai/models/\
                 {model}:rawPredict",
                Fit::Same,
            ),
        ),
    ] {
        assert_eq!(found(dialect, model), Some(expected), "{model}");
    }
    // Pictures and films are no conversation.
    assert_eq!(found(Dialect::OpenAiChat, "imagen-4"), None);
    assert_eq!(found(Dialect::OpenAiChat, "veo-3"), None);
}
