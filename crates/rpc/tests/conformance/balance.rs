//! What only several addresses behind one name can do: share work, stand in for each other.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use weir_rpc::{
    BalancedRouter, BalancedWorker, Body, Description, Frame, LinkError, Lookup, Reach,
    RouterService, WorkerService, router_server, worker_server,
};
use weir_types::{Fault, FaultCode};

use crate::bench::{Serving, context, limits, router_request, within, worker_request};
use crate::script::{Call, Script, chunk, description, end, reply, streamed};

crate::both_ways!(
    calls_under_way_are_spread_over_all_addresses,
    an_ended_answer_no_longer_counts_and_an_open_one_does,
    a_call_whose_link_breaks_before_the_head_goes_elsewhere_whole,
    a_call_whose_link_breaks_after_the_head_goes_nowhere,
    a_fault_that_a_service_says_is_an_answer_whatever_its_code,
    an_upload_is_not_sent_twice,
    dead_addresses_are_skipped_and_found_again,
    the_only_address_is_tried_even_if_it_was_dead,
    the_name_is_looked_up_again_and_what_is_under_way_stays,
    a_service_that_leaves_gets_no_new_calls_and_is_let_go,
    without_any_address_a_call_fails_at_once,
    workers_describe_themselves_as_one,
    two_workers_ask_the_servers_how_they_are,
    another_providers_worker_does_not_speak_for_this_one,
    a_worker_that_dies_is_replaced_before_the_head,
    a_name_that_is_none_is_refused_at_once,
    several_names_are_one_service_and_one_that_is_lost_keeps_its_addresses,
    a_call_waits_for_the_successor_of_the_last_router_that_left,
);

const NAME: &str = "http://service.example:7201";

/// A name whose addresses the test sets; `None`: the look-up fails.
#[derive(Clone, Default)]
struct Name(Arc<Mutex<Option<Vec<SocketAddr>>>>);

impl Name {
    fn of(addrs: &[SocketAddr]) -> Self {
        Self(Arc::new(Mutex::new(Some(addrs.to_vec()))))
    }

    fn set(&self, addrs: &[SocketAddr]) {
        *self.0.lock().unwrap() = Some(addrs.to_vec());
    }

    fn lookup(&self) -> Lookup {
        let name = self.clone();
        let resolve = move |host: String, port| {
            assert_eq!((host.as_str(), port), ("service.example", 7201));
            let addrs = name.0.lock().unwrap().clone();
            let found = addrs.ok_or_else(|| std::io::Error::other("no such name"));
            std::future::ready(found).boxed()
        };
        Lookup { resolve: Arc::new(resolve), every: Duration::from_millis(5) }
    }
}

/// One replica.
struct Replica {
    serving: Serving,
    called: mpsc::Receiver<Call>,
    describe: watch::Sender<Description>,
}

impl Replica {
    async fn router() -> Self {
        let (script, called, describe) = Script::new();
        Self { serving: Serving::start(router_server(script, &limits())).await, called, describe }
    }

    async fn worker() -> Self {
        let (script, called, describe) = Script::new();
        Self { serving: Serving::start(worker_server(script, &limits())).await, called, describe }
    }

    fn addr(&self) -> SocketAddr {
        self.serving.addr
    }
}

async fn routers<const N: usize>() -> (BalancedRouter, Name, Vec<Replica>) {
    let mut replicas = Vec::new();
    for _ in 0..N {
        replicas.push(Replica::router().await);
    }
    let name = Name::of(&replicas.iter().map(Replica::addr).collect::<Vec<_>>());
    let router = BalancedRouter::connect(&[NAME], &limits(), name.lookup()).unwrap();
    reaches(|| router.reach(), N, N).await;
    (router, name, replicas)
}

