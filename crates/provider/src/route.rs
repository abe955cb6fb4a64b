//! Where a vendor offers what: one row per operation, and how its address is put together.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use weir_dialect::Quirks;
use weir_dialect::families::Family;
use weir_types::{Dialect, Framing, Operation};

use crate::vendor::Auth;
use crate::wanted::{Choice, Wanted};

/// One thing that a vendor offers.
#[derive(Debug, Clone)]
pub struct Route {
    /// What.
    pub operation: Operation,
    /// Only for streams, or only for what is not streamed; `None`: for both.
    pub stream: Option<bool>,
    /// The HTTP method.
    pub method: Method,
    /// Appended to the base URL, or a whole address. `{model}` stands for the model as the vendor
    /// writes it, `{id}` for a stored thing's id, other names for variables of the key (`{region}`,
    /// `{project}`, `{api_version}`); all percent-encoded.
    pub template: &'static str,
    /// The format that it speaks.
    pub dialect: Dialect,
    /// For which models.
    pub models: ModelScope,
    /// Not where the configuration chooses the contrary.
    pub choice: Option<(Choice, bool)>,
    /// How its streams are framed.
    pub framing: Framing,
    /// How a secret is sent, where that differs from the vendor's usual way.
    pub auth: Option<Auth>,
    /// The format of its errors, where that differs.
    pub errors: Option<Dialect>,
    /// Headers that it needs, unless the caller sends others. A value that is a variable of the key
    /// (`{project}`) is the operator's word: it wins over the caller's, and where the key has no
    /// such variable the header is not sent.
    pub headers: &'static [(&'static str, &'static str)],
    /// Only for keys that have this variable.
    pub wants: Option<&'static str>,
    /// What its requests need, where that differs from the vendor's.
    pub quirks: Option<&'static Quirks>,
    /// Clients of the same format may send requests of another form: they are read and written anew,
    /// too.
    pub has_own_form: bool,
}

impl Route {
    /// `POST template`.
    #[must_use]
    pub const fn post(operation: Operation, template: &'static str, dialect: Dialect) -> Self {
        Self::new(Method::POST, operation, template, dialect)
    }

    /// `GET template`.
    #[must_use]
    pub const fn get(operation: Operation, template: &'static str, dialect: Dialect) -> Self {
        Self::new(Method::GET, operation, template, dialect)
    }

    const fn new(
        method: Method,
        operation: Operation,
        template: &'static str,
        dialect: Dialect,
    ) -> Self {
        Self {
            operation,
            stream: None,
            method,
            template,
            dialect,
            models: ModelScope::All,
            choice: None,
            framing: Framing::Sse,
            auth: None,
            errors: None,
            headers: &[],
            wants: None,
            quirks: None,
            has_own_form: false,
        }
    }

    /// Only for models of this family.
    #[must_use]
    pub const fn of(mut self, family: Family) -> Self {
        self.models = ModelScope::Only(family);
        self
    }

    /// Not for models of these families.
    #[must_use]
    pub const fn except(mut self, families: &'static [Family]) -> Self {
        self.models = ModelScope::Except(families);
        self
    }

    /// Only where the configuration chooses so, or says nothing.
    #[must_use]
    pub const fn chosen(mut self, choice: Choice, value: bool) -> Self {
        self.choice = Some((choice, value));
        self
    }

