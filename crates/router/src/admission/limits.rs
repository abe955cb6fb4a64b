//! The limits of a pool as the settings say, with the digest that replicas compare.

use weir_quota::Limits;

use crate::settings::ProviderSettings;

/// The limits of one provider, as the first generation.
pub(super) fn limits(provider: &ProviderSettings) -> Limits {
    let enabled = provider.keys.iter().filter(|key| key.enabled);
    let keys: Vec<_> = enabled.map(|key| (key.name.clone(), key.weight)).collect();
    let mut digest = Digest::new();
    digest.add(&provider.concurrency.to_le_bytes());
    digest.add(&provider.buffer.to_le_bytes());
    for (name, weight) in &keys {
        digest.add(name.as_bytes());
        digest.add(&weight.to_bits().to_le_bytes());
    }
    // Nothing more of it without a leeway: the digest is that of routers that know of none.
    if provider.leeway > 0 {
        digest.add(&provider.leeway.to_le_bytes());
    }
    Limits {
        generation: 1,
        hash: digest.finish(),
        concurrency: provider.concurrency,
        buffer: provider.buffer,
        leeway: provider.leeway,
        keys,
    }
}

/// FNV-1a: the same in every build and process, which std's hasher does not promise.
struct Digest(u64);

impl Digest {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a field, with its length, so that fields cannot run into each other.
    fn add(&mut self, field: &[u8]) {
        let length = (field.len() as u64).to_le_bytes();
        for byte in length.iter().chain(field) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Never 0, which stands for limits that nobody has set. Kept below 2⁵³, so that it crosses
    /// every store's number format unchanged.
    const fn finish(self) -> u64 {
        let folded = (self.0 ^ (self.0 >> 53)) & ((1 << 53) - 1);
        if folded == 0 { 1 } else { folded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::KeySettings;

    #[test]
    fn the_digest_sees_every_field_and_only_enabled_keys() {
        let key = |name: &str, weight: f64, enabled: bool| KeySettings {
            name: name.into(),
            weight,
            rules: weir_types::KeyRules::default(),
            enabled,
            use_for_batch_api: false,
            server: 0,
        };
        let provider = |keys: Vec<KeySettings>, concurrency: u32| ProviderSettings {
            keys,
            concurrency,
            ..ProviderSettings::new("openai".into())
        };
        let base = limits(&provider(vec![key("ab", 1.0, true), key("c", 1.0, true)], 8));
        let off = vec![key("ab", 1.0, true), key("x", 9.0, false), key("c", 1.0, true)];
        assert_eq!(base.hash, limits(&provider(off, 8)).hash);
        for other in [
            provider(vec![key("ab", 1.0, true), key("c", 1.0, true)], 9),
            provider(vec![key("a", 1.0, true), key("bc", 1.0, true)], 8),
            provider(vec![key("ab", 1.5, true), key("c", 1.0, true)], 8),
            provider(vec![key("c", 1.0, true), key("ab", 1.0, true)], 8),
        ] {
            assert_ne!(base.hash, limits(&other).hash, "{other:?}");
        }
        let keys = vec![key("ab", 1.0, true), key("c", 1.0, true)];
        let least_busy = ProviderSettings { leeway: 2, ..provider(keys, 8) };
        assert_ne!(base.hash, limits(&least_busy).hash);
        assert!(base.hash != 0 && base.hash < 1 << 53);
    }
}
