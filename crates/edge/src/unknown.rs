//! What a client that asked for an unknown path should have asked for. There are too many routes to
//! name all of them to everybody.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::route::{HEALTH, Route};

/// What a signature is for, and where that is served.
const SIGNED: [(&str, &str); 1] = [("/s3/aws4_request", "/bedrock/s3")];

/// Where a client should have asked whose request is signed for something that is not served at `path`.
pub(crate) fn elsewhere(path: &str, headers: &HeaderMap) -> Option<&'static str> {
    let signature = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, base) = SIGNED.into_iter().find(|(scope, _)| signature.contains(scope))?;
    let rest = path.strip_prefix(base);
    (!rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))).then_some(base)
}

/// A typo, and not another word.
const TYPO_MAX: usize = 3;

/// What there is near `path`: the route that was most likely meant, and those that begin as it
/// does, or else how paths begin.
pub(crate) fn near(routes: &[Route], path: &str) -> String {
    let meant = meant(routes, path);
    let meant = meant.map_or_else(String::new, |route| format!("; did you mean {}?", route.name));
    let first = first_segment(path);
    let alike = || routes.iter().filter(|route| first_segment(route.path()) == first);
    let alike: Vec<&str> = alike().map(|route| route.name).collect();
    if !alike.is_empty() {
        return format!("{meant}; under /{first} there are {}", alike.join(", "));
    }
    let mut beginnings: Vec<&str> = Vec::new();
    // The short forms of paths are paths of their own, but nobody has to know them.
    let is_short = |route: &Route| {
        routes.iter().any(|other| other.path().strip_prefix("/v1") == Some(route.path()))
    };
    for route in routes.iter().filter(|route| !is_short(route)) {
        let beginning = first_segment(route.path());
        if !beginnings.contains(&beginning) {
            beginnings.push(beginning);
        }
    }
    let example = routes.first().map_or("none", |route| route.name);
    let beginnings = beginnings.join(", /");
    format!("{meant}; paths begin with /{beginnings}, as in {example}; there is GET {HEALTH} too")
}

fn first_segment(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// A path without its beginning, or with a typo.
fn meant<'a>(routes: &'a [Route], path: &str) -> Option<&'a Route> {
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return None;
    }
    let whole = routes.iter().find(|route| route.path().ends_with(path));
    whole.or_else(|| {
        let distance = |route: &'a Route| (strsim::osa_distance(path, route.path()), route);
        let nearest = routes.iter().map(distance).min_by_key(|(distance, _)| *distance)?;
        (nearest.0 <= TYPO_MAX).then_some(nearest.1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::ROUTES;

    #[test]
    fn the_route_that_was_meant_is_named() {
        for (path, expected) in [
            ("/v1/chat/completion", "POST /v1/chat/completions"),
            ("/v1/chat/completions/", "POST /v1/chat/completions"),
            ("/chat/completion", "POST /chat/completions"),
            ("/deployments/{model}/embeddings", "POST /openai/deployments/{model}/embeddings"),
            ("/v1/message", "POST /v1/messages"),
            ("/antropic/v1/messages", "POST /anthropic/v1/messages"),
        ] {
            let said = near(ROUTES, path);
            assert!(said.starts_with(&format!("; did you mean {expected}?")), "{path}: {said}");
        }
        for path in ["/", "//", "", "/favicon.ico", "/v1/nothing-like-it"] {
            assert!(!near(ROUTES, path).contains("did you mean"), "{path}");
        }
    }

    #[test]
    fn who_signs_for_something_is_told_where_that_is() {
        let signed = |service: &str| {
            let scope =
                format!("AWS4-HMAC-SHA256 Credential=A/20260101/r/{service}/aws4_request, x");
            HeaderMap::from_iter([(AUTHORIZATION, scope.parse().unwrap())])
        };
        for (path, service, expected) in [
            ("/bedrock/my-bucket/a/b", "s3", Some("/bedrock/s3")),
            ("/my-bucket", "s3", Some("/bedrock/s3")),
            ("/bedrock/s3x", "s3", Some("/bedrock/s3")),
            ("/bedrock/s3/my-bucket", "s3", None),
            ("/bedrock/s3", "s3", None),
            ("/bedrock/nothing", "bedrock", None),
        ] {
            assert_eq!(elsewhere(path, &signed(service)), expected, "{path} {service}");
        }
        assert_eq!(elsewhere("/bedrock/x", &HeaderMap::new()), None);
    }

    #[test]
    fn only_routes_that_begin_alike_are_listed() {
        let said = near(ROUTES, "/cohere/v2/nothing");
        assert!(said.contains("POST /cohere/v2/chat") && !said.contains("/v1/responses"), "{said}");
        let said = near(ROUTES, "/");
        assert!(
            said.contains("paths begin with /v1, /openai") && said.contains("/health"),
            "{said}"
        );
        assert!(said.len() < 250, "{said}");
    }
}
