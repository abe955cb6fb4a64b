//! Predictions: where they stand, and what they came to.
//! <https://replicate.com/docs/topics/predictions/lifecycle>

use serde_json::Value;

use super::usage;
use crate::fault::AnswerFault;
use crate::format::AnswerFacts;
use crate::ir::{ChatAnswer, Choice, Finish, FinishReason, Part};
use crate::receipt::{Next, Receipt};
use crate::whole;

/// How far a prediction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Its work is not done.
    Open,
    /// All is there.
    Succeeded,
    /// It came to nothing, or was stopped.
    Failed,
}

/// How far `prediction` is; `None`: it is no prediction.
pub(super) fn status(prediction: &Value) -> Option<Status> {
    Some(match prediction.get("status")?.as_str()? {
        "succeeded" => Status::Succeeded,
        "failed" | "canceled" | "aborted" => Status::Failed,
        _ => Status::Open,
    })
}

/// Looks at a whole answer.
pub(super) fn observe(body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
    whole::observe(body, |document| {
        let text = document.text("status");
        let status = text.as_deref().and_then(|word| status(&serde_json::json!({"status": word})));
        let metrics = document.value("metrics").unwrap_or_default();
        let logs = document.value("logs").unwrap_or_default();
        AnswerFacts {
            usage: usage::of(&serde_json::json!({ "metrics": metrics, "logs": logs })),
            is_error: status == Some(Status::Failed),
            finish: text.filter(|_| status == Some(Status::Succeeded)).map(Into::into),
            id: None,
        }
    })
}

/// Where the answer is of which `body` is the prediction.
pub(super) fn receipt(body: &[u8], stream: bool) -> Result<Receipt, AnswerFault> {
    let prediction = whole::document(body)?;
    let status = status(&prediction).ok_or_else(|| shape("`status` is not there"))?;
    if status != Status::Open {
        return Ok(Receipt::default());
    }
    let url = |name: &str| {
        prediction.pointer("/urls").and_then(|urls| Some(urls.get(name)?.as_str()?.to_owned()))
    };
    let document = url("get").ok_or_else(|| shape("`urls.get` is not there"))?;
    let cancel = url("cancel");
    Ok(match url("stream").filter(|_| stream) {
        Some(events) => Receipt { next: Next::Events(events), cancel, document: Some(document) },
        // Models that do not stream are waited for.
        None => Receipt { next: Next::Later(document), cancel, document: None },
    })
}

/// Reads a prediction that succeeded.
pub(super) fn read(body: &[u8]) -> Result<ChatAnswer, AnswerFault> {
    let prediction = whole::document(body)?;
    match status(&prediction) {
        Some(Status::Succeeded) => {}
        Some(Status::Failed) => return Err(AnswerFault::Broken(failure(&prediction))),
        Some(Status::Open) => return Err(shape("the prediction is not done")),
        None => return Err(shape("`status` is not there")),
    }
    let text = output(prediction.get("output").unwrap_or(&Value::Null));
    let parts = if text.is_empty() { Vec::new() } else { vec![Part::text(text)] };
    let finish = Some(Finish::new(FinishReason::Stop));
    Ok(ChatAnswer {
        id: text_of(&prediction, "id"),
        model: text_of(&prediction, "model"),
        choices: vec![Choice { parts, finish, ..Choice::default() }],
        usage: usage::of(&prediction),
        ..ChatAnswer::default()
    })
}

/// What an output says: models that stream give a list of pieces, some wrap their text.
pub(super) fn output(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(pieces) => pieces.iter().map(output).collect(),
        Value::Object(members) => match members.get("text") {
            Some(Value::String(text)) => text.clone(),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}

/// Why a prediction came to nothing.
pub(super) fn failure(prediction: &Value) -> String {
    let said = text_of(prediction, "error");
    match said.is_empty() {
        false => said,
        true => format!("the prediction is {}", text_of(prediction, "status")),
    }
}

pub(super) fn text_of(prediction: &Value, name: &str) -> String {
    prediction.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn shape(why: &str) -> AnswerFault {
    AnswerFault::Shape(why.to_owned())
}
