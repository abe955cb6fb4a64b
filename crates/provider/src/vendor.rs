//! The shape of a row: everything that may differ between vendors of one wire format.

use std::borrow::Cow;

use weir_types::{Dialect, Operation};

/// How a request proves who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer <secret>`.
    Bearer,
    /// The secret alone in this header (lower case).
    Header(&'static str),
}

/// What ends a stream of this vendor properly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// `[DONE]`, or a finish reason where the connection then ends in good order.
    NeedsDone,
    /// The vendor never sends `[DONE]`: a finish reason is the end.
    FinishReasonEnough,
}

/// How the model is written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelForm {
    /// As it is.
    Plain,
    /// `sub-provider/owner/name` becomes `owner/name:sub-provider`.
    SubProviderSuffix,
}

/// Where each operation is, appended to the base URL. `None`: not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paths {
    /// Chat completions.
    pub chat: Option<&'static str>,
    /// Text completions.
    pub completion: Option<&'static str>,
    /// Embeddings.
    pub embedding: Option<&'static str>,
    /// The model list.
    pub list_models: Option<&'static str>,
}

/// Members to drop for certain models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelDrops {
    /// The model's name starts with one of these.
    pub prefixes: &'static [&'static str],
    /// But contains none of these.
    pub except: &'static [&'static str],
    /// Top-level members that these models refuse.
    pub drops: &'static [&'static str],
}

/// How a request of the wire format must change for this vendor. Applied in the order of the
/// fields; names are top-level members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quirks {
    /// Old name, new name. A member that already has the new name wins.
    pub renames: &'static [(&'static str, &'static str)],
    /// Removed.
    pub drops: &'static [&'static str],
    /// Removed for some models.
    pub model_drops: &'static [ModelDrops],
    /// Member, JSON text to replace, JSON text to put in its place.
    pub values: &'static [(&'static str, &'static str, &'static str)],
    /// Member, JSON text that replaces its value if that is an object.
    pub objects: &'static [(&'static str, &'static str)],
    /// Removed from messages, from the blocks of their content, and from tools.
    pub block_drops: &'static [&'static str],
    /// String members that are dropped when longer than so many bytes.
    pub text_bytes_max: &'static [(&'static str, usize)],
}

impl Quirks {
    /// None at all: requests pass as they are.
    pub const NONE: Self = Self {
        renames: &[],
        drops: &[],
        model_drops: &[],
        values: &[],
        objects: &[],
        block_drops: &[],
        text_bytes_max: &[],
    };

    /// The drops that depend on `model`, the vendor's name of it.
    pub fn drops_for(&self, model: &str) -> impl Iterator<Item = &'static str> {
        let applies = move |rule: &&ModelDrops| {
            rule.prefixes.iter().any(|prefix| model.starts_with(prefix))
                && !rule.except.iter().any(|part| model.contains(part))
        };
        self.model_drops.iter().filter(applies).flat_map(|rule| rule.drops.iter().copied())
    }
}

/// One vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vendor {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Its wire format.
    pub dialect: Dialect,
    /// Without a slash at the end; empty where only a key or the configuration knows it.
    pub base_url: &'static str,
    /// How a secret is sent.
    pub auth: Auth,
    /// Where its operations are.
    pub paths: Paths,
    /// What ends its streams.
    pub stream_end: StreamEnd,
    /// What its requests need.
    pub quirks: Quirks,
    /// How it writes models.
    pub model_form: ModelForm,
    /// The variable that, when set, makes a start without a configuration use this vendor.
    pub env_var: Option<&'static str>,
    /// Whether each key carries its own URL (`ollama_key_config.url` and the like).
    pub base_url_from_key: bool,
    /// Whether a key without a secret is usable.
    pub keys_may_be_empty: bool,
}

impl Vendor {
    /// The path of `operation`; `None` if the vendor does not offer it.
    #[must_use]
    pub const fn path(&self, operation: Operation) -> Option<&'static str> {
        match operation {
            Operation::Chat => self.paths.chat,
            Operation::Completion => self.paths.completion,
            Operation::Embedding => self.paths.embedding,
            Operation::ListModels => self.paths.list_models,
            _ => None,
        }
    }

    /// `model` as this vendor writes it on the wire.
    #[must_use]
    pub fn wire_model<'a>(&self, model: &'a str) -> Cow<'a, str> {
        if self.model_form == ModelForm::SubProviderSuffix
            && let Some((sub_provider, rest)) = model.split_once('/')
            && rest.contains('/')
        {
            return Cow::Owned(format!("{rest}:{sub_provider}"));
        }
        Cow::Borrowed(model)
    }
}
