//! One entry of `providers`.
//!
//! A built-in provider that this build does not serve is checked in full and then skipped with a
//! warning; its smaller warnings would only distract.

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use weir_types::{KeyName, ModelList, ProviderName};

use crate::builtin::{BUILTIN_PROVIDERS, is_builtin};
use crate::config::Version;
use crate::custom::{self, Custom};
use crate::key::{self, Context, Key};
use crate::key_configs::UrlKey;
use crate::names;
use crate::network::{self, Network};
use crate::pool::{self, Pool};
use crate::pricing::{self, PricingOverride};
use crate::prompt_cache::{self, PromptCache};
use crate::proxy::{self, Proxy};
use crate::reader::{Field, Section};
use crate::reference::SecretRef;
use crate::report::Draft;
use crate::suggest::nearest;

/// A provider and all that its calls need.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Provider {
    /// Its name, lower case.
    #[schemars(skip)]
    pub name: ProviderName,
    /// Its keys, as declared. At least one, but for keyless custom providers, ollama and sgl.
    #[schemars(with = "Option<Vec<Key>>")]
    pub keys: Vec<Key>,
    /// How it is called.
    #[schemars(rename = "network_config", with = "Option<Network>")]
    pub network: Network,
    /// How many requests run and wait.
    #[schemars(rename = "concurrency_and_buffer_size", with = "Option<Pool>")]
    pub pool: Pool,
    /// The way out.
    #[schemars(rename = "proxy_config", with = "Option<Proxy>")]
    pub proxy: Proxy,
    /// Set if this is not a built-in provider.
    #[schemars(rename = "custom_provider_config")]
    pub custom: Option<Custom>,
    /// OpenAI's own settings.
    #[schemars(rename = "openai_config", with = "Option<OpenAi>")]
    pub openai: OpenAi,
    /// Injection of cache marks.
    pub prompt_cache: Option<PromptCache>,
    /// Prices that differ from the catalogue's.
    #[schemars(with = "Option<Vec<PricingOverride>>")]
    pub pricing_overrides: Vec<PricingOverride>,
    /// Show the provider's request in the answer.
    #[schemars(with = "Option<bool>")]
    pub send_back_raw_request: bool,
    /// Show the provider's response in the answer.
    #[schemars(with = "Option<bool>")]
    pub send_back_raw_response: bool,
    /// Keep the provider's request and response in the log store.
    #[schemars(with = "Option<bool>")]
    pub store_raw_request_response: bool,
    /// Free text.
    pub description: Option<String>,
}

/// OpenAI's own settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OpenAi {
    /// Send `store: false` with Responses calls.
    #[schemars(with = "Option<bool>")]
    pub disable_store: bool,
}

impl Provider {
    /// A provider with these keys and defaults everywhere else.
    #[must_use]
    pub fn with_keys(name: &str, keys: Vec<Key>) -> Self {
        Self {
            name: ProviderName::from(name),
            keys,
            network: Network::default(),
            pool: Pool::default(),
            proxy: Proxy::default(),
            custom: None,
            openai: OpenAi::default(),
            prompt_cache: None,
            pricing_overrides: Vec::new(),
            send_back_raw_request: false,
            send_back_raw_response: false,
            store_raw_request_response: false,
            description: None,
        }
    }

    /// The built-in provider whose wire format and rules apply: its own name, or a custom
    /// provider's base.
    #[must_use]
    pub fn vendor(&self) -> &str {
        self.custom.as_ref().map_or(self.name.as_str(), |c| c.base_provider_type.name())
    }

    /// Whether it is called without a credential.
    #[must_use]
    pub fn is_key_less(&self) -> bool {
        self.custom.as_ref().is_some_and(|custom| custom.is_key_less)
    }
}

