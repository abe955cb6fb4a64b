//! Certificates that sign themselves, servers that want to know their clients, and what is said of both.

use rcgen::{BasicConstraints, CertificateParams, IsCa, date_time_ymd};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_types::Secret;

use super::servers::{Role, Server, certificate, self_signed};
use super::*;

/// As `openssl req -x509` makes it.
fn authority(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// What a call to a server with such a certificate gives, by a client that trusts it and `others`.
async fn called(params: &CertificateParams, others: &[&str]) -> Result<String, String> {
    let (pem, acceptor) = self_signed(params, rustls::ALL_VERSIONS, &["http/1.1"], None);
    let origin = Server::start_with(Role::Origin, Some(acceptor)).await;
    let others = others.iter().map(|&other| Secret::new(other.to_owned()));
    let ca_pem = if others.len() > 0 { others.collect() } else { vec![Secret::new(pem)] };
    let own = client(Settings { ca_pem, ..Settings::default() });
    let url = format!("https://localhost:{}/", origin.address.port());
    get(&own, &url).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_certificate_may_be_its_own_authority() {
    assert_eq!(called(&authority(&["localhost"]), &[]).await.as_deref(), Ok("ok"));
    let mut plain = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    assert_eq!(called(&plain, &[]).await.as_deref(), Ok("ok"));
    plain.is_ca = IsCa::ExplicitNoCa;
    assert_eq!(called(&plain, &[]).await.as_deref(), Ok("ok"));
}

#[tokio::test]
async fn it_is_still_judged_by_dates_and_names() {
    let mut old = authority(&["localhost"]);
    old.not_before = date_time_ymd(2020, 1, 1);
    old.not_after = date_time_ymd(2021, 1, 1);
    let mut early = authority(&["localhost"]);
    early.not_before = date_time_ymd(2090, 1, 1);
    early.not_after = date_time_ymd(2091, 1, 1);
    let (other, _) = certificate("localhost");
    let others: &[&str] = &[&other];
    for (params, others, words) in [
        (old, &[][..], "has expired"),
        (early, &[], "not valid yet"),
        (authority(&["other.test"]), &[], "is for other.test"),
        (authority(&[]), &[], "names no host"),
        (authority(&["localhost"]), others, "put that very certificate into ca_cert_pem"),
        (CertificateParams::new(vec!["localhost".to_owned()]).unwrap(), others, "ca_cert_pem"),
    ] {
        let why = called(&params, others).await.unwrap_err();
        assert!(why.contains(words), "{words}: {why}");
    }
}

#[tokio::test]
async fn a_demand_for_a_client_certificate_is_named() {
    let (known, _) = certificate("clients.test");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(known.as_bytes()).unwrap()).unwrap();
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto);
    let clients = clients.build().unwrap();
    for (tls, versions) in [(&TLS12, &["http/1.1"][..]), (&TLS13, &["http/1.1"]), (&TLS13, &["h2"])]
    {
        let params = authority(&["localhost"]);
        let (pem, acceptor) = self_signed(&params, &[tls], versions, Some(clients.clone()));
        let origin = Server::start_with(Role::Origin, Some(acceptor)).await;
        let own = client(Settings { ca_pem: vec![Secret::new(pem)], ..Settings::default() });
        let url = format!("https://localhost:{}/", origin.address.port());
        let error = get(&own, &url).await.unwrap_err();
        assert!(error.to_string().contains("mTLS"), "{tls:?} {versions:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _open = socket.read(&mut [0; 4096]).await;
    });
    let error = get(&client(Settings::default()), &url).await.unwrap_err();
    assert!(error.to_string().contains("is http:// meant"), "{error}");
}
