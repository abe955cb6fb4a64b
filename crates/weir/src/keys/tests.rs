//! Keys of every kind, and variables that are set or not.

use weir_config::{Config, Options};

use super::*;

fn config(provider: &str, key: &str) -> Config {
    let text = format!(
        r#"{{"providers": {{"{provider}": {{"keys": [
            {{"name": "k", "models": ["*"], "weight": 1, {key}}}]}}}}}}"#
    );
    let options = Options::new(|name| weir_provider::vendor(name).is_some());
    weir_config::parse("test.json", &text, &options).unwrap().config
}

/// The credential of a key, or why there is none, and whether it is usable.
fn found(provider: &str, key: &str, set: &[(&str, &str)]) -> (Credential, Option<String>) {
    let config = config(provider, key);
    let key = &config.providers[0].keys[0];
    let variable = |name: &str| {
        let found = set.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let surroundings = Surroundings { variable: &variable };
    let mut missing = Missing::default();
    let vendor = weir_provider::vendor(provider).unwrap();
    let credential = credential(key, vendor, &surroundings, &mut missing);
    let shown = format!("{credential:?}");
    assert!(!shown.contains("planted"), "{shown}");
    (credential, missing.reason)
}

#[test]
fn a_bedrock_key_shows_its_value_or_signs() {
    let block = r#""bedrock_key_config": {"region": "eu-west-1""#;
    let (value, _) = found("bedrock", &format!(r#""value": "planted", {block}}}"#), &[]);
    assert!(matches!(value, Credential::Secret(_)), "{value:?}");
    let keys = format!(
        r#"{block}, "access_key": "AK", "secret_key": "planted", "session_token": "planted-2",
        "role_arn": "arn:r", "external_id": "e", "session_name": "s"}}"#
    );
    let (Credential::Aws(aws), None) = found("bedrock", &keys, &[]) else { panic!() };
    let AwsSource::Keys(keys) = &aws.source else { panic!("{aws:?}") };
    assert_eq!((keys.access_key.as_str(), aws.region.as_str()), ("AK", "eu-west-1"));
    assert_eq!(keys.session_token.as_ref().unwrap().expose(), "planted-2");
    let role = aws.role.as_ref().unwrap();
    assert_eq!((role.arn.as_str(), role.external_id.as_deref()), ("arn:r", Some("e")));
    assert_eq!(aws.secrets().len(), 2);
}

#[test]
fn a_reference_to_nothing_is_never_the_processs_own_identity() {
    let own = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "planted")];
    for (provider, key, variable) in [
        ("bedrock", r#""value": "env.WEIR_NO_A", "bedrock_key_config": {"region": "r"}"#, "NO_A"),
        (
            "bedrock",
            r#""bedrock_key_config": {"region": "r", "access_key": "env.WEIR_NO_B",
               "secret_key": "env.WEIR_NO_C"}"#,
            "NO_B",
        ),
        (
            "azure",
            r#""azure_key_config": {"endpoint": "https://a.test", "client_id": "c",
               "client_secret": "env.WEIR_NO_D", "tenant_id": "t"}"#,
            "NO_D",
        ),
        (
            "azure",
            r#""value": "env.WEIR_NO_E", "azure_key_config": {"endpoint": "https://a.test"}"#,
            "NO_E",
        ),
        (
            "vertex",
            r#""vertex_key_config": {"project_id": "p", "region": "r",
               "auth_credentials": "env.WEIR_NO_F"}"#,
            "NO_F",
        ),
    ] {
        let (credential, reason) = found(provider, key, &own);
        let expected = format!("variable WEIR_{variable} is not set or empty");
        assert!(reason.as_ref().is_some_and(|why| why.contains(&expected)), "{reason:?}");
        let is_empty = match &credential {
            Credential::Google { api_key, identity } => api_key.is_none() && identity.is_none(),
            other => matches!(other, Credential::None),
        };
        assert!(is_empty, "{credential:?}");
    }
}

