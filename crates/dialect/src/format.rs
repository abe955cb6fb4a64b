//! What a wire format is to the rest of the gateway: one trait, one value per format.
//!
//! There are two ways through it. *Identity*, where client and provider speak the same format: the
//! bytes pass, `peek`, `patch` and the `observe` methods find the few facts the gateway needs.
//! *Translation*, where they do not: one format reads into the form of [`crate::ir`], the other
//! writes from it. A format that lacks one of the operations says so by the defaults here.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde_json::Value;
use weir_framing::{Frame, Framing, Writer};
use weir_types::{Dialect, Form, Operation, Usage};

use crate::fault::{AnswerFault, Garbage, RequestFault};
use crate::ir::{self, Losses};
use crate::models::Models;
use crate::names::NameRules;
pub use crate::observed::{Depth, Kind, Observed};
use crate::patch::{self, Patch, Patched};
use crate::peek::{self, PathFacts, Peeked};
use crate::receipt::Receipt;
use crate::stored::Stored;

/// A wire format. Every method is pure.
pub trait Format: fmt::Debug + Send + Sync {
    /// Its name.
    fn dialect(&self) -> Dialect;

    // --- Requests -----------------------------------------------------------------------------

    /// What the edge needs to know of a request: model, stream flag, fallbacks.
    ///
    /// # Errors
    /// The body is not a request of this format; says where and what was expected.
    fn peek(&self, body: Bytes, path: &PathFacts<'_>) -> Result<Peeked, RequestFault> {
        peek::peek(body, path)
    }

    /// The same request for a provider of the same format: the model's name and what the vendor
    /// demands, spliced into the bytes.
    ///
    /// # Errors
    /// The body is not a JSON object, or has a member twice that is to be changed.
    fn patch(&self, body: &Bytes, patch: &Patch<'_>) -> Result<Patched, RequestFault> {
        patch::apply(body, patch)
    }

    /// Reads a request. `path` holds what the client said beside the body.
    ///
    /// # Errors
    /// The body is not a request of this format, or asks for something that cannot be translated.
    fn read_request(
        &self,
        body: &Bytes,
        path: &PathFacts<'_>,
    ) -> Result<ir::Request, RequestFault> {
        let _ = body;
        Err(RequestFault::untranslatable(self.dialect(), path.operation))
    }

    /// Writes a request.
    ///
    /// # Errors
    /// It asks for something that this format cannot say and without which it would mean something
    /// else.
    fn write_request(
        &self,
        request: &ir::Request,
        target: &Target<'_>,
    ) -> Result<Written, RequestFault> {
        let _ = request;
        Err(RequestFault::unserved(self.dialect(), target.operation))
    }

    /// The same request without what only its maker can read, for a provider of the same format that
    /// refuses it: nothing else of the bytes changes, but what cannot be said without it. `None` if
    /// nothing is sealed.
    ///
    /// # Errors
    /// The body is not a JSON object, or has a member twice that is looked at.
    fn strip_sealed(&self, body: &Bytes) -> Result<Option<Written>, RequestFault> {
        let _ = body;
        Ok(None)
    }

    /// The same for what only makers of other formats can read: most formats have no place for it.
    ///
    /// # Errors
    /// As [`Format::strip_sealed`].
    fn strip_foreign(&self, _body: &Bytes, _vendor: &str) -> Result<Option<Written>, RequestFault> {
        Ok(None)
    }

    /// What names of tools and ids of calls may look like.
    fn name_rules(&self) -> NameRules {
        NameRules::ANY
    }

    /// Whether a request may ask for several answers.
    fn gives_choices(&self) -> bool {
        false
    }

    /// Whether there are tools that are called with plain text.
    fn has_custom_tools(&self) -> bool {
        false
    }

    /// Whether an image, a document, sound or a film has a member where it stands. Not asked of
    /// other blocks. Where its bytes are is for the writer to judge.
    fn takes(&self, _medium: &ir::PartBody, _place: Place, _vendor: &str) -> bool {
        true
    }

