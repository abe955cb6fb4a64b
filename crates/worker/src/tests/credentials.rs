//! Credentials of clouds on their way through a worker: where they are shown, what the tokens cost,
//! and that they are masked.

use weir_dialect::families::Family;
use weir_rpc::{Reply, WorkerRequest};
use weir_types::{Dialect, FailureClass, Fault, Operation, Secret, Side};
use weir_upstream::{AwsIdentity, AwsKeys, AwsSource, AzureIdentity, AzureSource, GoogleIdentity};

use super::fake::json;
use super::*;
use crate::{Credential, Models, Settings, Variant, Worker};

const GEMINI: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},
    "finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1}}"#;
const CLAUDE: &str = r#"{"id":"m","type":"message","role":"assistant","model":"c","content":
    [{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,
    "output_tokens":1}}"#;
const CONVERSE: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"hi"}]}},
    "stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}"#;
const GPT: &str = r#"{"choices":[{"finish_reason":"stop","message":{"content":"hi"}}]}"#;
const TOKEN: &str = "ya29.fetched-token";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// Answers each request with the next of these.
async fn answering(bodies: &[&str]) -> Fake {
    let scripts = bodies.iter().map(|body| vec![Act::Send(json(200, "", body))]);
    Fake::start(scripts.collect()).await
}

async fn token_server() -> Fake {
    let token = format!(r#"{{"access_token":"{TOKEN}","expires_in":3600}}"#);
    answering(&[&token]).await
}

fn of(vendor: &str, url: &str, credential: Credential, variables: &[(&str, &str)]) -> Settings {
    let mut settings = settings(vendor, url);
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    settings.keys[0].variables = variables.iter().map(owned).collect();
    settings.keys[0].credential = credential;
    settings
}

fn google(token_uri: &str, api_key: Option<Secret>) -> Credential {
    let file = format!(
        r#"{{"type":"authorized_user","client_id":"c","client_secret":"planted-secret",
        "refresh_token":"planted-refresh","token_uri":"{token_uri}"}}"#
    );
    Credential::Google { api_key, identity: Some(GoogleIdentity::File(secret(&file))) }
}

const VERTEX: &[(&str, &str)] =
    &[("project", "my-p"), ("region", "eu"), ("vertex_host", "aiplatform.eu.rep.googleapis.com")];

/// A chat in the format that the model's maker speaks.
async fn ask(worker: &Worker, model: &str) -> Result<Reply, Fault> {
    let dialect = match Family::of(model) {
        Family::Gemini => Dialect::GeminiGenerate,
        Family::Anthropic if model.starts_with("anthropic.") => Dialect::BedrockConverse,
        Family::Anthropic => Dialect::AnthropicMessages,
        _ => Dialect::OpenAiChat,
    };
    send(worker, WorkerRequest { model: model.into(), dialect, ..request(worker, false) }).await
}

