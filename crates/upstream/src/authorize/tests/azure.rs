//! Azure's identities.

use serde_json::json;

use super::server::Server;
use super::*;
use crate::{AzureIdentity, AzureSource};

fn identity(source: AzureSource) -> Arc<dyn Authorizer> {
    AzureIdentity { scopes: Vec::new(), source }.authorizer().unwrap()
}

fn principal(authority: &str) -> AzureSource {
    AzureSource::ClientSecret {
        tenant: "tenant-1".to_owned(),
        client_id: "client-1".to_owned(),
        client_secret: secret("planted~secret+/"),
        authority: Some(authority.to_owned()),
    }
}

async fn granting() -> Server {
    // Some of these servers write numbers as texts.
    Server::start(|_| (200, json!({"access_token": "eyJ.tok", "expires_in": "3599"}).to_string()))
        .await
}

#[tokio::test]
async fn a_service_principal_asks_its_tenant_for_its_scopes() {
    let server = granting().await;
    let azure = identity(principal(&server.url));
    assert_eq!(authorization(&*azure, &client()).await.unwrap(), "Bearer eyJ.tok");
    assert_eq!(authorization(&*azure, &client()).await.unwrap(), "Bearer eyJ.tok");
    let scopes = vec!["a/.default".to_owned(), "b".to_owned()];
    let azure = AzureIdentity { scopes, source: principal(&server.url) }.authorizer().unwrap();
    assert!(authorization(&*azure, &client()).await.is_ok());
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].line, "POST /tenant-1/oauth2/v2.0/token");
    assert_eq!(asked[0].headers["content-type"], "application/x-www-form-urlencoded");
    for (name, value) in [
        ("grant_type", "client_credentials"),
        ("client_id", "client-1"),
        ("client_secret", "planted~secret+/"),
        ("scope", "https://cognitiveservices.azure.com/.default"),
    ] {
        assert_eq!(asked[0].field(name), value);
    }
    assert_eq!(asked[1].field("scope"), "a/.default b");
}

#[tokio::test]
async fn entra_is_asked_through_the_proxy() {
    let proxy = granting().await;
    let azure = identity(principal("http://entra.invalid"));
    let fault = authorization(&*azure, &through(dead_proxy())).await.unwrap_err();
    assert!(fault.contains("from entra.invalid: the proxy 127.0.0.1:9"), "{fault}");
    let azure = identity(principal("http://entra.invalid"));
    let through_it = through(Proxy::Http { url: secret(&proxy.url), credentials: None });
    assert!(authorization(&*azure, &through_it).await.is_ok());
    let line = "POST http://entra.invalid/tenant-1/oauth2/v2.0/token";
    assert_eq!(proxy.asked()[0].line, line);
}

#[tokio::test]
async fn a_refusal_of_entra_says_its_code_and_no_secret() {
    let server = Server::start(|asked| {
        let said = format!("AADSTS7000215: Invalid client secret. {}", asked.body);
        (401, json!({"error": "invalid_client", "error_description": said}).to_string())
    })
    .await;
    let azure = identity(principal(&server.url));
    let mut request = request();
    let deadline = Instant::now() + Duration::from_secs(10);
    let fault = azure.authorize(&mut request, &client(), deadline).done().await.unwrap_err();
    assert!(fault.is_refused);
    let text = fault.to_string();
    assert!(text.starts_with("fetching an Azure token for client-1 from 127.0.0.1"), "{text}");
    assert!(text.contains("invalid_client: AADSTS7000215"), "{text}");
    assert!(!text.contains("planted"), "{text}");
    assert!(request.headers().is_empty());
}

#[tokio::test]
async fn a_workload_shows_what_is_in_the_file_now() {
    let server = granting().await;
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    for token in ["first", "second"] {
        std::fs::write(&token_file, format!("{token}\n")).unwrap();
        let azure = identity(AzureSource::Workload {
            tenant: "t".to_owned(),
            client_id: "c".to_owned(),
            token_file: token_file.clone(),
            authority: Some(format!("{}/", server.url)),
        });
        assert!(authorization(&*azure, &client()).await.is_ok());
        let asked = server.asked().pop().unwrap();
        assert_eq!(asked.field("client_assertion"), token);
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        assert_eq!(asked.field("client_assertion_type"), kind);
    }
    std::fs::remove_file(&token_file).unwrap();
    let azure = identity(AzureSource::Workload {
        tenant: "t".to_owned(),
        client_id: "c".to_owned(),
        token_file: token_file.clone(),
        authority: Some(server.url.clone()),
    });
    let fault = authorization(&*azure, &client()).await.unwrap_err();
    assert!(fault.contains(&token_file.display().to_string()), "{fault}");
}

#[tokio::test]
async fn machines_and_app_services_are_asked_past_the_proxy() {
    let server = granting().await;
    let endpoint = Some(server.url.clone());
    let machine = identity(AzureSource::Machine { client_id: Some("c 1".to_owned()), endpoint });
    let client = through(dead_proxy());
    assert_eq!(authorization(&*machine, &client).await.unwrap(), "Bearer eyJ.tok");
    let service = identity(AzureSource::AppService {
        client_id: None,
        endpoint: format!("{}/msi/token", server.url),
        header: secret("planted-header"),
    });
    assert_eq!(authorization(&*service, &client).await.unwrap(), "Bearer eyJ.tok");
    let asked = server.asked();
    let resource = "resource=https%3A%2F%2Fcognitiveservices.azure.com";
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01";
    assert_eq!(asked[0].line, format!("GET {path}&{resource}&client_id=c+1"));
    assert_eq!(asked[0].headers["metadata"], "true");
    assert_eq!(asked[1].line, format!("GET /msi/token?api-version=2019-08-01&{resource}"));
    assert_eq!(asked[1].headers["x-identity-header"], "planted-header");
}

#[test]
fn settings_that_make_no_address_are_refused() {
    for tenant in ["", "a/b", "x?y"] {
        let source = AzureSource::ClientSecret {
            tenant: tenant.to_owned(),
            client_id: "c".to_owned(),
            client_secret: secret("planted"),
            authority: None,
        };
        let why = AzureIdentity { scopes: Vec::new(), source }.authorizer().unwrap_err();
        assert!(why.contains("tenant_id"), "{why}");
    }
}