    // --- Answers ------------------------------------------------------------------------------

    /// What a whole answer says about itself.
    ///
    /// # Errors
    /// The body is not JSON.
    fn observe_answer(&self, body: &[u8]) -> Result<AnswerFacts, AnswerFault>;

    /// Reads a whole answer.
    ///
    /// # Errors
    /// It is not an answer of this format.
    fn read_answer(&self, operation: Operation, body: &[u8]) -> Result<ir::Answer, AnswerFault> {
        let _ = body;
        Err(AnswerFault::untranslatable(self.dialect(), operation))
    }

    /// Writes a whole answer for the client that asked as `asked` says.
    ///
    /// # Errors
    /// This format has no such answer.
    fn write_answer(&self, answer: &ir::Answer, asked: &Asked<'_>) -> Result<Written, AnswerFault> {
        let _ = answer;
        Err(AnswerFault::untranslatable(self.dialect(), asked.operation))
    }

    /// Where an answer is to be had of which `body` is what came first; it is the answer itself in
    /// most formats. With `stream`, its events are wanted.
    ///
    /// # Errors
    /// It is neither an answer nor says where one is.
    fn receipt(&self, body: &[u8], stream: bool) -> Result<Receipt, AnswerFault> {
        let _ = (body, stream);
        Ok(Receipt::default())
    }

    /// Writes what a document says of its answer as an event that [`Format::stream_reader`] reads,
    /// for streams that do not say all of it: [`Receipt::document`].
    ///
    /// # Errors
    /// It is no such document.
    fn write_document(&self, body: &[u8], out: &mut Writer) -> Result<(), AnswerFault> {
        let _ = (body, out);
        Ok(())
    }

    // --- Errors -------------------------------------------------------------------------------

    /// Reads an error body. One that is not JSON, or has no known shape, gives an empty result.
    fn read_error(&self, body: &[u8]) -> ErrorBody;

    /// A header (lower case) in which a provider may say what its error body leaves out: the kind.
    fn error_kind_header(&self) -> Option<&'static str> {
        None
    }

    /// `body` with the kind that the header said, for a client that does not see the header.
    fn error_with_kind(&self, body: Bytes, _kind: &str) -> Bytes {
        body
    }

    /// Writes an error body; JSON in every format.
    fn write_error(&self, error: &ir::Error) -> Bytes;

    /// Writes an error as the last event of a stream that has begun.
    fn error_event(&self, error: &ir::Error, out: &mut Writer);

    // --- Streams ------------------------------------------------------------------------------

    /// How a stream of this format is framed unless something else is asked for.
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    /// What an event is called in framings that have names, where the one it came in may have had
    /// none.
    fn event_name<'f>(&self, frame: &'f Frame<'_>) -> Cow<'f, str> {
        String::from_utf8_lossy(frame.name)
    }

    /// Looks at an event that is passed on. With [`Depth::Skim`] content may stay unread; finish
    /// reasons, usage, errors and the end are found all the same.
    ///
    /// # Errors
    /// It is not an event of this format.
    fn observe(&self, frame: &Frame<'_>, depth: Depth) -> Result<Observed, Garbage>;

    /// What a stream of this format needs after its last event to be complete, where a provider
    /// leaves it out (`data: [DONE]`). Nothing in most formats, and for most operations.
    fn terminator(&self, operation: Operation) -> Option<Bytes> {
        let _ = operation;
        None
    }

    /// What a stream of server-sent events says to show that it is alive, where it has nothing to say: a
    /// comment, which readers leave out, or what the format has for it.
    fn keep_alive(&self) -> Bytes {
        Bytes::from_static(b": keep-alive\n\n")
    }

    /// A whole answer as the one event of a stream, where an event can say as much.
    fn event_of_answer(&self, _body: &[u8]) -> Option<Bytes> {
        None
    }

    /// A reader of one stream; `None` if streams of this format cannot be translated.
    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        None
    }

    /// A writer of one stream for the client that asked as `asked` says; `None` if this format has
    /// no such streams.
    fn stream_writer(&self, asked: &Asked<'_>) -> Option<Box<dyn StreamWriter>> {
        let _ = asked;
        None
    }

    // --- What is stored -----------------------------------------------------------------------

    /// How this format speaks of files and batches; `None`: it does not.
    fn stored(&self) -> Option<&'static Stored> {
        None
    }

    // --- Lists of models ----------------------------------------------------------------------

    /// Reads one page of a list of models.
    ///
    /// # Errors
    /// It is not one.
    fn read_models(&self, body: &[u8]) -> Result<Models, AnswerFault>;

    /// Writes a list of models, all of it as one page.
    fn write_models(&self, models: &Models) -> Bytes;
}

