//! Requests, both ways.

mod config;
mod contents;
mod patch;
mod read;
mod thinking;
mod tools;
mod turns;
mod write;

pub(super) use contents::SKIP_SIGNATURE;
pub(super) use patch::patch;
pub(super) use read::{model, read};
pub(super) use write::{is_vertex, resource, write};
