//! A call under way: what was asked, until when, and what is told of it.
//!
//! `attempt` begins one; `whole`, `streamed` and `rejection` read what comes back. Knows none of
//! them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use weir_budget::Hold;
use weir_dialect::ir::Losses;
use weir_dialect::stored::is_stored;
use weir_provider::Asked;
use weir_rpc::{ReplyHead, Timings};
use weir_telemetry::{Span, semconv};
use weir_types::{CallContext, FailureClass, Fault, Operation, QuotaMode, Usage};

use crate::shared::Key;
use crate::stream::Framings;
use crate::upload::Upload;
use crate::way::Way;
use crate::{Shared, headers};

/// How long an attempt may take, and whose limit that is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) at: Instant,
    /// The request's own deadline comes first.
    pub(crate) is_requests: bool,
    /// The attempt's own is the client's, shorter than the settings': that it passes says nothing of the
    /// provider.
    pub(crate) is_clients: bool,
    /// The attempt's own.
    pub(crate) own: Duration,
    /// The request's.
    pub(crate) deadline: Instant,
}

impl Limit {
    /// `asked`: the client's own limit up to the first content of a stream; the settings are its bound.
    pub(crate) fn new(
        shared: &Shared,
        context: &CallContext,
        stream: bool,
        asked: Option<Duration>,
        now: Instant,
    ) -> Self {
        let timeouts = &shared.timeouts;
        let own = timeouts.first_token.filter(|_| stream).unwrap_or(timeouts.attempt);
        let shorter = asked.filter(|asked| stream && *asked < own);
        let (own, is_clients) = (shorter.unwrap_or(own), shorter.is_some());
        let deadline = Instant::from_std(context.deadline.instant());
        Self { at: now, is_requests: false, is_clients, own, deadline }.again(now)
    }

    /// The same limits for what begins `now`.
    pub(crate) fn again(self, now: Instant) -> Self {
        let own_at = now + self.own;
        let is_requests = self.deadline < own_at;
        Self { at: own_at.min(self.deadline), is_requests, ..self }
    }
}

/// What the reading of an error needs to know of a call.
#[derive(Clone, Copy)]
pub(crate) struct ErrorContext<'a> {
    pub(crate) shared: &'a Shared,
    /// Whose secrets must not be seen in what comes back.
    pub(crate) key: Option<&'a Key>,
    pub(crate) model: &'a str,
    pub(crate) limit: Limit,
    pub(crate) way: &'a Way,
    pub(crate) asked: Asked<'a>,
    /// The client chose headers of the request, which may be what is refused.
    pub(crate) has_clients_headers: bool,
}

/// An attempt under way.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    /// Index into `shared.keys`.
    pub(crate) key: usize,
    pub(crate) operation: Operation,
    pub(crate) way: Way,
    pub(crate) framings: Framings,
    /// What the request's translation lost.
    pub(crate) losses: Losses,
    /// As the provider writes it.
    pub(crate) model: String,
    pub(crate) limit: Limit,
    /// How long a stream may be silent after its first content.
    pub(crate) stream_idle: Duration,
    /// The request, until the first content of its answer has come; unless it was not looked at.
    pub(crate) document: Option<Bytes>,
    pub(crate) has_clients_headers: bool,
    /// Whether a stream may be asked for; whoever asks where only the provider reads it is told then.
    pub(crate) may_stream: bool,
    /// Set where the request's body is still arriving when it is sent.
    pub(crate) upload: Option<Upload>,
    pub(crate) span: Span,
    pub(crate) started: Instant,
    pub(crate) sent: Instant,
    /// How long a try took that was refused before.
    pub(crate) refused: Duration,
    /// What the request's translation takes.
    pub(crate) _room: Option<Arc<Hold>>,
}

impl Call {
    fn key(&self) -> Option<&Key> {
        self.shared.keys.get(self.key)
    }

