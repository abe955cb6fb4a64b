//! The shape of a row: everything that may differ between vendors.

use std::borrow::Cow;

use weir_dialect::Quirks;
use weir_types::Operation;

use crate::route::Route;

/// How a request proves who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer <secret>`.
    Bearer,
    /// The secret alone in this header (lower case).
    Header(&'static str),
    /// A key's value as [`Auth::Bearer`], else AWS's signature for this service.
    Aws(&'static str),
    /// AWS's signature for this service. No value of a key opens this.
    AwsSigned(&'static str),
    /// A token of Azure's directory as [`Auth::Bearer`] where the key has an identity there, else
    /// its value alone in this header.
    Azure(&'static str),
    /// A token of Google's as [`Auth::Bearer`]. No value of a key opens this.
    Google,
    /// A key's value as the query parameter `key`, else as [`Auth::Google`].
    GoogleOrKey,
}

/// What ends a stream of this vendor properly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// The event that ends streams of its format (`[DONE]`), or a finish reason where the connection
    /// then ends in good order.
    NeedsDone,
    /// The vendor never sends that event: a finish reason is the end.
    FinishReasonEnough,
}

/// How the model is written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelForm {
    /// As it is.
    Plain,
    /// `sub-provider/owner/name` becomes `owner/name:sub-provider`.
    SubProviderSuffix,
    /// Without this in front of it, as the vendor's own lists write it.
    WithoutPrefix(&'static str),
}

/// Which features that are still in trial (`anthropic-beta`) a vendor takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Betas {
    /// All, also those that nobody here has heard of.
    All,
    /// Those whose names begin with one of these; it refuses requests with others.
    Only(&'static [&'static str]),
}

impl Betas {
    /// Whether the feature `name` is taken.
    #[must_use]
    pub fn takes(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(prefixes) => prefixes.iter().any(|prefix| name.starts_with(prefix)),
        }
    }
}

/// One vendor.
#[derive(Debug, Clone, Copy)]
pub struct Vendor {
    /// Its name in the configuration.
    pub name: &'static str,
    /// What it offers, and where. Of several that fit the first counts.
    pub routes: &'static [Route],
    /// The same for what it stores: files and batches.
    pub stored: &'static [Route],
    /// Without a slash at the end; may hold variables of keys (`{region}`); empty where only a key or
    /// the configuration knows it.
    pub base_url: &'static str,
    /// How a secret is sent.
    pub auth: Auth,
    /// What ends its streams.
    pub stream_end: StreamEnd,
    /// What its requests need, unless a route says otherwise.
    pub quirks: Quirks,
    /// Which features in trial it takes.
    pub betas: Betas,
    /// Headers that are its clients' to choose and no matter of its account, besides those of its
    /// format. What else a client wants to send is the operator's to allow.
    pub client_headers: &'static [&'static str],
    /// How it writes models.
    pub model_form: ModelForm,
    /// The variable that, when set, makes a start without a configuration use this vendor.
    pub env_var: Option<&'static str>,
    /// Whether each key carries its own URL (`ollama_key_config.url` and the like).
    pub base_url_from_key: bool,
    /// Whether a key without a secret is usable.
    pub keys_may_be_empty: bool,
}

/// No two rows have one name.
impl PartialEq for Vendor {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Vendor {}

impl Vendor {
    /// All that it offers.
    pub fn all_routes(&self) -> impl Iterator<Item = &'static Route> + use<> {
        self.routes.iter().chain(self.stored)
    }

    /// Whether `operation` can be asked of it: it is offered, or something is that it can be
    /// translated into.
    #[must_use]
    pub fn offers(&self, operation: Operation, stream: bool) -> bool {
        self.all_routes().any(|route| route.serves(operation, stream))
    }

    /// `model` as this vendor writes it on the wire.
    #[must_use]
    pub fn wire_model<'a>(&self, model: &'a str) -> Cow<'a, str> {
        match self.model_form {
            ModelForm::SubProviderSuffix => {
                if let Some((sub_provider, rest)) = model.split_once('/')
                    && rest.contains('/')
                {
                    return Cow::Owned(format!("{rest}:{sub_provider}"));
                }
                Cow::Borrowed(model)
            }
            ModelForm::WithoutPrefix(prefix) => {
                Cow::Borrowed(model.strip_prefix(prefix).unwrap_or(model))
            }
            ModelForm::Plain => Cow::Borrowed(model),
        }
    }
}
