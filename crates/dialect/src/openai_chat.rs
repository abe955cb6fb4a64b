//! OpenAI's chat completions family: chat, text completions, embeddings, model lists.
//!
//! Requests and answers of this format pass between client and provider as they are; what is here
//! changes the few bytes that must change and reads the few facts the gateway needs.

pub mod answer;
pub mod error;
pub mod models;
pub mod request;
pub mod stream;

mod usage;
