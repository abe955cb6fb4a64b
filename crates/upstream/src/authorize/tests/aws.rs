//! AWS's identities.

use serde_json::json;
use weir_types::dates;

use super::server::{Asked, Server};
use super::*;
use crate::authorize::aws;
use crate::authorize::sigv4::{self, Payload, Scope};
use crate::{Aws, AwsIdentity, AwsKeys, AwsRole, AwsSource, ContainerToken};

fn keys() -> AwsKeys {
    AwsKeys {
        access_key: "AKOWN".to_owned(),
        secret_key: secret("planted/secret+key"),
        session_token: Some(secret("planted-session-token")),
    }
}

fn identity(source: AwsSource) -> AwsIdentity {
    AwsIdentity { region: "eu-west-1".to_owned(), source, role: None, sts_endpoint: None }
}

fn signer(identity: &AwsIdentity) -> Aws {
    Aws::new(identity, "bedrock").unwrap()
}

/// When credentials end that are given now.
fn in_an_hour() -> String {
    let text = dates::compact(aws::now() + 3600);
    let part = |range: std::ops::Range<usize>| text[range].to_owned();
    let day = [part(0..4), part(4..6), part(6..8)].join("-");
    let time = [part(9..11), part(11..13), part(13..15)].join(":");
    format!("{day}T{time}Z")
}

fn granted(action: &str) -> String {
    let end = in_an_hour();
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <Credentials><AccessKeyId>AKROLE</AccessKeyId><SecretAccessKey>role/secret&#43;1\
         </SecretAccessKey><SessionToken>role-token==</SessionToken>\
         <Expiration>{end}</Expiration></Credentials></{action}Result></{action}Response>"
    )
}

#[tokio::test]
async fn keys_sign_at_once_whatever_the_proxy() {
    let aws = signer(&identity(AwsSource::Keys(keys())));
    let request = authorized(&aws, &through(dead_proxy())).await.unwrap();
    let headers = request.headers();
    let text = headers["authorization"].to_str().unwrap();
    assert!(text.starts_with("AWS4-HMAC-SHA256 Credential=AKOWN/"), "{text}");
    assert!(text.contains("/eu-west-1/bedrock/aws4_request, "), "{text}");
    assert!(text.contains("SignedHeaders=host;x-amz-date;x-amz-security-token, "), "{text}");
    assert_eq!(headers["x-amz-security-token"], "planted-session-token");
    assert_eq!(headers["host"], "api.test");
    assert_eq!(aws.secrets().len(), 2);
}

/// Whether the token service can have been asked by who has `keys`.
fn is_signed_by(asked: &Asked, host: &str, keys: &AwsKeys) {
    let date = &asked.headers["x-amz-date"];
    let written = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[0..4],
        &date[4..6],
        &date[6..8],
        &date[9..11],
        &date[11..13],
        &date[13..15]
    );
    let now = dates::parse(&written).unwrap();
    let mut headers = http::HeaderMap::new();
    let kind = asked.headers["content-type"].parse().unwrap();
    headers.insert(http::header::CONTENT_TYPE, kind);
    let body = Bytes::from(asked.body.clone());
    let payload = Payload::of([&body].into_iter());
    let scope = Scope { region: "eu-west-1", service: "sts", now };
    let uri = host.parse().unwrap();
    sigv4::sign((&http::Method::POST, &uri), &mut headers, &payload, keys, scope).unwrap();
    assert_eq!(asked.headers["authorization"], headers["authorization"]);
}

#[tokio::test]
async fn a_role_is_assumed_on_top_and_signs_then() {
    let server = Server::start(|_| (200, granted("AssumeRole"))).await;
    let role = AwsRole {
        arn: "arn:aws:iam::1:role/r".to_owned(),
        external_id: Some("ext id".to_owned()),
        session_name: None,
        lifetime: None,
    };
    let aws = signer(&AwsIdentity {
        role: Some(role),
        sts_endpoint: Some(server.url.clone()),
        ..identity(AwsSource::Keys(keys()))
    });
    let client = client();
    for _ in 0..3 {
        let request = authorized(&aws, &client).await.unwrap();
        let text = request.headers()["authorization"].to_str().unwrap();
        assert!(text.contains("Credential=AKROLE/"), "{text}");
        assert_eq!(request.headers()["x-amz-security-token"], "role-token==");
    }
    assert!(aws.secrets().iter().any(|secret| secret.expose() == "role/secret+1"));
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    for (name, value) in [
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("RoleArn", "arn:aws:iam::1:role/r"),
        ("RoleSessionName", "weir"),
        ("ExternalId", "ext id"),
    ] {
        assert_eq!(asked[0].field(name), value);
    }
    is_signed_by(&asked[0], &server.url, &keys());
}

