//! The shipped examples load as they are, and use every field of the provider guide.

use std::fs;
use std::path::Path;

use serde_json::Value;
use weir_config::{Options, load, parse};

const FOLDER: &str = "../../deploy/examples";

/// Name and text of every example.
pub(crate) fn all() -> Vec<(String, String)> {
    let mut examples = Vec::new();
    for entry in fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            examples.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    examples.sort();
    examples
}

#[test]
fn every_example_loads() {
    let examples = all();
    assert!(examples.len() >= 17, "only {} examples", examples.len());
    let unset = Options { variable: Some(|_| None), ..Options::new(|_| true) };
    for options in [unset, crate::options()] {
        for (name, _) in &examples {
            let loaded = load(&Path::new(FOLDER).join(name), &options);
            let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
            assert!(loaded.ignored.is_empty(), "{name}: {:?}", loaded.ignored);
        }
    }
}

fn set(name: &str) -> Option<String> {
    crate::variable(name).or_else(|| Some("http://proxy.example.com:3128".to_owned()))
}

/// What is told about an example when every variable is set and every provider served.
#[test]
fn examples_are_free_of_needless_warnings() {
    let options = Options { variable: Some(set), ..Options::new(|_| true) };
    let mut told = Vec::new();
    for (name, _) in all() {
        let loaded = load(&Path::new(FOLDER).join(&name), &options).unwrap();
        let paths = loaded.warnings.into_iter().map(|warning| warning.path);
        told.extend(paths.map(|path| format!("{name} {path}")));
    }
    let expected = ["tls-last-resort.json providers.openai.network_config.insecure_skip_verify"];
    assert_eq!(told, expected);
}

#[test]
fn the_examples_use_every_field_of_the_provider_guide() {
    let fields = [
        "name",
        "value",
        "models",
        "weight",
        "aliases",
        "use_for_batch_api",
        "default_request_timeout_in_seconds",
        "max_retries",
        "retry_backoff_initial",
        "retry_backoff_max",
        "max_conns_per_host",
        "extra_headers",
        "stream_idle_timeout_in_seconds",
        "insecure_skip_verify",
        "ca_cert_pem",
        "concurrency",
        "buffer_size",
        "type",
        "url",
        "username",
        "password",
        "endpoint",
        "client_id",
        "client_secret",
        "tenant_id",
        "region",
        "access_key",
        "secret_key",
        "role_arn",
        "external_id",
        "session_name",
        "batch_s3_config",
        "bucket_name",
        "prefix",
        "is_default",
        "project_id",
        "auth_credentials",
        "model_name",
        "use_deployments_endpoint",
        "ollama_key_config",
        "sgl_key_config",
        "vllm_key_config",
        "replicate_key_config",
        "vertex_key_config",
        "bedrock_key_config",
        "azure_key_config",
        "network_config",
        "concurrency_and_buffer_size",
        "proxy_config",
        "base_url",
    ];
    let mut used = Vec::new();
    let mut types = Vec::new();
    for (_, text) in all() {
        collect(&serde_json::from_str(&text).unwrap(), &mut used, &mut types);
    }
    for field in fields {
        assert!(used.iter().any(|name| name == field), "no example uses {field}");
    }
    for kind in ["none", "http", "socks5", "environment"] {
        assert!(types.iter().any(|name| name == kind), "no example has a proxy of type {kind}");
    }
}

fn collect(value: &Value, names: &mut Vec<String>, types: &mut Vec<String>) {
    for item in value.as_array().into_iter().flatten() {
        collect(item, names, types);
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        names.push(name.clone());
        if name == "type" {
            types.extend(member.as_str().map(str::to_owned));
        }
        collect(member, names, types);
    }
}

/// Damaged text is answered, whatever the damage: cut at many places, or with a character
/// missing.
#[test]
fn a_damaged_example_is_never_more_than_refused() {
    let options = Options { variable: None, ..Options::new(|_| true) };
    for (name, text) in all() {
        let text = text.trim_end();
        let told = text.char_indices().filter(|(_, c)| !c.is_whitespace()).step_by(7);
        for (at, _) in told {
            let (before, after) = text.split_at(at);
            assert!(parse(&name, before, &options).is_err(), "{name} cut at {at}");
            let mut rest = after.chars();
            let _ = rest.next();
            let damaged = format!("{before}{}", rest.as_str());
            if let Err(report) = parse(&name, &damaged, &options) {
                assert!(report.counts().0 > 0, "{name} without the character at {at}");
            }
        }
    }
}
