//! Requests in, targets or faults out.

use weir_rpc::Owner;
use weir_types::{Dialect, Form, Framing, KeyRules, ModelList, OperationSet, Patience};

use super::*;

mod places;

fn key(name: &str, weight: f64, models: &[&str]) -> KeySettings {
    let models = match models {
        ["*"] => ModelList::All,
        names => ModelList::Names(names.iter().map(|&name| name.into()).collect()),
    };
    KeySettings {
        name: name.into(),
        weight,
        rules: KeyRules { models, ..KeyRules::default() },
        enabled: true,
        use_for_batch_api: false,
        server: 0,
    }
}

fn provider(name: &str, keys: Vec<KeySettings>) -> Arc<ProviderSettings> {
    Arc::new(ProviderSettings { keys, ..ProviderSettings::new(name.into()) })
}

fn for_model(model: &str, pin: Option<&str>) -> weir_types::Target {
    let (name, pin) = (model.to_owned(), pin.map(str::to_owned));
    weir_types::Target::Model { name, pin }
}

fn request(model: &str) -> RouterRequest {
    RouterRequest {
        dialect: Dialect::OpenAiChat,
        operation: Operation::Chat,
        target: for_model(model, None),
        stream: false,
        framing: Framing::Sse,
        form: Form::Usual,
        commit: None,
        patience: Patience::default(),
        content_type: String::new(),
        outline: None,
        fallbacks: Vec::new(),
        preferred_provider: None,
        client_key: None,
        headers: Vec::new(),
        query: String::new(),
        cursor: None,
        owner: None,
    }
}

/// openai: a (gpt, x/y), b (gpt, mini), off (disabled, o1). groq: g (*). acme: c (gpt, only).
fn catalog() -> Catalog {
    let off = KeySettings { enabled: false, ..key("off", 1.0, &["o1"]) };
    let aliased = KeyRules {
        models: ModelList::Names(vec!["gpt".into(), "only".into()]),
        aliases: vec![("only".into(), "wire-name".into())],
        ..KeyRules::default()
    };
    let c = KeySettings { rules: aliased, ..key("c", 1.0, &[]) };
    Catalog::new(
        &[
            provider(
                "openai",
                vec![key("a", 1.0, &["gpt", "x/y"]), key("b", 1.0, &["gpt", "mini"]), off],
            ),
            provider("groq", vec![key("g", 0.5, &["llama", "x/y", "gpt"])]),
            provider("acme", vec![c]),
        ],
        &UsableKeys::new(),
    )
}

fn shown(target: &Target) -> String {
    let keys: Vec<&str> = target.class.keys.iter().map(|key| &**key).collect();
    format!("{}/{}[{}]", target.provider.name, target.model, keys.join(","))
}

fn primary(catalog: &Catalog, request: &RouterRequest) -> Result<String, (FaultCode, String)> {
    let told = |fault: Fault| (fault.code, fault.detail.message.into_owned());
    let route = catalog.route(request).map_err(told)?;
    route.primary.map(|target| shown(&target)).map_err(told)
}

fn fallbacks(catalog: &Catalog, request: &RouterRequest) -> Vec<String> {
    catalog.route(request).unwrap().fallbacks.iter().map(|target| shown(target)).collect()
}

#[test]
fn only_the_first_slash_splits_and_only_after_a_provider() {
    let catalog = catalog();
    let at = |model: &str| primary(&catalog, &request(model));
    assert_eq!(at("openai/gpt"), Ok("openai/gpt[a,b]".to_owned()));
    assert_eq!(at("openai/x/y"), Ok("openai/x/y[a]".to_owned()));
    assert_eq!(at("acme/only"), Ok("acme/only[c]".to_owned()));
    assert_eq!(at("mini"), Ok("openai/mini[b]".to_owned()));
    // No provider is called x: the whole is a model, which two serve.
    assert_eq!(at("x/y"), Ok("openai/x/y[a]".to_owned()));
}

