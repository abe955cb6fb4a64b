//! What runs when nothing is configured: Weir's own simulated provider behind the gateway.

use std::net::SocketAddr;

use weir_config::{BaseProvider, Config, Custom, Key, Provider, SecretRef};
use weir_types::{KeyName, ModelList, Secret};

/// The demo provider's name, also what its models are prefixed with.
pub(crate) const PROVIDER: &str = "sim";

/// The model of the printed example.
const MODEL: &str = "sim/demo";

/// A configuration whose only provider is the simulated one at `address`.
pub(crate) fn config(address: SocketAddr) -> Config {
    let key = Key { models: ModelList::All, ..Key::named(KeyName::from("demo")) };
    let mut provider = Provider::with_keys(PROVIDER, vec![key]);
    provider.custom = Some(Custom {
        base_provider_type: BaseProvider::OpenAI,
        is_key_less: true,
        allowed_requests: None,
        request_path_overrides: Vec::new(),
        does_not_send_done_marker: false,
        wait_for_usage: false,
    });
    provider.network.base_url = SecretRef::Literal(Secret::new(format!("http://{address}")));
    Config { providers: vec![provider], ..Config::default() }
}

/// What the simulated provider lists and answers.
pub(crate) fn settings() -> weir_sim::Settings {
    weir_sim::Settings {
        models: vec!["demo".to_owned(), "demo-embedding".to_owned()],
        log_requests: 0,
        ..weir_sim::Settings::default()
    }
}

/// The lines that tell a newcomer what this is and what to do.
pub(crate) fn welcome(listen: &str) -> String {
    format!(
        "no configuration and no provider keys in the environment: serving the simulated provider \
         `{PROVIDER}`\ntry: curl -s {listen}/v1/chat/completions -H 'content-type: \
         application/json' -d '{{\"model\":\"{MODEL}\",\"messages\":[{{\"role\":\"user\",\
         \"content\":\"Hello, Weir!\"}}]}}'"
    )
}