/// The `providers` section: what is served, in declared order.
pub(crate) fn read_all(field: &Field<'_>, version: Version) -> Vec<Provider> {
    let mut seen = HashSet::new();
    let mut providers = Vec::new();
    for (name, field) in field.members().unwrap_or_default() {
        let lower = name.to_ascii_lowercase();
        let fault = names::fault(name).or_else(|| name.contains('/').then_some("a name with `/`"));
        if let Some(fault) = fault {
            let draft = Draft::error("not a usable name for a provider").found(fault);
            field.report(draft.expected("a name without `/`, blanks and control characters"));
            continue;
        }
        if !seen.insert(lower.clone()) {
            let draft = Draft::error("duplicate provider").expected("each provider once");
            field.report(draft.found("the same name in other letters").help("merge the two"));
            continue;
        }
        let mark = field.reader.mark();
        field.reader.enter(Some(&lower));
        let provider = read(&lower, &field, version);
        field.reader.enter(None);
        let Some(provider) = provider else {
            continue;
        };
        if (field.reader.options.served)(provider.vendor()) {
            providers.push(provider);
        } else {
            field.reader.forget_warnings_since(mark);
            note_skipped(&field, &provider);
        }
    }
    providers
}

fn note_skipped(field: &Field<'_>, provider: &Provider) {
    let vendor = provider.vendor();
    let draft = if provider.custom.is_some() {
        Draft::warning(format!("skipped: this build does not serve custom providers on {vendor}"))
    } else {
        Draft::warning(format!("skipped: this build does not serve {vendor} yet"))
    };
    field.report(draft.help("requests for it are refused; the other providers are not affected"));
}

fn read(name: &str, field: &Field<'_>, version: Version) -> Option<Provider> {
    let mut section = field.section()?;
    let custom_field = section.field("custom_provider_config");
    let custom = custom_field.as_ref().and_then(custom::read);
    let is_custom = custom_field.is_some();
    note_identity(name, field, custom_field.as_ref());
    let base = custom.as_ref().map(|custom| custom.base_provider_type.name());
    // Until an unknown name or base is corrected, the most common rules are the best guess.
    let vendor = if is_custom { base.unwrap_or("openai") } else { name };
    let key_less = custom.as_ref().is_some_and(|custom| custom.is_key_less);
    let network = section.field("network_config").and_then(|f| network::read(&f, vendor));
    let network = network.unwrap_or_default();
    let context = Context {
        version,
        provider: name,
        vendor,
        key_less,
        base_url: matches!(vendor, "ollama" | "sgl").then_some(&network.base_url),
    };
    let keys = keys(&mut section, &context);
    let provider = Provider {
        pool: section
            .field("concurrency_and_buffer_size")
            .and_then(|f| pool::read(&f))
            .unwrap_or_default(),
        proxy: section.field("proxy_config").and_then(|f| proxy::read(&f)).unwrap_or_default(),
        openai: section.field("openai_config").and_then(|f| openai(&f)).unwrap_or_default(),
        prompt_cache: section.field("prompt_cache").and_then(|f| prompt_cache::read(&f)),
        pricing_overrides: section
            .field("pricing_overrides")
            .and_then(|field| field.items())
            .unwrap_or_default()
            .iter()
            .filter_map(pricing::read)
            .collect(),
        send_back_raw_request: section.unacted_flag("send_back_raw_request"),
        send_back_raw_response: section.unacted_flag("send_back_raw_response"),
        store_raw_request_response: section.unacted_flag("store_raw_request_response"),
        description: section.text("description"),
        network,
        custom,
        ..Provider::with_keys(name, keys)
    };
    let network = &provider.network;
    if is_custom && network.insecure_skip_verify && !network.ca_cert_pem.is_none() {
        let draft = Draft::error("insecure_skip_verify and ca_cert_pem contradict each other");
        let draft = draft.expected("one of them in a custom provider's network_config");
        section.report(draft.found("both").help("remove insecure_skip_verify"));
    }
    section.unacted("prompt_cache");
    section.unacted("pricing_overrides");
    section.finish();
    let known = is_builtin(name) || provider.custom.is_some();
    known.then_some(provider)
}

