//! What a client that asked for an unknown path should have asked for. There are too many routes to
//! name all of them to everybody.

use crate::route::{HEALTH, Route};

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
