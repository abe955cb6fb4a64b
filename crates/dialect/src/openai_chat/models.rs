//! Lists of models, as `GET /v1/models` gives them.
//!
//! They are the shape that [`Models`] keeps, so there is nothing to translate here.

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
