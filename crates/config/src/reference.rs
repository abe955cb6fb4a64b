//! `env.NAME`: values that stand elsewhere than in the file.
//!
//! A reference is resolved by the process that needs the value, not when the file is read. An
//! unset variable and an empty one are the same: missing, never an empty value. Messages about a
//! value of this kind say what type it has, never what it is.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jsonc_parser::ast::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use weir_types::Secret;

use crate::environment::process_variable;
use crate::reader::{Field, Section};
use crate::report::Draft;

/// A value that the file holds or refers to.
#[derive(Debug, Clone, Default)]
pub enum SecretRef {
    /// Absent or empty.
    #[default]
    None,
    /// Stands in the file.
    Literal(Secret),
    /// Stands in the environment variable of that name.
    Env(Arc<str>),
}

impl SecretRef {
    /// Whether nothing was given.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The value, references looked up in this process; `None` if the field is absent.
    ///
    /// # Errors
    /// The variable is not set or empty.
    pub fn resolve(&self) -> Result<Option<Secret>, MissingSecret> {
        self.resolve_with(process_variable)
    }

    /// The value, references looked up by `lookup`.
    ///
    /// # Errors
    /// `lookup` has no value, or an empty one.
    pub fn resolve_with(
        &self,
        lookup: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Option<Secret>, MissingSecret> {
        match self {
            Self::None => Ok(None),
            Self::Literal(secret) => Ok(Some(secret.clone())),
            Self::Env(name) => lookup(name)
                .filter(|value| !value.is_empty())
                .map(|value| Some(Secret::new(value)))
                .ok_or_else(|| MissingSecret { variable: Arc::clone(name) }),
        }
    }

    /// The value if it stands in the file.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(secret) => Some(secret.expose()),
            Self::None | Self::Env(_) => None,
        }
    }

    pub(crate) fn of_literal(text: &str) -> Self {
        if text.is_empty() { Self::None } else { Self::Literal(Secret::new(text.to_owned())) }
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

/// A variable that a field refers to and that is not set, or empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} is not set or empty")]
pub struct MissingSecret {
    /// The variable's name.
    pub variable: Arc<str>,
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
    pub(crate) fn reference(&self) -> Option<SecretRef> {
        match self.value {
            Value::StringLit(text) => self.refer(&text.value),
            Value::Object(_) => self.long_form(),
            _ => {
                // Not `wrong`: a number in the place of a secret may be one.
                let draft = Draft::error("wrong type").expected(EXPECTED);
                self.report(draft.found("another type"));
                None
            }
        }
    }

    /// A value that must be kept secret, and therefore better not in this file.
    pub(crate) fn secret(&self) -> Option<SecretRef> {
        let reference = self.reference()?;
        if reference.literal().is_some() {
            let draft = Draft::warning("a secret stands in this file");
            self.report(draft.expected("a reference, as \"env.NAME\"").found("a string").help(
                "put it into an environment variable and refer to that; then replace the secret",
            ));
        }
        Some(reference)
    }

    /// A value that `check` can judge unless it is a reference.
    pub(crate) fn checked(
        &self,
        check: impl FnOnce(&str) -> Result<(), Draft>,
    ) -> Option<SecretRef> {
        let reference = self.reference()?;
        match reference.literal().map(check) {
            Some(Err(draft)) => {
                self.report(draft);
                None
            }
            Some(Ok(())) | None => Some(reference),
        }
    }

    fn refer(&self, text: &str) -> Option<SecretRef> {
        if let Some(name) = text.strip_prefix("env.") {
            return self.variable(name);
        }
        if text.starts_with("vault.") {
            self.vault();
            return None;
        }
        Some(SecretRef::of_literal(text))
    }

    fn vault(&self) {
        let draft = Draft::error("vault references are not supported").expected(EXPECTED);
        let help = "have the vault's agent set an environment variable and refer to that";
        self.report(draft.found("a vault reference").help(help));
    }

    fn variable(&self, name: &str) -> Option<SecretRef> {
        // The name is not quoted while it could be a secret that was pasted after `env.`.
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.is_empty() || !plain {
            let draft = Draft::error("not a variable's name");
            let expected = "env. and a name of letters, digits and underscores";
            let found = if name.is_empty() { "no name" } else { "other characters" };
            self.report(draft.expected(expected).found(found));
            return None;
        }
        let unset = |lookup: fn(&str) -> Option<String>| lookup(name).is_none_or(|v| v.is_empty());
        if self.reader.options.variable.is_some_and(unset) {
            let draft = Draft::warning(format!("environment variable {name} is not set or empty"));
            self.report(draft.help(format!("set {name}; until then what needs it is unusable")));
        }
        Some(SecretRef::Env(Arc::from(name)))
    }

    fn long_form(&self) -> Option<SecretRef> {
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
            Some(Kind::Env) => self.variable(name),
            Some(Kind::PlainText) => Some(SecretRef::of_literal(&value)),
            None if name.starts_with("vault.") => {
                self.vault();
                None
            }
            None if from_env.unwrap_or(!name.is_empty()) => self.variable(name),
            None => self.refer(&value),
        }
    }
}

const EXPECTED: &str = "a string, or \"env.NAME\" for an environment variable";

impl Section<'_> {
    pub(crate) fn reference(&mut self, name: &'static str) -> SecretRef {
        self.field(name).and_then(|field| field.reference()).unwrap_or_default()
    }

    pub(crate) fn secret(&mut self, name: &'static str) -> SecretRef {
        self.field(name).and_then(|field| field.secret()).unwrap_or_default()
    }

    pub(crate) fn checked(
        &mut self,
        name: &'static str,
        check: impl FnOnce(&str) -> Result<(), Draft>,
    ) -> SecretRef {
        self.field(name).and_then(|field| field.checked(check)).unwrap_or_default()
    }

    /// A value that must be there and not empty. Its own problems are reported once.
    pub(crate) fn needed(
        &mut self,
        name: &'static str,
        expected: &str,
        check: impl FnOnce(&str) -> Result<(), Draft>,
    ) -> SecretRef {
        let Some(field) = self.field(name) else {
            self.missing(name, expected);
            return SecretRef::None;
        };
        let reference = field.checked(check);
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
            Self::Env(name) => write!(f, "env.{name}"),
        }
    }
}