/// Turns the event loop until `reach` says so.
async fn reaches(reach: impl Fn() -> Reach, addresses: usize, serving: usize) {
    within(async {
        while reach() != (Reach { addresses, serving, refusing: 0 }) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

type Calling = tokio::task::JoinHandle<Result<weir_rpc::Reply, Fault>>;

fn begin(router: &BalancedRouter, body: impl Into<Body>) -> Calling {
    tokio::spawn(router.call(context(), router_request(), body.into()))
}

/// The next call to any of two, and which one has it.
async fn taken(replicas: &mut [Replica]) -> (usize, Call) {
    let [one, other] = replicas else { panic!("two replicas") };
    within(async {
        tokio::select! {
            call = one.called.recv() => (0, call.unwrap()),
            call = other.called.recv() => (1, call.unwrap()),
        }
    })
    .await
}

async fn calls_under_way_are_spread_over_all_addresses() {
    let (router, _name, mut replicas) = routers::<3>().await;
    let calls: Vec<_> = (0..24).map(|_| begin(&router, Bytes::new())).collect();
    let mut held = [0_usize; 3];
    let mut open = Vec::new();
    let [a, b, c] = &mut replicas[..] else { unreachable!() };
    for _ in 0..24 {
        let (at, call) = within(async {
            tokio::select! {
                call = a.called.recv() => (0, call),
                call = b.called.recv() => (1, call),
                call = c.called.recv() => (2, call),
            }
        })
        .await;
        held[at] += 1;
        open.push(call);
    }
    assert!(held.iter().all(|&count| (5..=11).contains(&count)), "{held:?}");
    calls.iter().for_each(Calling::abort);
}

async fn an_ended_answer_no_longer_counts_and_an_open_one_does() {
    let (router, _name, mut replicas) = routers::<2>().await;
    let calling = begin(&router, Bytes::new());
    let (busy, call) = taken(&mut replicas).await;
    let (answer, _frames, _dropped) = streamed();
    call.answer.send(Ok(answer)).unwrap();
    // Held open: its replica is the busier of the two from now on.
    let _open = within(calling).await.unwrap().unwrap();
    for _ in 0..20 {
        let calling = begin(&router, Bytes::new());
        let (at, call) = taken(&mut replicas).await;
        assert_ne!(at, busy);
        call.answer.send(Ok(reply(vec![end()]))).unwrap();
        drop(within(calling).await.unwrap().unwrap());
    }
}

async fn a_call_whose_link_breaks_before_the_head_goes_elsewhere_whole() {
    let (router, _name, mut replicas) = routers::<2>().await;
    let calling = begin(&router, Bytes::from_static(b"the body"));
    let (first, call) = taken(&mut replicas).await;
    drop(replicas.remove(first));
    drop(call);
    let again = within(replicas[0].called.recv()).await.unwrap();
    assert_eq!(again.asked, crate::script::Asked::Router(router_request()));
    assert_eq!(again.context.request_id, context().request_id);
    assert!(matches!(&again.body, Body::Full(body) if body == "the body"), "{:?}", again.body);
    again.answer.send(Ok(reply(vec![chunk("saved"), end()]))).unwrap();
    let mut answer = within(calling).await.unwrap().unwrap();
    assert_eq!(within(answer.frames.next()).await, Some(chunk("saved")));
    reaches(|| router.reach(), 2, 1).await;
}

async fn a_call_whose_link_breaks_after_the_head_goes_nowhere() {
    let (router, _name, mut replicas) = routers::<2>().await;
    let calling = begin(&router, Bytes::new());
    let (first, call) = taken(&mut replicas).await;
    let (answer, frames, _dropped) = streamed();
    call.answer.send(Ok(answer)).unwrap();
    let mut answer = within(calling).await.unwrap().unwrap();
    frames.send(chunk("half")).await.unwrap();
    assert_eq!(within(answer.frames.next()).await, Some(chunk("half")));
    drop(replicas.remove(first));
    let Some(Frame::End(last)) = within(answer.frames.next()).await else { panic!("no end") };
    assert_eq!(last.fault.unwrap().code, FaultCode::LinkBroken);
    assert!(replicas[0].called.try_recv().is_err());
}

async fn a_fault_that_a_service_says_is_an_answer_whatever_its_code() {
    let (router, _name, mut replicas) = routers::<2>().await;
    for code in [FaultCode::LinkBroken, FaultCode::Internal] {
        let calling = begin(&router, Bytes::new());
        let (_, call) = taken(&mut replicas).await;
        assert!(call.answer.send(Err(Fault::new(code, "said"))).is_ok());
        let fault = within(calling).await.unwrap().unwrap_err();
        assert_eq!((fault.code, &*fault.detail.message), (code, "said"));
        assert!(replicas.iter_mut().all(|replica| replica.called.try_recv().is_err()));
    }
    assert_eq!(router.reach(), Reach { addresses: 2, serving: 2, refusing: 0 });
}

async fn an_upload_is_not_sent_twice() {
    let (router, _name, mut replicas) = routers::<2>().await;
    let calling = begin(&router, Body::Stream(futures_util::stream::pending().boxed()));
    let (first, call) = taken(&mut replicas).await;
    drop(replicas.remove(first));
    let fault = within(calling).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::LinkBroken, "{fault}");
    assert!(replicas[0].called.try_recv().is_err());
    drop(call);
}

async fn dead_addresses_are_skipped_and_found_again() {
    let (router, name, mut replicas) = routers::<1>().await;
    // Bound, so that nobody else gets the port, and not listening: connections are refused.
    let reserved = tokio::net::TcpSocket::new_v4().unwrap();
    reserved.set_reuseaddr(true).unwrap();
    reserved.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let dead = reserved.local_addr().unwrap();
    name.set(&[replicas[0].addr(), dead]);
    reaches(|| router.reach(), 2, 1).await;
    for _ in 0..20 {
        let calling = begin(&router, Bytes::new());
        let call = within(replicas[0].called.recv()).await.unwrap();
        call.answer.send(Ok(reply(vec![end()]))).unwrap();
        within(calling).await.unwrap().unwrap();
    }
    let listener: TcpListener = reserved.listen(16).unwrap();
    let (script, _called, _describe) = Script::new();
    let server = router_server(script, &limits());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(server.clone().serve_connection(stream, std::future::pending()));
        }
    });
    reaches(|| router.reach(), 2, 2).await;
}

