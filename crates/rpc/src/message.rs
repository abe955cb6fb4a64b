//! What travels between the rooms. The same types in process and, through `wire`, over gRPC.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use weir_budget::{Budget, Gather};
use weir_types::{
    Attempt, Commit, Dialect, Fault, FaultCode, Form, Framing, KeyName, ModelName, Operation,
    Outline, Patience, ProviderName, QuotaMode, SeenModels, Target, Usage,
};

/// A header that is passed through, name in lower case.
pub type Header = (String, String);

/// What the edge asks of the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterRequest {
    /// The wire format of body and answer.
    pub dialect: Dialect,
    /// What is asked.
    pub operation: Operation,
    /// What it is asked of.
    pub target: Target,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// How the client wants a stream framed.
    pub framing: Framing,
    /// In which form of the format the client sends and reads.
    pub form: Form,
    /// When a stream is to begin for the client; `None`: as the provider's setting says.
    pub commit: Option<Commit>,
    /// How long the client is ready to wait for parts of the answer.
    pub patience: Patience,
    /// `content-type` of a body that is not JSON; else empty.
    pub content_type: String,
    /// Where the members of a JSON body stand, if whoever read it says so.
    pub outline: Option<Outline>,
    /// `provider/model` to go to when the first choice fails, in order.
    pub fallbacks: Vec<String>,
    /// The provider that a route prefix implies for a bare model, if it serves it.
    pub preferred_provider: Option<String>,
    /// The name of the client's key; `None` if it presented none.
    pub client_key: Option<Arc<str>>,
    /// Headers for the provider, already filtered by the edge.
    pub headers: Vec<Header>,
    /// The query for the provider, already filtered by the edge; empty: none.
    pub query: String,
    /// Of a list of what keys have stored: where it goes on.
    pub cursor: Option<Cursor>,
    /// Whoever has stored what the request refers to: nobody else can serve it.
    pub owner: Option<Owner>,
}

/// A key of a provider that has stored something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Where.
    pub provider: ProviderName,
    /// With which key.
    pub key: KeyName,
}

/// The place in a list over several keys at which it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Whose turn it is.
    pub provider: ProviderName,
    /// With which key.
    pub key: KeyName,
    /// What the query says besides, to this key alone.
    pub query: String,
}

/// What the router asks of one provider's worker: one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRequest {
    /// The wire format of body and answer.
    pub dialect: Dialect,
    /// What is asked.
    pub operation: Operation,
    /// Whose worker this must be; a worker refuses another provider's requests.
    pub provider: ProviderName,
    /// The key to use.
    pub key: KeyName,
    /// The caller's name of the model, before aliases, without provider prefix; empty if the
    /// operation has none.
    pub model: ModelName,
    /// The provider's own id of what the request is for, where that is something stored.
    pub resource: Option<String>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// How the client wants a stream framed.
    pub framing: Framing,
    /// In which form of the format the client sends and reads.
    pub form: Form,
    /// When a stream is to begin for the client.
    pub commit: Commit,
    /// How long the client is ready to wait for parts of the answer.
    pub patience: Patience,
    /// `content-type` of a body that is not JSON; else empty.
    pub content_type: String,
    /// Where the members of a JSON body stand, if whoever read it says so.
    pub outline: Option<Outline>,
    /// 1 for the first upstream try of the client's request.
    pub attempt: u32,
    /// The request's first choice was another provider.
    pub is_fallback: bool,
    /// Headers for the provider, already filtered by the edge.
    pub headers: Vec<Header>,
    /// The query for the provider, besides what its address has; empty: none.
    pub query: String,
}

impl WorkerRequest {
    /// Whether the answer is to be a stream: one is asked for, and the operation has such answers.
    #[must_use]
    pub const fn is_streamed(&self) -> bool {
        self.stream && self.operation.streams()
    }
}

/// Bytes of a request. Held whole where a retry may need them again.
pub enum Body {
    /// All of it.
    Full(Bytes),
    /// All of it, in the pieces that it came in: for a room that does not look at it.
    Pieces(Arc<[Bytes]>),
    /// Parts as they arrive, for uploads that nobody wants to hold.
    Stream(Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>),
}

