//! What a good file becomes: defaults, older meanings, references, order.

use std::time::Duration;

use serde_json::json;
use weir_config::{
    Config, Loaded, OnLoss, Options, Provider, ProxyType, SecretRef, Version, parse,
};
use weir_types::{Commit, ModelList};

fn load_with(options: &Options, file: &serde_json::Value) -> Loaded {
    let text = serde_json::to_string_pretty(file).unwrap();
    parse("f", &text, options).unwrap_or_else(|report| panic!("{report}"))
}

fn config(file: &serde_json::Value) -> Config {
    load_with(&crate::options(), file).config
}

fn any_provider(name: &str, provider: &serde_json::Value) -> Provider {
    let options = Options { variable: None, ..Options::new(|_| true) };
    let file = json!({ "providers": { name: provider } });
    load_with(&options, &file).config.providers.remove(0)
}

fn lookup(name: &str) -> Option<String> {
    match name {
        "SET" => Some("from-env".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

#[test]
fn defaults_are_those_of_the_format() {
    let file = json!({ "providers": { "openai": { "keys": [
        { "name": "a", "value": "env.K", "models": ["*"], "weight": 1 }
    ] } } });
    let config = config(&file);
    assert_eq!(config.version, Version::Two);
    assert!(config.client.allowed_origins.is_empty() && config.client.allowed_hosts.is_empty());
    assert_eq!(config.client.max_request_body_size_mb, 100);
    assert_eq!(config.client.request_deadline, Duration::from_mins(10));
    assert_eq!(config.quota_store.on_loss, OnLoss::Share);
    let [openai] = &config.providers[..] else { panic!("one provider") };
    assert_eq!((openai.pool.concurrency, openai.pool.buffer_size), (1000, 5000));
    let network = &openai.network;
    assert_eq!(network.default_request_timeout, Duration::from_secs(30));
    assert_eq!(network.max_retries, 0);
    assert_eq!(network.retry_backoff_initial, Duration::from_millis(500));
    assert_eq!(network.retry_backoff_max, Duration::from_secs(5));
    assert_eq!(network.max_conns_per_host, 5000);
    assert_eq!(network.stream_idle_timeout, Duration::from_mins(1));
    assert_eq!(network.first_token_timeout, None);
    assert_eq!(network.slow_failure, Duration::from_secs(10));
    assert_eq!((network.commit, network.max_held_stream_mb), (Commit::First, 16));
    assert_eq!(network.breaker_failures, 5);
    assert_eq!((network.hedge_after, network.hedge_max_percent), (None, 10));
    assert_eq!(network.retry_max_percent, 20);
    assert_eq!(openai.proxy.kind, ProxyType::None);
    assert!(openai.keys[0].enabled && openai.custom.is_none());
}

#[test]
fn every_value_arrives_in_its_unit() {
    let file = json!({
        "client": { "request_deadline_in_seconds": 7, "stream_keep_alive_in_seconds": 15, "required_headers": ["x-team"],
            "header_filter_config": { "allowlist": ["x-custom-*"], "denylist": ["x-custom-a"] } },
        "quota_store": { "url": "env.REDIS", "prefix": "w", "on_loss": "refuse",
            "lease_ttl_ms": 2000 },
        "providers": { "OpenAI": {
            "keys": [{ "name": "a", "value": "env.K", "models": ["m"], "weight": 0.001,
                "id": "1", "enabled": false, "blacklisted_models": ["*"] }],
            "network_config": {
                "base_url": "http://localhost:9/v1", "default_request_timeout_in_seconds": 120.0,
                "max_retries": 3, "retry_backoff_initial_ms": 100, "retry_backoff_max_ms": 200,
                "max_conns_per_host": 10_000, "stream_idle_timeout_in_seconds": 5,
                "keep_alive_timeout_in_seconds": 1, "first_token_timeout_in_seconds": 9,
                "slow_failure_in_seconds": 8, "commit": "complete", "max_held_stream_mb": 7,
                "breaker_failures": 0, "hedge_after_ms": 1500, "hedge_max_percent": 25,
                "retry_max_percent": 7,
                "extra_headers": { "x-a": "1", "x-b": "env.SET" }
            },
            "concurrency_and_buffer_size": { "concurrency": 8, "buffer_size": 8 }
        } }
    });
    let config = config(&file);
    assert_eq!(config.client.request_deadline, Duration::from_secs(7));
    assert_eq!(config.client.required_headers, ["x-team"]);
    assert_eq!(config.client.header_filter.allowlist, ["x-custom-*"]);
    let store = &config.quota_store;
    assert_eq!((&*store.prefix, store.on_loss), ("w", OnLoss::Refuse));
    assert_eq!(store.lease_ttl, Duration::from_secs(2));
    let openai = &config.providers[0];
    assert_eq!(&*openai.name, "openai");
    let key = &openai.keys[0];
    assert_eq!(key.weight.to_bits(), 0.001_f64.to_bits());
    assert_eq!(key.blacklisted_models, ModelList::All);
    assert!(!key.enabled && key.id.as_deref() == Some("1"));
    let network = &openai.network;
    assert_eq!(network.default_request_timeout, Duration::from_mins(2));
    assert_eq!(network.retry_backoff_initial, Duration::from_millis(100));
    assert_eq!(network.retry_backoff_max, Duration::from_millis(200));
    assert_eq!(network.first_token_timeout, Some(Duration::from_secs(9)));
    assert_eq!(network.slow_failure, Duration::from_secs(8));
    assert_eq!((network.commit, network.max_held_stream_mb), (Commit::Complete, 7));
    assert_eq!(network.breaker_failures, 0);
    let hedge_after = Some(Duration::from_millis(1500));
    assert_eq!((network.hedge_after, network.hedge_max_percent), (hedge_after, 25));
    assert_eq!(network.retry_max_percent, 7);
    let (name, value) = &network.extra_headers[1];
    let value = value.resolve_with(lookup).unwrap().unwrap();
    assert_eq!((&**name, value.expose()), ("x-b", "from-env"));
    assert_eq!((openai.pool.concurrency, openai.pool.buffer_size), (8, 8));
}

#[test]
fn backoffs_are_numbers_or_texts() {
    let provider = any_provider(
        "openai",
        &json!({
            "keys": [{ "name": "a", "value": "env.K", "models": ["*"], "weight": 1 }],
            "network_config": { "retry_backoff_initial": "500ms", "retry_backoff_max_ms": "1.5s" }
        }),
    );
    assert_eq!(provider.network.retry_backoff_initial, Duration::from_millis(500));
    assert_eq!(provider.network.retry_backoff_max, Duration::from_millis(1500));
}

#[test]
fn providers_and_keys_keep_their_order() {
    let key = |name: &str| json!({ "name": name, "value": "env.K", "models": ["*"], "weight": 1 });
    let keys = json!({ "keys": [key("z"), key("a"), key("m")] });
    let text = format!(r#"{{"providers": {{"xai": {keys}, "groq": {keys}, "openai": {keys}}}}}"#);
    let config = parse("f", &text, &crate::options()).unwrap().config;
    let names: Vec<_> = config.providers.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["xai", "groq", "openai"]);
    let names: Vec<_> = config.providers[1].keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["z", "a", "m"]);
}

#[test]
fn an_empty_model_list_follows_the_version() {
    let provider =
        json!({ "keys": [{ "name": "a", "value": "env.K", "models": [], "weight": 1 }] });
    let file = |version: u8| json!({ "version": version, "providers": { "openai": provider } });
    let models = |file| config(&file).providers[0].keys[0].rules().models;
    assert_eq!(models(file(1)), ModelList::All);
    assert_eq!(models(file(2)), ModelList::None);
    assert_eq!(models(json!({ "providers": { "openai": provider } })), ModelList::None);
}

#[test]
fn deployments_are_aliases_and_in_the_older_version_also_the_list_of_models() {
    let options = Options { variable: None, ..Options::new(|_| true) };
    let rules = |version: u8, models: serde_json::Value| {
        let file = json!({ "version": version, "providers": { "azure": { "keys": [{
            "name": "a", "value": "env.K", "models": models, "weight": 1,
            "azure_key_config": {
                "endpoint": "env.E", "deployments": { "gpt-4o": "prod", "gpt-4": "old" }
            }
        }] } } });
        load_with(&options, &file).config.providers[0].keys[0].rules()
    };
    let older = rules(1, json!([]));
    assert!(older.serves("gpt-4o") && !older.serves("o1"));
    assert_eq!(older.resolve("gpt-4o"), "prod");
    let narrowed = rules(1, json!(["gpt-4", "o1"]));
    assert!(narrowed.serves("gpt-4") && !narrowed.serves("gpt-4o") && !narrowed.serves("o1"));
    let newer = rules(2, json!(["*"]));
    assert!(newer.serves("o1"));
    assert_eq!(newer.resolve("gpt-4"), "old");
}

#[test]
fn aliases_take_both_forms() {
    let provider = json!({ "keys": [{ "name": "a", "value": "", "models": ["*"], "weight": 1,
        "vertex_key_config": { "project_id": "p", "region": "global" },
        "aliases": { "short": "m-1", "long": { "model_id": "m-2", "region": "env.R",
            "force_single_region": true } } }] });
    let vertex = any_provider("vertex", &provider);
    let key = &vertex.keys[0];
    let rules = key.rules();
    assert_eq!((rules.resolve("short"), rules.resolve("LONG")), ("m-1", "m-2"));
    let long = key.aliases.iter().find(|alias| alias.name == "long").unwrap();
    assert!(long.force_single_region);
    assert!(matches!(&long.region, SecretRef::Env(_)) && long.region.to_string() == "env.R");
}

#[test]
fn a_vllm_key_serves_its_one_model() {
    let provider = json!({ "keys": [{ "name": "a", "value": "", "models": ["*"], "weight": 1,
        "aliases": { "llama": "meta/llama" },
        "vllm_key_config": { "url": "http://v:8000", "model_name": "meta/llama" } }] });
    let vllm = any_provider("vllm", &provider);
    let rules = vllm.keys[0].rules();
    assert!(rules.serves("llama") && rules.serves("meta/llama") && !rules.serves("other"));
    let url = vllm.keys[0].url().unwrap().resolve_with(lookup).unwrap().unwrap();
    assert_eq!(url.expose(), "http://v:8000");
}

#[test]
fn older_ollama_files_have_the_address_in_the_network_section() {
    let bare = any_provider("ollama", &json!({ "network_config": { "base_url": "http://o:1" } }));
    let keyed = any_provider(
        "sgl",
        &json!({ "network_config": { "base_url": "http://o:1" },
            "keys": [{ "name": "a", "models": ["*"], "weight": 1 }] }),
    );
    for provider in [bare, keyed] {
        let [key] = &provider.keys[..] else { panic!("one key") };
        let url = key.url().unwrap().resolve_with(lookup).unwrap().unwrap();
        assert_eq!(url.expose(), "http://o:1");
        assert!(key.rules().serves("any"));
    }
}

#[test]
fn a_keyless_custom_provider_gets_a_key_to_be_counted_by() {
    let acme = any_provider(
        "Acme",
        &json!({
            "network_config": { "base_url": "https://acme.example.com" },
            "custom_provider_config": {
                "base_provider_type": "openai", "is_key_less": true,
                "allowed_requests": { "chat_completion": true, "embedding": false },
                "request_path_overrides": { "chat_completion": "/v2/chat" },
                "does_not_send_done_marker": true
            }
        }),
    );
    assert_eq!((&*acme.name, acme.vendor()), ("acme", "openai"));
    assert!(acme.is_key_less() && acme.keys.len() == 1 && acme.keys[0].value.is_none());
    let custom = acme.custom.unwrap();
    let allowed = custom.allowed_requests.unwrap();
    assert!(allowed.allows("chat_completion"));
    assert!(!allowed.allows("embedding") && !allowed.allows("chat_completion_stream"));
    let overrides = [("chat_completion".to_owned(), "/v2/chat".to_owned())];
    assert_eq!(custom.request_path_overrides, overrides);
    assert!(custom.does_not_send_done_marker);
}

#[test]
fn references_resolve_late_and_never_to_nothing() {
    let value = |value: serde_json::Value| {
        let provider =
            json!({ "keys": [{ "name": "a", "value": value, "models": ["*"], "weight": 1 }] });
        any_provider("openai", &provider).keys.remove(0).value
    };
    for form in [
        json!("env.SET"),
        json!({ "value": "", "env_var": "env.SET", "from_env": true }),
        json!({ "value": "old", "env_var": "SET", "from_env": true }),
        json!({ "value": "old", "ref": "env.SET", "type": "env" }),
    ] {
        let secret = value(form.clone()).resolve_with(lookup).unwrap().unwrap();
        assert_eq!(secret.expose(), "from-env", "{form}");
    }
    for form in [
        json!("literal"),
        json!({ "value": "literal" }),
        json!({ "value": "literal", "type": "plain_text" }),
        json!({ "value": "literal", "env_var": "SET", "from_env": false }),
    ] {
        let secret = value(form.clone()).resolve_with(lookup).unwrap().unwrap();
        assert_eq!(secret.expose(), "literal", "{form}");
    }
    for name in ["EMPTY", "ABSENT"] {
        let missing = value(json!(format!("env.{name}"))).resolve_with(lookup).unwrap_err();
        assert_eq!(missing.to_string(), format!("variable {name} is not set or empty"));
    }
    assert!(value(json!("")).resolve_with(lookup).unwrap().is_none());
}

#[test]
fn what_a_variable_holds_is_judged_like_the_text_in_the_file() {
    let network = |name: &str, value: &str| {
        let key = json!({ "name": "a", "value": "v", "models": ["*"], "weight": 1 });
        any_provider("openai", &json!({ "keys": [key], "network_config": { name: value } })).network
    };
    let url = network("base_url", "env.X").base_url;
    let resolved = |reference: &SecretRef, held: &str| {
        let resolved = reference.resolve_with(|_| Some(held.to_owned()));
        resolved.map(|value| value.unwrap().expose().to_owned()).map_err(|fault| fault.to_string())
    };
    assert_eq!(resolved(&url, " 127.0.0.1:80\n").as_deref(), Ok("http://127.0.0.1:80"));
    let why = resolved(&url, "s3cr3t").unwrap_err();
    assert!(why.starts_with("variable X cannot be used: not a usable address"), "{why}");
    assert!(!why.contains("s3cr3t"), "{why}");
    let missing = resolved(&url, " \n").unwrap_err();
    assert_eq!(missing, "variable X is not set or empty");
    // The same in the file.
    assert_eq!(
        resolved(&network("base_url", "127.0.0.1:80 ").base_url, "").unwrap(),
        "http://127.0.0.1:80"
    );
    let ca = network("ca_cert_pem", "env.X").ca_cert_pem;
    let pem = include_str!("../../fixtures/ca.pem");
    assert_eq!(resolved(&ca, &pem.replace('\n', "\\n")).unwrap(), pem);
    assert!(resolved(&ca, &pem[..pem.len() / 2]).is_err());
}

#[test]
fn debug_output_holds_no_secret() {
    let secret = "s3cr3t-value";
    let provider = json!({
        "keys": [{ "name": "a", "value": secret, "models": ["*"], "weight": 1 }],
        "network_config": { "extra_headers": { "x-key": secret } },
        "proxy_config": { "type": "http", "url": "http://me:s3cr3t-value@p.example.com:1",
            "username": "me", "password": secret }
    });
    let openai = any_provider("openai", &provider);
    assert_eq!(openai.keys[0].value.resolve().unwrap().unwrap().expose(), secret);
    assert!(!format!("{openai:?}").contains("s3cr3t"));
    assert!(!openai.keys[0].value.to_string().contains("s3cr3t"));
}

#[test]
fn providers_that_are_not_served_are_left_out() {
    let key = json!({ "keys": [{ "name": "a", "value": "env.K", "models": ["*"], "weight": 1 }] });
    let file = json!({ "providers": { "anthropic": key, "groq": key } });
    let config = config(&file);
    let names: Vec<_> = config.providers.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["groq"]);
}

#[test]
fn null_counts_as_absent() {
    let provider = json!({
        "keys": [{ "name": "a", "value": "env.K", "models": ["*"], "weight": 1,
            "aliases": null, "azure_key_config": null, "enabled": null }],
        "network_config": null, "proxy_config": null, "custom_provider_config": null
    });
    let openai = any_provider("openai", &provider);
    assert!(openai.keys[0].enabled && openai.custom.is_none());
}

#[test]
fn certificates_are_accepted_alone_and_in_bundles() {
    let one = std::fs::read_to_string("fixtures/ca.pem").unwrap();
    for pem in [one.clone(), format!("# our own\n{one}\n{one}")] {
        let provider = json!({
            "keys": [{ "name": "a", "value": "env.K", "models": ["*"], "weight": 1 }],
            "network_config": { "ca_cert_pem": pem },
            "proxy_config": { "type": "http", "url": "http://p.example.com:1", "ca_cert_pem": pem }
        });
        let openai = any_provider("openai", &provider);
        for reference in [&openai.network.ca_cert_pem, &openai.proxy.ca_cert_pem] {
            assert_eq!(reference.resolve_with(lookup).unwrap().unwrap().expose(), pem.trim());
        }
    }
}

#[test]
fn a_key_of_bedrock_that_cannot_keep_files_is_told_so() {
    let warned = |value: &str, buckets: serde_json::Value, is_for_batches: bool| {
        let block = json!({"region": "us-east-1", "batch_s3_config": {"buckets": buckets}});
        let key = json!({"name": "a", "value": value, "models": ["*"], "weight": 1,
            "use_for_batch_api": is_for_batches, "bedrock_key_config": block});
        let options = Options { variable: None, ..Options::new(|_| true) };
        let loaded = load_with(&options, &json!({"providers": {"bedrock": {"keys": [key]}}}));
        let told = loaded.warnings.iter().map(ToString::to_string);
        told.filter(|text| text.contains("files and batches will be refused")).collect::<String>()
    };
    let one = json!([{"bucket_name": "weir-1", "prefix": "a/b"}]);
    assert_eq!(warned("", one.clone(), true), "");
    assert_eq!(warned("env.K", json!([]), false), "");
    assert!(warned("", json!([]), true).contains("found:    no bucket"));
    assert!(warned("env.K", one, true).contains("an API key in `value`"));
}
