//! What the rooms are told, and that none of it shows a secret when it is printed.

use clap::Parser;
use weir_config::Options;
use weir_telemetry::Telemetry;

use super::*;
use crate::cli::Cli;

const PLANTED: &str = "planted-0123456789";

/// The flags of `weir serve`.
fn flags(given: &[&str]) -> PublicArgs {
    Cli::parse_from([&["weir"], given].concat()).serve.public
}

fn config() -> Config {
    let text = r#"{
  "providers": {
    "openai": {
      "keys": [{"name": "a", "value": "planted-0123456789", "models": ["*"], "weight": 1}],
      "network_config": {"extra_headers": {"x-team": "planted-0123456789"}},
      "proxy_config": {"type": "http", "url": "http://proxy.example:1",
        "username": "me", "password": "planted-0123456789"}
    },
    "groq": {
      "keys": [{"name": "b", "value": "planted-0123456789", "models": ["*"], "weight": 1}],
      "proxy_config": {"type": "socks5", "url": "socks5://me:planted-0123456789@proxy.example:1"}
    }
  }
}"#;
    let options = Options::new(|name| weir_provider::vendor(name).is_some());
    weir_config::parse("test.json", text, &options).unwrap().config
}

#[test]
fn the_workers_settings_hold_secrets_and_do_not_show_them() {
    let workers = workers(&config(), None, &weir_worker::Memory::default());
    let [openai, groq] = &workers[..] else { panic!("{workers:?}") };
    for key in openai.keys.iter().chain(&groq.keys) {
        assert_eq!(key.credential.secrets()[0].expose(), PLANTED);
    }
    assert_eq!(openai.extra_headers[0].1.expose(), PLANTED);
    let weir_upstream::Proxy::Http { credentials: Some(login), .. } = &openai.upstream.proxy else {
        panic!("{:?}", openai.upstream.proxy);
    };
    assert_eq!(login.password.expose(), PLANTED);
    let weir_upstream::Proxy::Socks5 { url, .. } = &groq.upstream.proxy else {
        panic!("{:?}", groq.upstream.proxy);
    };
    assert!(url.expose().contains(PLANTED));
    for settings in workers {
        let shown = format!("{settings:?} {settings:#?}");
        assert!(!shown.contains("planted"), "{shown}");
        let shared = weir_worker::Shared::new(settings, Telemetry::default());
        let shown = format!("{shared:?} {:?}", weir_worker::Worker::new(shared.clone()));
        assert!(!shown.contains("planted"), "{shown}");
    }
}

#[test]
fn the_other_rooms_are_told_no_secret() {
    let config = config();
    let shown = format!(
        "{:?} {:?}",
        edge(&config, (Hosts::default(), &Ids::default()), Budget::default(), &flags(&[])),
        router(&config, Timing::default(), true)
    );
    assert!(shown.contains("openai") && !shown.contains("planted"), "{shown}");
}

#[test]
fn what_clients_have_to_keep_up_is_told_by_flags() {
    let limits = |given: &[&str]| {
        let args = flags(given);
        let edge = edge(&config(), (Hosts::default(), &Ids::default()), Budget::default(), &args);
        let http = crate::parts::client_limits(&args, 1, Budget::default());
        (edge.body_rate_min, http.write_rate_min, edge.stream_time_max)
    };
    assert_eq!(limits(&[]), (1024, 1024, None));
    let given = ["--body-rate-min=0", "--answer-rate-min=7", "--stream-seconds-max=9"];
    assert_eq!(limits(&given), (0, 7, Some(Duration::from_secs(9))));
}

#[test]
fn keys_store_files_where_a_vendor_has_them() {
    let stores = weir_provider::vendors().filter(|vendor| !vendor.stored.is_empty());
    let mut names: Vec<_> = stores.map(|vendor| vendor.name).collect();
    names.sort_unstable();
    assert_eq!(names, weir_config::STORING);
}