async fn the_only_address_is_tried_even_if_it_was_dead() {
    let (router, _name, mut replicas) = routers::<1>().await;
    let addr = replicas[0].addr();
    drop(replicas.pop());
    let fault = within(begin(&router, Bytes::new())).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::LinkBroken, "{fault}");
    reaches(|| router.reach(), 1, 0).await;
    let listener = within(async {
        loop {
            match TcpListener::bind(addr).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    let listener = listener.await;
    let (script, mut called, _describe) = Script::new();
    let server = router_server(script, &limits());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(server.clone().serve_connection(stream, std::future::pending()));
        }
    });
    let calling = begin(&router, Bytes::new());
    let call = within(called.recv()).await.unwrap();
    call.answer.send(Ok(reply(vec![end()]))).unwrap();
    within(calling).await.unwrap().unwrap();
}

async fn the_name_is_looked_up_again_and_what_is_under_way_stays() {
    let (router, name, mut replicas) = routers::<1>().await;
    let calling = begin(&router, Bytes::new());
    let old = within(replicas[0].called.recv()).await.unwrap();
    let mut newer = Replica::router().await;
    name.set(&[newer.addr()]);
    within(async {
        // The old one is gone from the choice when the new one is the only one.
        loop {
            let calling = begin(&router, Bytes::new());
            tokio::select! {
                call = replicas[0].called.recv() => drop(call),
                call = newer.called.recv() => {
                    assert!(call.unwrap().answer.send(Ok(reply(vec![end()]))).is_ok());
                    calling.await.unwrap().unwrap();
                    break;
                }
            }
        }
    })
    .await;
    *name.0.lock().unwrap() = None;
    old.answer.send(Ok(reply(vec![chunk("late"), end()]))).unwrap();
    let mut answer = within(calling).await.unwrap().unwrap();
    assert_eq!(within(answer.frames.next()).await, Some(chunk("late")));
    // A name that cannot be looked up keeps the addresses it had.
    reaches(|| router.reach(), 1, 1).await;
}

