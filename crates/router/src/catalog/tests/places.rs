//! Which keys are asked, by what their worker says of them: those that it can use, and for what stands at
//! a place those that reach it.

use super::*;
use crate::settings::{ClientKeySettings, ClientKeys, ProviderAccess};

/// Keys, and how the places begin at which they keep files.
fn keys<'a>(of: impl Iterator<Item = (&'a str, &'a [&'a str])>) -> Arc<KeyPlaces> {
    let places = |places: &[&str]| places.iter().map(|place| (*place).to_owned()).collect();
    Arc::new(of.map(|(name, begin)| (name.into(), places(begin))).collect())
}

fn stored() -> Vec<Arc<ProviderSettings>> {
    let keys = ["a", "b", "c", "chats"]
        .map(|name| KeySettings { use_for_batch_api: name != "chats", ..key(name, 1.0, &["*"]) });
    vec![provider("amazon", keys.to_vec())]
}

fn usable() -> UsableKeys {
    let places: [(&str, &[&str]); 4] =
        [("a", &["one/p/"]), ("b", &["one/", "two/"]), ("c", &["two/"]), ("chats", &["two/"])];
    [("amazon".into(), keys(places.into_iter()))].into()
}

fn at(place: &str, client: Option<&str>) -> RouterRequest {
    let (provider, place) = (Some("amazon".to_owned()), place.to_owned());
    RouterRequest {
        operation: Operation::FileContent,
        target: weir_types::Target::Place { provider, pin: None, place },
        client_key: client.map(Arc::from),
        ..request("")
    }
}

fn found(catalogs: &Catalogs, request: &RouterRequest) -> Result<String, (FaultCode, String)> {
    let told = |fault: Fault| (fault.code, fault.detail.message.into_owned());
    let route = catalogs.route(request).map_err(told)?;
    route.primary.map(|target| shown(&target)).map_err(told)
}

#[test]
fn a_place_is_asked_of_the_keys_that_reach_it() {
    let catalogs = Catalogs::new(&stored().into(), &usable(), &ClientKeys::default());
    let found_at = |place: &str| found(&catalogs, &at(place, None));
    assert_eq!(found_at("one/p/x"), Ok("amazon/[a,b]".to_owned()));
    assert_eq!(found_at("one/x"), Ok("amazon/[b]".to_owned()));
    assert_eq!(found_at("two/x"), Ok("amazon/[b,c]".to_owned()));
    let (code, why) = found_at("three/x").unwrap_err();
    assert_eq!(code, FaultCode::NotFound);
    assert!(why.contains("`three`") && why.contains("`one`, `two`"), "{why}");
    let unsaid = Catalogs::new(&stored().into(), &UsableKeys::new(), &ClientKeys::default());
    let any = found(&unsaid, &at("three/x", None));
    assert_eq!(any, Ok("amazon/[a,b,c]".to_owned()), "their worker has not spoken yet");
    let mut pinned = at("two/x", None);
    if let weir_types::Target::Place { pin, .. } = &mut pinned.target {
        *pin = Some("c".to_owned());
    }
    assert_eq!(found(&catalogs, &pinned), Ok("amazon/[c]".to_owned()));
}

#[test]
fn where_no_name_is_right_the_beginnings_are_told() {
    let places: [(&str, &[&str]); 2] = [("a", &["one/p/"]), ("b", &["one/q/"])];
    let usable = [("amazon".into(), keys(places.into_iter()))].into();
    let catalogs = Catalogs::new(&stored().into(), &usable, &ClientKeys::default());
    let (code, why) = found(&catalogs, &at("one/", None)).unwrap_err();
    assert_eq!(code, FaultCode::Forbidden);
    assert!(why.contains("`p/`, `q/`"), "{why}");
}

#[test]
fn what_several_clients_reach_is_shown_to_none() {
    let client = |name: &str, keys: &[&str]| {
        let access = ProviderAccess {
            provider: "amazon".to_owned(),
            weight: None,
            allowed_models: ModelList::All,
            blacklisted_models: ModelList::Names(Vec::new()),
            keys: ModelList::Names(keys.iter().map(|&key| key.into()).collect()),
        };
        let providers = vec![Arc::new(access)];
        Arc::new(ClientKeySettings { name: name.into(), providers })
    };
    let clients = vec![client("x", &["a", "b"]), client("y", &["b", "c"])];
    let clients = ClientKeys { keys: clients, are_required: true };
    let catalogs = Catalogs::new(&stored().into(), &usable(), &clients);
    let at = |place: &str, client: &str| found(&catalogs, &at(place, Some(client)));
    assert_eq!(at("one/p/x", "x"), Ok("amazon/[a]".to_owned()));
    assert_eq!(at("two/x", "y"), Ok("amazon/[c]".to_owned()));
    let (code, why) = at("one/x", "x").unwrap_err();
    assert!(code == FaultCode::Forbidden && why.contains("of its own"), "{why}");
    assert_eq!(at("three/x", "y").unwrap_err().0, FaultCode::NotFound);
}

#[test]
fn keys_without_a_secret_at_the_worker_are_left_out() {
    let providers = [
        provider("one", vec![key("a", 1.0, &["m"]), key("b", 1.0, &["m", "n"])]),
        provider("two", vec![key("c", 1.0, &["m"])]),
    ];
    let usable = |names: &[&str]| keys(names.iter().map(|name| (*name, &[][..])));
    let described = UsableKeys::from([("one".into(), usable(&["a"]))]);
    let catalog = Catalog::new(&providers, &described);
    assert_eq!(primary(&catalog, &request("one/m")), Ok("one/m[a]".to_owned()));
    assert_eq!(primary(&catalog, &request("two/m")), Ok("two/m[c]".to_owned()));
    let (code, message) = primary(&catalog, &request("one/n")).unwrap_err();
    assert_eq!(code, FaultCode::NoEligibleKeys);
    assert!(message.contains("`b`"), "{message}");
    assert_eq!(primary(&catalog, &request("n")).unwrap_err().0, FaultCode::NoEligibleKeys);
    let target = for_model("one/m", Some("b"));
    let pinned = RouterRequest { target, ..request("one/m") };
    assert_eq!(primary(&catalog, &pinned).unwrap_err().0, FaultCode::NoEligibleKeys);
    let nobody = UsableKeys::from([("one".into(), usable(&[])), ("two".into(), usable(&["c"]))]);
    let catalog = Catalog::new(&providers, &nobody);
    assert_eq!(primary(&catalog, &request("m")), Ok("two/m[c]".to_owned()));
}
