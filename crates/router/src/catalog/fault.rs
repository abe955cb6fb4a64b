//! What the catalog tells a caller whose request cannot be served: what was found, what exists.

use weir_types::{FailureClass, Fault, FaultCode, KeyName, Operation};

use crate::settings::ProviderSettings;

/// How alike two names must be to be suggested.
const ALIKE: f64 = 0.8;

/// Names listed in one message.
const NAMES_MAX: usize = 20;

pub(super) fn missing_model() -> Fault {
    Fault::new(
        FaultCode::InvalidRequest,
        "the request names no model; give `model` as `provider/model` or as a bare model name",
    )
    .with_param("model")
}

/// Of several providers nobody says which is meant.
pub(super) fn missing_provider(operation: Operation) -> Fault {
    let what = operation.label();
    let message = format!("{what} is asked of one provider; name it with `?provider=NAME`");
    Fault::new(FaultCode::InvalidRequest, message).with_param("provider")
}

/// The operation is for marked keys only, and none is marked.
pub(super) fn no_batch_keys(provider: &ProviderSettings, operation: Operation) -> Fault {
    let (name, what) = (&provider.name, operation.label());
    let message = format!(
        "no key of `{name}` may serve {what}; set `use_for_batch_api` to true on one of its keys"
    );
    unmarked(message)
}

/// As it is configured, the gateway does not do this, and will not before that is changed: nothing to try
/// again.
fn unmarked(message: String) -> Fault {
    let mut fault = Fault::new(FaultCode::UnsupportedOperation, message);
    fault.detail.code = Some("no_batch_keys".into());
    fault.with_class(FailureClass::Elsewhere)
}

/// The provider does it, but in the words of another format.
pub(super) fn other_format(provider: &ProviderSettings, operation: Operation) -> Fault {
    let (name, what) = (&provider.name, operation.label());
    let message = format!(
        "`{name}` does {what} in a wire format of its own, which this path is not; ask on the path of \
         its own SDK"
    );
    Fault::new(FaultCode::UnsupportedOperation, message).with_class(FailureClass::Elsewhere)
}

fn gone(message: String) -> Fault {
    let mut fault = Fault::new(FaultCode::NotFound, message);
    fault.detail.code = Some("key_removed".into());
    fault
}

/// What is stored is out of reach: its provider is not configured any more.
pub(super) fn provider_removed(provider: &str) -> Fault {
    gone(format!("the id belongs to the provider `{provider}`, which is not configured any more"))
}

/// Or its key is not.
pub(super) fn key_removed(provider: &str, key: &str) -> Fault {
    gone(format!(
        "the id belongs to the key `{key}` of `{provider}`, which is not configured any more"
    ))
}

/// Or may not be used.
pub(super) fn key_disabled(provider: &str, key: &str) -> Fault {
    let message = format!("the id belongs to the key `{key}` of `{provider}`, which is disabled");
    Fault::new(FaultCode::NoEligibleKeys, message)
}

/// Or not for this.
pub(super) fn key_not_for_batches(provider: &str, key: &str) -> Fault {
    let message = format!(
        "the id belongs to the key `{key}` of `{provider}`, which has no `use_for_batch_api`"
    );
    unmarked(message)
}

/// What the request refers to is at another provider than the one that it names.
pub(super) fn owner_elsewhere(named: &ProviderSettings, provider: &str, key: &str) -> Fault {
    let message = format!(
        "the request refers to what the key `{key}` of `{provider}` has stored, and names the provider \
         `{}`, which does not have it; name a model of `{provider}`",
        named.name
    );
    Fault::new(FaultCode::InvalidRequest, message).with_param("model")
}

/// Or with another key than the one that is asked for.
pub(super) fn owner_not_pinned(provider: &str, key: &str) -> Fault {
    let message = format!(
        "the request refers to what the key `{key}` of `{provider}` has stored, and asks for another key"
    );
    Fault::new(FaultCode::InvalidRequest, message).with_param("x-bf-api-key")
}

