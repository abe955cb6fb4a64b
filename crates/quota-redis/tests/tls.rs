//! Redis over TLS: whom the store trusts, and that the bell rings there too.

#![cfg(test)]

mod support;

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use support::router::{NO_GRACE, Router, is_granted};
use support::{PATIENCE, Server, eventually};
use weir_quota::{Batch, Incarnation, QuotaStore, StoreError};
use weir_quota_redis::{RedisStore, Settings};

/// A throw-away authority, and a certificate and key of its making for `localhost`.
struct Authority {
    ca: String,
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new([]).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        Self { ca: ca_pem, certificate: leaf.pem(), key: key.serialize_pem() }
    }

    /// The address of a server on a port, trusting this authority.
    fn address(&self, folder: &Path, host: &str, port: u16) -> String {
        let path = folder.join("ca.pem");
        std::fs::write(&path, &self.ca).unwrap();
        format!("rediss://{host}:{port}?ca={}", path.display())
    }
}

fn store(url: &str) -> RedisStore {
    let usual = Settings::new(url);
    RedisStore::new(Settings { budget: PATIENCE, timing: NO_GRACE, ..usual }).unwrap()
}

#[tokio::test]
async fn a_server_whose_authority_is_named_is_trusted() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let (server, port) = Server::start_tls(&authority.certificate, &authority.key);
    let store = store(&authority.address(folder.path(), "localhost", port));
    let (rung, mut heard) = tokio::sync::mpsc::channel(8);
    store.on_bell(Arc::new(move |_| rung.try_send(()).unwrap()));
    let listening = tokio::spawn(store.run());
    let subscribed = async || {
        let counted = server.try_say(&["PUBSUB", "NUMSUB", "weir:v2:bell"]).await;
        format!("{counted:?}").contains("int(1)")
    };
    eventually("a listener", subscribed).await;

    let mut first = Router::ready(&support::router::store(&server, NO_GRACE), 1).await;
    let mut second = Router::hello(&store, 2).await;
    assert!(is_granted(&first.acquire().await.unwrap()));
    second.acquire().await.unwrap();
    first.settle_first().await.unwrap();
    heard.recv().await.unwrap();
    listening.abort();
}

#[tokio::test]
async fn a_server_of_another_authority_or_name_is_not() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let (_server, port) = Server::start_tls(&authority.certificate, &authority.key);
    let of_the_system = format!("rediss://localhost:{port}");
    let by_number = authority.address(folder.path(), "127.0.0.1", port);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Authority::new().address(elsewhere.path(), "localhost", port);
    for url in [of_the_system, by_number, other] {
        let found = store(&url).execute(&"acme".into(), Batch::hello(Incarnation(1))).await;
        let Err(StoreError::Unanswered(why)) = found else { panic!("{url}: {found:?}") };
        assert!(why.contains("certificate"), "{url}: {why}");
    }
}
