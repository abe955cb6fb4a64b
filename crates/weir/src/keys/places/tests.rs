//! Where models of keys and aliases are called.

use weir_config::{Config, Options};

use super::*;

fn key(provider: &str, key: &str) -> Key {
    let text = format!(
        r#"{{"providers": {{"{provider}": {{"keys": [
            {{"name": "k", "models": ["*"], "weight": 1, {key}}}]}}}}}}"#
    );
    let options = Options::new(|name| weir_provider::vendor(name).is_some());
    let config: Config = weir_config::parse("test.json", &text, &options).unwrap().config;
    config.providers.into_iter().next().unwrap().keys.remove(0)
}

/// The variables of the key, then of each variant, and why the key is not usable.
fn found(provider: &str, text: &str) -> (Vec<String>, Option<String>) {
    let mut missing = Missing::default();
    let places = of(&key(provider, text), &mut missing);
    let shown = |variables: &Variables| {
        let pairs = variables.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join(" ")
    };
    let of_variant = |variant: &Variant| {
        let models = match &variant.models {
            Models::Alias(name) => name.clone(),
            Models::Beginning(names) => format!("{}…", names[0]),
        };
        let url = variant.base_url.iter().map(|url| format!(" at {url}"));
        let model = variant.model.iter().map(|model| format!(" as {model}"));
        let more: String = url.chain(model).collect();
        format!("{models}: {}{more}", shown(&variant.variables))
    };
    let all = std::iter::once(shown(&places.variables));
    (all.chain(places.variants.iter().map(of_variant)).collect(), missing.reason())
}

#[test]
fn an_alias_of_azure_may_be_elsewhere_and_of_another_version() {
    let (all, why) = found(
        "azure",
        r#""value": "v", "azure_key_config": {"endpoint": "https://a.test", "api_version": "1"},
        "aliases": {"plain": "m",
            "far": {"model_id": "m", "endpoint": "https://b.test", "api_version": "2"},
            "claude": {"model_id": "claude-x", "anthropic_version": "2024-01-01"}}"#,
    );
    assert_eq!(
        all,
        [
            "api_version=1",
            "far: api_version=2 at https://b.test",
            "claude: anthropic_version=2024-01-01"
        ]
    );
    assert_eq!(why, None);
}

#[test]
fn arns_stand_before_models_or_for_them() {
    let head = "arn:aws:bedrock:us-east-1:1:";
    let (all, why) = found(
        "bedrock",
        &format!(
            r#""value": "v", "bedrock_key_config": {{"region": "us-east-1", "project_id": "p",
            "arn": "{head}inference-profile"}}, "aliases": {{
                "plain": "m", "whole": "{head}inference-profile/x",
                "eu": {{"model_id": "m", "region": "eu-west-1", "project_id": "q"}},
                "kind": {{"model_id": "m", "inference_profile_arn": "{head}app/"}},
                "one": {{"model_id": "m", "inference_profile_arn": "{head}app/a1"}}}}"#
        ),
    );
    assert_eq!(
        all,
        [
            format!(
                "region=us-east-1 project=p model_arn={head}inference-profile/ \
                 arn={head}inference-profile/"
            ),
            "whole: arn=".to_owned(),
            "eu: region=eu-west-1 project=q".to_owned(),
            format!("kind: model_arn={head}app/ arn={head}app/"),
            format!("one: arn= as {head}app/a1"),
            "arn:…: arn=".to_owned(),
        ]
    );
    assert_eq!(why, None);
    let none = r#""value": "v", "bedrock_key_config": {"region": "us-east-1"}"#;
    let models = "bedrock:us-east-1::foundation-model/";
    let expected = format!("region=us-east-1 model_arn=arn:aws:{models} arn=");
    assert_eq!(found("bedrock", none).0, [expected]);
}

