//! The list of models.

use crate::answer::{CREATED, push, push_number, push_string};

/// The body of `GET /v1/models`.
pub(super) fn list(models: &[String]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + models.len() * 96);
    push(&mut out, "{\"object\":\"list\",\"data\":[");
    for (nth, model) in models.iter().enumerate() {
        push(&mut out, if nth == 0 { "" } else { "," });
        push_model(&mut out, model);
    }
    push(&mut out, "]}");
    out
}

/// The body of `GET /v1/models/{model}`.
pub(super) fn one(model: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    push_model(&mut out, model);
    out
}

fn push_model(out: &mut Vec<u8>, model: &str) {
    push(out, "{\"id\":");
    push_string(out, model);
    push(out, ",\"object\":\"model\",\"created\":");
    push_number(out, CREATED as usize);
    push(out, ",\"owned_by\":\"weir-sim\"}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_what_is_configured() {
        let list = list(&["a".into(), "b\"c".into()]);
        let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
        assert_eq!(list["data"][1]["id"], "b\"c");
        assert_eq!(list["data"].as_array().unwrap().len(), 2);
    }
}
