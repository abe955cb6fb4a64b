//! Lists of models: those of OpenAI's `GET /v1/models`.

use bytes::Bytes;

use crate::fault::AnswerFault;
use crate::models::Models;

/// Reads a list.
pub(super) fn read(body: &[u8]) -> Result<Models, AnswerFault> {
    Models::parse(body)
}

/// Writes a list.
pub(super) fn write(models: &Models) -> Bytes {
    models.document()
}
