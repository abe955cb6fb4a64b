//! Lines of files for batches, each of which names the model that it is for.
//! <https://platform.openai.com/docs/api-reference/batch/request-input>

use bytes::Bytes;

use super::text_of;
use crate::json::{Cuts, Spot, quoted};

/// Where a line has its request, and the request its model.
const REQUEST: &str = "body";
const MODEL: &str = "model";

/// `line` with the model called as `name` says, all else as it is; `None`: there is nothing to change, or it
/// is no such line, which is for whoever works off the batch to say.
pub fn renamed(line: &Bytes, name: impl Fn(&str) -> Option<String>) -> Option<Bytes> {
    let document = Spot::document(line).ok()?;
    let request = document.member(REQUEST).ok()??;
    let model = request.member(MODEL).ok()??;
    let own = name(&text_of(&model)?)?;
    let mut cuts = Cuts::default();
    cuts.replace(&model, quoted(&own));
    Some(cuts.apply(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_model_of_a_request_is_changed() {
        let name = |model: &str| model.strip_prefix("openai/").map(str::to_owned);
        let renamed = |line: &str| {
            let line = renamed(&Bytes::copy_from_slice(line.as_bytes()), name)?;
            Some(String::from_utf8(line.to_vec()).unwrap())
        };
        let line =
            r#"{"custom_id":"openai/x", "body":{ "model" : "openai/m","x":{"model":"openai/y"}}}"#;
        let expected = line.replace("openai/m", "m");
        assert_eq!(renamed(line), Some(expected));
        for other in [
            r#"{"body":{"model":"m"}}"#,
            r#"{"body":{"model":1}}"#,
            r#"{"model":"openai/m"}"#,
            r#"{"body":"openai/m"}"#,
            r#"{"body":{"model":"openai/m""#,
            "openai/m",
            "",
        ] {
            assert_eq!(renamed(other), None, "{other}");
        }
    }
}
