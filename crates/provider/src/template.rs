//! How an address is put together: a base, a path, and variables of the key and the request. Knows not
//! what is offered there.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// An address with variables in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(&'static str),
}

/// Variables that differ between requests; all others belong to a key.
const PER_REQUEST: [&str; 3] = ["model", "model_path", "id"];

/// RFC 3986's unreserved characters stay.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

impl Template {
    /// The address of `path` at `base`, with the variables of a key filled in. A `path` that is a
    /// whole address stands for itself. A version that ends the base and begins the path is written
    /// once.
    ///
    /// # Errors
    /// The name of a variable that the key does not have.
    pub fn new(
        base: &str,
        path: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let text = if path.contains("://") { path.to_owned() } else { joined(base, path) };
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, next)) = after.split_once('}') else { break };
            plain.push_str(before);
            rest = next;
            if let Some(name) = PER_REQUEST.into_iter().find(|known| *known == name) {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Variable(name));
                continue;
            }
            let value = variable(name).ok_or_else(|| name.to_owned())?;
            plain.push_str(&encoded(&value));
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        Ok(Self(pieces))
    }

    /// The address as it is if nothing in it differs between requests.
    #[must_use]
    pub fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The address for one request.
    ///
    /// # Errors
    /// The model's name would lead to another address.
    pub fn fill(&self, model: &str, id: &str) -> Result<String, &'static str> {
        let mut text = String::with_capacity(128);
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Variable("model") => text.push_str(&encoded(model)),
                Piece::Variable("model_path") => {
                    if model.split('/').any(|part| matches!(part, "" | "." | "..")) {
                        return Err("the model must be named as `owner/name`");
                    }
                    text.push_str(&encoded_path(model));
                }
                Piece::Variable(_) => text.push_str(&encoded(id)),
            }
        }
        Ok(text)
    }
}

/// `text` as it may stand in a path's step or in a query.
#[must_use]
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// `text` as a path, whose slashes stay.
#[must_use]
pub fn encoded_path(text: &str) -> String {
    utf8_percent_encode(text, ENCODED_IN_PATH).to_string()
}

/// `base` and `path` with one slash between them; `/v1` at the end of the one and the beginning of
/// the other is the same one.
fn joined(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    let path = path.trim_start_matches('/');
    if let Some((first, rest)) = path.split_once('/')
        && is_version(first)
        && base.rsplit('/').next().is_some_and(is_version)
        && base.contains("://")
    {
        return format!("{base}/{rest}");
    }
    // Google's uploads have their version behind a word that stands at the root.
    if let Some((root, version)) = base.rsplit_once('/').filter(|(_, last)| is_version(last))
        && let Some((_, rest)) = path.strip_prefix("upload/").and_then(|path| path.split_once('/'))
        && root.contains("://")
    {
        return format!("{root}/upload/{version}/{rest}");
    }
    format!("{base}/{path}")
}

/// `v1`, `v1beta`, `v2alpha1`.
fn is_version(segment: &str) -> bool {
    let Some(rest) = segment.strip_prefix('v') else { return false };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && rest.bytes().skip(digits).all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(base: &str, path: &str, model: &str) -> String {
        let variable = |name: &str| (name == "region").then(|| "eu-west-1".to_owned());
        Template::new(base, path, variable).unwrap().fill(model, "file-1").unwrap()
    }

    #[test]
    fn a_version_is_not_written_twice() {
        for (base, path, expected) in [
            ("https://h", "/v1/models", "https://h/v1/models"),
            ("https://h/", "v1/models", "https://h/v1/models"),
            ("https://h/v1", "/v1/models", "https://h/v1/models"),
            ("https://h/v1/", "/v1/models", "https://h/v1/models"),
            ("https://h/openai/v1", "/v1/models", "https://h/openai/v1/models"),
            ("https://h/v1beta", "/v1beta/models", "https://h/v1beta/models"),
            // The base's version counts: whoever wrote it down means it.
            ("https://h/v2", "/v1/models", "https://h/v2/models"),
            ("https://h/v1/x", "/v1/models", "https://h/v1/x/v1/models"),
            ("https://h/version", "/v1/models", "https://h/version/v1/models"),
            ("https://h/v1", "https://other/v1/models", "https://other/v1/models"),
            ("https://h/v1beta", "/upload/v1beta/files", "https://h/upload/v1beta/files"),
            ("https://h/x", "/upload/v1beta/files", "https://h/x/upload/v1beta/files"),
        ] {
            assert_eq!(fill(base, path, ""), expected);
        }
    }

    #[test]
    fn variables_are_filled_in_and_encoded() {
        let found = fill(
            "https://bedrock-runtime.{region}.amazonaws.com",
            "/model/{model}/converse",
            "arn:aws:bedrock:x:1:profile/a b",
        );
        assert_eq!(
            found,
            "https://bedrock-runtime.eu-west-1.amazonaws.com/model/\
             arn%3Aaws%3Abedrock%3Ax%3A1%3Aprofile%2Fa%20b/converse"
        );
        assert_eq!(
            fill("http://h", "/v1/files/{id}?x={region}", ""),
            "http://h/v1/files/file-1?x=eu-west-1"
        );
        assert_eq!(Template::new("http://h/{project}", "/a", |_| None), Err("project".to_owned()));
        let fixed = Template::new("http://h", "/v1/{open", |_| None).unwrap();
        assert_eq!(fixed.fixed(), Some("http://h/v1/{open"));
    }

    #[test]
    fn a_model_that_is_a_path_leads_nowhere_else() {
        let path = "/v1/models/{model_path}/predictions";
        let found = fill("https://h", path, "meta/llama 3#x");
        assert_eq!(found, "https://h/v1/models/meta/llama%203%23x/predictions");
        let template = Template::new("https://h", path, |_| None).unwrap();
        for other in ["a/../../account", "..", "a//b", "/a", "a/", "a/./b", ""] {
            assert!(template.fill(other, "").is_err(), "{other}");
        }
    }
}