/// The request line and the value of a header.
fn shown(request: &str, header: &str) -> (String, String) {
    let line = request.lines().next().unwrap_or_default().to_owned();
    let prefix = format!("{header}: ");
    let found = request.lines().find_map(|line| line.strip_prefix(&prefix));
    (line.trim_end_matches(" HTTP/1.1").to_owned(), found.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn bedrock_is_signed_for_or_gets_the_value() {
    let fake = answering(&[CONVERSE, CONVERSE]).await;
    let keys = AwsKeys {
        access_key: "AKTEST".to_owned(),
        secret_key: secret("planted-secret"),
        session_token: Some(secret("planted-session")),
    };
    let identity = AwsIdentity {
        region: "eu-west-1".to_owned(),
        source: AwsSource::Keys(keys),
        role: None,
        sts_endpoint: None,
    };
    for credential in [Credential::Aws(identity), Credential::Secret(secret(SECRET))] {
        let variables = [("region", "eu-west-1"), ("arn", "")];
        let settings = of("bedrock", &fake.url, credential, &variables);
        let seen = format!("{settings:?}");
        assert!(!seen.contains("planted") && !seen.contains(SECRET), "{seen}");
        ask(&worker(settings), "anthropic.claude-x-v1:0").await.unwrap();
    }
    let sent = fake.requests();
    let (line, credential) = shown(&sent[0], "authorization");
    assert_eq!(line, "POST /model/anthropic.claude-x-v1%3A0/converse");
    assert!(credential.starts_with("AWS4-HMAC-SHA256 Credential=AKTEST/"), "{credential}");
    assert!(
        credential.contains("/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;")
    );
    assert_eq!(shown(&sent[0], "x-amz-security-token").1, "planted-session");
    assert_eq!(sent[0].matches("\r\nhost: ").count(), 1, "{}", sent[0]);
    assert_eq!(shown(&sent[1], "authorization").1, format!("Bearer {SECRET}"));
}

#[tokio::test]
async fn azure_gets_a_token_on_every_route() {
    let tokens = token_server().await;
    let fake = answering(&[GPT, CLAUDE, GPT, CLAUDE]).await;
    let source = AzureSource::ClientSecret {
        tenant: "t".to_owned(),
        client_id: "c".to_owned(),
        client_secret: secret("planted"),
        authority: Some(tokens.url.clone()),
    };
    let identity = Credential::Azure(AzureIdentity { scopes: Vec::new(), source });
    for credential in [identity, Credential::Secret(secret(SECRET))] {
        let worker = worker(of("azure", &fake.url, credential, &[]));
        for model in ["gpt-x", "claude-x"] {
            ask(&worker, model).await.unwrap();
        }
    }
    assert_eq!(tokens.requests().len(), 1);
    let bearer = format!("Bearer {TOKEN}");
    for (sent, (name, value)) in fake.requests().iter().zip([
        ("authorization", bearer.as_str()),
        ("authorization", bearer.as_str()),
        ("api-key", SECRET),
        ("x-api-key", SECRET),
    ]) {
        assert_eq!(shown(sent, name).1, value, "{sent}");
    }
}

#[tokio::test]
async fn vertex_has_a_route_for_every_makers_models() {
    let tokens = token_server().await;
    let fake = answering(&[GEMINI, CLAUDE, GPT]).await;
    let worker = worker(of("vertex", &fake.url, google(&tokens.url, None), VERTEX));
    for model in ["gemini-x", "claude-x@1", "meta/llama-x"] {
        ask(&worker, model).await.unwrap();
    }
    assert_eq!(tokens.requests().len(), 1);
    let sent = fake.requests();
    let at = "/projects/my-p/locations/eu";
    for (sent, (version, path)) in sent.iter().zip([
        ("v1beta1", "/publishers/google/models/gemini-x:generateContent"),
        ("v1", "/publishers/anthropic/models/claude-x%401:rawPredict"),
        ("v1", "/endpoints/openapi/chat/completions"),
    ]) {
        let (line, credential) = shown(sent, "authorization");
        assert_eq!(line, format!("POST /{version}{at}{path}"));
        assert_eq!(credential, format!("Bearer {TOKEN}"));
    }
    assert!(sent[1].contains(r#""anthropic_version":"vertex-2023-10-16""#), "{}", sent[1]);
    assert!(!sent[1].contains(r#""model""#) && !sent[1].contains("anthropic-version"));
    assert!(sent[2].contains(r#""model":"meta/llama-x""#), "{}", sent[2]);
}

#[tokio::test]
async fn an_api_key_of_vertex_opens_geminis_models_alone() {
    let fake = answering(&[GEMINI]).await;
    let credential = Credential::Google { api_key: Some(secret(SECRET)), identity: None };
    let worker = worker(of("vertex", &fake.url, credential, VERTEX));
    ask(&worker, "google/gemini-x").await.unwrap();
    let (line, credential) = shown(&fake.requests()[0], "authorization");
    assert!(line.ends_with(&format!("/gemini-x:generateContent?key={SECRET}")), "{line}");
    assert_eq!(credential, "");
    let fault = ask(&worker, "claude-x").await.unwrap_err();
    assert_eq!(fault.detail.class, Some(FailureClass::Elsewhere));
}

#[tokio::test]
async fn a_token_that_cannot_be_had_says_which_step_failed() {
    let fake = Fake::start(Vec::new()).await;
    let refusal =
        json(400, "", r#"{"error":"invalid_grant","error_description":"planted-refresh"}"#);
    let broken = json(503, "", "");
    for (answer, class, side) in [
        (refusal, FailureClass::Credential, Side::Provider),
        (broken, FailureClass::Transient, Side::Gateway),
    ] {
        let tokens = Fake::once(answer).await;
        let worker = worker(of("vertex", &fake.url, google(&tokens.url, None), VERTEX));
        let fault = ask(&worker, "gemini-x").await.unwrap_err();
        assert_eq!((fault.detail.class, fault.side()), (Some(class), side));
        let text = format!("{fault} {:?}", fault.detail);
        assert!(text.contains("vertex: fetching a Google token for a user from 127.0.0.1"));
        assert!(!text.contains("planted"), "{text}");
    }
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn a_fetched_token_that_is_repeated_in_an_error_is_masked() {
    let tokens = token_server().await;
    let body = format!(r#"{{"error":{{"message":"no such token: {TOKEN}","code":401}}}}"#);
    let fake = Fake::once(json(401, "", &body)).await;
    let worker = worker(of("vertex", &fake.url, google(&tokens.url, None), VERTEX));
    let fault = ask(&worker, "gemini-x").await.unwrap_err();
    let text = format!("{fault} {:?} {worker:?}", fault.detail);
    assert!(text.contains("[redacted]") && !text.contains(TOKEN), "{text}");
}

#[tokio::test]
async fn a_token_that_is_refused_early_is_fetched_anew_once() {
    let granted = |number: u32| format!(r#"{{"access_token":"tok-{number}","expires_in":3600}}"#);
    let tokens = answering(&[&granted(1), &granted(2), &granted(3)]).await;
    let refusal = || vec![Act::Send(json(401, "", r#"{"error":{"message":"no","code":401}}"#))];
    let fine = || vec![Act::Send(json(200, "", GEMINI))];
    let fake = Fake::start(vec![fine(), refusal(), fine(), refusal()]).await;
    let mut settings = of("vertex", &fake.url, google(&tokens.url, None), VERTEX);
    // The second try needs the first one's place.
    settings.upstream.max_conns_per_host = 1;
    let worker = worker(settings);
    ask(&worker, "gemini-x").await.unwrap();
    ask(&worker, "gemini-x").await.unwrap();
    let fault = ask(&worker, "gemini-x").await.unwrap_err();
    assert_eq!(fault.detail.class, Some(FailureClass::Credential));
    let sent = fake.requests();
    let shown: Vec<_> = sent.iter().map(|sent| shown(sent, "authorization").1).collect();
    assert_eq!(shown, ["Bearer tok-1", "Bearer tok-1", "Bearer tok-2", "Bearer tok-2"]);
    let body = |sent: &str| sent.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(&sent[1]), body(&sent[2]));
    assert_eq!(tokens.requests().len(), 2);
}

#[test]
fn an_identity_that_cannot_be_used_costs_its_key_alone() {
    let mut settings = of("vertex", "https://x.test", google("ftp://planted", None), VERTEX);
    settings.keys.push(key("other"));
    let shared = shared(settings);
    let described = shared.description();
    assert_eq!(described.keys.len(), 1);
    let (_, why) = &described.unusable[0];
    assert!(why.contains("`token_uri`") && !why.contains("planted"), "{why}");
}

#[tokio::test]
async fn an_alias_may_be_called_in_another_region_and_under_another_name() {
    let fake = answering(&[CONVERSE, CONVERSE, CONVERSE]).await;
    let keys =
        AwsKeys { access_key: "AK".to_owned(), secret_key: secret("planted"), session_token: None };
    let identity = AwsIdentity {
        region: "eu-west-1".to_owned(),
        source: AwsSource::Keys(keys),
        role: None,
        sts_endpoint: None,
    };
    let variables = [("region", "eu-west-1"), ("arn", "arn:aws:bedrock:r:1:kind/")];
    let mut settings = of("bedrock", &fake.url, Credential::Aws(identity), &variables);
    let key = &mut settings.keys[0];
    key.rules.aliases = vec![("far".into(), "m-1".into()), ("one".into(), "m-2".into())];
    let variant = |alias: &str, name: &str, value: &str, model: Option<&str>| Variant {
        models: Models::Alias(alias.to_owned()),
        base_url: None,
        variables: vec![(name.to_owned(), value.to_owned())],
        model: model.map(str::to_owned),
    };
    key.variants = vec![
        variant("far", "region", "us-east-2", None),
        variant("one", "arn", "", Some("arn:aws:bedrock:r:1:kind/p")),
    ];
    let worker = worker(settings);
    for model in ["FAR", "one", "m-3"] {
        let dialect = Dialect::BedrockConverse;
        let asked = WorkerRequest { model: model.into(), dialect, ..request(&worker, false) };
        send(&worker, asked).await.unwrap();
    }
    let kind = "arn%3Aaws%3Abedrock%3Ar%3A1%3Akind%2F";
    for (sent, (model, region)) in
        fake.requests().iter().zip([("m-1", "us-east-2"), ("p", "eu-west-1"), ("m-3", "eu-west-1")])
    {
        let (line, credential) = shown(sent, "authorization");
        assert_eq!(line, format!("POST /model/{kind}{model}/converse"));
        assert!(credential.contains(&format!("/{region}/bedrock/aws4_request")), "{credential}");
    }
}

#[tokio::test]
async fn a_version_that_the_key_names_wins_over_the_callers() {
    let fake = answering(&[CLAUDE, CLAUDE]).await;
    for (variables, expected) in
        [(vec![("anthropic_version", "2024-01-01")], "2024-01-01"), (vec![], "2020-12-12")]
    {
        let credential = Credential::Secret(secret(SECRET));
        let worker = worker(of("azure", &fake.url, credential, &variables));
        let dialect = Dialect::AnthropicMessages;
        let headers = vec![("anthropic-version".to_owned(), "2020-12-12".to_owned())];
        let model = "claude-x".into();
        let asked = WorkerRequest { model, dialect, headers, ..request(&worker, false) };
        send(&worker, asked).await.unwrap();
        let sent = fake.requests();
        assert_eq!(shown(sent.last().unwrap(), "anthropic-version").1, expected);
    }
}

#[tokio::test]
async fn documents_are_ranked_where_the_credential_opens_a_host() {
    let ranked = r#"{"results":[{"index":0,"relevanceScore":0.5}]}"#;
    let invoked = r#"{"results":[{"index":0,"relevance_score":0.5}]}"#;
    let fake = answering(&[ranked, ranked, invoked]).await;
    let keys =
        AwsKeys { access_key: "AK".to_owned(), secret_key: secret("planted"), session_token: None };
    let identity = AwsIdentity {
        region: "eu-west-1".to_owned(),
        source: AwsSource::Keys(keys),
        role: None,
        sts_endpoint: None,
    };
    let variables = [("region", "eu-west-1"), ("arn", ""), ("model_arn", "arn:before/")];
    let own = "arn:aws:bedrock:r:1:custom-model/x";
    for (credential, model) in [
        (Credential::Aws(identity.clone()), "amazon.rerank-v1:0"),
        (Credential::Aws(identity), own),
        (Credential::Secret(secret(SECRET)), "amazon.rerank-v1:0"),
    ] {
        let worker = worker(of("bedrock", &fake.url, credential, &variables));
        let operation = Operation::Rerank;
        let asked = WorkerRequest { model: model.into(), operation, ..request(&worker, false) };
        let body = r#"{"model":"x","query":"q","documents":["a"]}"#;
        send_body(&worker, asked, body).await.unwrap();
    }
    let sent = fake.requests();
    for (sent, arn) in sent.iter().zip(["arn:before/amazon.rerank-v1:0", own]) {
        let (line, credential) = shown(sent, "authorization");
        assert_eq!(line, "POST /rerank");
        assert!(credential.contains("/eu-west-1/bedrock/aws4_request"), "{credential}");
        assert!(sent.contains(&format!("\"modelArn\":\"{arn}\"")), "{sent}");
    }
    let (line, credential) = shown(&sent[2], "authorization");
    assert_eq!(line, "POST /model/amazon.rerank-v1%3A0/invoke");
    assert_eq!(credential, format!("Bearer {SECRET}"));
}
