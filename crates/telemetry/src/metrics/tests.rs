//! What the page says, and that clients cannot make it grow.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::*;

const RECORD: RequestRecord<'static> = RequestRecord {
    client_key: None,
    operation: Some(Operation::Chat),
    provider: "openai",
    status: 200,
    stream: true,
    duration: Duration::from_millis(1500),
    first_byte: Some(Duration::from_millis(40)),
    usage: Usage {
        input_tokens: 7,
        output_tokens: 5,
        reasoning_tokens: 0,
        cached_input_tokens: 0,
        cache_write_tokens: 0,
    },
    broken: false,
};

/// Series with their values; fails on a line that is neither comment nor sample.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect(line);
            assert!(series.starts_with("weir_"), "{line}");
            (series.to_owned(), value.parse().expect(line))
        })
        .collect()
}

#[test]
fn a_request_of_a_client_key_is_counted_for_the_key_too() {
    let metrics = Metrics::default();
    let refused = RequestRecord { status: 429, usage: Usage::default(), ..RECORD };
    let odd = RequestRecord { status: 599, ..refused.clone() };
    for (client_key, record) in [("a", &RECORD), ("b", &RECORD), ("a", &RECORD), ("a", &refused)] {
        metrics.request_started();
        metrics.request_finished(&RequestRecord { client_key: Some(client_key), ..record.clone() });
    }
    metrics.request_finished(&RequestRecord { client_key: Some("b"), ..odd });
    let page = parsed(&metrics.render());
    let of_keys: Vec<_> = page.iter().filter(|(series, _)| series.contains("client_key")).collect();
    let expected = [
        (r#"weir_client_key_requests_total{client_key="a",status="200"}"#, 2.0),
        (r#"weir_client_key_requests_total{client_key="a",status="429"}"#, 1.0),
        (r#"weir_client_key_requests_total{client_key="b",status="200"}"#, 1.0),
        (r#"weir_client_key_requests_total{client_key="b",status="5xx"}"#, 1.0),
        (r#"weir_client_key_tokens_total{client_key="a",kind="input"}"#, 14.0),
        (r#"weir_client_key_tokens_total{client_key="a",kind="output"}"#, 10.0),
        (r#"weir_client_key_tokens_total{client_key="b",kind="input"}"#, 7.0),
        (r#"weir_client_key_tokens_total{client_key="b",kind="output"}"#, 5.0),
    ];
    let found: Vec<_> = of_keys.iter().map(|(series, value)| (series.as_str(), **value)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_request_is_counted_everywhere() {
    let metrics = Metrics::default();
    metrics.register("openai", ["a"]);
    metrics.request_started();
    metrics.request_started();
    metrics.request_finished(&RECORD);
    let page = parsed(&metrics.render());
    let labels = r#"provider="openai",operation="chat",stream="true""#;
    for (series, value) in [
        ("weir_requests_in_flight".to_owned(), 1.0),
        (format!("weir_requests_total{{{labels},status=\"200\"}}"), 1.0),
        (format!("weir_request_duration_seconds_sum{{{labels}}}"), 1.5),
        (format!("weir_request_duration_seconds_bucket{{le=\"1.0\",{labels}}}"), 0.0),
        (format!("weir_request_duration_seconds_bucket{{le=\"2.5\",{labels}}}"), 1.0),
        (format!("weir_request_duration_seconds_bucket{{le=\"+Inf\",{labels}}}"), 1.0),
        (format!("weir_time_to_first_byte_seconds_count{{{labels}}}"), 1.0),
        (r#"weir_tokens_total{provider="openai",kind="input"}"#.to_owned(), 7.0),
        (r#"weir_tokens_total{provider="openai",kind="output"}"#.to_owned(), 5.0),
    ] {
        assert_eq!(page.get(&series), Some(&value), "{series} in {page:#?}");
    }
    assert!(!page.keys().any(|series| series.contains("answers_broken")));
    assert!(!page.keys().any(|series| series.contains("client_key")));
}

#[test]
fn the_configuration_in_force_is_one() {
    let metrics = Metrics::default();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    metrics.configuration("a1", at);
    metrics.reloaded(false);
    let page = parsed(&metrics.render());
    let reloads = |outcome: &str| format!("weir_config_reloads_total{{outcome=\"{outcome}\"}}");
    assert_eq!((page["weir_config_stale"], page[&reloads("refused")]), (1.0, 1.0));
    assert_eq!(page[&reloads("taken")], 0.0);
    assert_eq!(page["weir_config_loaded_timestamp_seconds"], 1_700_000_000.0);
    metrics.reloaded(true);
    metrics.configuration("b2", at);
    let page = parsed(&metrics.render());
    let versions: Vec<_> = page.keys().filter(|series| series.contains("config_version")).collect();
    assert_eq!(versions, ["weir_config_version{version=\"b2\"}"]);
    assert_eq!((page["weir_config_stale"], page[&reloads("taken")]), (0.0, 1.0));
}

#[test]
fn the_other_rooms_are_counted() {
    let metrics = Metrics::default();
    metrics.register("openai", ["a"]);
    metrics.granted("openai", "a", Duration::from_millis(3));
    metrics.attempt("openai", "a", Some(FailureClass::RateLimited));
    metrics.attempt("openai", "a", None);
    metrics.dropped("openai");
    metrics.cooled("openai", "key_model");
    metrics.not_retried("openai");
    metrics.pool("openai", 3, 2, 1);
    metrics.pool_limits("openai", 8, 100);
    metrics.first_token("openai", Operation::Chat, Duration::from_millis(2));
    metrics.upstream_connections("openai", || Some(4));
    metrics.insecure("openai", true);
    metrics.health_check("openai", false);
    metrics.servers_unwell("openai", 2);
    let page = parsed(&metrics.render());
    for (series, value) in [
        (r#"weir_grants_total{provider="openai",key="a"}"#, 1.0),
        (r#"weir_queue_wait_seconds_bucket{le="0.005",provider="openai"}"#, 1.0),
        (r#"weir_attempts_total{provider="openai",key="a",outcome="rate_limited"}"#, 1.0),
        (r#"weir_attempts_total{provider="openai",key="a",outcome="ok"}"#, 1.0),
        (r#"weir_requests_dropped_total{provider="openai"}"#, 1.0),
        (r#"weir_requests_not_retried_total{provider="openai"}"#, 1.0),
        (r#"weir_cooldowns_total{provider="openai",scope="key_model"}"#, 1.0),
        (r#"weir_pool_leases{provider="openai"}"#, 3.0),
        (r#"weir_queue_depth{provider="openai"}"#, 2.0),
        (r#"weir_pool_cooling{provider="openai"}"#, 1.0),
        (r#"weir_pool_concurrency{provider="openai"}"#, 8.0),
        (r#"weir_queue_limit{provider="openai"}"#, 100.0),
        (r#"weir_time_to_first_token_seconds_count{provider="openai",operation="chat"}"#, 1.0),
        (r#"weir_upstream_connections{provider="openai"}"#, 4.0),
        (r#"weir_upstream_insecure{provider="openai"}"#, 1.0),
        (r#"weir_health_checks_total{provider="openai",outcome="unwell"}"#, 1.0),
        (r#"weir_servers_unwell{provider="openai"}"#, 2.0),
    ] {
        assert_eq!(page.get(series), Some(&value), "{series} in {page:#?}");
    }
}

#[test]
fn connections_are_counted_when_the_page_is_asked_for() {
    let metrics = Metrics::default();
    metrics.register("openai", ["a"]);
    let counted = Arc::new(AtomicUsize::new(3));
    let count = Arc::downgrade(&counted);
    metrics.upstream_connections("openai", move || Some(count.upgrade()?.load(Relaxed)));
    let shown = || {
        parsed(&metrics.render()).get(r#"weir_upstream_connections{provider="openai"}"#).copied()
    };
    assert_eq!(shown(), Some(3.0));
    counted.store(5, Relaxed);
    assert_eq!(shown(), Some(5.0));
    drop(counted);
    assert_eq!(shown(), Some(0.0), "a provider that is gone");
    metrics.upstream_connections("openai", || Some(1));
    assert_eq!(shown(), Some(1.0), "and back again");
}

#[test]
fn unknown_names_make_no_series() {
    let metrics = Metrics::default();
    metrics.register("openai", ["a"]);
    let use_all = |provider: &str, key: &str, status: u16| {
        metrics.request_finished(&RequestRecord { provider, status, broken: true, ..RECORD });
        metrics.granted(provider, key, Duration::ZERO);
        metrics.attempt(provider, key, None);
        metrics.attempt(provider, key, Some(FailureClass::Silent));
        metrics.dropped(provider);
        metrics.cooled(provider, "key");
    };
    use_all("openai", "a", 200);
    use_all("x", "y", 200);
    use_all("openai", "y", 200);
    (100..1100).for_each(|status| use_all("openai", "a", status));
    let before = parsed(&metrics.render()).len();
    for number in 0..1000 {
        use_all(&format!("provider-{number}"), &format!("key-{number}"), 200);
        use_all("openai", &format!("key-{number}"), 200);
    }
    let page = parsed(&metrics.render());
    assert_eq!(page.len(), before);
    let grants = r#"weir_grants_total{provider="other",key="other"}"#;
    assert_eq!(page.get(grants), Some(&1001.0));
    let statuses = page.keys().filter(|series| series.contains("weir_requests_total")).count();
    assert!(statuses < 30, "{statuses}");
}

#[test]
fn counts_survive_a_new_registration() {
    let metrics = Metrics::default();
    metrics.register("openai", ["a"]);
    metrics.granted("openai", "a", Duration::ZERO);
    metrics.register("openai", ["a", "b"]);
    metrics.granted("openai", "a", Duration::ZERO);
    metrics.granted("openai", "b", Duration::ZERO);
    let page = parsed(&metrics.render());
    assert_eq!(page.get(r#"weir_grants_total{provider="openai",key="a"}"#), Some(&2.0));
    assert_eq!(page.get(r#"weir_grants_total{provider="openai",key="b"}"#), Some(&1.0));
}

#[test]
fn nobody_answered_is_none() {
    let metrics = Metrics::default();
    let record = RequestRecord { provider: "", operation: None, status: 404, ..RECORD };
    metrics.request_finished(&record);
    let text = metrics.render();
    assert!(text.contains(r#"provider="none",operation="none""#), "{text}");
}

#[test]
fn names_cannot_break_the_page() {
    let metrics = Metrics::default();
    metrics.register("a\"b\nc", ["k"]);
    metrics.dropped("a\"b\nc");
    let page = parsed(&metrics.render());
    assert!(page.keys().any(|series| series.contains(r#"a\"b\nc"#)), "{page:#?}");
}