/// An id of a provider's own, which says nothing of its key.
pub(super) fn owner_unknown(keys: usize) -> Fault {
    let message = format!(
        "the id does not say whose it is, and {keys} keys may have it; use the id that this gateway \
         gave, or name the provider (`?provider=NAME`) and the key (x-bf-api-key)"
    );
    Fault::new(FaultCode::NotFound, message)
}

/// Whoever lists what a key has stored sees what everybody has stored with it.
pub(super) fn shared_lists() -> Fault {
    let message = "lists show all that is stored with a provider's key, and every such key that this \
                   client key may use serves others as well; what was stored is found by its id";
    let mut fault = Fault::new(FaultCode::Forbidden, message);
    fault.detail.code = Some("key_shared".into());
    fault
}

/// A name is no secret as an id is: whoever guesses it has the file.
pub(super) fn shared_place() -> Fault {
    let message = "who knows a file's name has the file, and every key that has this bucket serves other \
                   clients as well; give this client key a provider's key of its own, or use /v1/files, \
                   whose ids are of use to one client alone";
    let mut fault = Fault::new(FaultCode::Forbidden, message);
    fault.detail.code = Some("key_shared".into());
    fault
}

/// No key reaches `place`; `known`: how the places begin that there are.
pub(super) fn no_place(provider: &ProviderSettings, place: &str, known: &[&String]) -> Fault {
    let bucket = place.split('/').next().unwrap_or_default();
    let shown: String = bucket.chars().take(64).collect();
    let split = known.iter().filter_map(|known| known.split_once('/'));
    let prefixes: Vec<&str> =
        split.clone().filter(|(name, _)| *name == bucket).map(|(_, prefix)| prefix).collect();
    let name = &provider.name;
    if !prefixes.is_empty() {
        let message = format!(
            "in the bucket `{shown}` the keys of `{name}` reach only names that begin with {}; a list \
             needs such a prefix",
            listed(prefixes.into_iter())
        );
        return Fault::new(FaultCode::Forbidden, message);
    }
    let mut buckets: Vec<&str> = split.map(|(name, _)| name).collect();
    buckets.sort_unstable();
    buckets.dedup();
    let message = format!(
        "no key of `{name}` that may serve files names the bucket `{shown}` in \
         `batch_s3_config`; there are {}",
        listed(buckets.into_iter())
    );
    Fault::new(FaultCode::NotFound, message)
}

pub(super) fn missing_model_part(provider: &ProviderSettings) -> Fault {
    let name = &provider.name;
    let message = format!("nothing stands after `{name}/` in `model`; give `{name}/model`");
    Fault::new(FaultCode::InvalidRequest, message).with_param("model")
}

pub(super) fn too_many_fallbacks(count: usize, max: usize) -> Fault {
    let message = format!("the request names {count} fallbacks, at most {max} are taken");
    Fault::new(FaultCode::InvalidRequest, message).with_param("fallbacks")
}

pub(super) fn no_providers() -> Fault {
    Fault::new(FaultCode::NoEligibleKeys, "no provider is configured")
}

/// A provider is named alone and does not exist.
pub(super) fn no_provider(name: &str, providers: &[&str]) -> Fault {
    let known = listed(providers.iter().copied());
    let hint = nearest(name, providers).map(|near| format!("; did you mean `{near}`?"));
    let hint = hint.unwrap_or_default();
    Fault::new(
        FaultCode::UnknownModel,
        format!("no provider `{name}` is configured, there are {known}{hint}"),
    )
}

/// No provider's keys serve a bare model.
pub(super) fn unknown_model(model: &str, providers: &[&str]) -> Fault {
    let known = listed(providers.iter().copied());
    let message = match model.split_once('/') {
        Some((provider, rest)) => unknown_prefix(model, provider, rest, providers, &known),
        None => {
            format!("no key of any provider serves the model `{model}`; the providers are {known}")
        }
    };
    Fault::new(FaultCode::UnknownModel, message).with_param("model")
}