    pub(crate) fn error_context(&self) -> ErrorContext<'_> {
        ErrorContext {
            shared: &self.shared,
            key: self.key(),
            model: &self.model,
            limit: self.limit,
            way: &self.way,
            asked: self.document.as_deref().map_or(Asked::unknown(), Asked::with),
            has_clients_headers: self.has_clients_headers,
        }
    }

    /// The head of the reply; the time up to now is the provider's.
    /// `lost` is what the answer's translation lost beside the request's.
    pub(crate) fn reply_head(&self, head: &http::response::Parts, lost: &Losses) -> ReplyHead {
        let now = Instant::now();
        let upstream = now.duration_since(self.sent) + self.refused;
        let whole = now.duration_since(self.started);
        let mut losses = self.losses.clone();
        losses.extend(lost.clone());
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let mut content_type = headers::text(&head.headers, http::header::CONTENT_TYPE).to_owned();
        let mut passed = headers::passed_on(&head.headers, &losses);
        if let Some(key) = self.key() {
            let values = passed.iter_mut().map(|(_, value)| value);
            values.chain([&mut content_type]).for_each(|text| key.hide(text));
        }
        ReplyHead {
            status: head.status.as_u16(),
            content_type,
            headers: passed,
            provider: self.shared.provider.clone(),
            key: self.key().map_or_else(|| "".into(), |key| key.name.clone()),
            attempts: Vec::new(),
            timings: Timings {
                worker_us: micros(whole.saturating_sub(upstream)),
                upstream_us: micros(upstream),
                ..Timings::default()
            },
            quota_mode: QuotaMode::default(),
            seen: Vec::new(),
            parts: Vec::new(),
            kept: None,
        }
    }

    /// The answer's id, where the provider can be asked for it again: one that is translated has none
    /// that its client could use.
    pub(crate) fn kept(&self, id: Option<String>) -> Option<String> {
        let asks_again = || self.shared.vendor.offers(Operation::ResponsesRetrieve, false);
        let is_kept = self.operation == Operation::Responses && !self.way.is_translated();
        id.filter(|_| is_kept && asks_again())
    }

    /// What a provider said in an answer and is told elsewhere as well.
    pub(crate) fn without_secrets(&self, said: &str) -> String {
        let mut said = said.to_owned();
        if let Some(key) = self.key() {
            key.hide(&mut said);
        }
        said
    }

    /// The first content has come.
    pub(crate) fn first_content(&self) {
        let after = self.sent.elapsed();
        self.shared.telemetry.metrics.first_token(&self.shared.provider, self.operation, after);
    }

    /// What the answer cost, of what it says of that: an answer that was kept says what it cost when it
    /// was made, however often it is looked at.
    pub(crate) fn cost(&self, said: Usage) -> Usage {
        if is_stored(self.operation) { Usage::default() } else { said }
    }

    /// The attempt is over; tells the span what came of it.
    /// What must not be seen is taken out of the reason first: here every failure passes.
    pub(crate) fn ended(
        &mut self,
        usage: &Usage,
        finish: Option<&str>,
        mut fault: Option<&mut Fault>,
    ) {
        if let (Some(fault), Some(key)) = (fault.as_deref_mut(), self.key()) {
            key.hide_in(fault);
        }
        if !self.span.is_recording() {
            return;
        }
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        if !usage.is_empty() {
            self.span.set(semconv::GEN_AI_USAGE_INPUT_TOKENS, count(usage.input_tokens));
            self.span.set(semconv::GEN_AI_USAGE_OUTPUT_TOKENS, count(usage.output_tokens));
            let cached = count(usage.cached_input_tokens);
            self.span.set(semconv::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, cached);
        }
        if let Some(finish) = finish {
            self.span.set(semconv::GEN_AI_RESPONSE_FINISH_REASONS, vec![finish.to_owned()]);
        }
        if let Some(fault) = fault {
            let class = fault.detail.class.map_or("unclassified", FailureClass::label);
            self.span.set(semconv::WEIR_FAILURE_CLASS, class);
            self.span.fail(fault.code.kind(), &fault.detail.message);
        }
    }
}
