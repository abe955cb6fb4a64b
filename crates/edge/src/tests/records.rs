//! One log line per request, written when it is over, whatever way it ends.

use super::*;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::LazyLock;
use tracing::field::{Field, Visit};
use tracing::{Dispatch, span};
use weir_types::FaultCode;

pub(super) type Line = BTreeMap<&'static str, String>;

/// Keeps the request lines of the thread it is the default of.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<Line>>>);

struct Fields(Line);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "weir::request"
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(Line::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl Lines {
    /// All so far.
    pub(super) fn taken(&self) -> Vec<Line> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The lines of this thread, for as long as the guard lives.
    pub(super) fn capture() -> (Self, tracing::subscriber::DefaultGuard) {
        // While there is one subscriber alone, whether an event is wanted is asked once, in the
        // thread that meets it first; that may be one of another test, which wants none.
        static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Lines::default()));
        LazyLock::force(&SECOND);
        let lines = Self::default();
        let guard = tracing::subscriber::set_default(lines.clone());
        (lines, guard)
    }

    /// The only line since the last look.
    pub(super) fn one(&self) -> Line {
        let mut lines = self.0.lock().unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.pop().unwrap()
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

fn expect(line: &Line, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        assert_eq!(line.get(name).map(String::as_str), Some(*value), "{name} in {line:?}");
    }
}

#[tokio::test]
async fn the_line_comes_with_the_last_byte_and_says_it_all() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (lines, _guard) = Lines::capture();
    let edge = Edge::replying(|| {
        let usage = Usage { input_tokens: 11, output_tokens: 7, ..Usage::default() };
        let end = End { usage, finish: Some("stop".into()), fault: None };
        let frames = vec![chunk("{}"), Frame::End(Box::new(end))];
        let mut reply = reply_of("application/json", frames);
        reply.head.timings.queue_us = 1_500;
        Ok(reply)
    });
    let mut request = chat();
    let headers = request.headers_mut();
    headers.insert("x-request-id", "id-1".parse().unwrap());
    headers.insert("traceparent", PARENT.parse().unwrap());
    headers.insert("authorization", "Bearer sk-client".parse().unwrap());
    let response = edge.send(request).await;
    assert!(lines.is_empty(), "the answer has not been taken yet");
    text(response).await;
    let line = lines.one();
    expect(
        &line,
        &[
            ("request_id", "id-1"),
            ("method", "POST"),
            ("route", "/v1/chat/completions"),
            ("status", "200"),
            ("outcome", "complete"),
            ("provider", "openai"),
            ("key", "key-a"),
            ("model", "openai/gpt-4o"),
            ("stream", "false"),
            ("attempts", "openai/key-a:200;ms=1"),
            ("queue_ms", "1.5"),
            ("input_tokens", "11"),
            ("output_tokens", "7"),
            ("finish", "stop"),
            ("trace_id", "0af7651916cd43dd8448eb211c80319c"),
        ],
    );
    for name in ["first_byte_ms", "duration_ms"] {
        assert!(line[name].parse::<f64>().unwrap() >= 0.0, "{name}");
    }
    assert!(!line.contains_key("error") && !format!("{line:?}").contains("sk-"), "{line:?}");
}

#[tokio::test]
async fn failures_say_what_and_why() {
    let (lines, _guard) = Lines::capture();
    let edge = Edge::replying(|| {
        let mut fault = Fault::new(FaultCode::UpstreamTimedOut, "no head within 30 s");
        fault.detail.attempts = vec![attempt("key-b", 0, Some(FailureClass::Silent))];
        Err(fault)
    });
    text(edge.send(chat()).await).await;
    expect(
        &lines.one(),
        &[
            ("status", "504"),
            ("outcome", "complete"),
            ("error", "request_timed_out"),
            ("reason", "no head within 30 s"),
            ("provider", "openai"),
            ("key", "key-b"),
            ("attempts", "openai/key-b:silent;ms=1"),
        ],
    );
    text(edge.send(post("/nowhere", "")).await).await;
    let line = lines.one();
    expect(&line, &[("status", "404"), ("method", "POST"), ("error", "not_found")]);
    assert!(!line.contains_key("route"));
}

#[tokio::test(start_paused = true)]
async fn every_other_way_out_is_told_apart() {
    let (lines, _guard) = Lines::capture();

    let pending = |_: &RouterRequest| -> CallFuture { Box::pin(std::future::pending()) };
    let edge = Edge::scripted(Settings::default(), Box::new(pending));
    assert!(tokio::time::timeout(LONG, edge.send(chat())).await.is_err());
    expect(&lines.one(), &[("status", "499"), ("outcome", "client_gone")]);

    let (edge, feed) = fed(Settings::default(), SSE);
    let body = edge.send(chat_stream()).await.into_body();
    drop(body);
    expect(&lines.one(), &[("status", "200"), ("outcome", "client_gone"), ("stream", "true")]);
    assert!(feed.is_dropped());

    // A client that closes as soon as it has the last byte did not leave.
    let (edge, feed) = fed(Settings::default(), SSE);
    let mut body = edge.send(chat_stream()).await.into_body();
    feed.send(chunk("data: [DONE]\n\n")).await;
    body.frame().await.unwrap().unwrap();
    let usage = Usage { input_tokens: 3, output_tokens: 5, ..Usage::default() };
    feed.send(Frame::End(Box::new(End { usage, ..End::default() }))).await;
    drop(body);
    expect(&lines.one(), &[("outcome", "complete"), ("output_tokens", "5")]);
    assert!(lines.is_empty(), "told once");

    let frames =
        || vec![chunk("data: 1\n\n"), broken(Fault::new(FaultCode::UpstreamBroken, "cut"))];
    let edge = Edge::replying(move || Ok(reply_of(SSE, frames())));
    text(edge.send(chat_stream()).await).await;
    expect(
        &lines.one(),
        &[
            ("status", "200"),
            ("outcome", "broken"),
            ("error", "upstream_answer_broken"),
            ("reason", "cut"),
        ],
    );
}
