//! Client keys: from the configuration to the settings of edge and router, and how new ones are made.
//!
//! The edge is told hashes, the router names; a value that cannot be had costs its key alone.

use std::sync::Arc;

use weir_config::{CLIENT_KEY_HASH, Config, Provider, ProviderConfig, VirtualKey};
use weir_edge::{ClientKey, ClientKeys, KeyHash, key_hash};
use weir_router::{ClientKeySettings, ProviderAccess};
use weir_types::ModelList;

use crate::Failure;
use crate::process::print;

/// Whether requests without a client key are refused.
pub(crate) fn are_required(config: &Config) -> bool {
    config.client.enforce_auth_on_inference || config.client.enforce_governance_header
}

/// The edge's part.
pub(crate) fn edge(config: &Config) -> ClientKeys {
    let keys = config.governance.virtual_keys.iter().filter_map(|key| {
        let hash = hash(key).inspect_err(|why| {
            tracing::error!(client_key = %key.name, %why, "a client key cannot be used");
        });
        let known = ClientKey {
            name: Arc::from(&*key.name),
            is_active: key.is_active,
            expires_at: key.expires_at,
        };
        Some((hash.ok()?, known))
    });
    ClientKeys::new(keys, are_required(config))
}

fn hash(key: &VirtualKey) -> Result<KeyHash, String> {
    let value = key.value.resolve().map_err(|fault| fault.to_string())?;
    let value = value.ok_or("it has no value")?;
    let text = value.expose();
    let Some(digits) = text.strip_prefix(CLIENT_KEY_HASH) else { return Ok(key_hash(text)) };
    let mut hash = KeyHash::default();
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).map_err(|_| "its hash is not hexadecimal")?;
    }
    Ok(hash)
}

/// The router's part.
pub(crate) fn router(config: &Config) -> weir_router::ClientKeys {
    let key = |key: &VirtualKey| {
        let access = |one: &ProviderConfig| Arc::new(access(config, one));
        Arc::new(ClientKeySettings {
            name: Arc::from(&*key.name),
            providers: key.provider_configs.iter().map(access).collect(),
        })
    };
    weir_router::ClientKeys {
        keys: config.governance.virtual_keys.iter().map(key).collect(),
        are_required: are_required(config),
    }
}

fn access(config: &Config, one: &ProviderConfig) -> ProviderAccess {
    let is_meant = |provider: &&Provider| {
        one.provider == "*" || provider.name.eq_ignore_ascii_case(&one.provider)
    };
    let keys = match &one.key_ids {
        // Names as they are, ids by the names of their keys.
        ModelList::Names(wanted) => {
            let known =
                config.providers.iter().filter(is_meant).flat_map(|provider| &provider.keys);
            let is_wanted = |text: &str| wanted.iter().any(|wanted| **wanted == *text);
            let named = known
                .filter(|key| is_wanted(&key.name) || key.id.as_deref().is_some_and(is_wanted));
            ModelList::Names(named.map(|key| Arc::from(&*key.name)).collect())
        }
        all_or_none => all_or_none.clone(),
    };
    ProviderAccess {
        provider: one.provider.clone(),
        weight: one.weight,
        allowed_models: one.allowed_models.clone(),
        blacklisted_models: one.blacklisted_models.clone(),
        keys,
    }
}

/// Prints a new value, and its hash for the configuration.
pub(crate) fn make() -> Result<(), Failure> {
    let value = format!("sk-weir-{}", crate::link::random_digits()?);
    let hash = key_hash(&value).map(|byte| format!("{byte:02x}")).concat();
    print(&format!("value  {value}"))?;
    print(&format!("hash   {CLIENT_KEY_HASH}{hash}"))?;
    print("give the value to the client and keep the hash: governance.virtual_keys[].value")
}
