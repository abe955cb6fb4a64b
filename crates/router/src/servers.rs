//! Servers that were asked how they are: which of their keys rest, and for how long.
//!
//! Pure. A rest is short, and begun anew for as long as the server is not well: it is over soon after the
//! server is back, or after the last who knows of it is gone. Knows no addresses.

use std::time::Duration;

use weir_quota::{Health, Scope};
use weir_rpc::CheckedKey;
use weir_types::{FailureClass, Fault, FaultCode};

use crate::plan::{Cause, micros};
use crate::settings::{KeySettings, ProviderSettings};

/// How often a rest is begun anew.
pub(crate) const AGAIN: Duration = Duration::from_millis(500);
/// How long each is: a few of them may come late.
const REST: Duration = Duration::from_millis(1500);

/// The rests of keys whose servers are not well. None, where no other server is known to be better: one
/// that answers badly is better than none, and a check that asks the wrong thing stops nobody.
pub(crate) fn rests(provider: &ProviderSettings, checked: &[CheckedKey]) -> Vec<Health> {
    let trouble = |key: &KeySettings| {
        let own = |one: &&CheckedKey| provider.server_of(&one.name) == Some(key.server);
        checked.iter().filter(own).find_map(|one| one.trouble.as_deref())
    };
    let mut enabled = provider.keys.iter().filter(|key| key.enabled);
    if !enabled.clone().any(|key| trouble(key).is_none()) {
        return Vec::new();
    }
    let rest = |key: &KeySettings| Some(cool(key, trouble(key)?));
    enabled.by_ref().filter_map(rest).collect()
}

fn cool(key: &KeySettings, trouble: &str) -> Health {
    let said = format!("its server is not well: {trouble}");
    let why = Fault::new(FaultCode::UpstreamUnreachable, said);
    let rest = micros(REST);
    Health::Cool {
        scope: Scope::Key(key.name.clone()),
        retry_after: Some(rest),
        base: rest,
        max: rest,
        missing: false,
        note: Cause::of(&why, FailureClass::Unreachable).note(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(keys: &[(&str, usize, bool)]) -> ProviderSettings {
        let key = |&(name, server, enabled): &(&str, usize, bool)| KeySettings {
            name: name.into(),
            weight: 1.0,
            rules: weir_types::KeyRules::default(),
            enabled,
            use_for_batch_api: false,
            server,
        };
        let keys = keys.iter().map(key).collect();
        ProviderSettings { keys, ..ProviderSettings::new("vllm".into()) }
    }

    fn resting(provider: &ProviderSettings, checked: &[(&str, Option<&str>)]) -> Vec<String> {
        let checked: Vec<_> = checked
            .iter()
            .map(|&(name, trouble)| CheckedKey {
                name: name.into(),
                trouble: trouble.map(str::to_owned),
            })
            .collect();
        let rests = rests(provider, &checked);
        rests.iter().filter_map(|one| one.scope().key()).map(ToString::to_string).collect()
    }

    #[test]
    fn every_key_of_a_server_that_is_not_well_rests_if_another_server_is_better() {
        let fleet = provider(&[("a", 0, true), ("b", 0, true), ("c", 2, true), ("d", 3, false)]);
        let bad = Some("refused");
        assert_eq!(resting(&fleet, &[("a", None), ("c", None)]), [""; 0]);
        assert_eq!(resting(&fleet, &[("a", bad), ("c", None)]), ["a", "b"]);
        assert_eq!(resting(&fleet, &[("c", bad)]), ["c"], "who was not asked yet may be well");
        // What is switched off stands for nobody.
        assert_eq!(resting(&fleet, &[("a", bad), ("c", bad), ("d", None)]), [""; 0]);
        assert_eq!(resting(&provider(&[("a", 0, true)]), &[("a", bad)]), [""; 0]);
    }
}
