//! Credentials of the clouds against token servers on loopback: what they are asked, what comes of
//! their answers, and that no secret is seen in between.

mod aws;
mod azure;
mod google;
mod server;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::time::Instant;
use weir_types::Secret;

use crate::authorize::Authorizer;
use crate::{Client, Outgoing, Proxy, Settings, Transport};

fn client() -> Client {
    through(Proxy::None)
}

fn through(proxy: Proxy) -> Client {
    Client::new(Arc::new(Transport::new(Settings { proxy, ..Settings::default() }).unwrap()))
}

/// A proxy that nobody answers at.
fn dead_proxy() -> Proxy {
    Proxy::Http { url: Secret::new("http://127.0.0.1:9".to_owned()), credentials: None }
}

fn request() -> Request<Outgoing> {
    let request = Request::post("https://api.test/model/a%3Ab/converse?x=1");
    request.body(Outgoing::from(Bytes::from_static(b"{}"))).unwrap()
}

/// An authorized request, or why it is not.
async fn authorized(
    authorizer: &dyn Authorizer,
    client: &Client,
) -> Result<Request<Outgoing>, String> {
    let mut request = request();
    let deadline = Instant::now() + Duration::from_secs(10);
    let done = authorizer.authorize(&mut request, client, deadline).done().await;
    // Addresses are not shown by anybody: a key may stand in one.
    let shown = format!("{authorizer:?} {:?} {done:?}", request.headers());
    for secret in authorizer.secrets() {
        assert!(!shown.contains(secret.expose()), "{shown}");
    }
    done.map(|()| request).map_err(|fault| fault.to_string())
}

/// The `authorization` of an authorized request.
async fn authorization(authorizer: &dyn Authorizer, client: &Client) -> Result<String, String> {
    let request = authorized(authorizer, client).await?;
    Ok(request.headers()["authorization"].to_str().unwrap().to_owned())
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn a_key_in_the_address_is_encoded_and_never_shown() {
    let key = crate::Query::new("key", &secret("a b&c+d-planted"));
    let request = authorized(&key, &client()).await.unwrap();
    let expected = "https://api.test/model/a%3Ab/converse?x=1&key=a+b%26c%2Bd-planted";
    assert_eq!(request.uri().to_string(), expected);
    assert!(key.secrets().iter().any(|secret| secret.expose() == "a+b%26c%2Bd-planted"));
    assert!(!format!("{key:?}").contains("planted"));
}