#[test]
fn what_cannot_be_served_is_told_with_what_exists() {
    let catalog = catalog();
    let at = |model: &str| primary(&catalog, &request(model)).unwrap_err();
    assert_eq!(at("").0, FaultCode::InvalidRequest);
    assert_eq!(at("  ").0, FaultCode::InvalidRequest);
    let (code, message) = at("openai/");
    assert!(code == FaultCode::InvalidRequest && message.contains("openai/"), "{message}");
    let (code, message) = at("opnai/gpt");
    assert_eq!(code, FaultCode::UnknownModel);
    assert!(message.contains("did you mean `openai/gpt`?"), "{message}");
    let (code, message) = at("unheard-of");
    assert_eq!(code, FaultCode::UnknownModel);
    assert!(message.contains("`openai`, `groq`, `acme`"), "{message}");
    let (code, message) = at("groq/gpt-9");
    assert_eq!(code, FaultCode::NoKeySupportsModel);
    assert!(message.contains("groq") && message.contains("gpt-9"), "{message}");
    let (code, message) = at("openai/o1");
    assert_eq!(code, FaultCode::NoKeySupportsModel);
    assert!(message.contains("disabled"), "{message}");
}

#[test]
fn providers_names_ignore_case_as_in_the_configuration() {
    let catalog = catalog();
    let at = |model: &str| primary(&catalog, &request(model));
    assert_eq!(at("OpenAI/gpt"), at("openai/gpt"));
    assert_eq!(at("GROQ/gpt"), at("groq/gpt"));
    assert!(at("Groq/gpt").is_ok());
    assert_eq!(catalog.listing(Some("OPENAI"), None).unwrap().len(), 1);
}

#[test]
fn a_pin_narrows_the_first_choice_and_an_unknown_one_is_refused() {
    let catalog = catalog();
    let pinned = |model: &str, pin: &str| {
        let target = for_model(model, Some(pin));
        primary(&catalog, &RouterRequest { target, ..request(model) })
    };
    assert_eq!(pinned("openai/gpt", "b"), Ok("openai/gpt[b]".to_owned()));
    assert_eq!(pinned("gpt", "g"), Ok("groq/gpt[g]".to_owned()));
    let (code, message) = pinned("openai/gpt", "B").unwrap_err();
    assert_eq!(code, FaultCode::InvalidRequest);
    assert!(message.contains("`a`, `b`, `off`"), "{message}");
    let (code, message) = pinned("gpt", "nope").unwrap_err();
    assert_eq!(code, FaultCode::InvalidRequest);
    assert!(message.contains("`a`, `b`, `g`, `c`"), "{message}");
    let (code, message) = pinned("openai/mini", "a").unwrap_err();
    assert_eq!(code, FaultCode::NoKeySupportsModel);
    assert!(message.contains("`a`") && message.contains("mini"), "{message}");
    assert_eq!(pinned("openai/o1", "off").unwrap_err().0, FaultCode::InvalidRequest);
    // A pin does not narrow what is remembered for others, nor fallbacks.
    assert_eq!(primary(&catalog, &request("openai/gpt")), Ok("openai/gpt[a,b]".to_owned()));
    let request = RouterRequest {
        target: for_model("groq/llama", Some("g")),
        fallbacks: vec!["openai/gpt".to_owned()],
        ..request("groq/llama")
    };
    assert_eq!(fallbacks(&catalog, &request), ["openai/gpt[a,b]"]);
}

