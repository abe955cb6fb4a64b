//! `env.NAME`: values that stand elsewhere than in the file.
//!
//! A reference is resolved by the process that needs the value. What it finds there is judged like
//! the same text in the file; only that a text in the file that cannot be used is the file's fault, and
//! one in a variable costs no more than what needs it. An unset variable and an empty one are the same:
//! missing, never an empty value. Messages about a value of this kind say what type it has, never what
//! it is.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jsonc_parser::ast::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use weir_types::Secret;

use crate::environment::process_variable;
use crate::reader::{Field, Section};
use crate::report::Draft;
use crate::text::{self, Judge};

/// A value that the file holds or refers to.
#[derive(Debug, Clone, Default)]
pub enum SecretRef {
    /// Absent or empty.
    #[default]
    None,
    /// Stands in the file.
    Literal(Secret),
    /// Stands in an environment variable.
    Env(Variable),
}

/// An environment variable, and what its value must be.
#[derive(Debug, Clone)]
pub struct Variable {
    name: Arc<str>,
    judge: Judge,
}

impl Variable {
    fn read(&self, value: Option<String>) -> Result<Secret, ValueFault> {
        let fault = |why: String| ValueFault { variable: Arc::clone(&self.name), why };
        let value = value.unwrap_or_default();
        let read = text::read(&value, self.judge)
            .map_err(|draft| fault(format!("cannot be used: {draft}")))?;
        if read.text.is_empty() {
            return Err(fault("is not set or empty".to_owned()));
        }
        Ok(Secret::new(read.text.into_owned()))
    }
}

impl SecretRef {
    /// Whether it says the same in the same way; what variables hold is not looked at.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Literal(one), Self::Literal(other)) => one.expose() == other.expose(),
            (Self::Env(one), Self::Env(other)) => one.name == other.name,
            _ => false,
        }
    }

    /// Whether nothing was given.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The API key in the variable `name`.
    pub(crate) fn key_in(name: &str) -> Self {
        Self::Env(Variable { name: Arc::from(name), judge: text::credential })
    }

    /// The value, references looked up in this process; `None` if the field is absent.
    ///
    /// # Errors
    /// The variable is not set or empty, or holds what cannot be used.
    pub fn resolve(&self) -> Result<Option<Secret>, ValueFault> {
        self.resolve_with(process_variable)
    }

    /// The value, references looked up by `lookup`.
    ///
    /// # Errors
    /// `lookup` has no value, an empty one, or one that cannot be used.
    pub fn resolve_with(
        &self,
        lookup: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Option<Secret>, ValueFault> {
        match self {
            Self::None => Ok(None),
            Self::Literal(secret) => Ok(Some(secret.clone())),
            Self::Env(variable) => variable.read(lookup(&variable.name)).map(Some),
        }
    }

    /// What was put right in the value that `lookup` has, a line each.
    #[must_use]
    pub fn notes_with(&self, lookup: impl FnOnce(&str) -> Option<String>) -> Vec<String> {
        let Self::Env(Variable { name, judge }) = self else { return Vec::new() };
        let value = lookup(name).unwrap_or_default();
        let notes = text::read(&value, *judge).map(|read| read.notes).unwrap_or_default();
        notes.into_iter().map(|note| note.of_variable(name).to_string()).collect()
    }

    /// The value if it stands in the file.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(secret) => Some(secret.expose()),
            Self::None | Self::Env(_) => None,
        }
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "Reference".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A value, or `env.NAME` for the environment variable NAME. The object \
                forms say the same at greater length.",
            "anyOf": [
                { "type": "string", "examples": ["env.OPENAI_API_KEY"] },
                { "type": "null" },
                {
                    "type": "object",
                    "properties": {
                        "value": { "type": ["string", "null"], "description": "The value itself." },
                        "env_var": {
                            "type": ["string", "null"],
                            "description": "The variable's name, with or without `env.`."
                        },
                        "from_env": {
                            "type": ["boolean", "null"],
                            "description": "Whether `env_var` is meant, not `value`."
                        },
                        "ref": {
                            "type": ["string", "null"],
                            "description": "The reference, as `env.NAME`."
                        },
                        "type": {
                            "enum": ["plain_text", "env", "vault", null],
                            "description": "Whether `value` or `ref` is meant. `vault` is not \
                                supported."
                        }
                    },
                    "additionalProperties": false
                }
            ]
        })
    }
}

