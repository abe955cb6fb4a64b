//! Straight to the origin: pools, permits, TLS, time limits.

use weir_types::Secret;

use super::servers::{Role, Server, certificate, certificate_for};
use super::*;
use crate::Reach;

#[tokio::test]
async fn connections_are_used_again_and_replaced_when_they_are_stale() {
    let origin = Server::start(Role::Origin).await;
    let own = client(Settings::default());
    for _ in 0..3 {
        assert_eq!(get(&own, &format!("http://{}/a", origin.address)).await.unwrap(), "ok");
    }
    assert_eq!(origin.connections(), 1);
    assert!(origin.heads()[0].starts_with("get /a http/1.1\r\n"));
    assert!(origin.heads()[0].contains(&format!("host: {}\r\n", origin.address)));

    let forgetful = Server::start(Role::Forgetful).await;
    let url = format!("http://{}/", forgetful.address);
    for _ in 0..3 {
        assert_eq!(get(&own, &url).await.unwrap(), "ok");
        // The close arrives while the connection is idle.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(forgetful.connections(), 3);
}

#[tokio::test]
async fn a_request_that_was_not_taken_is_told_from_one_that_failed() {
    let (pem, acceptor) = certificate_for("localhost", &["h2"]);
    let reluctant = Server::start_with(Role::Reluctant, Some(acceptor)).await;
    let own = client(Settings { ca_pem: vec![Secret::new(pem)], ..Settings::default() });
    let url = format!("https://localhost:{}/", reluctant.address.port());
    assert_eq!(get(&own, &url).await.unwrap(), "ok");
    let error = get(&own, &url).await.unwrap_err();
    assert!(matches!(error, Error::Stale(_)), "{error:?}");
    // That connection is left alone from then on.
    assert_eq!(get(&own, &url).await.unwrap(), "ok");
    assert_eq!((reluctant.connections(), reluctant.heads().len()), (2, 3));
}

#[tokio::test]
async fn certificates_are_checked_unless_told_otherwise() {
    let (pem, acceptor) = certificate("localhost");
    let origin = Server::start_with(Role::Origin, Some(acceptor)).await;
    let url = format!("https://localhost:{}/", origin.address.port());
    let error = get(&client(Settings::default()), &url).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");

    let trusting = Settings { ca_pem: vec![Secret::new(pem.clone())], ..Settings::default() };
    assert_eq!(get(&client(trusting), &url).await.unwrap(), "ok");
    let careless = Settings { insecure_skip_verify: true, ..Settings::default() };
    assert_eq!(get(&client(careless), &url).await.unwrap(), "ok");

    // The name must fit.
    let (other, acceptor) = certificate("other.test");
    let origin = Server::start_with(Role::Origin, Some(acceptor)).await;
    let url = format!("https://localhost:{}/", origin.address.port());
    let trusting = Settings { ca_pem: vec![Secret::new(other)], ..Settings::default() };
    let error = get(&client(trusting), &url).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
}

#[tokio::test]
async fn a_call_counts_until_its_last_byte_whichever_core_makes_it() {
    let slow = Server::start(Role::Slow).await;
    let settings = Settings { max_conns_per_host: 1, ..Settings::default() };
    let transport = Arc::new(Transport::new(settings).unwrap());
    let (first, second) =
        (Client::new(Arc::clone(&transport)), Client::new(Arc::clone(&transport)));
    let request = || Request::get(format!("http://{}/", slow.address)).body(Bytes::new()).unwrap();
    let soon = || Instant::now() + Duration::from_millis(100);
    let held = first.send(request(), soon()).await.unwrap();
    assert_eq!(transport.calls_in_flight(), 1);
    let error = second.send(request(), soon()).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(held);
    assert_eq!(transport.calls_in_flight(), 0);
    second.send(request(), soon()).await.unwrap();
}

#[tokio::test]
async fn http2_is_spoken_where_it_is_offered() {
    let (pem, acceptor) = certificate_for("localhost", &["h2", "http/1.1"]);
    let origin = Server::start_with(Role::Origin, Some(acceptor)).await;
    let url = format!("https://localhost:{}/x", origin.address.port());
    let own = client(Settings { ca_pem: vec![Secret::new(pem.clone())], ..Settings::default() });
    for _ in 0..3 {
        assert_eq!(get(&own, &url).await.unwrap(), "ok");
    }
    assert_eq!(origin.connections(), 1);
    assert_eq!(origin.heads(), vec![format!("GET {url} h2"); 3]);
}

#[tokio::test]
async fn http2_can_be_demanded() {
    let (pem, acceptor) = certificate_for("localhost", &["h2"]);
    let able = Server::start_with(Role::Origin, Some(acceptor)).await;
    let (plain_pem, acceptor) = certificate("localhost");
    let unable = Server::start_with(Role::Origin, Some(acceptor)).await;
    let settings =
        Settings { ca_pem: vec![Secret::new(pem), Secret::new(plain_pem)], ..Settings::default() };
    let own = client(Settings { enforce_http2: true, ..settings.clone() });
    let url = |server: &Server| format!("https://localhost:{}/", server.address.port());
    assert_eq!(get(&own, &url(&able)).await.unwrap(), "ok");
    let error = get(&own, &url(&unable)).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error}");
    assert!(error.to_string().contains("enforce_http2"), "{error}");
    assert!(unable.heads().is_empty());
    let plain = Server::start(Role::Forgetful).await;
    let error = get(&own, &format!("http://{}/", plain.address)).await.unwrap_err();
    assert!(error.to_string().contains("enforce_http2"), "{error}");
    // Other servers than the provider's own may be older.
    let request = Request::get(url(&unable)).body(Bytes::new()).unwrap();
    let answer = own.send_aside(request, Instant::now() + Duration::from_secs(5)).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn streams_are_calls_and_need_as_many_connections_as_they_fill() {
    let (pem, acceptor) = certificate_for("localhost", &["h2"]);
    let slow = Server::start_with(Role::Slow, Some(acceptor)).await;
    let settings =
        Settings { ca_pem: vec![Secret::new(pem)], max_conns_per_host: 101, ..Settings::default() };
    let transport = Arc::new(Transport::new(settings).unwrap());
    let own = Client::new(Arc::clone(&transport));
    let send = async || {
        let url = format!("https://localhost:{}/", slow.address.port());
        let request = Request::get(url).body(Bytes::new()).unwrap();
        own.send(request, Instant::now() + Duration::from_secs(5)).await
    };
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(send().await.unwrap());
    }
    assert_eq!(slow.connections(), 1);
    held.push(send().await.unwrap());
    assert_eq!(slow.connections(), 2);
    assert_eq!(transport.calls_in_flight(), 101);
    let url = format!("https://localhost:{}/", slow.address.port());
    let request = Request::get(url).body(Bytes::new()).unwrap();
    let error = own.send(request, Instant::now() + Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    held.pop();
    held.push(send().await.unwrap());
    assert_eq!(slow.connections(), 2);
}

/// Calls at a time, over both versions: how long they take, and over how many connections.
#[tokio::test]
#[ignore = "measures"]
async fn versions_side_by_side() {
    for (name, versions) in [("HTTP/1.1", &["http/1.1"][..]), ("HTTP/2", &["h2"])] {
        let (pem, acceptor) = certificate_for("localhost", versions);
        let origin = Server::start_with(Role::Origin, Some(acceptor)).await;
        let url = format!("https://localhost:{}/", origin.address.port());
        let own = client(Settings { ca_pem: vec![Secret::new(pem)], ..Settings::default() });
        for round in ["cold", "warm"] {
            let began = Instant::now();
            let calls: Vec<_> = (0..100)
                .map(|_| {
                    let (own, url) = (own.clone(), url.clone());
                    tokio::spawn(async move { get(&own, &url).await.unwrap() })
                })
                .collect();
            for call in calls {
                assert_eq!(call.await.unwrap(), "ok");
            }
            let (took, connections) = (began.elapsed(), origin.connections());
            println!("{name}, {round}: {took:?}, {connections} connections so far");
        }
    }
}

#[tokio::test]
async fn addresses_that_no_provider_has_are_not_called() {
    let own = client(Settings { reach: Reach::PublicOnly, ..Settings::default() });
    for url in ["http://169.254.169.254/", "http://[fe80::1]/", "http://2852039166/"] {
        let error = get(&client(Settings::default()), url).await.unwrap_err();
        assert!(matches!(error, Error::Forbidden { .. }), "{error}");
    }
    for url in ["http://10.0.0.1/", "https://[::ffff:192.168.0.1]/", "http://167772161/"] {
        let error = get(&own, url).await.unwrap_err();
        assert!(matches!(error, Error::Forbidden { .. }), "{error}");
    }
    let origin = Server::start(Role::Origin).await;
    assert_eq!(get(&own, &format!("http://{}/", origin.address)).await.unwrap(), "ok");
}

#[tokio::test]
async fn failures_have_names() {
    let silent = Server::start(Role::Silent).await;
    let own = client(Settings::default());
    let request = Request::get(format!("http://{}/", silent.address)).body(Bytes::new()).unwrap();
    let deadline = Instant::now() + Duration::from_millis(100);
    assert_eq!(own.send(request, deadline).await.unwrap_err(), Error::Timeout);

    // No TLS greeting comes back: that is part of connecting.
    let hasty = Settings { connect_timeout: Duration::from_millis(100), ..Settings::default() };
    let error = get(&client(hasty), &format!("https://{}/", silent.address)).await.unwrap_err();
    assert!(matches!(error, Error::ConnectTimeout { .. }), "{error}");

    let error = get(&own, "http://does-not-exist.invalid/").await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    let none = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = get(&own, &format!("http://{none}/")).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for pem in ["", "no pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let settings =
            Settings { ca_pem: vec![Secret::new(pem.to_owned())], ..Settings::default() };
        assert!(Transport::new(settings).unwrap_err().to_string().contains("ca_cert_pem"), "{pem}");
    }
    let settings = Settings { max_conns_per_host: 0, ..Settings::default() };
    assert!(Transport::new(settings).is_err());
}