async fn a_service_that_leaves_gets_no_new_calls_and_is_let_go() {
    let (router, _name, mut replicas) = routers::<2>().await;
    let calling = begin(&router, Bytes::new());
    let (leaving, call) = taken(&mut replicas).await;
    replicas[leaving].serving.stop.send_replace(true);
    reaches(|| router.reach(), 2, 1).await;
    for _ in 0..10 {
        let calling = begin(&router, Bytes::new());
        let next = within(replicas[1 - leaving].called.recv()).await.unwrap();
        next.answer.send(Ok(reply(vec![end()]))).unwrap();
        within(calling).await.unwrap().unwrap();
    }
    call.answer.send(Ok(reply(vec![end()]))).unwrap();
    let mut answer = within(calling).await.unwrap().unwrap();
    assert_eq!(within(answer.frames.next()).await, Some(end()));
    drop(answer);
    // Its connection has ended: nothing of ours holds it.
    within(&mut replicas[leaving].serving.task).await.unwrap();
}

async fn without_any_address_a_call_fails_at_once() {
    let router = BalancedRouter::connect(&[NAME], &limits(), Name::default().lookup()).unwrap();
    let fault = within(begin(&router, Bytes::new())).await.unwrap().unwrap_err();
    assert_eq!(fault.code, FaultCode::LinkBroken);
    assert!(fault.detail.message.contains(NAME), "{fault}");
    assert_eq!(router.reach(), Reach { addresses: 0, serving: 0, refusing: 0 });
}

async fn workers_describe_themselves_as_one() {
    let (blue, red) = (Replica::worker().await, Replica::worker().await);
    red.describe.send_replace(description(&["red"]));
    let name = Name::of(&[blue.addr()]);
    let lookup = name.lookup();
    let workers = BalancedWorker::connect("openai".into(), &[NAME], &limits(), lookup).unwrap();
    let mut updates = workers.describe(false);
    assert_eq!(within(updates.next()).await, Some(description(&["blue"])));
    name.set(&[blue.addr(), red.addr()]);
    assert_eq!(within(updates.next()).await, Some(description(&["blue", "red"])));
    // Usable somewhere is usable.
    red.describe.send_replace(Description { unusable: Vec::new(), ..description(&["grey"]) });
    let both = Description { unusable: Vec::new(), ..description(&["blue", "grey"]) };
    assert_eq!(within(updates.next()).await, Some(both));
    drop(red);
    assert_eq!(within(updates.next()).await, Some(description(&["blue"])));
    // Without any worker nothing new is said.
    drop(blue);
    reaches(|| workers.reach(), 2, 0).await;
    assert_eq!(updates.next().now_or_never(), None);
}

/// However many workers there are, two ask the servers; and whoever finds one well is right.
async fn two_workers_ask_the_servers_how_they_are() {
    let replicas = [Replica::worker().await, Replica::worker().await, Replica::worker().await];
    for (replica, key) in replicas.iter().zip(["a", "b", "c"]) {
        replica.describe.send_replace(description(&[key]));
    }
    let name = Name::of(&[]);
    let lookup = name.lookup();
    let workers = BalancedWorker::connect("openai".into(), &[NAME], &limits(), lookup).unwrap();
    let mut updates = workers.describe(true);
    name.set(&replicas.each_ref().map(Replica::addr));
    reaches(|| workers.reach(), 3, 3).await;
    let mut said = within(updates.next()).await.unwrap();
    while said.keys.len() < 3 || said.checked.len() != 2 {
        said = within(updates.next()).await.unwrap();
    }
    let mut addrs: Vec<_> = replicas.iter().map(Replica::addr).zip(["a", "b", "c"]).collect();
    addrs.sort();
    let mut lowest: Vec<_> = addrs[..2].iter().map(|(_, key)| *key).collect();
    lowest.sort_unstable();
    let names: Vec<_> = said.checked.iter().map(|one| one.name.to_string()).collect();
    assert_eq!(names, lowest);
    // One that finds it otherwise does not count beside the one that finds it well.
    let bad = |name: &str, trouble: &str| weir_rpc::CheckedKey {
        name: name.into(),
        trouble: Some(trouble.to_owned()),
    };
    let seen: Vec<_> = lowest.iter().map(|name| bad(name, "it answers 503")).collect();
    for (replica, key) in replicas.iter().zip(["a", "b", "c"]) {
        replica.describe.send_replace(Description { checked: seen.clone(), ..description(&[key]) });
    }
    while said.checked.iter().any(|one| one.trouble.is_some()) || said.checked.len() != 2 {
        said = within(updates.next()).await.unwrap();
    }
}

