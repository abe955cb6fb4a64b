//! Spans through the real exporter to a collector on a loopback socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span as WireSpan;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as WireKind;
use prost::Message;
use weir_types::{TraceContext, TraceParent};

use super::*;
use crate::{SpanKind, Value, semconv};

/// One request as the collector saw it.
struct Seen {
    head: String,
    body: Vec<u8>,
}

impl Seen {
    fn spans(&self) -> Vec<WireSpan> {
        let message = ExportTraceServiceRequest::decode(self.body.as_slice()).unwrap();
        let scopes = message.resource_spans.into_iter().flat_map(|group| group.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

/// Answers every request with `status` until the test ends.
fn collector(status: u16) -> (SocketAddr, Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, seen) = channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut stream = BufReader::new(connection.unwrap());
                while let Some(request) = read_request(&mut stream) {
                    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
                    stream.get_mut().write_all(answer.as_bytes()).unwrap();
                    if sender.send(request).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, seen)
}

fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some(Seen { head, body })
}

fn settings(address: SocketAddr, more: &[(&str, &str)]) -> TraceSettings {
    let endpoint = format!("http://{address}");
    let vars = || more.iter().copied().chain([("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint)]);
    TraceSettings::from_vars("weir", |name| {
        vars().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    })
    .unwrap()
}

fn client_trace(flags: &str) -> TraceContext {
    let text = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
    TraceContext { parent: TraceParent::parse(&text), state: Some(Arc::from("vendor=a")) }
}

fn attribute(span: &WireSpan, key: &str) -> Option<Any> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.clone()?.value
}

const LONG: Duration = Duration::from_secs(10);

#[test]
fn spans_arrive_with_parent_kind_attributes_and_status() {
    let (address, seen) = collector(200);
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t");
    let service = ("OTEL_SERVICE_NAME", "weir-test");
    let (tracer, guard) = init_traces(&settings(address, &[headers, service])).unwrap();

    let parent = client_trace("01");
    let mut edge = tracer.start(&parent, "POST /v1/chat/completions", SpanKind::Server);
    assert!(edge.is_recording());
    edge.set(semconv::HTTP_RESPONSE_STATUS_CODE, 502);
    let mut call = tracer.start(edge.context(), "chat", SpanKind::Client);
    assert_ne!(call.context().parent, edge.context().parent);
    assert_eq!(call.context().state, parent.state);
    call.rename("chat gpt-4o".to_owned());
    call.set(semconv::GEN_AI_PROVIDER_NAME, "openai");
    call.set(semconv::GEN_AI_RESPONSE_FINISH_REASONS, vec!["stop".to_owned()]);
    call.event("first token", &[(semconv::WEIR_FIRST_TOKEN_US, Value::Int(17))]);
    call.fail("transient", "connection reset");
    let edge_id = edge.context().parent.map(|id| id.span_id.to_vec());
    drop(call);
    drop(edge);
    guard.shutdown(LONG).unwrap();

    let request = seen.recv_timeout(LONG).unwrap();
    check_message(&request, &parent, edge_id.as_ref());
}

fn check_message(request: &Seen, parent: &TraceContext, edge_id: Option<&Vec<u8>>) {
    assert!(request.head.starts_with("post /v1/traces http/1.1\r\n"), "{}", request.head);
    assert!(request.head.contains("authorization: bearer t\r\n"), "{}", request.head);
    assert!(request.head.contains("content-type: application/x-protobuf\r\n"), "{}", request.head);
    let spans = request.spans();
    let [call, edge] = spans.as_slice() else {
        panic!("two spans expected, found {spans:#?}");
    };
    let trace_id = parent.parent.map(|id| id.trace_id.to_vec());
    assert_eq!(Some(&edge.trace_id), trace_id.as_ref());
    assert_eq!(Some(&call.trace_id), trace_id.as_ref());
    assert_eq!(edge.parent_span_id, [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
    assert_eq!(Some(&call.parent_span_id), edge_id);
    assert_eq!((edge.kind(), call.kind()), (WireKind::Server, WireKind::Client));
    assert_eq!(call.name, "chat gpt-4o");
    assert_eq!(attribute(edge, "http.response.status_code"), Some(Any::IntValue(502)));
    let text = |text: &str| Some(Any::StringValue(text.to_owned()));
    assert_eq!(attribute(call, "gen_ai.provider.name"), text("openai"));
    assert_eq!(attribute(call, "error.type"), text("transient"));
    let status = call.status.clone().unwrap_or_default();
    assert_eq!((status.code, status.message.as_str()), (2, "connection reset"));
    assert_eq!(edge.status.clone().unwrap_or_default().code, 0);
    assert_eq!(call.events.len(), 1);
    assert!(String::from_utf8_lossy(&request.body).contains("weir-test"));
}

#[test]
fn sampling_follows_the_caller_and_the_share() {
    let (address, seen) = collector(200);
    let (tracer, guard) = init_traces(&settings(address, &[])).unwrap();
    let unsampled = tracer.start(&client_trace("00"), "edge", SpanKind::Server);
    assert!(!unsampled.is_recording());
    let context = unsampled.context().clone();
    let id = context.parent.expect("the trace goes on");
    assert_eq!(id.trace_id, client_trace("00").parent.unwrap().trace_id);
    assert_eq!(id.flags & 1, 0, "the next hop must not record either");
    assert!(!tracer.start(&context, "router", SpanKind::Server).is_recording());
    drop(unsampled);
    guard.shutdown(LONG).unwrap();
    assert!(seen.try_recv().is_err(), "nothing was recorded, nothing is sent");

    let off = ("OTEL_TRACES_SAMPLER", "parentbased_always_off");
    let (tracer, guard) = init_traces(&settings(address, &[off])).unwrap();
    assert!(!tracer.start(&TraceContext::default(), "edge", SpanKind::Server).is_recording());
    assert!(tracer.start(&client_trace("01"), "edge", SpanKind::Server).is_recording());
    guard.shutdown(LONG).unwrap();
}

#[test]
fn new_traces_get_an_id_and_calls_share_it() {
    let (address, seen) = collector(200);
    let (tracer, guard) = init_traces(&settings(address, &[])).unwrap();
    let edge = tracer.start(&TraceContext::default(), "edge", SpanKind::Server);
    let first = tracer.start(edge.context(), "attempt", SpanKind::Client);
    let second = tracer.start(edge.context(), "attempt", SpanKind::Client);
    drop((first, second, edge));
    guard.flush().unwrap();
    let spans = seen.recv_timeout(LONG).unwrap().spans();
    assert_eq!(spans.len(), 3);
    assert!(spans.iter().all(|span| span.trace_id == spans[0].trace_id));
    let siblings = spans.iter().filter(|span| span.parent_span_id == spans[2].span_id).count();
    assert_eq!(siblings, 2);
    guard.shutdown(LONG).unwrap();
    let late = tracer.start(&client_trace("01"), "late", SpanKind::Server);
    assert_eq!(late.context(), &client_trace("01"), "after the end the context still passes");
}

#[test]
fn a_collector_that_refuses_is_told_of_once() {
    let (address, seen) = collector(400);
    let (tracer, guard) = init_traces(&settings(address, &[])).unwrap();
    let counts = Arc::clone(&guard.running.as_ref().unwrap().1);
    for _ in 0..3 {
        drop(tracer.start(&TraceContext::default(), "edge", SpanKind::Server));
        assert!(guard.flush().is_err());
        seen.recv_timeout(LONG).unwrap();
    }
    let failures = counts.failures.lock().unwrap();
    // The first failure was reported at once and cleared; the two others wait for the next minute.
    assert!(failures.reported.is_some());
    assert_eq!((failures.exports, failures.spans), (2, 2));
    drop(failures);
    guard.shutdown(LONG).ok();
}

#[test]
fn an_absent_collector_delays_nothing_but_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let small = ("OTEL_BSP_MAX_QUEUE_SIZE", "4");
    let timeout = ("OTEL_EXPORTER_OTLP_TIMEOUT", "200");
    let (tracer, guard) = init_traces(&settings(address, &[small, timeout])).unwrap();
    for _ in 0..1000 {
        drop(tracer.start(&TraceContext::default(), "edge", SpanKind::Server));
    }
    let counts = Arc::clone(&guard.running.as_ref().unwrap().1);
    assert_eq!(counts.ended.load(Ordering::Relaxed), 1000);
    guard.shutdown(LONG).ok();
    assert!(counts.taken.load(Ordering::Relaxed) < 1000, "the queue is bounded");
}

#[test]
fn an_endpoint_with_tls_can_be_made() {
    let endpoint = Some("https://collector.invalid/v1/traces".parse().unwrap());
    let settings = TraceSettings { endpoint, ..TraceSettings::default() };
    // Where the system has no roots the error says so; a crypto provider is never missing.
    match init_traces(&settings) {
        Ok((tracer, guard)) => {
            assert!(tracer.is_on());
            guard.shutdown(Duration::from_secs(1)).unwrap();
        }
        Err(error) => assert!(error.to_string().contains("certificate roots"), "{error}"),
    }
}