#[test]
fn models_that_are_everybodys_are_named_in_the_region_of_their_alias() {
    let (all, why) = found(
        "bedrock",
        r#""value": "v", "bedrock_key_config": {"region": "us-gov-west-1"}, "aliases": {
            "far": {"model_id": "m", "region": "cn-north-1"},
            "kind": {"model_id": "m", "region": "eu-west-1",
                "inference_profile_arn": "arn:aws:bedrock:eu-west-1:1:app"}}"#,
    );
    let own = "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/";
    let far = "arn:aws-cn:bedrock:cn-north-1::foundation-model/";
    let kind = "arn:aws:bedrock:eu-west-1:1:app/";
    assert_eq!(
        all,
        [
            format!("region=us-gov-west-1 model_arn={own} arn="),
            format!("far: region=cn-north-1 model_arn={far}"),
            format!("kind: region=eu-west-1 model_arn={kind} arn={kind}"),
        ]
    );
    assert_eq!(why, None);
}

#[test]
fn documents_are_ranked_where_a_key_is_as_far_as_that_is_possible() {
    for (region, host, location) in [
        ("eu", "eu-discoveryengine", "eu"),
        ("europe-west4", "eu-discoveryengine", "eu"),
        ("us", "us-discoveryengine", "us"),
        ("us-central1", "discoveryengine", "global"),
        ("asia-east1", "discoveryengine", "global"),
        ("global", "discoveryengine", "global"),
    ] {
        let host = format!("{host}.googleapis.com");
        assert_eq!(ranking(region), (host.as_str(), location), "{region}");
    }
}

#[test]
fn models_that_no_single_region_serves_are_called_in_their_continents() {
    let key = |more: &str, aliases: &str| {
        format!(
            r#""value": "v", "vertex_key_config": {{"project_id": "p", "region": "us-east5"{more}}},
            "aliases": {{{aliases}}}"#
        )
    };
    let at = |region: &str| {
        let host = match region {
            "us" | "eu" => format!("aiplatform.{region}.rep"),
            region => format!("{region}-aiplatform"),
        };
        let (ranking_host, location) = ranking(region);
        format!(
            "vertex_host={host}.googleapis.com region={region} ranking_host={ranking_host} \
             ranking_location={location}"
        )
    };
    let own = format!("project=p project_number=p {}", at("us-east5"));
    let aliases = r#""new": "gemini-3.5-x", "old": "gemini-2.5-x",
        "eu": {"model_id": "gemini-3.5-x", "region": "europe-west4"},
        "asia": {"model_id": "gemini-3.5-x", "region": "asia-east1"},
        "here": {"model_id": "gemini-3.5-x", "force_single_region": true},
        "other": {"model_id": "gemini-2.5-x", "project_id": "q", "region": "europe-west4"},
        "tuned": {"model_id": "123", "project_number": "77"}"#;
    let expected = [
        own,
        format!("new: {}", at("us")),
        format!("eu: {}", at("eu")),
        format!("asia: {}", at("asia-east1")),
        format!("here: {}", at("us-east5")),
        format!("other: project=q project_number=q {}", at("europe-west4")),
        "tuned: project_number=77".to_owned(),
        format!("gemini-3.5…: {}", at("us")),
    ];
    assert_eq!(found("vertex", &key("", aliases)), (expected.to_vec(), None));
    let single = key(r#", "force_single_region": true, "project_number": "5""#, "");
    let expected = format!("project=p project_number=5 {}", at("us-east5"));
    assert_eq!(found("vertex", &single), (vec![expected], None));
}

#[test]
fn what_an_alias_refers_to_and_is_not_there_costs_the_key() {
    let reason = |alias: &str| {
        found(
            "vertex",
            &format!(
                r#""value": "v", "vertex_key_config": {{"project_id": "p", "region": "us-east5"}},
                "aliases": {{"a": {{"model_id": "m", {alias}}}}}"#
            ),
        )
        .1
    };
    let why = reason(r#""region": "env.WEIR_TEST_NOT_SET""#).unwrap();
    assert_eq!(why, "aliases.a.region: variable WEIR_TEST_NOT_SET is not set or empty");
    let why = reason(r#""region": "env.PATH""#).unwrap();
    assert!(why.starts_with("aliases.a.region: variable PATH cannot be used: not the"), "{why}");
}
