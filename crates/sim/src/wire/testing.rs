//! Asks a format without sockets: a path, headers and a body in, an answer or a refusal out.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use serde_json::{Value, json};

use super::{Asked, Told};
use crate::answer::{self, Done, Making};
use crate::ask::Task;
use crate::call::{Call, key_of};
use crate::refusal::Refusal;

/// What came back.
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Headers of an error.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) model: String,
    pub(crate) streamed: bool,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Names and data of server-sent events; what is no JSON is a text.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        assert!(self.streamed, "{}", String::from_utf8_lossy(&self.body));
        let text = String::from_utf8(self.body.clone()).unwrap().replace("\r\n", "\n");
        let read = |event: &str| {
            let line = |start: &str| event.lines().find_map(|line| line.strip_prefix(start));
            let data = line("data: ").unwrap();
            let data = serde_json::from_str(data).unwrap_or_else(|_| json!(data));
            (line("event: ").unwrap_or_default().to_owned(), data)
        };
        text.trim_end().split("\n\n").map(read).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.events().into_iter().map(|(name, _)| name).collect()
    }

    /// The pieces that a pointer finds in the events, joined.
    pub(crate) fn joined(&self, pointer: &str) -> String {
        let events = self.events();
        events.iter().filter_map(|(_, data)| data.pointer(pointer)?.as_str()).collect()
    }
}

pub(crate) const CHUNKS: u32 = 2;

pub(crate) fn post(target: &str, headers: &[(&str, &str)], body: &Value) -> Said {
    send(&Method::POST, target, headers, body.to_string().as_bytes(), false)
}

pub(crate) fn get(target: &str, headers: &[(&str, &str)]) -> Said {
    send(&Method::GET, target, headers, b"", false)
}

pub(crate) fn send(
    method: &Method,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    lenient: bool,
) -> Said {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = key_of(&map, query);
    let version = Version::HTTP_11;
    let call = Call { version, method, path, query, headers: &map, key: &key, lenient };
    let (wire, route) = super::of(&call);
    let refused = |refusal: &Refusal| {
        let spoken = wire.error(&route, refusal);
        let (status, headers) = (spoken.status, spoken.headers);
        let body = spoken.body.into_bytes();
        Said { status, body, headers, model: String::new(), streamed: false }
    };
    let fine = |body, model: &str, streamed| Said {
        status: 200,
        body,
        headers: Vec::new(),
        model: model.to_owned(),
        streamed,
    };
    match route.asked {
        Asked::Nothing => return refused(&Refusal::no_route(method.as_str(), path)),
        Asked::Models | Asked::Profiles | Asked::Model => {
            return fine(wire.models(&route, &["m1".into(), "m2".into()]), &route.model, false);
        }
        _ => {}
    }
    let ask = match wire.read(&call, &route, body) {
        Ok(ask) => ask,
        Err(refusal) => return refused(&refusal),
    };
    let done = match answer::work(&ask, "chat", Making { answer_bytes: None, dimensions: 16 }) {
        Ok(done) => done,
        Err(refusal) => return refused(&refusal),
    };
    if let (true, Done::Reply(reply), Task::Chat(chat)) = (ask.stream, &done, &ask.task) {
        let events = wire.stream(&route, &ask, Told { chat, reply, chunks: CHUNKS });
        assert_eq!(events.marks.last().unwrap().0, events.bytes.len());
        return fine(events.bytes, &ask.model, true);
    }
    fine(wire.whole(&route, &ask, &done), &ask.model, false)
}

/// `body` with `patch` laid over it: objects member by member, `null` takes away.
pub(crate) fn patched(body: &Value, patch: &Value) -> Value {
    let Some(members) = patch.as_object() else {
        return patch.clone();
    };
    let mut patched = body.as_object().cloned().unwrap_or_default();
    for (name, value) in members {
        if value.is_null() {
            patched.remove(name);
        } else {
            let old = patched.get(name).cloned().unwrap_or(Value::Null);
            patched.insert(name.clone(), self::patched(&old, value));
        }
    }
    Value::Object(patched)
}

/// Every patch must be refused with the status and words beside it.
pub(crate) fn refuses(
    target: &str,
    headers: &[(&str, &str)],
    body: &Value,
    cases: &[(Value, &str)],
) {
    let good = post(target, headers, body);
    assert_eq!(good.status, 200, "{}", String::from_utf8_lossy(&good.body));
    for (patch, says) in cases {
        let said = post(target, headers, &patched(body, patch));
        let text = String::from_utf8_lossy(&said.body).replace("\\\"", "\"");
        assert_eq!(said.status, 400, "{patch} should be refused: {text}");
        assert!(text.contains(says), "{patch}: expected '{says}' in {text}");
    }
}

/// Every patch must be taken.
pub(crate) fn takes(target: &str, headers: &[(&str, &str)], body: &Value, cases: &[Value]) {
    for patch in cases {
        let said = post(target, headers, &patched(body, patch));
        let text = String::from_utf8_lossy(&said.body);
        assert_eq!(said.status, 200, "{patch} should be taken: {text}");
    }
}
