//! Reading a JSON object member by member, for readers of formats: what is taken is typed and
//! checked, what is left over is known to be unknown.

use serde_json::{Map, Number, Value};

use crate::fault::RequestFault;
use crate::json::{self, Taken};

/// The members of one object of a request that are not taken yet, and where the object stands.
#[derive(Debug, Clone)]
pub struct Fields {
    members: Taken,
    /// As in `messages[2].content[0]`; empty for the document itself.
    path: String,
}

impl Fields {
    /// The members of `value`, which stands at `path`.
    ///
    /// # Errors
    /// It is not an object.
    pub fn new(value: Value, path: impl Into<String>) -> Result<Self, RequestFault> {
        let path = path.into();
        match value {
            Value::Object(members) => Ok(Self { members: members.into(), path }),
            other => Err(wrong(&path, "an object", &other)),
        }
    }

    /// The members of the document `body`.
    ///
    /// # Errors
    /// It is not a JSON object; says where.
    pub fn document(body: &[u8]) -> Result<Self, RequestFault> {
        // A member twice at the top was refused when the body was peeked at.
        if let Ok(members) = json::read(body) {
            return Ok(Self { members, path: String::new() });
        }
        let value = match json::read(body) {
            Ok(value) => value,
            Err(fault) => {
                // The scanner says it in the words that clients of all formats get.
                json::Members::scan(body)?;
                return Err(RequestFault::invalid("", format!("request body: {fault}")));
            }
        };
        Self::new(value, "")
    }

    /// Where the object stands.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the member `name` stands.
    #[must_use]
    pub fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Whether there is a member `name` that is not `null`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// Looks at the member `name` without taking it.
    #[must_use]
    pub fn peek(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// Takes the member `name`, whatever it is. `null` counts as absent.
    pub fn any(&mut self, name: &str) -> Option<Value> {
        self.members.take(name).filter(|value| !value.is_null())
    }

    /// Takes a string.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, RequestFault> {
        match self.any(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(&self.at(name), "a string", &other)),
        }
    }

    /// Takes a string that names something; an empty one names nothing.
    ///
    /// # Errors
    /// It is something else.
    pub fn label(&mut self, name: &str) -> Result<Option<String>, RequestFault> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// Takes a string that must be there.
    ///
    /// # Errors
    /// It is something else, or missing.
    pub fn required_text(&mut self, name: &str) -> Result<String, RequestFault> {
        self.text(name)?.ok_or_else(|| self.missing(name, "a string"))
    }

    /// Takes a truth value.
    ///
    /// # Errors
    /// It is something else.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, RequestFault> {
        match self.any(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(wrong(&self.at(name), "true or false", &other)),
        }
    }

    /// Takes a number.
    ///
    /// # Errors
    /// It is something else.
    pub fn number(&mut self, name: &str) -> Result<Option<Number>, RequestFault> {
        match self.any(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(other) => Err(wrong(&self.at(name), "a number", &other)),
        }
    }

    /// Takes a whole number from 0 on; `5.0` is one.
    ///
    /// # Errors
    /// It is something else.
    pub fn count(&mut self, name: &str) -> Result<Option<u64>, RequestFault> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        let whole = number.as_u64().or_else(|| {
            let float = number.as_f64()?;
            // Up to 2^53 every whole number is one float.
            (float.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&float))
                .then_some(float as u64)
        });
        let wanted = "a whole number, 0 or more";
        whole.map(Some).ok_or_else(|| wrong(&self.at(name), wanted, &Value::Number(number)))
    }

    /// Takes a whole number.
    ///
    /// # Errors
    /// It is something else.
    pub fn integer(&mut self, name: &str) -> Result<Option<i64>, RequestFault> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        let whole = number.as_i64();
        whole
            .map(Some)
            .ok_or_else(|| wrong(&self.at(name), "a whole number", &Value::Number(number)))
    }

    /// Takes an array; absent: empty.
    ///
    /// # Errors
    /// It is something else.
    pub fn list(&mut self, name: &str) -> Result<Vec<Value>, RequestFault> {
        match self.any(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(wrong(&self.at(name), "an array", &other)),
        }
    }

    /// Takes an array of objects; absent: empty.
    ///
    /// # Errors
    /// It, or one of its elements, is something else.
    pub fn objects(&mut self, name: &str) -> Result<Vec<Self>, RequestFault> {
        let path = self.at(name);
        let list = self.list(name)?.into_iter().enumerate();
        list.map(|(at, value)| Self::new(value, format!("{path}[{at}]"))).collect()
    }

    /// Takes an array of strings, or one string in place of an array of one; absent: empty.
    ///
    /// # Errors
    /// It, or one of its elements, is something else.
    pub fn texts(&mut self, name: &str) -> Result<Vec<String>, RequestFault> {
        let path = self.at(name);
        let list = match self.any(name) {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(one @ Value::String(_)) => vec![one],
            Some(other) => return Err(wrong(&path, "a string or an array of strings", &other)),
        };
        let texts = list.into_iter().enumerate().map(|(at, value)| match value {
            Value::String(text) => Ok(text),
            other => Err(wrong(&format!("{path}[{at}]"), "a string", &other)),
        });
        texts.collect()
    }

    /// Takes an object.
    ///
    /// # Errors
    /// It is something else.
    pub fn object(&mut self, name: &str) -> Result<Option<Self>, RequestFault> {
        let path = self.at(name);
        self.any(name).map(|value| Self::new(value, path)).transpose()
    }

    /// What has not been taken, `null`s left out.
    #[must_use]
    pub fn rest(self) -> Map<String, Value> {
        self.members.rest().collect()
    }

    /// The fault of a member that must be there.
    #[must_use]
    pub fn missing(&self, name: &str, expected: &str) -> RequestFault {
        let at = self.at(name);
        RequestFault::invalid(at.clone(), format!("`{at}` is missing, expected {expected}"))
    }

    /// The fault of a member whose value cannot be.
    #[must_use]
    pub fn wrong(&self, name: &str, why: impl std::fmt::Display) -> RequestFault {
        let at = self.at(name);
        RequestFault::invalid(at.clone(), format!("`{at}` {why}"))
    }
}

