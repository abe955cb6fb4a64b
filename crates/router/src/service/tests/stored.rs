//! Lists of what keys have stored, and who is asked for one thing.

use weir_rpc::{Cursor, Part};

use super::*;
use crate::settings::{ClientKeySettings, ClientKeys, ProviderAccess};

/// A provider whose keys store things, and one that does not.
fn storing(name: &str, keys: &[&str]) -> ProviderSettings {
    let mut provider = provider(name, keys);
    provider.keys.iter_mut().for_each(|key| key.use_for_batch_api = true);
    let chats =
        KeySettings { use_for_batch_api: false, name: "chats".into(), ..provider.keys[0].clone() };
    provider.keys.push(chats);
    provider
}

fn ask(operation: Operation, target: weir_types::Target) -> RouterRequest {
    RouterRequest { operation, target, query: "limit=2".to_owned(), ..request("") }
}

fn list(only: Option<&str>) -> RouterRequest {
    let name = only.map(str::to_owned);
    ask(Operation::FileList, weir_types::Target::Provider { name, pin: None })
}

fn thing(provider: Option<&str>, key: Option<&str>) -> RouterRequest {
    let (provider, key) = (provider.map(Into::into), key.map(Into::into));
    let id = "file-1".to_owned();
    ask(Operation::FileRetrieve, weir_types::Target::Resource { provider, key, id })
}

fn world(one: &Arc<Fake>, two: &Arc<Fake>) -> World {
    let providers = vec![storing("one", &["a", "b"]), storing("two", &["c"])];
    World::new(providers, &[one.clone(), two.clone()])
}

fn parts(reply: &Reply) -> Vec<(String, u64)> {
    let part = |Part { provider, key, bytes }: &Part| (format!("{provider}/{key}"), *bytes);
    reply.head.parts.iter().map(part).collect()
}

#[tokio::test(start_paused = true)]
async fn every_key_that_stores_is_asked_with_a_slot_and_its_part_is_named() {
    let one = Fake::new(|request| {
        assert_eq!(request.query, "limit=2");
        Does::answer(if &*request.key == "a" { "[1]" } else { "[22]" })
    });
    let two = Fake::answering("[]");
    let world = world(&one, &two);
    let reply = world.send(list(None)).await.unwrap();
    let expected = [("one/a".to_owned(), 3), ("one/b".to_owned(), 4), ("two/c".to_owned(), 2)];
    assert_eq!(parts(&reply), expected);
    assert_eq!(reply.head.attempts.len(), 3);
    assert!(reply.head.provider.is_empty() && reply.head.headers.is_empty());
    let frames: Vec<Frame> = reply.frames.collect().await;
    assert_eq!(frames.len(), 4);
    assert_eq!(frames[1], Frame::Chunk(Bytes::from("[22]")));
    for name in ["one", "two"] {
        assert_eq!(world.held(name), (0, 0));
    }
    let reply = world.send(list(Some("two"))).await.unwrap();
    assert_eq!((&*reply.head.provider, &*reply.head.key), ("two", "c"));
}

