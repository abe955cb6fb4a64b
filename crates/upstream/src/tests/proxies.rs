//! Through proxies: every kind, with credentials, and never around one that does not work.

use std::net::SocketAddr;

use weir_types::Secret;

use super::servers::{Role, Server, certificate, certificate_for};
use super::*;
use crate::{Credentials, Proxy};

/// `user:hunter22`.
const BASIC: &str = "dXNlcjpodW50ZXIyMg==";
const PASSWORD: &str = "hunter22";

fn secret(text: impl Into<String>) -> Secret {
    Secret::new(text.into())
}

fn login() -> Option<Credentials> {
    Some(Credentials { username: "user".into(), password: secret(PASSWORD) })
}

fn http(address: SocketAddr, credentials: Option<Credentials>) -> Proxy {
    Proxy::Http { url: secret(format!("http://{address}")), credentials }
}

fn through(proxy: Proxy, ca_pem: &[&str]) -> Settings {
    let ca_pem = ca_pem.iter().map(|pem| secret(*pem)).collect();
    Settings { proxy, ca_pem, ..Settings::default() }
}

#[tokio::test]
async fn https_goes_through_a_tunnel() {
    let (pem, acceptor) = certificate("provider.test");
    let origin = Server::start_with(Role::Origin, Some(acceptor)).await;
    let role = Role::HttpProxy { to: origin.address, login: Some(BASIC) };
    let proxy = Server::start(role.clone()).await;
    let own = client(through(http(proxy.address, login()), &[&pem]));
    assert_eq!(get(&own, "https://provider.test/x").await.unwrap(), "ok");
    let seen = proxy.heads();
    assert!(seen[0].starts_with("connect provider.test:443 http/1.1\r\n"), "{}", seen[0]);
    // What is meant for the proxy does not reach the provider.
    assert!(origin.heads()[0].starts_with("get /x http/1.1\r\n"), "{}", origin.heads()[0]);
    assert!(!origin.heads()[0].contains("proxy-authorization"));

    // Credentials in the URL do as well.
    let url = secret(format!("http://user:hunter%322@{}", proxy.address));
    let own = client(through(Proxy::Http { url, credentials: None }, &[&pem]));
    assert_eq!(get(&own, "https://provider.test/x").await.unwrap(), "ok");

    // A proxy that wants TLS itself.
    let (proxy_pem, acceptor) = certificate("localhost");
    let proxy = Server::start_with(role, Some(acceptor)).await;
    let url = secret(format!("https://localhost:{}", proxy.address.port()));
    let settings = through(Proxy::Http { url, credentials: login() }, &[&pem, &proxy_pem]);
    assert_eq!(get(&client(settings), "https://provider.test/x").await.unwrap(), "ok");
}

#[tokio::test]
async fn http_is_asked_in_absolute_form() {
    let origin = Server::start(Role::Origin).await;
    let proxy = Server::start(Role::HttpProxy { to: origin.address, login: Some(BASIC) }).await;
    let own = client(through(http(proxy.address, login()), &[]));
    assert_eq!(get(&own, "http://provider.test/x").await.unwrap(), "proxied");
    assert!(proxy.heads()[0].starts_with("get http://provider.test/x http/1.1\r\n"));
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn the_host_is_named_once_and_without_a_usual_port() {
    let proxy =
        Server::start(Role::HttpProxy { to: ([127, 0, 0, 1], 1).into(), login: None }).await;
    let own = client(through(http(proxy.address, None), &[]));
    for (at, authority, host) in [
        (0, "provider.test", "provider.test"),
        (1, "provider.test:80", "provider.test"),
        (2, "provider.test:8080", "provider.test:8080"),
        (3, "[fd00::80]", "[fd00::80]"),
        (4, "[fd00::1]:80", "[fd00::1]"),
    ] {
        assert_eq!(get(&own, &format!("http://{authority}/x")).await.unwrap(), "proxied");
        let head = &proxy.heads()[at];
        let hosts: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("host: ")).collect();
        assert_eq!(hosts, [host], "{authority}");
    }
}

#[tokio::test]
async fn socks5_resolves_names_itself() {
    let (pem, acceptor) = certificate("provider.test");
    let origin = Server::start_with(Role::Origin, Some(acceptor)).await;
    for (login_given, wanted) in [(login(), Some(("user", PASSWORD))), (None, None)] {
        let proxy = Server::start(Role::Socks5 { to: origin.address, login: wanted }).await;
        let url = secret(format!("socks5://{}", proxy.address));
        let settings = through(Proxy::Socks5 { url, credentials: login_given }, &[&pem]);
        assert_eq!(get(&client(settings), "https://provider.test/").await.unwrap(), "ok");
        assert_eq!(proxy.heads(), ["provider.test:443"]);
    }
}

