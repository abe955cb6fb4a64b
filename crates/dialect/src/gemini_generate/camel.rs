//! Google's JSON names every member in two spellings, `maxOutputTokens` and `max_output_tokens`,
//! and takes both. Objects are brought into the first before they are read; what a client's own
//! schema or data holds is never touched.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::fault::RequestFault;
use crate::fields::Fields;

/// `name` as Google writes it in answers.
pub(super) fn camel(name: &str) -> Cow<'_, str> {
    let inner = name.trim_start_matches('_');
    if !inner.contains('_') {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    out.push_str(name.get(..name.len() - inner.len()).unwrap_or_default());
    let mut is_start = false;
    for letter in inner.chars() {
        if letter == '_' {
            is_start = true;
        } else if is_start {
            out.push(letter.to_ascii_uppercase());
            is_start = false;
        } else {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}

/// The members of the object `value`, which stands at `path`, in one spelling.
///
/// # Errors
/// It is not an object, or has a member in both spellings.
pub(super) fn fields(value: Value, path: impl Into<String>) -> Result<Fields, RequestFault> {
    let Value::Object(members) = value else { return Fields::new(value, path) };
    if !members.keys().any(|name| name.contains('_')) {
        return Fields::new(Value::Object(members), path);
    }
    let path = path.into();
    let mut renamed = Map::with_capacity(members.len());
    for (name, value) in members {
        let name = camel(&name).into_owned();
        if renamed.contains_key(&name) {
            let at = if path.is_empty() { name } else { format!("{path}.{name}") };
            let text = format!("`{at}` is given twice, in both spellings");
            return Err(RequestFault::invalid(at, text));
        }
        renamed.insert(name, value);
    }
    Fields::new(Value::Object(renamed), path)
}

/// Takes the member `name` of `of` as an object, in one spelling.
///
/// # Errors
/// As [`fields`].
pub(super) fn object(of: &mut Fields, name: &str) -> Result<Option<Fields>, RequestFault> {
    let path = of.at(name);
    of.any(name).map(|value| fields(value, path)).transpose()
}

/// Takes the member `name` of `of` as an array; one value may stand in place of an array of one, as
/// in many of Google's own examples. Each element comes with where it stands.
pub(super) fn many(of: &mut Fields, name: &str) -> Vec<(String, Value)> {
    let path = of.at(name);
    let list = match of.any(name) {
        None => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
    };
    list.into_iter().enumerate().map(|(at, value)| (format!("{path}[{at}]"), value)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_spellings_are_one() {
        assert_eq!(camel("max_output_tokens"), "maxOutputTokens");
        assert_eq!(camel("topP"), "topP");
        assert_eq!(camel("_response_json_schema"), "_responseJsonSchema");
        let mut read = fields(json!({"top_p": 1, "topK": 2}), "g").unwrap();
        assert!(read.has("topP") && read.has("topK"));
        assert_eq!(many(&mut read, "topP"), [("g.topP[0]".to_owned(), json!(1))]);
        assert!(fields(json!({"top_p": 1, "topP": 2}), "g").unwrap_err().message.contains("twice"));
        assert!(fields(json!([1]), "g").is_err());
    }
}
