//! One row of the table of routes, and what its path says: method, parameter, and what that may be.
//!
//! Knows no row.

use http::Method;
use weir_types::{Dialect, Form, Framing, Operation};

/// One path that clients may call.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Method and path, as spans and logs show it. One `{parameter}` may stand in the path, for a
    /// whole segment or up to what follows it there; the value may hold slashes.
    pub name: &'static str,
    /// The format of body and answer.
    pub dialect: Dialect,
    /// What it asks for.
    pub operation: Operation,
    /// Whether the path itself asks for a stream; `None`: the body says it.
    pub stream: Option<bool>,
    /// How streams are framed.
    pub framing: Framing,
    /// A query that asks for another framing: `(name, value, framing)`.
    pub framing_by_query: Option<(&'static str, &'static str, Framing)>,
    /// In which form of the format its clients send and read.
    pub form: Form,
    /// The provider that the prefix implies for a bare model.
    pub preferred: Option<&'static str>,
    /// What its parameter may be.
    pub(crate) value: Value,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// A name, which may hold slashes.
    Name,
    /// One segment of a path.
    Segment,
    /// Anything.
    Path,
}

impl Route {
    /// `name`, with what most routes have in common.
    #[must_use]
    pub const fn new(name: &'static str, dialect: Dialect, operation: Operation) -> Self {
        Self {
            name,
            dialect,
            operation,
            stream: None,
            framing: Framing::Sse,
            framing_by_query: None,
            form: Form::Usual,
            preferred: None,
            value: Value::Name,
        }
    }

    /// With a parameter that may be this.
    pub(super) const fn taking(mut self, value: Value) -> Self {
        self.value = value;
        self
    }

    /// With the provider that a bare model means.
    #[must_use]
    pub const fn of(mut self, provider: &'static str) -> Self {
        self.preferred = Some(provider);
        self
    }

    /// A path that itself says whether a stream is asked for.
    #[must_use]
    pub const fn streamed(mut self, stream: bool) -> Self {
        self.stream = Some(stream);
        self
    }

    /// With streams that are framed so.
    #[must_use]
    pub const fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// With streams that are framed so if the query says `name=value`.
    #[must_use]
    pub const fn framed_if(
        mut self,
        name: &'static str,
        value: &'static str,
        framing: Framing,
    ) -> Self {
        self.framing_by_query = Some((name, value, framing));
        self
    }

    /// For clients of this form of the format.
    #[must_use]
    pub const fn in_form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// The method alone.
    pub(crate) fn method(&self) -> Method {
        let method = self.name.split(' ').next().unwrap_or_default();
        Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST)
    }

    /// Whether `method` is its own.
    pub(crate) fn is_by(&self, method: &Method) -> bool {
        self.name.strip_prefix(method.as_str()).is_some_and(|rest| rest.starts_with(' '))
    }

    /// The path alone.
    pub(crate) fn path(&self) -> &'static str {
        self.name.split_once(' ').map_or(self.name, |(_, path)| path)
    }

    /// What stands before the parameter, and what follows it; `None`: there is none.
    pub(crate) fn parameter(&self) -> Option<(&'static str, &'static str)> {
        let (before, rest) = self.path().split_once('{')?;
        let (_, after) = rest.split_once('}')?;
        Some((before, after))
    }

    /// Whether a part of the path is a parameter.
    pub(crate) fn has_parameter(&self) -> bool {
        self.path().as_bytes().contains(&b'{')
    }

    /// Whether no path but one that ends with its parameter goes on from `prefix` here.
    pub(crate) fn is_alone_at(&self, prefix: &str) -> bool {
        self.ends_with_parameter() || self.parameter().is_none_or(|(own, _)| own != prefix)
    }

    /// Whether nothing follows the parameter.
    pub(crate) fn ends_with_parameter(&self) -> bool {
        self.parameter().is_some_and(|(_, after)| after.is_empty())
    }

    /// The model that is asked about, where it is a list of models in which it is looked for.
    pub(crate) fn wanted<'a>(&self, parameter: &'a str) -> Option<&'a str> {
        let is_listed = self.operation == Operation::ListModels && self.has_parameter();
        is_listed.then_some(parameter)
    }

    /// The parameter's value in `tail`, the part of the path from the parameter on.
    pub(crate) fn value_in<'a>(&self, tail: &'a str) -> Option<&'a str> {
        let (_, after) = self.parameter()?;
        let value = tail.strip_suffix(after).filter(|value| !value.is_empty())?;
        match self.value {
            Value::Name => Some(value).filter(|value| !value.ends_with('/')),
            Value::Segment => {
                let segment = value.strip_suffix('/').unwrap_or(value);
                Some(segment).filter(|segment| !segment.is_empty() && !segment.contains('/'))
            }
            Value::Path => Some(value),
        }
    }
}