/// Whether the name fits what the entry says it is.
fn note_identity(name: &str, field: &Field<'_>, custom: Option<&Field<'_>>) {
    match (is_builtin(name), custom) {
        (true, Some(custom)) => {
            let draft = Draft::error(format!("{name} is a built-in provider"));
            custom.report(
                draft
                    .expected("another name for a custom provider")
                    .found(format!("custom_provider_config under {name}"))
                    .help("rename the provider, or remove custom_provider_config"),
            );
        }
        (false, None) => {
            let draft = Draft::error("unknown provider")
                .expected("a built-in provider's name, or custom_provider_config")
                .found("a name that is not built in");
            let meant = nearest(name, BUILTIN_PROVIDERS);
            let help = "add custom_provider_config with the wire format that it speaks";
            field.report(draft.help(
                meant.map_or_else(|| help.to_owned(), |meant| format!("did you mean `{meant}`?")),
            ));
        }
        (true, None) | (false, Some(_)) => {}
    }
}

fn keys(section: &mut Section<'_>, context: &Context<'_>) -> Vec<Key> {
    let field = section.field("keys");
    let items = field.as_ref().and_then(Field::items).unwrap_or_default();
    let mut keys: Vec<Key> = Vec::new();
    let mut read = Vec::new();
    let mut first: HashMap<KeyName, usize> = HashMap::new();
    for item in &items {
        let Some(key) = key::read(item, context) else {
            continue;
        };
        let index = *first.entry(key.name.clone()).or_insert(keys.len());
        if index < keys.len() {
            let name = names::shown(&key.name);
            let draft = Draft::error("two keys of one provider with the same name");
            item.report(
                draft
                    .expected("a name of its own for each key")
                    .found(format!("{name}, the name of keys[{index}]"))
                    .help("rename one of them; names are what pins, logs and limits refer to"),
            );
        }
        keys.push(key);
        read.push(item);
    }
    insist_on_shares(&keys, &read);
    if !items.is_empty() {
        return keys;
    }
    let wrong_type = field.as_ref().is_some_and(|field| field.items().is_none());
    let stand_in = stand_in(context);
    if stand_in.is_none() && !wrong_type {
        section.missing("keys", "a list of at least one key");
    }
    stand_in.into_iter().collect()
}

/// The smallest share of a provider's traffic that is kept exactly: what a key is owed grows by its share
/// with each request, which a number of 53 bits still tells apart.
const SHARE_MIN: f64 = 1e-13;

/// Every key with a weight gets its share in the end. `items` are where they stand.
fn insist_on_shares(keys: &[Key], items: &[&Field<'_>]) {
    let sum: f64 = keys.iter().map(|key| key.weight).sum();
    for (key, item) in keys.iter().zip(items) {
        if key.weight > 0.0 && key.weight / sum < SHARE_MIN {
            let draft = Draft::error("its weight is too small beside the other keys'");
            item.report(
                draft
                    .expected(format!("at least {SHARE_MIN:e} of the sum of all weights, {sum}"))
                    .found(format!("{:e}", key.weight))
                    .help("0 is for keys that serve only while no key with a weight can"),
            );
        }
    }
}

/// The one key of a provider that needs none in the file: keyless custom providers, and servers
/// whose address stands in `network_config.base_url`.
fn stand_in(context: &Context<'_>) -> Option<Key> {
    let key = Key { models: ModelList::All, ..Key::named(KeyName::from("default")) };
    let Some(url) = context.base_url.filter(|url| !url.is_none()) else {
        return context.key_less.then_some(key);
    };
    Some(with_url(key, context.vendor, url))
}

fn with_url(mut key: Key, vendor: &str, url: &SecretRef) -> Key {
    let block = Some(UrlKey { url: url.clone() });
    if vendor == "sgl" {
        key.blocks.sgl_key_config = block;
    } else {
        key.blocks.ollama_key_config = block;
    }
    key
}

fn openai(field: &Field<'_>) -> Option<OpenAi> {
    let mut section = field.section()?;
    let disable_store = section.unacted_flag("disable_store");
    section.finish();
    Some(OpenAi { disable_store })
}