/// Reads one stream.
pub trait StreamReader: Send {
    /// Reads an event; what it says goes to `events`, in the order that [`ir::event`] promises.
    ///
    /// # Errors
    /// It is not an event of this format. The reader is of no further use then.
    fn read(&mut self, frame: &Frame<'_>, events: &mut Vec<ir::Event>) -> Result<(), Garbage>;

    /// The stream has ended in good order; gives what is still owed, [`ir::Event::End`] last.
    ///
    /// # Errors
    /// It ended too early: no finish reason has been seen.
    fn finish(&mut self, events: &mut Vec<ir::Event>) -> Result<(), Garbage>;
}

/// Writes one stream.
pub trait StreamWriter: Send {
    /// Writes what `event` says; nothing where this format says it later or not at all.
    /// [`ir::Event::Error`] is written by [`Format::error_event`] and not here.
    fn write(&mut self, event: ir::Event, out: &mut Writer);

    /// What could not be carried so far.
    fn losses(&mut self) -> Losses {
        Losses::default()
    }
}

/// Where a request is written for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The operation of the provider's route.
    pub operation: Operation,
    /// The model as the vendor names it.
    pub model: &'a str,
    /// The name by which rules of models are found: the vendor's may say nothing.
    pub known_as: &'a str,
    /// The vendor's name in the configuration; its quirks are applied afterwards by
    /// [`Format::patch`], so writers need it for nothing but rules of models that differ by host.
    pub vendor: &'a str,
}

/// Where a block stands in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// What the system or the developer says.
    System,
    /// What the user says.
    User,
    /// What a tool answered.
    Result,
    /// What the model said.
    Assistant,
}

/// How the client asked, as far as an answer depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What it asked for.
    pub operation: Operation,
    /// In which form of the format.
    pub form: Form,
    /// The model as the client named it.
    pub model: &'a str,
    /// The request that was translated.
    pub request: &'a ir::Request,
    /// Seconds since 1970, for formats that must say when.
    pub now: u64,
    /// The request's id, for formats that must name answers; unique.
    pub id: &'a str,
}

/// Something that was written, and what could not be.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// The document.
    pub body: Bytes,
    /// What it lacks.
    pub losses: Losses,
}

/// What a whole answer says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// Tokens, if reported.
    pub usage: Usage,
    /// The first choice's finish reason, as the provider writes it.
    pub finish: Option<String>,
    /// The body is an error although its status says success.
    pub is_error: bool,
    /// What the answer is called, where a provider may be asked for it again.
    pub id: Option<String>,
}

/// What an error body says; empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// `code`, numbers as text.
    pub code: String,
    /// `type`, or whatever the format calls the kind.
    pub kind: String,
    /// For people.
    pub message: String,
    /// The request member at fault.
    pub param: String,
    /// An HTTP status that the body itself gives (hosts that relay other hosts do).
    pub status: Option<u16>,
}

impl ErrorBody {
    /// A member of an error's object: a text, or a number as text; empty if it is neither.
    pub(crate) fn text(of: &Value, name: &str) -> String {
        match of.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }

    /// The HTTP status that a code is, if it is one of an error.
    pub(crate) fn status_of(code: &str) -> Option<u16> {
        code.parse().ok().filter(|status| (400..600).contains(status))
    }
}