    /// Only for models whose names begin with one of these.
    #[must_use]
    pub const fn beginning(mut self, names: &'static [&'static str]) -> Self {
        self.models = ModelScope::Beginning(names);
        self
    }

    /// Only for models in whose names this stands.
    #[must_use]
    pub const fn containing(mut self, part: &'static str) -> Self {
        self.models = ModelScope::Containing(part);
        self
    }

    /// Only for models that have a number for a name.
    #[must_use]
    pub const fn numbered(mut self) -> Self {
        self.models = ModelScope::Numbered;
        self
    }

    /// Only for keys that have this variable.
    #[must_use]
    pub const fn wanting(mut self, variable: &'static str) -> Self {
        self.wants = Some(variable);
        self
    }

    /// With a credential sent in another way than the vendor's usual one.
    #[must_use]
    pub const fn signed(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// With errors in another format.
    #[must_use]
    pub const fn failing_in(mut self, errors: Dialect) -> Self {
        self.errors = Some(errors);
        self
    }

    /// With headers that the route needs.
    #[must_use]
    pub const fn with(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.headers = headers;
        self
    }

    /// With streams that are framed so.
    #[must_use]
    pub const fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// With requests that need this instead of what the vendor's need.
    #[must_use]
    pub const fn needs(mut self, quirks: &'static Quirks) -> Self {
        self.quirks = Some(quirks);
        self
    }

    /// With requests of a form that clients of the same format need not send.
    #[must_use]
    pub const fn in_own_form(mut self) -> Self {
        self.has_own_form = true;
        self
    }

    /// Only for what is streamed, or not.
    #[must_use]
    pub const fn only(mut self, stream: bool) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Whether requests of `operation` can be sent to it, in whatever format they come.
    #[must_use]
    pub fn serves(&self, operation: Operation, stream: bool) -> bool {
        (!stream || operation.streams())
            && self.stream.is_none_or(|only| only == stream)
            && (self.operation == operation || equivalent(operation) == Some(self.operation))
    }

    /// How a request can be sent to it; `None`: it cannot.
    #[must_use]
    pub fn fit(&self, wanted: &Wanted<'_>) -> Option<Fit> {
        let (model, family) = (wanted.model, wanted.family);
        let (is_served, by_name) = match self.models {
            ModelScope::All => (true, false),
            ModelScope::Only(only) => (only == family, false),
            ModelScope::Except(families) => (!families.contains(&family), false),
            ModelScope::Beginning(names) => {
                (names.iter().any(|name| model.starts_with(name)), true)
            }
            ModelScope::Containing(part) => (model.contains(part), true),
            ModelScope::Numbered => {
                (!model.is_empty() && model.bytes().all(|byte| byte.is_ascii_digit()), true)
            }
        };
        let is_chosen = self.choice.is_none_or(|(choice, value)| {
            wanted.choices.get(choice).is_none_or(|chosen| chosen == value)
        });
        if !self.serves(wanted.operation, wanted.stream) || !is_served || !is_chosen {
            return None;
        }
        let is_same = self.operation == wanted.operation && self.dialect == wanted.dialect;
        let is_same = is_same && !self.has_own_form;
        match (is_same, by_name) {
            (true, true) => Some(Fit::NamedSame),
            (true, false) => Some(Fit::Same),
            (false, _) if !self.operation.is_translated() => None,
            (false, true) => Some(Fit::NamedTranslated),
            (false, false) => Some(Fit::Translated),
        }
    }
}

/// For which models a route is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelScope {
    /// For all.
    All,
    /// For those of one family.
    Only(Family),
    /// For those of all other families.
    Except(&'static [Family]),
    /// For those whose names begin with one of these.
    Beginning(&'static [&'static str]),
    /// For those in whose names this stands.
    Containing(&'static str),
    /// For those that have a number for a name, as models of a customer's own have.
    Numbered,
}

/// How a request fits a route, the best first: a route that is for models of certain names is the
/// only one that serves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// As it is, to a route for models of such names.
    NamedSame,
    /// In another format, to a route for models of such names.
    NamedTranslated,
    /// As it is.
    Same,
    /// In another format.
    Translated,
}

impl Fit {
    /// Whether the request goes out as it came.
    #[must_use]
    pub fn is_same(self) -> bool {
        matches!(self, Self::Same | Self::NamedSame)
    }
}

/// The operation that says the same as `operation` in another format.
const fn equivalent(operation: Operation) -> Option<Operation> {
    match operation {
        Operation::Chat => Some(Operation::Responses),
        Operation::Responses => Some(Operation::Chat),
        _ => None,
    }
}

/// An address with variables in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(&'static str),
}

/// Variables that differ between requests; all others belong to a key.
const PER_REQUEST: [&str; 2] = ["model", "id"];

/// RFC 3986's unreserved characters stay.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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
    #[must_use]
    pub fn fill(&self, model: &str, id: &str) -> String {
        let mut text = String::with_capacity(128);
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Variable("model") => text.push_str(&encoded(model)),
                Piece::Variable(_) => text.push_str(&encoded(id)),
            }
        }
        text
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
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
        Template::new(base, path, variable).unwrap().fill(model, "file-1")
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
}