async fn another_providers_worker_does_not_speak_for_this_one() {
    let stranger = Replica::worker().await;
    stranger.describe.send_replace(Description { provider: "groq".into(), ..description(&["x"]) });
    let name = Name::of(&[stranger.addr()]);
    let lookup = name.lookup();
    let workers = BalancedWorker::connect("openai".into(), &[NAME], &limits(), lookup).unwrap();
    let mut updates = workers.describe(false);
    let own = Replica::worker().await;
    let first = tokio::spawn(async move { updates.next().await });
    reaches(|| workers.reach(), 1, 1).await;
    name.set(&[own.addr(), stranger.addr()]);
    assert_eq!(within(first).await.unwrap(), Some(description(&["blue"])));
}

async fn a_worker_that_dies_is_replaced_before_the_head() {
    let mut replicas = [Replica::worker().await, Replica::worker().await];
    let name = Name::of(&[replicas[0].addr(), replicas[1].addr()]);
    let lookup = name.lookup();
    let workers = BalancedWorker::connect("openai".into(), &[NAME], &limits(), lookup).unwrap();
    reaches(|| workers.reach(), 2, 2).await;
    let body = Body::Full(Bytes::from_static(b"{}"));
    let calling = tokio::spawn(workers.call(context(), worker_request(), body));
    let (first, call) = taken(&mut replicas).await;
    replicas[first].serving.task.abort();
    let again = within(replicas[1 - first].called.recv()).await.unwrap();
    again.answer.send(Ok(reply(vec![end()]))).unwrap();
    within(calling).await.unwrap().unwrap();
    drop(call);
}

async fn a_name_that_is_none_is_refused_at_once() {
    for found in ["router:50051", "http://router", "http://:50051", "http://a:1/path"] {
        let refused = BalancedRouter::connect(&[found], &limits(), Lookup::dns());
        let LinkError::Address { found: at, .. } = refused.unwrap_err();
        assert_eq!(at, found);
        weir_rpc::check_url(found, false).unwrap_err();
    }
    weir_rpc::check_url("http://router.internal:50051", false).unwrap();
    weir_rpc::check_url("http://[::1]:50051", false).unwrap();
    weir_rpc::check_url("https://router.internal:50051", true).unwrap();
    for (found, is_encrypted) in [("http://router:1", true), ("https://router:1", false)] {
        weir_rpc::check_url(found, is_encrypted).unwrap_err();
    }
}

async fn several_names_are_one_service_and_one_that_is_lost_keeps_its_addresses() {
    let replicas = [Replica::router().await, Replica::router().await];
    let names: [Name; 2] = [0, 1].map(|at: usize| Name::of(&[replicas[at].addr()]));
    let known = names.clone();
    let resolve = move |host: String, _port| {
        let at = usize::from(host == "b.example");
        let addrs = known[at].0.lock().unwrap().clone();
        let found = addrs.ok_or_else(|| std::io::Error::other("no such name"));
        std::future::ready(found).boxed()
    };
    let lookup = Lookup { resolve: Arc::new(resolve), every: Duration::from_millis(5) };
    let urls = ["http://a.example:1", "http://b.example:1"];
    let router = BalancedRouter::connect(&urls, &limits(), lookup).unwrap();
    reaches(|| router.reach(), 2, 2).await;
    *names[1].0.lock().unwrap() = None;
    names[0].set(&[replicas[0].addr(), "127.0.0.1:1".parse().unwrap()]);
    reaches(|| router.reach(), 3, 2).await;
    let other = BalancedRouter::connect(&["http://a.example:1", "b"], &limits(), Lookup::dns());
    assert!(matches!(other, Err(LinkError::Address { found, .. }) if found == "b"));
}

async fn a_call_waits_for_the_successor_of_the_last_router_that_left() {
    let (router, name, mut replicas) = routers::<1>().await;
    drop(replicas.pop());
    reaches(|| router.reach(), 1, 0).await;
    let calling = begin(&router, Bytes::from_static(b"patient"));
    tokio::task::yield_now().await;
    let mut successor = Replica::router().await;
    name.set(&[successor.addr()]);
    let call = within(successor.called.recv()).await.unwrap();
    call.answer.send(Ok(reply(vec![end()]))).unwrap();
    assert!(within(calling).await.unwrap().is_ok());
}