#[tokio::test]
async fn a_proxy_that_does_not_work_is_an_error_and_never_passed_by() {
    let origin = Server::start(Role::Origin).await;
    let target = format!("http://localhost:{}/", origin.address.port());
    let tls_target = format!("https://localhost:{}/", origin.address.port());
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let strict = Server::start(Role::HttpProxy { to: origin.address, login: Some("bm8=") }).await;
    let socks = Role::Socks5 { to: origin.address, login: Some(("user", "other")) };
    let socks = Server::start(socks).await;
    let socks = |credentials| Proxy::Socks5 {
        url: secret(format!("socks5://{}", socks.address)),
        credentials,
    };
    let environment = Proxy::Environment {
        http_proxy: Some(secret(format!("http://{gone}"))),
        https_proxy: None,
        no_proxy: None,
    };
    for (proxy, url) in [
        (http(gone, None), &target),
        (http(gone, None), &tls_target),
        (http(strict.address, login()), &tls_target),
        (http(strict.address, login()), &target),
        (socks(login()), &target),
        (socks(None), &target),
        (environment, &target),
    ] {
        let error = get(&client(through(proxy, &[])), url).await.unwrap_err();
        assert!(matches!(error, Error::Proxy { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains(PASSWORD));
    }
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn a_silent_proxy_is_named_within_the_connect_limit() {
    let silent = Server::start(Role::Silent).await;
    let limit = Duration::from_millis(100);
    let socks = Proxy::Socks5 { url: secret(format!("{}", silent.address)), credentials: None };
    for (proxy, url) in [
        (http(silent.address, None), "https://provider.test/"),
        (socks.clone(), "https://provider.test/"),
        (socks, "http://provider.test/"),
    ] {
        let settings = Settings { connect_timeout: limit, ..through(proxy, &[]) };
        let error = get(&client(settings), url).await.unwrap_err();
        let Error::Proxy { proxy, why } = error else { panic!("{error:?}") };
        assert_eq!(proxy, silent.address.to_string());
        assert!(why.contains("silent"), "{why}");
    }
    // Who reads requests may wait for the provider: the time is the call's.
    let own = client(through(http(silent.address, None), &[]));
    let request = Request::get("http://provider.test/").body(Bytes::new()).unwrap();
    let error = own.send(request, Instant::now() + limit).await.unwrap_err();
    assert_eq!(error, Error::ProxySilent { proxy: silent.address.to_string() });
}

#[tokio::test]
async fn a_proxy_that_wants_a_login_is_told_from_one_that_refuses_it() {
    let origin = Server::start(Role::Origin).await;
    let target = format!("http://localhost:{}/", origin.address.port());
    let tls_target = format!("https://localhost:{}/", origin.address.port());
    let strict = Server::start(Role::HttpProxy { to: origin.address, login: Some("bm8=") }).await;
    let socks = Role::Socks5 { to: origin.address, login: Some(("user", "other")) };
    let socks = Server::start(socks).await;
    let socks = |credentials| Proxy::Socks5 {
        url: secret(format!("socks5://{}", socks.address)),
        credentials,
    };
    for (proxy, url, words) in [
        (http(strict.address, None), &target, "none are set"),
        (http(strict.address, None), &tls_target, "none are set"),
        (socks(None), &target, "none are set"),
        (http(strict.address, login()), &target, "does not accept"),
        (http(strict.address, login()), &tls_target, "does not accept"),
        (socks(login()), &target, "does not accept"),
    ] {
        let shown = format!("{proxy:?} {url}");
        let error = get(&client(through(proxy, &[])), url).await.unwrap_err();
        assert!(error.to_string().contains(words), "{shown}: {error}");
    }
}

#[tokio::test]
async fn what_a_forwarding_proxy_says_itself_is_not_the_providers() {
    let origin = Server::start(Role::Origin).await;
    for (head, is_the_proxys) in [
        ("403 Filtered\r\ncontent-type: text/html", true),
        ("401 Who\r\ncontent-type: text/html", true),
        ("503 No\r\ncontent-type: text/html", true),
        ("403 No\r\ncontent-type: application/json", false),
        ("404 No\r\ncontent-type: text/html", false),
    ] {
        let proxy = Server::start(Role::Says(head)).await;
        let own = client(through(http(proxy.address, None), &[]));
        match get(&own, &format!("http://{}/", origin.address)).await {
            Ok(_) => assert!(!is_the_proxys, "{head}"),
            Err(error) => {
                assert!(is_the_proxys && matches!(error, Error::Proxy { .. }), "{head}: {error}");
            }
        }
    }
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn http2_reaches_through_a_tunnel_even_without_tls() {
    let (pem, acceptor) = certificate_for("provider.test", &["h2"]);
    let origin = Server::start_with(Role::Origin, Some(acceptor)).await;
    let proxy = Server::start(Role::HttpProxy { to: origin.address, login: Some(BASIC) }).await;
    let settings = through(http(proxy.address, login()), &[&pem]);
    let own = client(Settings { enforce_http2: true, ..settings });
    assert_eq!(get(&own, "https://provider.test/x").await.unwrap(), "ok");
    assert!(origin.heads()[0].ends_with(" h2"));
    // There is no absolute form to ask in.
    let _broken = get(&own, "http://provider.test/x").await.unwrap_err();
    assert!(proxy.heads()[1].starts_with("connect provider.test:80 "), "{:?}", proxy.heads());
}

#[tokio::test]
async fn addresses_that_no_provider_has_are_not_asked_for() {
    let origin = Server::start(Role::Origin).await;
    let proxy = Server::start(Role::HttpProxy { to: origin.address, login: None }).await;
    let own = client(through(http(proxy.address, None), &[]));
    for url in ["http://169.254.169.254/", "https://169.254.169.254/"] {
        let error = get(&own, url).await.unwrap_err();
        assert!(matches!(error, Error::Forbidden { .. }), "{error}");
    }
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn the_environment_decides_by_scheme_and_host() {
    let origin = Server::start(Role::Origin).await;
    let proxy = Server::start(Role::HttpProxy { to: origin.address, login: None }).await;
    let port = origin.address.port();
    let own = client(through(
        Proxy::Environment {
            http_proxy: Some(secret(proxy.address.to_string())),
            https_proxy: Some(secret("")),
            no_proxy: Some("localhost,10.0.0.0/8".to_owned()),
        },
        &[],
    ));
    assert_eq!(get(&own, &format!("http://127.0.0.1:{port}/")).await.unwrap(), "proxied");
    assert_eq!(get(&own, &format!("http://localhost:{port}/")).await.unwrap(), "ok");
    assert_eq!((proxy.connections(), origin.connections()), (1, 1));
    let all = Proxy::Environment {
        http_proxy: Some(secret("http://127.0.0.1:1")),
        https_proxy: None,
        no_proxy: Some(" *".to_owned()),
    };
    let url = format!("http://127.0.0.1:{port}/");
    assert_eq!(get(&client(through(all, &[])), &url).await.unwrap(), "ok");
    let none = Proxy::Environment { http_proxy: None, https_proxy: None, no_proxy: None };
    assert_eq!(
        get(&client(through(none, &[])), &format!("http://127.0.0.1:{port}/")).await.unwrap(),
        "ok"
    );
}

#[test]
fn proxy_urls_that_cannot_work_are_refused_without_their_secrets() {
    let long = "x".repeat(256);
    for (proxy, expected) in [
        (Proxy::Http { url: secret("socks5://p:1"), credentials: None }, "http, https"),
        (Proxy::Socks5 { url: secret("http://p:1"), credentials: None }, "socks5"),
        (Proxy::Http { url: secret(""), credentials: None }, "cannot be used"),
        (Proxy::Http { url: secret("http://user:hunter22@"), credentials: None }, "cannot be used"),
        (
            Proxy::Socks5 {
                url: secret("p:1080"),
                credentials: Some(Credentials { username: long, password: secret(PASSWORD) }),
            },
            "255",
        ),
        (
            Proxy::Environment {
                http_proxy: Some(secret("socks4://user:hunter22@p:1")),
                https_proxy: None,
                no_proxy: None,
            },
            "HTTP_PROXY: the proxy URL cannot be used: its scheme",
        ),
        (
            Proxy::Environment {
                http_proxy: None,
                https_proxy: None,
                no_proxy: Some("a.test 10.0.0.0/40".to_owned()),
            },
            "NO_PROXY: `10.0.0.0/40`",
        ),
    ] {
        let shown = format!("{proxy:?}");
        let error = Transport::new(through(proxy, &[])).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!format!("{shown} {error}").contains(PASSWORD), "{shown} {error}");
    }
}
