//! The client against real servers on loopback: origins with and without TLS, proxies of each
//! kind, and all of them misbehaving.

mod certificates;
mod direct;
mod proxies;
mod servers;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::time::Instant;

use crate::{Client, Error, Settings, Transport};

fn client(settings: Settings) -> Client {
    Client::new(Arc::new(Transport::new(settings).unwrap()))
}

async fn get(client: &Client, url: &str) -> Result<String, Error> {
    let request = Request::get(url).body(Bytes::new()).unwrap();
    let response = client.send(request, Instant::now() + Duration::from_secs(5)).await?;
    let mut body = response.into_body();
    let mut text = String::new();
    while let Some(chunk) = body.chunk().await {
        text.push_str(std::str::from_utf8(&chunk?).unwrap());
    }
    Ok(text)
}
