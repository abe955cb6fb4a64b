//! Round trips of everything that travels, and what becomes of messages of other versions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status};
use weir_types::{
    Addressee, Attempt, CallContext, Commit, Deadline, Dialect, FailureClass, Fault, FaultCode,
    FaultDetail, Form, Framing, ModelList, Operation, Outline, Patience, QuotaMode, RequestId,
    SeenModels, Served, Side, Target, TraceContext, TraceParent, UpstreamAnswer, Usage,
};

use super::*;
use crate::proto::{router, worker};
use crate::{
    CheckedKey, Cursor, Description, End, Owner, Part, ReplyHead, RouterRequest, Timings,
    UsableKey, WorkerRequest,
};

/// Through the bytes, so that field numbers are part of the test.
fn through<M: Message + Default>(message: &M) -> M {
    M::decode(message.encode_to_vec().as_slice()).unwrap()
}

fn attempts() -> Vec<Attempt> {
    let attempt = |class, status| Attempt {
        provider: "openai".into(),
        key: "blue".into(),
        status,
        class,
        duration_us: 1_234_567,
    };
    let failed = FailureClass::ALL.into_iter().map(|class| attempt(Some(class), 0));
    failed.chain([attempt(None, 200)]).collect()
}

fn full_fault(code: FaultCode, class: Option<FailureClass>) -> Fault {
    let detail = FaultDetail {
        message: "the pool is full, come back later: ü".into(),
        code: Some("rate_limit_exceeded".into()),
        param: Some("messages[0]".into()),
        retry_after: Some(Duration::from_micros(1_500_001)),
        class,
        side: Some(Side::Gateway),
        upstream: Some(UpstreamAnswer {
            status: 429,
            content_type: "application/json".to_owned(),
            body: Bytes::from_static(b"{\"error\":{}}\0\xff"),
        }),
        attempts: attempts(),
        quota_mode: QuotaMode::Refuse,
    };
    Fault { code, detail: Box::new(detail) }
}

#[test]
fn every_code_and_class_survives_with_every_field() {
    for &code in FaultCode::ALL {
        for class in FailureClass::ALL.into_iter().map(Some).chain([None]) {
            let fault = full_fault(code, class);
            let message = through(&common::Fault::from(fault.clone()));
            assert_eq!(Fault::from(message), fault);
        }
        let bare = Fault::new(code, "");
        assert_eq!(Fault::from(through(&common::Fault::from(bare.clone()))), bare);
    }
}

#[test]
fn every_code_survives_as_a_status() {
    for &code in FaultCode::ALL {
        let fault = full_fault(code, Some(FailureClass::RateLimited));
        let status = status(fault.clone()).unwrap();
        assert_eq!(i32::from(status.code()), code.grpc_code());
        assert_eq!(fault_of(&status, true), fault);
    }
}

