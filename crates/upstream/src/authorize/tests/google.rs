//! Google's identities.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::server::{Answer, Asked, Server};
use super::*;
use crate::GoogleIdentity;

const PEM: &str = include_str!("../../../fixtures/service_account.pem");

fn file(token_uri: &str) -> String {
    let file = json!({
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "key-1",
        "private_key": PEM,
        "client_email": "me@p.iam.gserviceaccount.com",
        "token_uri": token_uri,
    });
    file.to_string()
}

fn identity(text: &str) -> Arc<dyn Authorizer> {
    GoogleIdentity::File(secret(text)).authorizer().unwrap()
}

/// The claims of an assertion whose signature is right.
fn verified(assertion: &str) -> (Value, Value) {
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let der = PrivatePkcs8KeyDer::from_pem_slice(PEM.as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    public.verify(signed.as_bytes(), &signature).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let read = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (read(header), read(claims))
}

fn granting(lifetime: u64) -> impl Fn(&Asked) -> Answer {
    move |_| (200, json!({"access_token": "ya29.tok", "expires_in": lifetime}).to_string())
}

#[tokio::test]
async fn a_service_account_signs_for_its_token_once() {
    let server = Server::start(granting(3600)).await;
    let uri = format!("{}/token", server.url);
    for text in [file(&uri), STANDARD.encode(file(&uri))] {
        let account = identity(&text);
        let client = client();
        let (one, two) =
            tokio::join!(authorization(&*account, &client), authorization(&*account, &client));
        assert_eq!(
            (one.unwrap().as_str(), two.unwrap().as_str()),
            ("Bearer ya29.tok", "Bearer ya29.tok")
        );
        let held = account.secrets().iter().any(|secret| secret.expose() == "ya29.tok");
        assert!(held, "the token is masked as well");
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 2, "one per identity");
    assert_eq!(asked[0].line, "POST /token");
    assert_eq!(asked[0].field("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (header, claims) = verified(&asked[0].field("assertion"));
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"}));
    assert_eq!(claims["iss"], "me@p.iam.gserviceaccount.com");
    assert_eq!(claims["aud"], uri.as_str());
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
}

#[tokio::test]
async fn two_hundred_cold_requests_on_several_threads_ask_once() {
    let server = Server::start(granting(3600)).await;
    let account = identity(&file(&server.url));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let account = Arc::clone(&account);
            tokio::task::spawn_blocking(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let client = client();
                    let calls = (0..50).map(|_| {
                        let (account, client) = (Arc::clone(&account), client.clone());
                        tokio::spawn(async move { authorization(&*account, &client).await })
                    });
                    for call in calls.collect::<Vec<_>>() {
                        assert_eq!(call.await.unwrap().unwrap(), "Bearer ya29.tok");
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.await.unwrap();
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_user_refreshes_and_a_refusal_says_why_without_secrets() {
    let server = Server::start(|asked| {
        let echo = format!("bad {} {}", asked.body, asked.field("refresh_token"));
        (400, json!({"error": "invalid_grant", "error_description": echo}).to_string())
    })
    .await;
    let text = json!({
        "type": "authorized_user", "client_id": "id-1", "client_secret": "planted&secret",
        "refresh_token": "planted//refresh", "token_uri": server.url,
    });
    let user = identity(&text.to_string());
    let fault = authorization(&*user, &client()).await.unwrap_err();
    assert!(fault.starts_with("fetching a Google token for a user from 127.0.0.1"), "{fault}");
    assert!(fault.contains("answered 400: invalid_grant: bad "), "{fault}");
    assert!(!fault.contains("planted"), "{fault}");
    let asked = &server.asked()[0];
    assert_eq!(asked.field("grant_type"), "refresh_token");
    assert_eq!(asked.field("client_secret"), "planted&secret");
    assert_eq!(asked.field("refresh_token"), "planted//refresh");
}

#[tokio::test]
async fn the_metadata_is_asked_past_the_proxy_and_token_servers_through_it() {
    let server = Server::start(granting(3600)).await;
    let machine = GoogleIdentity::Machine { endpoint: Some(server.url.clone()) };
    let machine = machine.authorizer().unwrap();
    let found = authorization(&*machine, &through(dead_proxy())).await;
    assert_eq!(found.unwrap(), "Bearer ya29.tok");
    let path = "GET /computeMetadata/v1/instance/service-accounts/default/token";
    assert_eq!(server.asked()[0].line, path);
    assert_eq!(server.asked()[0].headers["metadata-flavor"], "Google");

    let account = identity(&file("http://token.invalid/token"));
    let fault = authorization(&*account, &through(dead_proxy())).await.unwrap_err();
    assert!(fault.contains("the proxy 127.0.0.1:9"), "{fault}");
    let account = identity(&file("http://token.invalid/token"));
    let proxy = Proxy::Http { url: secret(&server.url), credentials: None };
    assert!(authorization(&*account, &through(proxy)).await.is_ok());
    assert_eq!(server.asked()[1].line, "POST http://token.invalid/token");
}

#[tokio::test]
async fn answers_that_are_no_tokens_are_faults() {
    for (answer, expected) in [
        ((200, "<html>".to_owned()), "the answer is not JSON"),
        ((200, "{}".to_owned()), "the answer has no token"),
        ((200, r#"{"access_token":"a\nb"}"#.to_owned()), "the token holds characters"),
        ((200, r#"{"access_token":"a","expires_in":0}"#.to_owned()), "the token had ended"),
        ((503, String::new()), "answered 503"),
        ((200, "x".repeat(300 << 10)), "the answer is too long"),
    ] {
        let server = Server::start(move |_| answer.clone()).await;
        let account = identity(&file(&server.url));
        let fault = authorization(&*account, &client()).await.unwrap_err();
        assert!(fault.contains(expected), "{fault}");
    }
}

#[tokio::test]
async fn somebody_elses_token_becomes_one_of_google_and_of_a_service_account() {
    let server = Server::start(|asked| match asked.line.as_str() {
        "GET /theirs" => (200, r#"{"value":"planted-theirs"}"#.to_owned()),
        "POST /token" => (200, json!({"access_token": "first", "expires_in": 60}).to_string()),
        "POST /account:generateAccessToken" => {
            let end = "2199-01-01T00:00:00Z";
            (200, json!({"accessToken": "second-token", "expireTime": end}).to_string())
        }
        _ => (404, String::new()),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "planted-theirs").unwrap();
    let from_server = json!({
        "url": format!("{}/theirs", server.url), "headers": {"Metadata": "True"},
        "format": {"type": "json", "subject_token_field_name": "value"},
    });
    let account = format!("{}/account:generateAccessToken", server.url);
    let mut file = json!({
        "type": "external_account", "audience": "//iam.test/pool", "subject_token_type": "jwt",
        "token_url": format!("{}/token", server.url),
        "credential_source": { "file": path.display().to_string() },
    });
    let plain = identity(&file.to_string());
    assert_eq!(authorization(&*plain, &client()).await.unwrap(), "Bearer first");
    file["credential_source"] = from_server;
    file["service_account_impersonation_url"] = account.into();
    file["quota_project_id"] = "my-project".into();
    let on_top = identity(&file.to_string());
    let request = authorized(&*on_top, &client()).await.unwrap();
    assert_eq!(request.headers()["authorization"], "Bearer second-token");
    assert_eq!(request.headers()["x-goog-user-project"], "my-project");
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[1].headers["metadata"], "True");
    for exchange in [&asked[0], &asked[2]] {
        assert_eq!(exchange.field("subject_token"), "planted-theirs");
        assert_eq!(exchange.field("audience"), "//iam.test/pool");
        let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
        assert_eq!(exchange.field("grant_type"), grant);
    }
    assert_eq!(asked[3].headers["authorization"], "Bearer first");
    file["credential_source"] = json!({"environment_id": "aws1", "url": "http://x.test"});
    let why = GoogleIdentity::File(secret(&file.to_string())).authorizer().unwrap_err();
    assert!(why.contains("`credential_source` must have"), "{why}");
}

#[test]
fn files_that_cannot_be_used_are_named_without_their_contents() {
    let broken = file("https://token.test").replace("BEGIN PRIVATE", "BEGIN PLANTED");
    for (text, expected) in [
        ("{\"planted", "neither JSON nor base64"),
        ("planted", "neither JSON nor base64"),
        ("{}", "lack `type`"),
        (r#"{"type":"gdch_service_account"}"#, "type gdch_service_account are not supported"),
        (r#"{"type":"external_account"}"#, "lack `audience`"),
        (r#"{"type":"service_account"}"#, "lack `private_key`"),
        (r#"{"type":"planted secret"}"#, "no known type"),
        (broken.as_str(), "`private_key`"),
        (&file("token.planted"), "`token_uri`"),
    ] {
        let why = GoogleIdentity::File(secret(text)).authorizer().unwrap_err();
        assert!(why.contains(expected) && !why.contains("planted"), "{why}");
    }
}
