//! Who is believed where links are encrypted: services with a certificate of the gateway's own authority,
//! each under its own name.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use weir_rpc::{
    BalancedRouter, Body, LinkSettings, LinkTls, LinkTlsError, Lookup, RemoteRouter, RouterService,
    router_server,
};
use weir_types::{Fault, FaultCode};

use crate::bench::{Serving, context, limits, router_request, within};
use crate::script::{Script, end, reply};

crate::both_ways!(
    only_services_with_a_certificate_of_the_authority_are_believed,
    a_service_is_believed_under_the_name_that_was_looked_up,
    what_is_replaced_holds_for_new_links,
);

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate of this authority for `name`, and its key.
    fn certificate(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Shows a certificate for `name` and believes this authority.
    pub(crate) fn tls(&self, name: &str) -> LinkTls {
        self.believing(name, &self.pem)
    }

    fn believing(&self, name: &str, authorities: &str) -> LinkTls {
        let (cert, key) = self.certificate(name);
        LinkTls::new(cert.as_bytes(), key.as_bytes(), authorities.as_bytes()).unwrap()
    }
}

fn with(tls: LinkTls) -> LinkSettings {
    LinkSettings { tls: Some(tls), ..limits() }
}

/// What becomes of a call.
async fn asked(service: LinkSettings, caller: LinkSettings, host: &str) -> Result<(), Fault> {
    let (script, mut called, _describe) = Script::new();
    let serving = Serving::start(router_server(script, &service)).await;
    let scheme = if caller.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{host}:{}", serving.addr.port());
    let router: Arc<dyn RouterService> = match host {
        "127.0.0.1" => Arc::new(RemoteRouter::connect(&url, &caller).unwrap()),
        // A name of the service, which is looked up.
        _ => {
            let addr = serving.addr;
            let resolve =
                move |_, _| Box::pin(async move { Ok(vec![addr]) }) as weir_rpc::Resolving;
            let lookup = Lookup { resolve: Arc::new(resolve), ..Lookup::dns() };
            Arc::new(BalancedRouter::connect(&[url], &caller, lookup).unwrap())
        }
    };
    let body = Body::Full(bytes::Bytes::from_static(b"{}"));
    let calling = router.call(context(), router_request(), body);
    let answering = async {
        if let Some(call) = called.recv().await {
            call.answer.send(Ok(reply(vec![end()]))).unwrap();
        }
        std::future::pending::<()>().await;
    };
    within(async {
        tokio::select! {
            answered = calling => answered.map(drop),
            () = answering => unreachable!(),
        }
    })
    .await
}

async fn only_services_with_a_certificate_of_the_authority_are_believed() {
    let (own, foreign) = (Authority::new(), Authority::new());
    let here = "127.0.0.1";
    let service = with(own.tls(here));
    assert_eq!(asked(service.clone(), with(own.tls(here)), here).await, Ok(()));
    // The caller's own name says nothing: it is not called there.
    assert_eq!(asked(service.clone(), with(own.tls("edge.inner")), here).await, Ok(()));
    let both = format!("{}{}", own.pem, foreign.pem);
    for (service, caller) in [
        (service.clone(), limits()),
        (limits(), with(own.tls(here))),
        (service.clone(), with(foreign.tls(here))),
        // A stranger that believes the gateway, and one that the gateway's caller meets.
        (service.clone(), with(foreign.believing(here, &own.pem))),
        (with(foreign.believing(here, &both)), with(own.tls(here))),
        // A service of the gateway that stands where another should.
        (with(own.tls("worker.inner")), with(own.tls(here))),
    ] {
        let fault = asked(service, caller, here).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::LinkBroken, "{fault}");
    }
}

async fn a_service_is_believed_under_the_name_that_was_looked_up() {
    let own = Authority::new();
    let caller = with(own.tls("edge.inner"));
    let called = |name: &str| asked(with(own.tls(name)), caller.clone(), "router.inner");
    assert_eq!(called("router.inner").await, Ok(()));
    for another in ["worker-openai.inner", "127.0.0.1"] {
        assert!(called(another).await.is_err(), "{another}");
    }
}

async fn what_is_replaced_holds_for_new_links() {
    let (old, new) = (Authority::new(), Authority::new());
    let here = "127.0.0.1";
    let tls = old.tls(here);
    let service = with(tls.clone());
    let (cert, key) = new.certificate(here);
    tls.replace(cert.as_bytes(), key.as_bytes(), new.pem.as_bytes()).unwrap();
    assert_eq!(asked(service.clone(), with(new.tls(here)), here).await, Ok(()));
    assert!(asked(service.clone(), with(old.tls(here)), here).await.is_err());
    // What cannot be used changes nothing.
    let (other, _) = old.certificate(here);
    for (cert, key, ca) in [
        (other.as_str(), key.as_str(), new.pem.as_str()),
        ("", &key, &new.pem),
        (&cert, "", &new.pem),
        (&cert, &key, ""),
        (&cert, &key, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        let refused = tls.replace(cert.as_bytes(), key.as_bytes(), ca.as_bytes()).unwrap_err();
        let is_named = match refused {
            LinkTlsError::Certificate => cert.is_empty(),
            LinkTlsError::Key => key.is_empty(),
            LinkTlsError::Authority => ca != new.pem,
            LinkTlsError::Unusable(_) => cert == other,
        };
        assert!(is_named, "{cert} {ca}");
    }
    assert_eq!(asked(service, with(new.tls(here)), here).await, Ok(()));
}