#[tokio::test]
async fn the_token_service_is_asked_through_the_proxy() {
    let proxy = Server::start(|_| (200, granted("AssumeRole"))).await;
    let role =
        AwsRole { arn: "arn:r".to_owned(), external_id: None, session_name: None, lifetime: None };
    let identity = AwsIdentity {
        role: Some(role),
        sts_endpoint: Some("http://sts.invalid/".to_owned()),
        ..identity(AwsSource::Keys(keys()))
    };
    let fault = authorized(&signer(&identity), &through(dead_proxy())).await.unwrap_err();
    assert!(fault.contains("arn:r at sts.invalid: the proxy 127.0.0.1:9"), "{fault}");
    let through_it = through(Proxy::Http { url: secret(&proxy.url), credentials: None });
    assert!(authorized(&signer(&identity), &through_it).await.is_ok());
    assert_eq!(proxy.asked()[0].line, "POST http://sts.invalid/");
    is_signed_by(&proxy.asked()[0], "http://sts.invalid/", &keys());
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_says_so() {
    let server = Server::start(|_| {
        let text = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                    <Message>not you, planted/secret+key</Message></Error></ErrorResponse>";
        (403, text.to_owned())
    })
    .await;
    let role = AwsRole {
        arn: "arn:r".to_owned(),
        external_id: None,
        session_name: Some("s".to_owned()),
        lifetime: None,
    };
    let aws = signer(&AwsIdentity {
        role: Some(role),
        sts_endpoint: Some(server.url.clone()),
        ..identity(AwsSource::Keys(keys()))
    });
    let fault = authorized(&aws, &client()).await.unwrap_err();
    let expected = "assuming the role arn:r at 127.0.0.1: answered 403: AccessDenied: not you, \
                    [redacted]";
    assert_eq!(fault, expected);
    assert_eq!(server.asked()[0].field("RoleSessionName"), "s");
    assert_eq!(server.asked()[0].field("ExternalId"), "");
}

#[tokio::test]
async fn a_web_identity_becomes_a_role_and_that_another() {
    let server = Server::start(|asked| {
        (200, granted(&asked.field("Action")).replace("AKROLE", &asked.field("RoleArn")))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "planted-jwt").unwrap();
    let source = AwsSource::WebIdentity {
        token_file,
        role_arn: "AKWEB".to_owned(),
        session_name: Some("pod".to_owned()),
    };
    let role =
        AwsRole { arn: "AKTOP".to_owned(), external_id: None, session_name: None, lifetime: None };
    let aws = signer(&AwsIdentity {
        role: Some(role),
        sts_endpoint: Some(server.url.clone()),
        ..identity(source)
    });
    let request = authorized(&aws, &client()).await.unwrap();
    assert!(request.headers()["authorization"].to_str().unwrap().contains("=AKTOP/"));
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].field("Action"), "AssumeRoleWithWebIdentity");
    assert_eq!(asked[0].field("WebIdentityToken"), "planted-jwt");
    assert_eq!(asked[0].field("RoleSessionName"), "pod");
    assert!(!asked[0].headers.contains_key("authorization"));
    assert!(asked[1].headers["authorization"].contains("Credential=AKWEB/"));
}

#[tokio::test]
async fn machines_and_containers_are_asked_past_the_proxy() {
    let server = Server::start(|asked| {
        let keys = json!({
            "AccessKeyId": "AKHERE", "SecretAccessKey": "here-secret", "Token": "here-token",
            "Expiration": in_an_hour(),
        });
        let is_shown = asked.headers.get("x-aws-ec2-metadata-token").is_some_and(|t| t == "imds");
        match asked.line.as_str() {
            "PUT /latest/api/token" => (200, "imds".to_owned()),
            "GET /latest/meta-data/iam/security-credentials/" if is_shown => {
                (200, "my-role".to_owned())
            }
            "GET /latest/meta-data/iam/security-credentials/my-role" if is_shown => {
                (200, keys.to_string())
            }
            "GET /v2/creds" if asked.headers["authorization"] == "planted-container" => {
                (200, keys.to_string())
            }
            _ => (404, String::new()),
        }
    })
    .await;
    let machine = AwsSource::Instance { endpoint: Some(server.url.clone()) };
    let token = Some(ContainerToken::Text(secret("planted-container")));
    let container = AwsSource::Container { url: format!("{}/v2/creds", server.url), token };
    for source in [machine, container] {
        let aws = signer(&identity(source));
        let request = authorized(&aws, &through(dead_proxy())).await.unwrap();
        let text = request.headers()["authorization"].to_str().unwrap();
        assert!(text.contains("Credential=AKHERE/"), "{text}");
        assert_eq!(request.headers()["x-amz-security-token"], "here-token");
    }
    let nowhere = AwsSource::Container { url: format!("{}/x", server.url), token: None };
    let fault = authorized(&signer(&identity(nowhere)), &client()).await.unwrap_err();
    assert!(fault.contains("container service") && fault.contains("answered 404"), "{fault}");
}

#[test]
fn settings_that_cannot_be_used_are_refused_without_secrets() {
    let bad_region =
        AwsIdentity { region: "eu.evil.test/".to_owned(), ..identity(AwsSource::Keys(keys())) };
    let bad_key = AwsKeys { session_token: Some(secret("planted\n")), ..keys() };
    for bad in [bad_region, identity(AwsSource::Keys(bad_key))] {
        let why = Aws::new(&bad, "bedrock").unwrap_err();
        assert!(!why.contains("planted"), "{why}");
    }
}