#[test]
fn bare_models_are_spread_by_weight_and_the_others_follow() {
    let catalog = Catalog::new(
        &[
            provider("one", vec![key("a", 1.5, &["m"]), key("b", 0.5, &["m"])]),
            provider("two", vec![key("c", 1.0, &["*"])]),
            provider("three", vec![key("d", 1.0, &["m"]), key("e", 9.0, &["other"])]),
        ],
        &UsableKeys::new(),
    );
    let mut counts = HashMap::<String, u32>::new();
    for _ in 0..400 {
        let route = catalog.route(&request("m")).unwrap();
        let first = route.primary.unwrap().provider.name.to_string();
        assert_eq!(route.fallbacks.len(), 2);
        assert!(route.fallbacks.iter().all(|target| *target.provider.name != *first));
        assert!(route.fallbacks.is_sorted_by(|a, b| a.weight >= b.weight));
        *counts.entry(first).or_default() += 1;
    }
    let expected = [("one", 200), ("two", 100), ("three", 100)];
    for (name, count) in expected {
        assert_eq!(counts[name], count, "{counts:?}");
    }
    let preferred_provider = Some("three".to_owned());
    let preferred = RouterRequest { preferred_provider, ..request("m") };
    assert_eq!(primary(&catalog, &preferred), Ok("three/m[d]".to_owned()));
    assert_eq!(fallbacks(&catalog, &preferred), ["one/m[a,b]", "two/m[c]"]);
    // A preferred provider that does not serve the model is no reason to refuse.
    let preferred = RouterRequest { target: for_model("other2", None), ..preferred };
    assert_eq!(primary(&catalog, &preferred), Ok("two/other2[c]".to_owned()));
}

#[test]
fn named_fallbacks_replace_implied_ones_and_unservable_or_repeated_ones_are_passed_over() {
    let catalog = catalog();
    let names = ["nowhere/gpt", "groq/llama", "openai/gpt", "mini", "groq/llama", "acme/zzz"];
    let request = RouterRequest {
        fallbacks: names.iter().map(|&name| name.to_owned()).collect(),
        ..request("openai/gpt")
    };
    assert_eq!(fallbacks(&catalog, &request), ["groq/llama[g]", "openai/mini[b]"]);
    let fallbacks = vec!["groq/llama".to_owned(); 17];
    let fault = catalog.route(&RouterRequest { fallbacks, ..request }).unwrap_err();
    assert_eq!(fault.code, FaultCode::InvalidRequest);
    assert_eq!(fault.detail.param.as_deref(), Some("fallbacks"));
}

/// any: w (*). list: n (meta/llama, m). alias: v (*, meta/llama is an alias). only: o (one model).
fn wildcards_and_names() -> Catalog {
    let aliases = vec![("meta/llama".into(), "wire".into())];
    let v = KeyRules { models: ModelList::All, aliases, ..KeyRules::default() };
    let only_model = Some("org/only".into());
    let o = KeyRules { models: ModelList::All, only_model, ..KeyRules::default() };
    Catalog::new(
        &[
            provider("any", vec![key("w", 4.0, &["*"])]),
            provider("list", vec![key("n", 2.0, &["meta/llama", "m"]), key("all", 1.0, &["*"])]),
            provider("alias", vec![KeySettings { rules: v, ..key("v", 1.0, &[]) }]),
            provider("only", vec![KeySettings { rules: o, ..key("o", 1.0, &[]) }]),
        ],
        &UsableKeys::new(),
    )
}

#[test]
fn an_unknown_prefix_goes_only_to_keys_that_name_the_whole() {
    let catalog = wildcards_and_names();
    let at = |model: &str| primary(&catalog, &request(model));
    // First behind a provider, so that what is remembered of it could mislead.
    assert_eq!(at("list/meta/llama"), Ok("list/meta/llama[n,all]".to_owned()));
    assert_eq!(at("any/nowhere/m"), Ok("any/nowhere/m[w]".to_owned()));
    for _ in 0..2 {
        assert_eq!(at("meta/llama"), Ok("list/meta/llama[n]".to_owned()));
        assert_eq!(fallbacks(&catalog, &request("meta/llama")).len(), 1);
        assert_eq!(at("nowhere/m").unwrap_err().0, FaultCode::UnknownModel);
    }
    assert_eq!(at("Meta/Llama").map_err(|error| error.0), Ok("list/Meta/Llama[n]".to_owned()));
    assert_eq!(at("org/only"), Ok("only/org/only[o]".to_owned()));
    // And what is remembered of the bare name misleads nobody who names the provider.
    assert_eq!(at("list/meta/llama"), Ok("list/meta/llama[n,all]".to_owned()));
    // Without a `/` every key counts that serves the model.
    assert_eq!(at("anything"), Ok("any/anything[w]".to_owned()));
}