/// A variable that a field refers to and that has no value that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("variable {variable} {why}")]
pub struct ValueFault {
    /// The variable's name.
    pub variable: Arc<str>,
    /// What is wrong with its value, which is not quoted.
    pub why: String,
}

/// Where a value comes from, as the object form says it.
#[derive(Clone, Copy)]
enum Kind {
    PlainText,
    Env,
    Vault,
}

impl Field<'_> {
    /// A value that need not be kept secret: an address, a region, a user name.
    pub(crate) fn reference(&self, judge: Judge) -> Option<SecretRef> {
        match self.value {
            Value::StringLit(text) => self.refer(&text.value, judge),
            Value::Object(_) => self.long_form(judge),
            _ => {
                // Not `wrong`: a number in the place of a secret may be one.
                let draft = Draft::error("wrong type").expected(EXPECTED);
                self.report(draft.found("another type"));
                None
            }
        }
    }

    /// A value that must be kept secret, and therefore better not in this file.
    pub(crate) fn secret(&self, judge: Judge) -> Option<SecretRef> {
        let reference = self.reference(judge)?;
        if reference.literal().is_some() {
            let draft = Draft::warning("a secret stands in this file");
            self.report(draft.expected("a reference, as \"env.NAME\"").found("a string").help(
                "put it into an environment variable and refer to that; then replace the secret",
            ));
        }
        Some(reference)
    }

    fn refer(&self, text: &str, judge: Judge) -> Option<SecretRef> {
        if let Some(name) = text.strip_prefix("env.") {
            return self.variable(name, judge);
        }
        if text.starts_with("vault.") {
            self.vault();
            return None;
        }
        self.plain(text, judge)
    }

    /// A value that stands in the file.
    fn plain(&self, text: &str, judge: Judge) -> Option<SecretRef> {
        match text::read(text, judge) {
            Ok(read) => {
                read.notes.into_iter().for_each(|note| self.report(note));
                if is_like_a_reference(&read.text) {
                    let draft = Draft::warning("looks like a reference, and is taken as it stands");
                    let found = "another spelling of a reference";
                    self.report(draft.expected("\"env.NAME\", in small letters").found(found));
                }
                let is_empty = read.text.is_empty();
                let literal = || SecretRef::Literal(Secret::new(read.text.into_owned()));
                Some(if is_empty { SecretRef::None } else { literal() })
            }
            Err(draft) => {
                self.report(draft);
                None
            }
        }
    }

    fn vault(&self) {
        let draft = Draft::error("vault references are not supported").expected(EXPECTED);
        let help = "have the vault's agent set an environment variable and refer to that";
        self.report(draft.found("a vault reference").help(help));
    }

    fn variable(&self, name: &str, judge: Judge) -> Option<SecretRef> {
        // The name is not quoted while it could be a secret that was pasted after `env.`.
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.is_empty() || !plain {
            let draft = Draft::error("not a variable's name");
            let expected = "env. and a name of letters, digits and underscores";
            let found = if name.is_empty() { "no name" } else { "other characters" };
            self.report(draft.expected(expected).found(found));
            return None;
        }
        if let Some(lookup) = self.reader.lookup() {
            self.judge(name, &lookup(name).unwrap_or_default(), judge);
        }
        Some(SecretRef::Env(Variable { name: Arc::from(name), judge }))
    }

    /// Says what the process that needs `value`, of the variable `name`, will make of it.
    fn judge(&self, name: &str, value: &str, judge: Judge) {
        match text::read(value, judge) {
            Ok(read) if read.text.is_empty() => {
                let draft =
                    Draft::warning(format!("environment variable {name} is not set or empty"));
                self.report(
                    draft.help(format!("set {name}; until then what needs it is unusable")),
                );
            }
            Ok(read) => read.notes.into_iter().for_each(|note| self.report(note.of_variable(name))),
            Err(draft) => {
                let help = format!("correct {name}; until then what needs it is unusable");
                self.report(draft.or_help(help).of_variable(name));
            }
        }
    }

    fn long_form(&self, judge: Judge) -> Option<SecretRef> {
        let mut section = self.section()?;
        if ["value", "ref", "env_var", "type"].iter().all(|name| section.field(name).is_none()) {
            section.missing("value", "a value, or \"type\": \"env\" and \"ref\"");
        }
        let kinds = [("plain_text", Kind::PlainText), ("env", Kind::Env), ("vault", Kind::Vault)];
        let value = section.text("value").unwrap_or_default();
        let older = section.text("env_var").unwrap_or_default();
        let from_env = section.flag("from_env");
        let newer = section.text("ref").unwrap_or_default();
        let kind = section.choice("type", &kinds);
        section.finish();
        let name = if newer.is_empty() { older } else { newer };
        let name = name.strip_prefix("env.").unwrap_or(&name);
        match kind {
            Some(Kind::Vault) => {
                self.vault();
                None
            }
            Some(Kind::Env) => self.variable(name, judge),
            Some(Kind::PlainText) => self.plain(&value, judge),
            None if name.starts_with("vault.") => {
                self.vault();
                None
            }
            None if from_env.unwrap_or(!name.is_empty()) => self.variable(name, judge),
            None => self.refer(&value, judge),
        }
    }
}