#[tokio::test(start_paused = true)]
async fn a_list_goes_on_at_its_cursor_which_one_key_alone_is_told() {
    let one = Fake::new(|request| {
        assert_eq!((&*request.key, &*request.query), ("b", "limit=2&after=file-1"));
        Does::answer("[1]")
    });
    let two = Fake::new(|request| {
        assert_eq!(request.query, "limit=2");
        Does::answer("[2]")
    });
    let world = world(&one, &two);
    let cursor = |key: &str| {
        let query = "after=file-1".to_owned();
        Some(Cursor { provider: "one".into(), key: key.into(), query })
    };
    let reply = world.send(RouterRequest { cursor: cursor("b"), ..list(None) }).await.unwrap();
    assert_eq!(parts(&reply), [("one/b".to_owned(), 3), ("two/c".to_owned(), 3)]);
    let gone = RouterRequest { cursor: cursor("gone"), ..list(None) };
    let fault = world.send(gone).await.unwrap_err();
    assert_eq!(
        (fault.code, fault.detail.code.as_deref()),
        (FaultCode::NotFound, Some("key_removed"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_does_not_answer_is_named() {
    let down = failure(500, FailureClass::Transient, None);
    let one = Fake::new(move |request| match &*request.key {
        "a" => Does::Fail(Duration::ZERO, down.clone()),
        _ => Does::answer("[1]"),
    });
    let two = Fake::new(|_| Does::Cut);
    let world = world(&one, &two);
    let reply = world.send(list(None)).await.unwrap();
    assert_eq!(parts(&reply), [("one/b".to_owned(), 3)]);
    let left_out = ("x-weir-left-out".to_owned(), "one/a, two/c".to_owned());
    assert_eq!(reply.head.headers, [left_out]);
    let fault = world.send(list(Some("two"))).await.unwrap_err();
    assert_eq!(fault.detail.class, Some(FailureClass::Cut));
    for name in ["one", "two"] {
        assert_eq!(world.held(name), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_is_asked_of_its_key_alone() {
    let (one, two) = (Fake::answering("{}"), Fake::answering("{}"));
    let world = world(&one, &two);
    for _ in 0..5 {
        world.send(thing(Some("one"), Some("b"))).await.unwrap();
    }
    assert_eq!(one.keys_asked(), ["b"; 5]);
    // Where it is not said, there may be only one that has it.
    let fault = world.send(thing(None, None)).await.unwrap_err();
    assert!(
        fault.code == FaultCode::NotFound && fault.detail.message.contains("3 keys"),
        "{fault}"
    );
    assert!(world.send(thing(Some("one"), None)).await.is_err());
    assert!(world.send(thing(Some("two"), None)).await.is_ok());
    assert!(world.send(thing(None, Some("c"))).await.is_ok());
    assert_eq!(two.keys_asked(), ["c", "c"]);
    for (provider, key, word) in [
        ("gone", "b", "`gone`"),
        ("one", "gone", "`gone` of `one`"),
        ("one", "chats", "use_for_batch_api"),
    ] {
        let fault = world.send(thing(Some(provider), Some(key))).await.unwrap_err();
        assert!(fault.detail.message.contains(word), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn something_new_goes_to_the_first_provider_that_can() {
    let (one, two) = (Fake::answering("{}"), Fake::answering("{}"));
    let plain = provider("plain", &["p"]);
    let other = ProviderSettings {
        formats: vec![(Operation::FileUpload, Dialect::AnthropicMessages)],
        ..storing("other", &["o"])
    };
    let providers = vec![plain, other, storing("one", &["a"]), storing("two", &["c"])];
    let fakes = [Fake::answering(""), Fake::answering(""), one.clone(), two.clone()];
    let world = World::new(providers, &fakes);
    let upload = |name: Option<&str>| {
        let target = weir_types::Target::Provider { name: name.map(str::to_owned), pin: None };
        ask(Operation::FileUpload, target)
    };
    world.send(upload(None)).await.unwrap();
    world.send(upload(Some("two"))).await.unwrap();
    let preferred_provider = Some("two".to_owned());
    world.send(RouterRequest { preferred_provider, ..upload(None) }).await.unwrap();
    assert_eq!((one.keys_asked().len(), two.keys_asked().len()), (1, 2));
    let fault = world.send(upload(Some("plain"))).await.unwrap_err();
    assert!(fault.detail.message.contains("use_for_batch_api"), "{fault}");
    let fault = world.send(upload(Some("other"))).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::UnsupportedOperation);
}

#[tokio::test(start_paused = true)]
async fn a_provider_whose_own_format_it_is_comes_before_one_that_translates() {
    let (own, second) = (Fake::answering("{}"), Fake::answering("{}"));
    let formats = [Dialect::AnthropicMessages, Dialect::OpenAiChat];
    let formats = formats.map(|format| (Operation::FileUpload, format)).to_vec();
    let translating = ProviderSettings { formats, ..storing("translating", &["t"]) };
    let target = weir_types::Target::Provider { name: None, pin: None };
    let upload = ask(Operation::FileUpload, target);
    let providers = vec![translating.clone(), storing("own", &["a"])];
    let world = World::new(providers, &[second.clone(), own.clone()]);
    world.send(upload.clone()).await.unwrap();
    assert_eq!((own.keys_asked().len(), second.keys_asked().len()), (1, 0));
    // Alone it does.
    let world = World::new(vec![translating], std::slice::from_ref(&second));
    world.send(upload).await.unwrap();
    assert_eq!(second.keys_asked(), ["t"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_lists_only_keys_that_nobody_else_reaches() {
    let (one, two) = (Fake::answering("[1]"), Fake::answering("[2]"));
    let world = world(&one, &two);
    let client = |name: &str, provider: &str, keys: &[&str]| {
        let keys = ModelList::Names(keys.iter().map(|&key| key.into()).collect());
        let access = ProviderAccess {
            provider: provider.to_owned(),
            weight: None,
            allowed_models: ModelList::All,
            blacklisted_models: ModelList::None,
            keys,
        };
        Arc::new(ClientKeySettings { name: name.into(), providers: vec![Arc::new(access)] })
    };
    let keys = vec![
        client("both", "one", &["a", "b"]),
        client("shares", "one", &["b"]),
        client("alone", "two", &["c"]),
    ];
    let providers = vec![storing("one", &["a", "b"]), storing("two", &["c"])];
    let reload = |are_required| {
        let client_keys = ClientKeys { keys: keys.clone(), are_required };
        let settings =
            Settings { providers: providers.clone(), client_keys, ..Settings::default() };
        world.shared.reload(settings, &[]);
    };
    let listed = async |name: &str| {
        let reply = world.send(RouterRequest { client_key: Some(name.into()), ..list(None) }).await;
        reply.map(|reply| parts(&reply).into_iter().map(|(at, _)| at).collect::<Vec<_>>())
    };
    reload(true);
    assert_eq!(listed("both").await.unwrap(), ["one/a"]);
    assert_eq!(listed("alone").await.unwrap(), ["two/c"]);
    let fault = listed("shares").await.unwrap_err();
    assert_eq!(
        (fault.code, fault.detail.code.as_deref()),
        (FaultCode::Forbidden, Some("key_shared"))
    );
    // Who comes without a key reaches all of them.
    reload(false);
    for name in ["both", "alone", "shares"] {
        assert_eq!(listed(name).await.unwrap_err().code, FaultCode::Forbidden, "{name}");
    }
    assert_eq!(world.send(list(None)).await.unwrap_err().code, FaultCode::Forbidden);
}