#[test]
fn an_unknown_prefix_is_told_with_the_nearest_provider_and_the_way_round() {
    let catalog = wildcards_and_names();
    let at = |model: &str| primary(&catalog, &request(model)).unwrap_err();
    let (code, message) = at("nowhere/gpt-4o");
    assert_eq!(code, FaultCode::UnknownModel);
    assert_eq!(code.http_status(), 400);
    assert_eq!(
        message,
        "no provider `nowhere` is configured (the providers are `any`, `list`, `alias`, `only`; \
         a model whose own name has a `/` is sent behind its provider's: `any/nowhere/gpt-4o`)"
    );
    let (_, message) = at("lst/gpt-4o");
    assert!(message.contains("`lst` is configured; did you mean `list/gpt-4o`?"), "{message}");
    assert!(message.contains("`list/lst/gpt-4o`"), "{message}");
    let (code, message) = at("/gpt-4o");
    assert_eq!(code, FaultCode::UnknownModel);
    assert!(message.starts_with("no provider stands before the `/` of `/gpt-4o`"), "{message}");
}

#[test]
fn a_preferred_provider_a_pin_and_a_fallback_are_no_way_round_it() {
    let catalog = wildcards_and_names();
    let preferring = |name: &str, model: &str| {
        let preferred_provider = Some(name.to_owned());
        primary(&catalog, &RouterRequest { preferred_provider, ..request(model) })
    };
    assert_eq!(preferring("any", "nowhere/m").unwrap_err().0, FaultCode::UnknownModel);
    // The preferred one serves every model, but another one names it.
    assert_eq!(preferring("any", "org/only"), Ok("only/org/only[o]".to_owned()));
    assert_eq!(preferring("alias", "meta/llama"), Ok("alias/meta/llama[v]".to_owned()));
    assert_eq!(preferring("alias", "m"), Ok("alias/m[v]".to_owned()));
    let pinned = |pin: &str, model: &str| {
        let target = for_model(model, Some(pin));
        primary(&catalog, &RouterRequest { target, ..request(model) })
    };
    assert_eq!(pinned("v", "meta/llama"), Ok("alias/meta/llama[v]".to_owned()));
    assert_eq!(pinned("w", "nowhere/m").unwrap_err().0, FaultCode::UnknownModel);
    assert_eq!(pinned("w", "meta/llama").unwrap_err().0, FaultCode::NoKeySupportsModel);
    let names = ["nowhere/m", "org/only", "meta/llama"];
    let request = RouterRequest {
        fallbacks: names.iter().map(|&name| name.to_owned()).collect(),
        ..request("any/m")
    };
    // The first answer about meta/llama is the heaviest's.
    assert_eq!(fallbacks(&catalog, &request), ["only/org/only[o]", "list/meta/llama[n]"]);
}

