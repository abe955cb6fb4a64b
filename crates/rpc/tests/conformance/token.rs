//! What a shared token keeps out, and lets in.

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use weir_rpc::{
    BalancedWorker, Body, ExplainRequest, LinkSettings, LinkTokens, Lookup, RemoteRouter,
    RemoteWorker, RouterService, WorkerService, router_server, worker_server,
};
use weir_types::{FaultCode, Secret};

use crate::bench::{Serving, context, limits, router_request, within, worker_request};
use crate::script::{Call, Script, description, end, explanation, reply};

crate::both_ways!(
    callers_with_a_token_that_is_accepted_come_in,
    nobody_else_reaches_the_service,
    an_explanation_crosses_whole_to_those_with_the_token,
    health_is_for_those_with_the_token_as_well,
    an_address_that_refuses_the_token_is_known_for_it,
);

const OLD: &str = "the-old-token-0123";
const NEW: &str = "the-new-token-4567";

fn with(tokens: &str) -> LinkSettings {
    let parsed = LinkTokens::parse(&Secret::new(tokens.to_owned()));
    LinkSettings { tokens: parsed.unwrap_or_default(), ..limits() }
}

async fn worker(tokens: &str) -> (Serving, mpsc::Receiver<Call>) {
    let (script, called, describe) = Script::new();
    let serving = Serving::start(worker_server(script, &with(tokens))).await;
    // What it says of itself must not end.
    std::mem::forget(describe);
    (serving, called)
}

async fn callers_with_a_token_that_is_accepted_come_in() {
    for (sent, accepted) in [(NEW, NEW), ("the-new-token-4567\nthe-old-token-0123", NEW)]
        .into_iter()
        .chain([(OLD, "the-new-token-4567\nthe-old-token-0123"), (NEW, "")])
    {
        let (serving, mut called) = worker(accepted).await;
        let worker = RemoteWorker::connect(&serving.url(), &with(sent)).unwrap();
        assert_eq!(within(worker.describe(false).next()).await, Some(description(&["blue"])));
        let body = Body::Full(Bytes::from_static(b"{}"));
        let calling = tokio::spawn(worker.call(context(), worker_request(), body));
        let call = within(called.recv()).await.unwrap();
        call.answer.send(Ok(reply(vec![end()]))).unwrap();
        within(calling).await.unwrap().unwrap();
    }
}

async fn nobody_else_reaches_the_service() {
    let (script, mut called, _describe) = Script::new();
    let serving = Serving::start(router_server(script, &with(NEW))).await;
    for sent in ["", OLD] {
        let router = RemoteRouter::connect(&serving.url(), &with(sent)).unwrap();
        // An upload is not waited for.
        let endless = Body::Stream(futures_util::stream::pending().boxed());
        for body in [Body::Full(Bytes::from_static(b"{}")), endless] {
            let fault = within(router.call(context(), router_request(), body)).await.unwrap_err();
            assert_eq!(fault.code, FaultCode::LinkBroken, "{fault}");
            assert!(fault.detail.message.contains("token"), "{fault}");
        }
    }
    assert!(called.try_recv().is_err());
}

async fn an_explanation_crosses_whole_to_those_with_the_token() {
    let (script, _called, _describe) = Script::new();
    let serving = Serving::start(router_server(script, &with(NEW))).await;
    let asked = |model: &str| ExplainRequest {
        model: model.to_owned(),
        provider: "openai".to_owned(),
        key: "blue".to_owned(),
    };
    let router = RemoteRouter::connect(&serving.url(), &with(NEW)).unwrap();
    let said = within(router.explain(asked("gpt"))).await.unwrap();
    assert_eq!(said, explanation(&asked("gpt")));
    let fault = within(router.explain(asked(""))).await.unwrap_err();
    assert_eq!((fault.code, &*fault.detail.message), (FaultCode::InvalidRequest, "no model"));
    for sent in ["", OLD] {
        let router = RemoteRouter::connect(&serving.url(), &with(sent)).unwrap();
        let fault = within(router.explain(asked("gpt"))).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::LinkBroken, "{fault}");
        assert!(fault.detail.message.contains("token"), "{fault}");
    }
}

async fn health_is_for_those_with_the_token_as_well() {
    let (serving, _called) = worker(NEW).await;
    let channel = tonic::transport::Endpoint::from_shared(serving.url()).unwrap();
    let mut health = HealthClient::new(channel.connect().await.unwrap());
    let refused = within(health.check(HealthCheckRequest::default())).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    let mut request = tonic::Request::new(HealthCheckRequest::default());
    let value = format!("Bearer {NEW}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    within(health.check(request)).await.unwrap();
}

async fn an_address_that_refuses_the_token_is_known_for_it() {
    let (serving, _called) = worker(NEW).await;
    let urls = [serving.url()];
    let refused =
        BalancedWorker::connect("openai".into(), &urls, &with(OLD), Lookup::dns()).unwrap();
    let welcome =
        BalancedWorker::connect("openai".into(), &urls, &with(NEW), Lookup::dns()).unwrap();
    within(async {
        while refused.reach().refusing != 1 || welcome.reach().serving != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((refused.reach().addresses, refused.reach().serving), (1, 0));
    assert_eq!(welcome.reach().refusing, 0);
    assert!(refused.describe(false).next().now_or_never().is_none());
}
