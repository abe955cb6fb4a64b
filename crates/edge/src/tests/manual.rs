//! `docs/api.md` names everything that a client can meet.

use super::*;
use crate::{names, route};
use weir_types::FaultCode;

const MANUAL: &str = include_str!("../../../../docs/api.md");

#[test]
fn every_error_type_is_listed_with_its_status() {
    for &code in FaultCode::ALL {
        let row = format!("| {} | `{}` |", code.http_status(), code.kind());
        assert!(MANUAL.contains(&row), "{row}");
    }
}

#[test]
fn every_route_and_every_header_is_named() {
    for route in route::ROUTES.iter().filter(|route| route.preferred.is_none()) {
        assert!(MANUAL.contains(&format!("`{}`", route.name)), "{}", route.name);
    }
    assert!(MANUAL.contains(route::HEALTH));
    let incoming = [names::KEY_PIN, names::KEY_PIN_ID, names::DIRECT_KEY, names::LIST_PROVIDER];
    let others = [names::TIMEOUT_MS, names::TRACEPARENT, names::TRACESTATE, names::ACCEL_BUFFERING];
    for name in names::EXPOSED.iter().chain(&incoming).chain(&others) {
        assert!(MANUAL.contains(name.as_str()), "{name}");
    }
}

#[tokio::test]
async fn every_body_in_the_manual_is_one_that_is_taken() {
    let edge = Edge::fine();
    let bodies = MANUAL.split("-d '").skip(1).filter_map(|rest| rest.split_once('\'').map(|b| b.0));
    let mut seen = 0;
    for body in bodies {
        let response = edge.send(post("/v1/chat/completions", body)).await;
        assert_eq!(response.status(), 200, "{body}");
        seen += 1;
    }
    assert!(seen >= 4, "{seen}");
}
