//! The form between wire formats: what a request, an answer, an event and an error can say in any
//! of them.
//!
//! A superset: a format's reader loses nothing that another format could carry, and a format's
//! writer says what it had to leave out ([`Losses`]). Members that only one format has travel as
//! [`Extra`] or [`PartBody::Foreign`] and are given back to that format alone. No format is named
//! here but by its [`weir_types::Dialect`].

pub mod answer;
pub mod effort;
pub mod error;
pub mod event;
pub mod loss;
pub mod part;
pub mod request;
mod unfold;

pub use answer::{
    Answer, ChatAnswer, Choice, EmbeddingAnswer, Finish, FinishReason, Ranked, RerankAnswer, Vector,
};
pub use effort::{Effort, Reasoning};
pub use error::{Error, ErrorContext, ErrorKind};
pub use event::{Delta, Event, PartStart};
pub use loss::{Loss, Losses};
pub use part::{
    CacheMark, Document, Image, Media, Part, PartBody, Sealed, Source, Thinking, ToolCall,
    ToolResult, block_name,
};
pub use request::{
    Chat, Embedding, EmbeddingInput, Extra, Message, OutputFormat, Request, Rerank, Role, Sampling,
    Tool, ToolBody, ToolChoice,
};