#[test]
fn what_refers_to_something_stored_goes_to_whoever_has_it() {
    let catalog = Catalog::new(
        &[
            provider("one", vec![key("a", 1.0, &["m"]), key("b", 9.0, &["m"])]),
            provider("two", vec![key("c", 1.0, &["m"]), key("d", 1.0, &["n"])]),
        ],
        &UsableKeys::new(),
    );
    let owned = |model: &str, owner: &str, key: &str| RouterRequest {
        owner: Some(Owner { provider: owner.into(), key: key.into() }),
        fallbacks: vec!["two/m".to_owned()],
        ..request(model)
    };
    for model in ["one/m", "m"] {
        let request = owned(model, "one", "a");
        assert_eq!(primary(&catalog, &request), Ok("one/m[a]".to_owned()));
        // Nobody else has it.
        assert!(fallbacks(&catalog, &request).is_empty());
    }
    let refused = |request: &RouterRequest| primary(&catalog, request).unwrap_err();
    let (code, message) = refused(&owned("two/m", "one", "a"));
    assert_eq!(code, FaultCode::InvalidRequest);
    assert!(message.contains("name a model of `one`"), "{message}");
    assert_eq!(refused(&owned("n", "two", "c")).0, FaultCode::NoKeySupportsModel);
    assert_eq!(refused(&owned("", "two", "c")).0, FaultCode::InvalidRequest);
    let target = for_model("one/m", Some("b"));
    let pinned = RouterRequest { target, ..owned("one/m", "one", "a") };
    assert_eq!(refused(&pinned).0, FaultCode::InvalidRequest);
    for (provider, key) in [("one", "gone"), ("gone", "a")] {
        let (code, message) = refused(&owned("m", provider, key));
        assert_eq!(code, FaultCode::NotFound);
        assert!(message.contains("`gone`"), "{message}");
    }
}

#[test]
fn operations_that_a_provider_does_not_do_are_refused_or_left_to_others() {
    let all = provider("one", vec![key("a", 1.0, &["m"])]);
    let chat = OperationSet::NONE.with(Operation::Chat, false);
    let only_chat = Arc::new(ProviderSettings {
        operations: chat,
        ..(*provider("two", vec![key("b", 1.0, &["m", "n"])])).clone()
    });
    let catalog = Catalog::new(&[all, only_chat], &UsableKeys::new());
    let stream = |model: &str| RouterRequest { stream: true, ..request(model) };
    assert_eq!(primary(&catalog, &request("two/m")), Ok("two/m[b]".to_owned()));
    let (code, message) = primary(&catalog, &stream("two/m")).unwrap_err();
    assert_eq!(code, FaultCode::UnsupportedOperation);
    assert!(message.contains("chat_completion_stream"), "{message}");
    assert_eq!(primary(&catalog, &stream("m")), Ok("one/m[a]".to_owned()));
    assert_eq!(primary(&catalog, &stream("n")).unwrap_err().0, FaultCode::UnsupportedOperation);
}

#[test]
fn listing_asks_every_provider_with_all_its_enabled_keys_or_the_one_named() {
    let catalog = catalog();
    let all: Vec<String> =
        catalog.listing(None, None).unwrap().iter().map(|target| shown(target)).collect();
    assert_eq!(all, ["openai/[a,b]", "groq/[g]", "acme/[c]"]);
    let one = catalog.listing(Some("groq"), None).unwrap();
    assert_eq!(one.iter().map(|target| shown(target)).collect::<Vec<_>>(), ["groq/[g]"]);
    let pinned = catalog.listing(None, Some("b")).unwrap();
    assert_eq!(pinned.iter().map(|target| shown(target)).collect::<Vec<_>>(), ["openai/[b]"]);
    let fault = catalog.listing(Some("grok"), None).unwrap_err();
    assert_eq!(fault.code, FaultCode::UnknownModel);
    assert!(fault.detail.message.contains("did you mean `groq`?"), "{fault}");
    let none = Catalog::new(&[], &UsableKeys::new());
    assert_eq!(none.listing(None, None).unwrap_err().code, FaultCode::NoEligibleKeys);
    assert_eq!(primary(&none, &request("m")).unwrap_err().0, FaultCode::UnknownModel);
}

#[test]
fn what_is_remembered_of_models_has_a_bound() {
    let catalog = Catalog::new(&[provider("one", vec![key("a", 1.0, &["*"])])], &UsableKeys::new());
    for number in 0..5000 {
        let model = format!("one/m{number}");
        assert_eq!(primary(&catalog, &request(&model)), Ok(format!("{model}[a]")));
        assert_eq!(primary(&catalog, &request(&model[4..])), Ok(format!("{model}[a]")));
    }
    assert!(catalog.entries.iter().all(|entry| entry.remembered() <= entry::REMEMBERED_MAX));
}
