//! What the table says of names that it has, and of those that are like them.

use super::*;

const ANTHROPIC: Dialect = Dialect::AnthropicMessages;
const OPENAI: Dialect = Dialect::OpenAiChat;

#[test]
fn the_table_is_in_order_and_says_one_thing_of_a_name() {
    assert!(TABLE.is_sorted_by(|(a, _), (b, _)| a < b));
    for (name, class) in TABLE {
        assert_eq!(header_class(name), Some(*class));
        assert_eq!(plain_name(name), *name);
    }
}

/// However it is written.
fn spellings(name: &str) -> [String; 4] {
    [name.to_owned(), name.to_uppercase(), name.replace('-', "_"), name.replacen('-', "_", 1)]
}

#[test]
fn credentials_and_framing_pass_nowhere() {
    for (name, class) in TABLE {
        let is_clients =
            matches!(class, HeaderClass::Feature(_) | HeaderClass::Version(_) | HeaderClass::Wish);
        let gateways = matches!(class, HeaderClass::Message | HeaderClass::Request);
        let dialect = match class {
            HeaderClass::Feature(dialect) | HeaderClass::Version(dialect) => *dialect,
            _ => ANTHROPIC,
        };
        for name in spellings(name) {
            let may = client_may(&name, dialect);
            assert_eq!(matches!(may, ClientMay::Send), is_clients, "{name}");
            assert_eq!(matches!(may, ClientMay::Never(_)), !is_clients, "{name}");
            assert_eq!(provider_takes(&name, dialect, &[], true), is_clients, "{name}");
            assert_eq!(operator_may_set(&name), !gateways, "{name}");
        }
        assert_eq!(answered_as(name), None, "{name}");
    }
}

#[test]
fn what_looks_like_a_credential_or_says_where_from_passes_under_no_name() {
    for name in [
        "x-authorization",
        "proxy-authorization",
        "cf-aig-authorization",
        "x-goog-iam-authorization-token",
        "ocp-apim-subscription-key",
        "private-token",
        "x-amz-security-token",
        "x-amz-date",
        "x-amz-content-sha256",
        "xi-api-key",
        "api-key",
        "x-apikey",
        "openai-api-key-2",
        "x-functions-key",
        "x-auth",
        "x-auth-user",
        "x-authtoken",
        "x-access-token",
        "x-csrf-token",
        "x-client-secret",
        "x-secret-id",
        "x-password",
        "x-jwt-assertion",
        "cookie2",
        "x-cookie",
        "x-hub-signature-256",
        "x-ms-client-principal",
        "www-authenticate",
        "x-forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-original-url",
        "forwarded",
        "via",
        "x-real-ip",
        "sec-fetch-site",
        "access-control-request-method",
        "proxy-anything",
        "x-bf-anything",
        "x-weir-provider",
    ] {
        for name in spellings(name) {
            assert!(matches!(client_may(&name, OPENAI), ClientMay::Never(_)), "{name}");
            assert!(!provider_takes(&name, OPENAI, &[&name], true), "{name}");
        }
    }
    for name in ["x-team", "x-author", "x-tokens", "x-keyboard", "x-monkey", "x-max-tokens-mode"] {
        assert_eq!(client_may(name, OPENAI), ClientMay::IfListed, "{name}");
    }
    assert!(matches!(client_may("", OPENAI), ClientMay::Never(_)));
}

#[test]
fn features_go_to_their_format_only() {
    assert!(passes_by_itself("anthropic-beta", ANTHROPIC));
    assert!(passes_by_itself("Anthropic_Version", ANTHROPIC));
    assert!(!passes_by_itself("anthropic-beta", OPENAI));
    assert!(!passes_by_itself("x-custom", OPENAI) && !passes_by_itself("openai-beta", OPENAI));
    for name in ["anthropic-beta", "anthropic_version"] {
        assert!(provider_takes(name, ANTHROPIC, &[], false));
        assert!(!provider_takes(name, OPENAI, &[], true));
    }
    // What a format is asked to do may be wished from another; which version it has may not.
    assert_eq!(client_may("anthropic-beta", OPENAI), ClientMay::Send);
    assert!(matches!(client_may("anthropic-version", OPENAI), ClientMay::Never(_)));
}

#[test]
fn wishes_go_to_vendors_that_take_them_or_where_the_operator_says() {
    for (name, wishes, is_listed, takes) in [
        ("openai-beta", &["openai-beta"][..], false, true),
        ("OpenAI_Beta", &["openai-beta"], false, true),
        ("openai-beta", &[], false, false),
        ("openai-beta", &[], true, true),
        ("x-team", &["openai-beta"], false, false),
        ("x-team", &[], true, true),
        ("", &[], true, false),
    ] {
        assert_eq!(provider_takes(name, OPENAI, wishes, is_listed), takes, "{name} {wishes:?}");
    }
    assert_eq!(sent_as("OPENAI_beta"), "openai-beta");
    assert_eq!(sent_as("x_team"), "x_team");
}

#[test]
fn patterns_take_any_spelling() {
    for (pattern, name, matches) in [
        ("X-Custom-*", "x-custom-a", true),
        ("x_custom_*", "X-Custom-A", true),
        ("x-custom-a", "x_custom_a", true),
        ("x-custom", "x-custom-a", false),
        ("x-custom-a", "x-custom", false),
        ("*", "anything", true),
    ] {
        assert_eq!(HeaderPattern::new(pattern).matches(name), matches, "{pattern} {name}");
    }
}

#[test]
fn answers_tell_of_limits_and_ids() {
    assert_eq!(answered_as("x-request-id"), Some("x-upstream-request-id"));
    assert_eq!(answered_as("x-ratelimit-remaining"), Some("x-ratelimit-remaining"));
    assert_eq!(answered_as("openai-processing-ms"), Some("openai-processing-ms"));
    for name in ["x-ratelimit-limit-tokens", "anthropic-ratelimit-input-tokens-remaining"] {
        assert_eq!(answered_as(name), Some(name));
    }
    assert_eq!(answered_as("server"), None);
    assert_eq!(answered_as(LOSSES), Some(LOSSES));
}