#[test]
fn a_bedrock_key_without_credentials_is_the_processs() {
    let key = r#""bedrock_key_config": {"region": "eu-west-1"}"#;
    let source = |set: &[(&str, &str)]| match found("bedrock", key, set) {
        (Credential::Aws(aws), None) => format!("{:?}", aws.source),
        (_, why) => why.unwrap_or_default(),
    };
    let keys = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "planted")];
    assert!(source(&keys).starts_with("Keys"));
    assert_eq!(
        source(&keys[..1]),
        "variable AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not"
    );
    assert!(source(&[("AWS_PROFILE", "x")]).contains("the profile x has no credentials"));
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/t"), ("AWS_ROLE_ARN", "arn:w")];
    assert!(source(&web).starts_with("WebIdentity"));
    let container = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")];
    assert!(source(&container).contains("http://169.254.170.2/v2/x"));
    assert!(source(&[]).starts_with("Instance"));
    assert!(source(&[("AWS_EC2_METADATA_DISABLED", "true")]).contains("none of its own"));
}

#[test]
fn an_azure_keys_principal_comes_before_its_value() {
    let block = r#""azure_key_config": {"endpoint": "https://a.test""#;
    let both = format!(
        r#""value": "planted", {block}, "client_id": "c", "client_secret": "planted",
        "tenant_id": "t", "scopes": ["s"]}}"#
    );
    let (Credential::Azure(azure), None) = found("azure", &both, &[]) else { panic!() };
    assert!(matches!(azure.source, AzureSource::ClientSecret { .. }) && azure.scopes == ["s"]);
    let value = format!(r#""value": "planted", {block}}}"#);
    assert!(matches!(found("azure", &value, &[]), (Credential::Secret(_), None)));
    let none = format!("{block}}}");
    let source = |set: &[(&str, &str)]| match found("azure", &none, set) {
        (Credential::Azure(azure), None) => format!("{:?}", azure.source),
        (_, why) => why.unwrap_or_default(),
    };
    let file = [
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/t"),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
    ];
    assert!(source(&file).starts_with("Workload"));
    assert!(source(&file[..2]).contains("AZURE_CLIENT_ID is not"));
    let service = [("IDENTITY_ENDPOINT", "http://x"), ("IDENTITY_HEADER", "planted")];
    assert!(source(&service).starts_with("AppService"));
    assert!(source(&file[2..]).starts_with("Machine"));
}

