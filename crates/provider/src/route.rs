//! Where a vendor offers what: one row per operation.

use http::Method;
use weir_dialect::families::Family;
use weir_dialect::{Quirks, is_version};
use weir_types::{Dialect, Form, Framing, Operation};

use crate::later::Later;
use crate::vendor::Auth;
use crate::wanted::{Choice, Choices, Wanted};

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
    /// writes it, `{model_path}` for one whose name is part of a path, `{id}` for a stored thing's id,
    /// other names for variables of the key (`{region}`, `{project}`, `{api_version}`); all
    /// percent-encoded.
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
    /// The forms of the format in which clients' requests pass as they are. Those in others are read
    /// and written anew.
    pub forms: &'static [Form],
    /// The variable of a key that stands before models' names in its requests, where names alone are not
    /// understood.
    pub model_after: Option<&'static str>,
    /// How its answers are fetched, where what comes first is a receipt.
    pub later: Option<&'static Later>,
    /// Files and batches are kept in another way than the route's format has them, and what is asked of
    /// them takes calls of several kinds.
    pub kept: Option<Kept>,
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

    /// `method template`.
    #[must_use]
    pub const fn new(
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
            forms: &[Form::Usual],
            model_after: None,
            later: None,
            kept: None,
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

    /// Only for versions of models.
    #[must_use]
    pub const fn versions(mut self) -> Self {
        self.models = ModelScope::Versions;
        self
    }

    /// With models that are named after this variable of a key.
    #[must_use]
    pub const fn named_after(mut self, variable: &'static str) -> Self {
        self.model_after = Some(variable);
        self
    }

    /// With answers that are fetched so.
    #[must_use]
    pub const fn answered(mut self, later: &'static Later) -> Self {
        self.later = Some(later);
        self
    }

    /// For what is kept so.
    #[must_use]
    pub const fn kept(mut self, kept: Kept) -> Self {
        self.kept = Some(kept);
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

    /// With requests in these forms of the format; none: in one of its own, which no client sends.
    #[must_use]
    pub const fn in_forms(mut self, forms: &'static [Form]) -> Self {
        self.forms = forms;
        self
    }

    /// Only for what is streamed, or not.
    #[must_use]
    pub const fn only(mut self, stream: bool) -> Self {
        self.stream = Some(stream);
        self
    }

    /// `model` as requests of this route name it; `variable` is what a key says. An ARN stands for itself.
    #[must_use]
    pub fn named<'v>(&self, model: String, variable: impl Fn(&str) -> Option<&'v str>) -> String {
        match self.model_after.and_then(variable) {
            Some(before) if !model.starts_with("arn:") => format!("{before}{model}"),
            _ => model,
        }
    }

    /// Whether requests of `operation` can be sent to it, in whatever format they come.
    #[must_use]
    pub fn serves(&self, operation: Operation, stream: bool) -> bool {
        (!stream || operation.streams())
            && self.stream.is_none_or(|only| only == stream)
            && (self.operation == operation || equivalent(operation) == Some(self.operation))
    }

    /// Whether the configuration does not choose the contrary.
    #[must_use]
    pub fn is_chosen(&self, choices: Choices) -> bool {
        self.choice
            .is_none_or(|(choice, value)| choices.get(choice).is_none_or(|chosen| chosen == value))
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
            ModelScope::Versions => (is_version(model), true),
            ModelScope::Numbered => {
                (!model.is_empty() && model.bytes().all(|byte| byte.is_ascii_digit()), true)
            }
        };
        let is_offered = self.serves(wanted.operation, wanted.stream);
        if !is_offered || !is_served || !self.is_chosen(wanted.choices) {
            return None;
        }
        let is_same = self.operation == wanted.operation && self.dialect == wanted.dialect;
        let is_same = is_same && self.forms.contains(&wanted.form);
        match (is_same, by_name) {
            (true, true) => Some(Fit::NamedSame),
            (true, false) => Some(Fit::Same),
            (false, _) if !self.operation.is_translated() => None,
            (false, true) => Some(Fit::NamedTranslated),
            (false, false) => Some(Fit::Translated),
        }
    }
}

/// Where files and batches are that their route's format does not have in this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Files are objects in buckets of the key's own, and batches jobs over them: the template leads to
    /// the service that has them.
    InBuckets,
    /// With the vendor, by the interface that its first route speaks.
    ByVendor,
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
    /// For versions of models: `owner/name:version`, or a version alone, which is 64 hex digits.
    Versions,
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
