//! Wire formats of clients and providers.
//!
//! `json` cuts documents without building them; each other folder is one wire format. Pure: bytes
//! in, bytes and facts out. Knows no vendor, no HTTP, no clock.

pub mod json;
pub mod openai_chat;