#[test]
fn what_a_later_version_says_degrades() {
    let fault = Fault::from(common::Fault {
        code: 9_999,
        message: "news".to_owned(),
        class: Some("surprising".to_owned()),
        upstream: Some(common::UpstreamAnswer { status: 70_000, ..Default::default() }),
        attempts: vec![common::Attempt {
            status: 70_000,
            class: "surprising".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    });
    assert_eq!(fault.code, FaultCode::Internal);
    assert_eq!(fault.detail.message, "news");
    assert_eq!(fault.detail.class, Some(FailureClass::Transient));
    assert_eq!(fault.detail.upstream.unwrap().status, 502);
    assert_eq!(fault.detail.attempts[0].class, Some(FailureClass::Transient));
    assert_eq!(fault.detail.attempts[0].status, 0);

    // A field of a later version (number 99, text) is skipped.
    let mut bytes = common::Fault::from(Fault::new(FaultCode::NotFound, "gone")).encode_to_vec();
    bytes.extend_from_slice(&[0x9a, 0x06, 2, b'h', b'i']);
    let fault = Fault::from(common::Fault::decode(bytes.as_slice()).unwrap());
    assert_eq!(fault, Fault::new(FaultCode::NotFound, "gone"));
    assert!(router::Frame { part: None }.part().is_none());
    assert!(worker::Frame { part: None }.part().is_none());
}

#[test]
fn a_status_of_the_transport_is_a_broken_link_or_a_late_answer() {
    for status in [
        Status::new(Code::Unavailable, "connection refused"),
        Status::with_details(Code::Internal, "strange", Bytes::from_static(b"\xff\xff\xff")),
        Status::with_details(Code::Internal, "strange", Bytes::from_static(b"\x12\x01x")),
    ] {
        let fault = fault_of(&status, false);
        assert_eq!(fault.code, FaultCode::LinkBroken);
        assert!(fault.detail.message.contains(status.message()), "{fault}");
        assert_eq!(fault_of(&status, true).code, FaultCode::DeadlineExceeded);
    }
}

#[test]
fn a_fault_that_fits_no_header_is_handed_back() {
    let mut fault = full_fault(FaultCode::UpstreamRejected, None);
    fault.detail.upstream.as_mut().unwrap().body = Bytes::from(vec![b'x'; 1024 * 1024]);
    let message = status(fault.clone()).unwrap_err();
    assert_eq!(Fault::from(through(&*message)), fault);
}

/// What requests of `operation` may be for.
fn targets(operation: Operation) -> Vec<Target> {
    let mut targets = vec![target(operation)];
    if operation.facts().batch_keys_only {
        // An id that says nothing, and what is made of something stored.
        targets.push(Target::Resource { provider: None, key: None, id: "file-1".to_owned() });
        targets.push(target(Operation::FileRetrieve));
        let (provider, pin) = (Some("bedrock".to_owned()), Some("blue".to_owned()));
        targets.push(Target::Place { provider, pin, place: "bucket/name".to_owned() });
    }
    if operation == Operation::ListModels {
        // One model that is looked for, of one key, and all models of all providers.
        targets.push(target(Operation::Chat));
        targets.push(Target::Provider { name: None, pin: None });
    }
    targets
}

/// What requests of `operation` are usually for.
fn target(operation: Operation) -> Target {
    let pin = Some("blue".to_owned());
    match operation.facts().addressee {
        Addressee::Model => Target::Model { name: "openai/gpt-4o".to_owned(), pin },
        Addressee::Provider => Target::Provider { name: Some("groq".to_owned()), pin },
        Addressee::Resource => Target::Resource {
            provider: Some("openai".into()),
            key: Some("blue".into()),
            id: "file-1".to_owned(),
        },
    }
}

fn router_request_full() -> RouterRequest {
    RouterRequest {
        dialect: Dialect::OpenAiChat,
        operation: Operation::Chat,
        target: target(Operation::Chat),
        stream: true,
        framing: Framing::JsonArray,
        form: Form::Single,
        commit: Some(Commit::First),
        patience: Patience {
            first_token: Some(Duration::from_millis(1500)),
            stream_idle: None,
            hedge_after: Some(Duration::ZERO),
        },
        content_type: "multipart/form-data; boundary=x".to_owned(),
        outline: Outline::new(&[1, 8, 9, 12]),
        fallbacks: vec!["groq/llama".to_owned(), "acme/m".to_owned()],
        preferred_provider: Some("openai".to_owned()),
        client_key: Some("team-a".into()),
        headers: vec![("x-a".to_owned(), "1".to_owned()), ("x-a".to_owned(), "2".to_owned())],
        query: "limit=2".to_owned(),
        cursor: Some(Cursor {
            provider: "openai".into(),
            key: "blue".into(),
            query: "after=file-1".to_owned(),
        }),
        owner: Some(Owner { provider: "openai".into(), key: "blue".into() }),
    }
}

fn worker_request_full() -> WorkerRequest {
    WorkerRequest {
        dialect: Dialect::OpenAiChat,
        operation: Operation::Embedding,
        provider: "openai".into(),
        key: "blue".into(),
        model: "text-embedding-3".into(),
        resource: Some("file-1".to_owned()),
        stream: false,
        framing: Framing::EventStream,
        form: Form::Mistral,
        commit: Commit::Complete,
        patience: Patience { stream_idle: Some(Duration::from_secs(3)), ..Patience::default() },
        content_type: "audio/wav".to_owned(),
        outline: Outline::new(&[2, 9, 10, 300_000]),
        attempt: 3,
        is_fallback: true,
        headers: vec![("openai-beta".to_owned(), "v2".to_owned())],
        query: "limit=2".to_owned(),
    }
}

#[test]
fn request_heads_survive() {
    for operation in Operation::ALL {
        for target in targets(operation) {
            let request = RouterRequest { operation, target, ..router_request_full() };
            let head = through(&router_head(request.clone(), Some(5)));
            assert_eq!(head.body_bytes, Some(5));
            assert_eq!(router_request(head), Ok(request));
        }
        let request = WorkerRequest { operation, ..worker_request_full() };
        let head = through(&worker_head(request.clone(), None));
        assert_eq!(head.body_bytes, None);
        assert_eq!(worker_request(head), Ok(request));
    }
}

#[test]
fn a_request_head_that_lacks_something_is_a_fault_that_names_it() {
    let router = |change: fn(&mut router::RequestHead)| {
        let mut head = router_head(router_request_full(), None);
        change(&mut head);
        router_request(head).unwrap_err()
    };
    let worker = |change: fn(&mut worker::RequestHead)| {
        let mut head = worker_head(worker_request_full(), None);
        change(&mut head);
        worker_request(head).unwrap_err()
    };
    for (fault, code, part) in [
        (router(|head| head.dialect.clear()), FaultCode::Internal, "`dialect`"),
        (router(|head| head.operation.clear()), FaultCode::Internal, "`operation`"),
        (router(|head| head.dialect = "morse".into()), FaultCode::UnsupportedOperation, "`morse`"),
        (router(|head| head.operation = "sing".into()), FaultCode::UnsupportedOperation, "`sing`"),
        (worker(|head| head.provider.clear()), FaultCode::Internal, "`provider`"),
        (worker(|head| head.key.clear()), FaultCode::Internal, "`key`"),
        (worker(|head| head.attempt = 0), FaultCode::Internal, "`attempt`"),
        (worker(|head| head.dialect = "morse".into()), FaultCode::UnsupportedOperation, "`morse`"),
    ] {
        assert_eq!(fault.code, code, "{fault}");
        assert!(fault.detail.message.contains(part), "{fault}");
    }
    assert_eq!(
        router_request(router::RequestHead::default()).unwrap_err().code,
        FaultCode::Internal
    );
    assert_eq!(
        worker_request(worker::RequestHead::default()).unwrap_err().code,
        FaultCode::Internal
    );
}

fn reply_full() -> ReplyHead {
    ReplyHead {
        status: 201,
        content_type: "text/event-stream".to_owned(),
        headers: vec![("openai-version".to_owned(), "1".to_owned())],
        provider: "openai".into(),
        key: "blue".into(),
        attempts: attempts(),
        timings: Timings {
            queue_us: 1,
            router_us: 2,
            worker_us: 3,
            upstream_us: u64::MAX,
            earlier_us: 5,
        },
        quota_mode: QuotaMode::Share,
        seen: [
            Served::default(),
            Served { models: ModelList::All, except: vec!["b".into()] },
            Served { models: ModelList::Names(vec!["a".into()]), except: Vec::new() },
        ]
        .map(|served| SeenModels { provider: "openai".into(), keys: vec![served] })
        .to_vec(),
        parts: vec![Part { provider: "openai".into(), key: "blue".into(), bytes: 12 }],
        kept: Some("resp_1".to_owned()),
    }
}

#[test]
fn reply_heads_and_ends_survive() {
    let head = reply_full();
    assert_eq!(reply(through(&reply_head(head.clone()))), Ok(head));
    let usage = Usage {
        input_tokens: 1,
        output_tokens: 2,
        cached_input_tokens: 3,
        reasoning_tokens: u64::MAX,
        cache_write_tokens: 9,
    };
    for whole in [
        End::default(),
        End { usage, finish: Some("stop".to_owned()), fault: None },
        End { fault: Some(full_fault(FaultCode::UpstreamBroken, None)), ..End::default() },
    ] {
        assert_eq!(end_of(through(&end(whole.clone()))), whole);
    }
}

#[test]
fn a_reply_head_that_lacks_something_is_a_fault_that_names_it() {
    let without = |change: fn(&mut common::ReplyHead)| {
        let mut head = reply_head(reply_full());
        change(&mut head);
        reply(head).unwrap_err()
    };
    for (fault, part) in [
        (without(|head| head.status = 0), "`status`"),
        (without(|head| head.status = 70_000), "`status`"),
        (without(|head| head.provider.clear()), "`provider`"),
        (without(|head| head.key.clear()), "`key`"),
    ] {
        assert_eq!(fault.code, FaultCode::Internal);
        assert!(fault.detail.message.contains(part), "{fault}");
    }
    let mut head = reply_head(reply_full());
    head.timings = None;
    assert_eq!(reply(head).unwrap().timings, Timings::default());
}

#[test]
fn descriptions_survive() {
    let whole = Description {
        provider: "openai".into(),
        keys: vec![
            UsableKey { name: "blue".into(), places: Arc::from(["b/p/".to_owned()]) },
            UsableKey { name: "red".into(), places: Arc::default() },
        ],
        unusable: vec![("grey".into(), "OPENAI_KEY is not set".to_owned())],
        checked: vec![
            CheckedKey { name: "blue".into(), trouble: None },
            CheckedKey { name: "red".into(), trouble: Some("it answers 503".to_owned()) },
        ],
    };
    assert_eq!(description_of(through(&description(whole.clone()))), Ok(whole));
    let fault = description_of(worker::Description::default()).unwrap_err();
    assert!(fault.detail.message.contains("`provider`"), "{fault}");
}

fn call_context(id: &str, timeout: Duration, trace: TraceContext) -> CallContext {
    let deadline = Deadline::after(Instant::now(), timeout);
    CallContext { request_id: RequestId::from(id), deadline, trace }
}

#[test]
fn context_survives() {
    let parent = TraceParent { trace_id: [7; 16], span_id: [9; 8], flags: 1 };
    let trace = TraceContext { parent: Some(parent), state: Some("vendor=1,other=2".into()) };
    let sent = call_context("req-1", Duration::from_secs(90), trace);
    let call = attach((), &sent).unwrap();
    let came = context(call.metadata()).unwrap();
    assert_eq!((&came.request_id, &came.trace), (&sent.request_id, &sent.trace));
    let late = came.deadline.instant().saturating_duration_since(sent.deadline.instant());
    assert!(late < Duration::from_secs(5), "{late:?}");
    assert_eq!(call.metadata().get("grpc-timeout").unwrap(), &{
        let text = call.metadata().get("grpc-timeout").unwrap().to_str().unwrap();
        let us: u64 = text.strip_suffix('u').unwrap().parse().unwrap();
        assert!((90_000_000..=91_000_000).contains(&us), "{text}");
        text.to_owned()
    });
}

#[test]
fn odd_contexts_are_understood_or_refused() {
    let none = TraceContext::default();
    let endless = call_context("req-1", Duration::MAX, none.clone());
    let came = context(attach((), &endless).unwrap().metadata()).unwrap();
    assert!(came.deadline.remaining(Instant::now()) > Duration::from_secs(365 * 24 * 3600));
    assert_eq!(came.trace, none);

    let past = call_context("req-1", Duration::ZERO, none.clone());
    let came = context(attach((), &past).unwrap().metadata()).unwrap();
    assert_eq!(came.deadline.remaining(Instant::now()), Duration::ZERO);

    let fault = attach((), &call_context("a\nb", Duration::ZERO, none)).unwrap_err();
    assert!(fault.detail.message.contains("request id"), "{fault}");

    for (name, value, wrong) in [
        ("weir-timeout-us", "soon", true),
        ("grpc-timeout", "5", true),
        ("grpc-timeout", "123456789S", true),
        ("grpc-timeout", "-1S", true),
        ("grpc-timeout", "5S", false),
        ("grpc-timeout", "99999999H", false),
        ("traceparent", "nonsense", false),
    ] {
        let mut metadata = tonic::metadata::MetadataMap::new();
        assert!(context(&metadata).unwrap_err().detail.message.contains("x-request-id"));
        metadata.insert("x-request-id", "req-1".parse().unwrap());
        metadata.insert(name, value.parse().unwrap());
        assert_eq!(context(&metadata).is_err(), wrong, "{name}: {value}");
    }
}

#[test]
fn long_runs_are_cut_into_chunks() {
    let mut rest = Bytes::from(vec![1; frame::CHUNK_BYTES_MAX * 2 + 1]);
    let lengths: Vec<_> =
        std::iter::from_fn(|| (!rest.is_empty()).then(|| first_chunk(&mut rest).len())).collect();
    assert_eq!(lengths, [frame::CHUNK_BYTES_MAX, frame::CHUNK_BYTES_MAX, 1]);
}

#[test]
fn more_headers_than_a_map_can_hold_are_a_fault() {
    let many = |count| {
        let header = |number| common::Header { name: format!("x-{number}"), value: String::new() };
        (0..count).map(header).collect::<Vec<_>>()
    };
    for (count, is_refused) in [(2048, false), (2049, true), (100_000, true)] {
        let mut asked = router_head(router_request_full(), None);
        asked.headers = many(count);
        let mut tried = worker_head(worker_request_full(), None);
        tried.headers = many(count);
        let mut answered = reply_head(reply_full());
        answered.headers = many(count);
        let results =
            [router_request(asked).err(), worker_request(tried).err(), reply(answered).err()];
        for fault in results {
            assert_eq!(fault.is_some(), is_refused, "{count}");
            if let Some(fault) = fault {
                assert!(fault.detail.message.contains(&count.to_string()), "{fault}");
            }
        }
    }
}
