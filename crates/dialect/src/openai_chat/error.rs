//! Error bodies: those that all of OpenAI's formats share.

pub(super) use crate::openai_error::{read, write};