const EXPECTED: &str = "a string, or \"env.NAME\" for an environment variable";

impl Section<'_> {
    /// A value that need not be kept secret, one line of it.
    pub(crate) fn reference(&mut self, name: &'static str) -> SecretRef {
        self.judged(name, text::line)
    }

    /// A value that `judge` knows.
    pub(crate) fn judged(&mut self, name: &'static str, judge: Judge) -> SecretRef {
        self.field(name).and_then(|field| field.reference(judge)).unwrap_or_default()
    }

    /// A value that must be kept secret.
    pub(crate) fn secret(&mut self, name: &'static str, judge: Judge) -> SecretRef {
        self.field(name).and_then(|field| field.secret(judge)).unwrap_or_default()
    }

    /// A value that must be there and not empty. Its own problems are reported once.
    pub(crate) fn needed(&mut self, name: &'static str, expected: &str, judge: Judge) -> SecretRef {
        let Some(field) = self.field(name) else {
            self.missing(name, expected);
            return SecretRef::None;
        };
        let reference = field.reference(judge);
        if reference.as_ref().is_some_and(SecretRef::is_none) {
            field.report(Draft::error("empty").expected(expected).found("an empty string"));
        }
        reference.unwrap_or_default()
    }
}

impl fmt::Display for SecretRef {
    /// The reference, or what kind of value there is; never the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Literal(_) => f.write_str("a literal value"),
            Self::Env(variable) => write!(f, "env.{}", variable.name),
        }
    }
}
/// Whether all of `text` is how other tools, or hasty fingers, refer to a variable.
fn is_like_a_reference(text: &str) -> bool {
    let is_name = |name: &str| {
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let braced = |(open, close)| {
        let inner = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        inner.is_some_and(|inner| is_name(inner.trim()))
    };
    let beginnings = ["env.", "env:", "$env:", "os.environ/", "$"];
    let after = |begin: &str| {
        let (first, rest) = text.split_at_checked(begin.len())?;
        first.eq_ignore_ascii_case(begin).then_some(rest)
    };
    beginnings.into_iter().filter_map(after).any(is_name)
        || [("${", "}"), ("{{", "}}"), ("%", "%")].into_iter().any(braced)
}
