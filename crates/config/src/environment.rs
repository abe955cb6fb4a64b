//! The one place that reads environment variables, and the configuration made of them alone.

use weir_types::{KeyName, ModelList, Secret};

use crate::builtin::KEY_VARIABLES;
use crate::config::Config;
use crate::key::Key;
use crate::provider::Provider;
use crate::reference::SecretRef;

/// The variable `name` of this process; `None` if unset or not UTF-8.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this crate is where the environment is read")]
pub fn process_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The proxy settings of a process's environment, for the proxy type `environment`.
#[derive(Debug, Clone, Default)]
pub struct ProxyVariables {
    /// Proxy of `http` calls; an address may hold credentials.
    pub http_proxy: Option<Secret>,
    /// Proxy of `https` calls.
    pub https_proxy: Option<Secret>,
    /// Hosts that are reached directly, separated by commas.
    pub no_proxy: Option<String>,
}

impl ProxyVariables {
    /// The settings in `lookup`. Small letters win, as in curl; `ALL_PROXY` stands in for both.
    #[must_use]
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| {
            names.iter().filter_map(|name| lookup(name)).find(|value| !value.is_empty())
        };
        let all = ["all_proxy", "ALL_PROXY"];
        let http = first(&["http_proxy", "HTTP_PROXY"]).or_else(|| first(&all));
        let https = first(&["https_proxy", "HTTPS_PROXY"]).or_else(|| first(&all));
        Self {
            http_proxy: http.map(Secret::new),
            https_proxy: https.map(Secret::new),
            no_proxy: first(&["no_proxy", "NO_PROXY"]),
        }
    }

    /// Whether no proxy is set at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.http_proxy.is_none() && self.https_proxy.is_none()
    }
}

/// The configuration of a process without a file: each provider that is `served` and whose
/// usual variable (`OPENAI_API_KEY`, ...) is set in `lookup`, with one key for every model. The
/// values themselves are not read; the keys refer to the variables.
#[must_use]
pub fn from_environment(
    lookup: impl Fn(&str) -> Option<String>,
    served: impl Fn(&str) -> bool,
) -> Config {
    let is_set = |name: &str| lookup(name).is_some_and(|value| !value.is_empty());
    let mut providers = Vec::new();
    for (provider, variables) in KEY_VARIABLES {
        let Some(variable) = variables.iter().find(|name| is_set(name)) else {
            continue;
        };
        if served(provider) {
            providers.push(Provider::with_keys(provider, vec![key_of(variable)]));
        }
    }
    Config { providers, ..Config::default() }
}

fn key_of(variable: &str) -> Key {
    Key {
        value: SecretRef::key_in(variable),
        models: ModelList::All,
        ..Key::named(KeyName::from(format!("{variable}_auto_detected")))
    }
}

/// How `from_environment` and checks see a fixed set of variables.
#[cfg(test)]
pub(crate) fn fixed<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn served_providers_with_a_variable_become_keys() {
        let set = [
            ("GROQ_API_KEY", "g"),
            ("OPENAI_KEY", "o"),
            ("XAI_API_KEY", ""),
            ("GEMINI_API_KEY", "x"),
        ];
        let config = from_environment(fixed(&set), |name| name != "gemini");
        let names: Vec<_> = config.providers.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["openai", "groq"]);
        let key = &config.providers[0].keys[0];
        assert_eq!(&*key.name, "OPENAI_KEY_auto_detected");
        assert_eq!(key.weight.to_bits(), 1.0_f64.to_bits());
        assert_eq!(key.rules().models, ModelList::All);
        let secret = key.value.resolve_with(fixed(&set)).unwrap().unwrap();
        assert_eq!(secret.expose(), "o");
        assert!(key.value.notes_with(fixed(&set)).is_empty());
        let notes = key.value.notes_with(|_| Some("o\n".to_owned()));
        assert!(notes[0].starts_with("environment variable OPENAI_KEY: white space"), "{notes:?}");
        assert!(from_environment(|_| None, |_| true).providers.is_empty());
    }

    #[test]
    fn proxy_variables_follow_curl() {
        let set = [
            ("https_proxy", "http://small:1"),
            ("HTTPS_PROXY", "http://large:1"),
            ("ALL_PROXY", "http://all:1"),
            ("no_proxy", "localhost"),
        ];
        let variables = ProxyVariables::read(fixed(&set));
        assert_eq!(variables.https_proxy.as_ref().map(Secret::expose), Some("http://small:1"));
        assert_eq!(variables.http_proxy.as_ref().map(Secret::expose), Some("http://all:1"));
        assert_eq!(variables.no_proxy.as_deref(), Some("localhost"));
        assert!(!variables.is_empty() && ProxyVariables::read(|_| None).is_empty());
    }
}