fn wrong(path: &str, expected: &str, found: &Value) -> RequestFault {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let shown = if path.is_empty() { "the request body" } else { path };
    let message = format!("`{shown}` must be {expected}, found {found}");
    RequestFault::invalid(path.to_owned(), message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_taken_once_and_the_rest_is_known() {
        let value =
            json!({"a": "x", "n": 5.0, "l": ["p", "q"], "o": {"k": 1}, "z": 2, "u": null, "e": ""});
        let mut fields = Fields::new(value, "").unwrap();
        assert_eq!(fields.text("a").unwrap().as_deref(), Some("x"));
        assert_eq!(fields.text("a").unwrap(), None);
        assert_eq!(fields.label("e").unwrap(), None);
        assert_eq!(fields.count("n").unwrap(), Some(5));
        assert_eq!(fields.texts("l").unwrap(), ["p", "q"]);
        assert_eq!(fields.object("o").unwrap().unwrap().at("k"), "o.k");
        assert_eq!(Value::Object(fields.rest()), json!({"z": 2}));
    }

    #[test]
    fn faults_say_where_and_what() {
        let mut fields = Fields::new(json!({"m": [{"t": 1}], "n": -1}), "").unwrap();
        let mut first = fields.objects("m").unwrap().remove(0);
        let fault = first.text("t").unwrap_err();
        assert_eq!(fault.message, "`m[0].t` must be a string, found a number");
        assert_eq!(fault.param.as_deref(), Some("m[0].t"));
        assert!(first.required_text("u").unwrap_err().message.contains("`m[0].u` is missing"));
        assert!(fields.count("n").is_err());
        assert!(Fields::document(b"[1]").is_err());
        assert!(Fields::document(br#"{"a":1"#).unwrap_err().message.contains("line 1 column"));
    }
}