impl Body {
    /// The same body once more, if it is held: handles, no copy.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        match self {
            Self::Full(bytes) => Some(Self::Full(bytes.clone())),
            Self::Pieces(pieces) => Some(Self::Pieces(Arc::clone(pieces))),
            Self::Stream(_) => None,
        }
    }

    /// All of it, if it is held; what is whole is one piece.
    #[must_use]
    pub fn pieces(&self) -> Option<&[Bytes]> {
        match self {
            Self::Full(bytes) => Some(std::slice::from_ref(bytes)),
            Self::Pieces(pieces) => Some(pieces),
            Self::Stream(_) => None,
        }
    }

    /// How long it is, if it is held.
    #[must_use]
    pub fn held_bytes(&self) -> Option<usize> {
        self.pieces().map(|pieces| pieces.iter().map(Bytes::len).sum())
    }

    /// The whole body as one run, if it is at most `bytes_max` long. One that arrives or is put together
    /// takes of `budget`; one that is there has done so.
    ///
    /// # Errors
    /// [`FaultCode::BodyTooLarge`] over the limit, [`FaultCode::Overloaded`] if there is no
    /// room for it now, or what the stream broke with.
    pub async fn collect(self, bytes_max: usize, budget: Budget) -> Result<Bytes, Fault> {
        let too_large =
            || Fault::new(FaultCode::BodyTooLarge, format!("the body is over {bytes_max} bytes"));
        let length = self.held_bytes();
        if length.is_some_and(|length| length > bytes_max) {
            return Err(too_large());
        }
        match self {
            Self::Full(bytes) => Ok(bytes),
            // In a box: whoever has a whole body is no larger for it.
            body => {
                Box::pin(async move {
                    let mut parts = body.into_parts();
                    let mut whole = Gather::new(budget, length, bytes_max);
                    while let Some(part) = parts.next().await {
                        let part = part?;
                        if whole.len() + part.len() > bytes_max {
                            return Err(too_large());
                        }
                        whole.push(part).await?;
                    }
                    Ok(whole.finish())
                })
                .await
            }
        }
    }

    /// Its parts, as they are or as they arrive.
    #[must_use]
    pub fn into_parts(self) -> Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>> {
        let held =
            |pieces: Vec<Bytes>| Box::pin(futures_util::stream::iter(pieces.into_iter().map(Ok)));
        match self {
            Self::Full(bytes) => held(vec![bytes]),
            Self::Pieces(pieces) => held(pieces.to_vec()),
            Self::Stream(parts) => parts,
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Full(bytes)
    }
}

impl fmt::Debug for Body {
    /// Lengths only: bodies are prompts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Pieces(pieces) => write!(f, "Pieces({})", pieces.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// Where the time up to the head of the answer went, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Waiting for the slot of the attempt that answered.
    pub queue_us: u64,
    /// In the router, without what is listed elsewhere.
    pub router_us: u64,
    /// In workers, without the provider's own time.
    pub worker_us: u64,
    /// From sending to the provider up to its head or first content, of the attempt that answered.
    pub upstream_us: u64,
    /// Attempts that failed before, their waits for a slot, and what was waited in between.
    pub earlier_us: u64,
}

/// The head of an answer; of a worker's `attempts` only a try that it has made again itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyHead {
    /// The provider's HTTP status, a 2xx.
    pub status: u16,
    /// `content-type` of the answer.
    pub content_type: String,
    /// The provider's headers that may be passed on.
    pub headers: Vec<Header>,
    /// Who answered; empty, and `key` as well, if it was several together.
    pub provider: ProviderName,
    /// With which key.
    pub key: KeyName,
    /// Every try, the successful one last.
    pub attempts: Vec<Attempt>,
    /// Where the time went.
    pub timings: Timings,
    /// How the limits were kept that the request met last; a worker leaves it as it is by default.
    pub quota_mode: QuotaMode,
    /// Of a list of models, for somebody who may not see all of them; of a provider that is not named
    /// all are. A worker leaves it empty.
    pub seen: Vec<SeenModels>,
    /// Of an answer that several keys gave together: whose each part is, in order. A worker leaves it
    /// empty.
    pub parts: Vec<Part>,
    /// The provider's own id of the answer, where it can be asked for it again.
    pub kept: Option<String>,
}

/// A part of an answer that several keys gave together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Whose it is.
    pub provider: ProviderName,
    /// With which key.
    pub key: KeyName,
    /// How long it is.
    pub bytes: u64,
}

/// How an answer ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// What it cost.
    pub usage: Usage,
    /// The provider's finish reason, as it wrote it.
    pub finish: Option<String>,
    /// Set if the answer broke after its head; the error event for the client is not in the
    /// chunks, the edge writes it in the client's format.
    pub fault: Option<Fault>,
}

/// A part of an answer after its head. The last one is always `End`; a stream that stops
/// without it broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Bytes for the client, as they are.
    Chunk(Bytes),
    /// The last frame.
    End(Box<End>),
}

/// The parts of an answer. Dropping it cancels the work behind it.
pub type FrameStream = Pin<Box<dyn Stream<Item = Frame> + Send>>;

/// An answer whose head has arrived.
pub struct Reply {
    /// Its head.
    pub head: ReplyHead,
    /// Its body.
    pub frames: FrameStream,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("head", &self.head).finish_non_exhaustive()
    }
}

/// A key whose secret the worker could resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsableKey {
    /// Its name.
    pub name: KeyName,
    /// How the places begin at which it can keep files: `bucket/`, `bucket/prefix/`.
    pub places: Arc<[String]>,
}

/// What a worker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The provider it owns.
    pub provider: ProviderName,
    /// The keys that can be used.
    pub keys: Vec<UsableKey>,
    /// The keys that cannot, and why (without the secret).
    pub unusable: Vec<(KeyName, String)>,
    /// The keys whose servers were asked how they are.
    pub checked: Vec<CheckedKey>,
}

/// A key whose server was asked how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedKey {
    /// Its name.
    pub name: KeyName,
    /// What is wrong (without secrets); `None`: the server is well.
    pub trouble: Option<String>,
}