/// What stands before the `/` is no provider, and no key names the whole as its model.
fn unknown_prefix(
    model: &str,
    provider: &str,
    rest: &str,
    providers: &[&str],
    known: &str,
) -> String {
    let what = match provider {
        "" => format!("no provider stands before the `/` of `{model}`"),
        _ => format!("no provider `{provider}` is configured"),
    };
    let near = nearest(provider, providers);
    let hint = near.map(|near| format!("; did you mean `{near}/{rest}`?")).unwrap_or_default();
    let behind = near.or_else(|| providers.first().copied()).unwrap_or("provider");
    format!(
        "{what}{hint} (the providers are {known}; a model whose own name has a `/` is sent behind \
         its provider's: `{behind}/{model}`)"
    )
}

pub(super) fn unsupported(provider: &ProviderSettings, what: &str) -> Fault {
    let message = format!("the provider `{}` does not do `{what}`", provider.name);
    Fault::new(FaultCode::UnsupportedOperation, message).with_class(FailureClass::Elsewhere)
}

/// `disabled`: keys that would serve the model if they were enabled.
pub(super) fn no_key_supports(provider: &ProviderSettings, model: &str, disabled: usize) -> Fault {
    let name = &provider.name;
    let but = match disabled {
        0 => String::new(),
        count => format!(" ({count} that would are disabled)"),
    };
    let what = match model {
        // A list of models is asked for.
        "" => "can be used".to_owned(),
        model => format!("supports the model `{model}`"),
    };
    Fault::new(FaultCode::NoKeySupportsModel, format!("no key of `{name}` {what}{but}"))
        .with_param("model")
}

/// Keys serve the model, but their worker has no secret for them.
pub(super) fn unusable(provider: &ProviderSettings, keys: &[KeyName]) -> Fault {
    let names = listed(keys.iter().map(|key| &**key));
    let message = format!(
        "no key of `{}` can be used: its worker has no valid credential for {names}",
        provider.name
    );
    Fault::new(FaultCode::NoEligibleKeys, message)
}

pub(super) fn no_keys(provider: &ProviderSettings) -> Fault {
    let message = format!("`{}` has no enabled key", provider.name);
    Fault::new(FaultCode::NoEligibleKeys, message)
}

/// The pinned key does not exist. `keys`: those that do, at whoever might be meant.
pub(super) fn unknown_pin<'a>(
    pin: &str,
    of: Option<&str>,
    keys: impl Iterator<Item = &'a str>,
) -> Fault {
    let names = listed(keys);
    let message = match of {
        Some(provider) => format!("`{provider}` has no key named `{pin}`, its keys are {names}"),
        None => format!("no key named `{pin}` serves the model, those that do are {names}"),
    };
    Fault::new(FaultCode::InvalidRequest, message).with_param("x-bf-api-key")
}

pub(super) fn disabled_pin(provider: &ProviderSettings, pin: &str) -> Fault {
    let message = format!("the key `{pin}` of `{}` is disabled", provider.name);
    Fault::new(FaultCode::InvalidRequest, message).with_param("x-bf-api-key")
}

pub(super) fn pin_does_not_serve(provider: &ProviderSettings, pin: &str, model: &str) -> Fault {
    let name = &provider.name;
    Fault::new(
        FaultCode::NoKeySupportsModel,
        format!("the key `{pin}` of `{name}` does not serve the model `{model}`"),
    )
    .with_param("model")
}

fn nearest<'a>(name: &str, providers: &[&'a str]) -> Option<&'a str> {
    let wanted = name.to_ascii_lowercase();
    providers
        .iter()
        .map(|&known| (strsim::jaro_winkler(&wanted, known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = names.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