#[test]
fn a_vertex_key_has_a_value_an_account_or_the_processs_identity() {
    let block = r#""vertex_key_config": {"project_id": "p", "region": "us-central1""#;
    let kind = |key: &str, set: &[(&str, &str)]| match found("vertex", key, set) {
        (Credential::Google { api_key, identity }, None) => {
            let identity = identity.map(|identity| match identity {
                GoogleIdentity::File(text) => text.expose().to_owned(),
                GoogleIdentity::Machine { endpoint } => format!("machine {endpoint:?}"),
            });
            (api_key.is_some(), identity.unwrap_or_default())
        }
        other => panic!("{other:?}"),
    };
    let value = format!(r#""value": "planted", {block}}}"#);
    assert_eq!(kind(&value, &[]), (true, String::new()));
    let account = format!(r#"{block}, "auth_credentials": "cGxhbnRlZA=="}}"#);
    assert_eq!(kind(&account, &[]), (false, "cGxhbnRlZA==".to_owned()));
    let none = format!("{block}}}");
    assert_eq!(kind(&none, &[]), (false, "machine None".to_owned()));
    let host = [("GCE_METADATA_HOST", "127.0.0.1:1")];
    assert_eq!(kind(&none, &host), (false, "machine Some(\"http://127.0.0.1:1\")".to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("application_default_credentials.json");
    std::fs::write(&file, "{}").unwrap();
    let at = folder.path().display().to_string();
    assert_eq!(kind(&none, &[("CLOUDSDK_CONFIG", &at)]), (false, "{}".to_owned()));
    let missing = found("vertex", &none, &[("GOOGLE_APPLICATION_CREDENTIALS", "/no/file")]).1;
    assert!(missing.unwrap().starts_with("GOOGLE_APPLICATION_CREDENTIALS: /no/file: "));
}

#[test]
fn addresses_get_what_they_need_of_a_key() {
    let variables = |region: &str| {
        let block = format!(
            r#""value": "v", "vertex_key_config": {{"project_id": "p", "region": "{region}"}}"#
        );
        let config = config("vertex", &block);
        let vendor = weir_provider::vendor("vertex").unwrap();
        let settings = worker_key(&config.providers[0].keys[0], vendor, None);
        let pairs = settings.variables.iter().map(|(name, value)| format!("{name}={value}"));
        (pairs.collect::<Vec<_>>().join(" "), settings.unusable)
    };
    for (region, host, ranking) in [
        ("global", "aiplatform.googleapis.com", ("discoveryengine", "global")),
        ("eu", "aiplatform.eu.rep.googleapis.com", ("eu-discoveryengine", "eu")),
        ("us-central1", "us-central1-aiplatform.googleapis.com", ("discoveryengine", "global")),
    ] {
        let (found, unusable) = variables(region);
        let (ranking, location) = ranking;
        let expected = format!(
            "project=p project_number=p vertex_host={host} region={region} \
             ranking_host={ranking}.googleapis.com ranking_location={location}"
        );
        assert_eq!(found, expected);
        assert_eq!(unusable, None);
    }
    let (_, unusable) = variables("env.PATH");
    let why = unusable.unwrap();
    assert!(why.starts_with("region: variable PATH cannot be used: not the name of a"), "{why}");
}

#[test]
fn an_alias_chooses_before_its_key() {
    let chosen = |key: &str| {
        let config = config("deepseek", &format!(r#""value": "v"{key}"#));
        let vendor = weir_provider::vendor("deepseek").unwrap();
        let settings = worker_key(&config.providers[0].keys[0], vendor, None);
        let of = |model: &weir_worker::ModelSettings| model.choices.anthropic_endpoints;
        (of(&settings.model), settings.aliases.iter().map(of).collect::<Vec<_>>())
    };
    let aliases = r#""aliases": {"a": "m", "b": {"model_id": "m", "use_anthropic_endpoints": false},
        "c": {"model_id": "m", "use_anthropic_endpoints": true}}"#;
    assert_eq!(chosen(""), (None, vec![]));
    let plain = (None, vec![None, Some(false), Some(true)]);
    assert_eq!(chosen(&format!(", {aliases}")), plain);
    let on = (Some(true), vec![Some(true), Some(false), Some(true)]);
    assert_eq!(chosen(&format!(r#", "use_anthropic_endpoints": true, {aliases}"#)), on);
}

#[test]
fn an_alias_or_its_key_says_that_a_model_is_a_deployment() {
    let chosen = |key: &str| {
        let aliases = r#""aliases": {"a": "o/m", "b": {"model_id": "o/n",
            "use_deployments_endpoint": true}}"#;
        let config = config("replicate", &format!(r#""value": "v", {aliases}{key}"#));
        let vendor = weir_provider::vendor("replicate").unwrap();
        let settings = worker_key(&config.providers[0].keys[0], vendor, None);
        let of = |model: &weir_worker::ModelSettings| model.choices.deployments.unwrap();
        (of(&settings.model), settings.aliases.iter().map(of).collect::<Vec<_>>())
    };
    assert_eq!(chosen(""), (false, vec![false, true]));
    let block = r#", "replicate_key_config": {"use_deployments_endpoint": true}"#;
    assert_eq!(chosen(block), (true, vec![true, true]));
}
