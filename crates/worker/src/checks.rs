//! Servers of one's own are asked how they are, before a request finds out.
//!
//! It goes on while a router listens to the worker's descriptions, in the event loop of one that does:
//! so it ends with its listeners, and is done once per process, whatever the number of cores, of
//! routers, and of keys at one server. What follows from it, a rest, is the router's. Knows no pool.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, Request, Uri};
use tokio::time::{Instant, sleep};
use weir_rpc::CheckedKey;
use weir_types::{Content, KeyName, Operation, TraceContext};
use weir_upstream::{Client, Error, Outgoing};

use crate::headers::{self, Expect};
use crate::sender::Sender;
use crate::settings::HealthCheck;
use crate::shared::Key;
use crate::{Live, Shared};

/// A server that is not well is asked so often, if not more often anyway: it is to be back soon.
const AGAIN: Duration = Duration::from_secs(1);
/// So many bad answers in a row count; one that does not come about is enough.
const BAD_MAX: u32 = 2;

/// Asks on and on, as the settings in force say.
pub(crate) async fn run(live: Arc<Live>, client: impl Fn(&Shared) -> Client) -> Infallible {
    let _one_at_a_time = live.checking.lock().await;
    let _forgets = Forgets(&live);
    let mut reloads = live.reloads();
    loop {
        reloads.mark_unchanged();
        let shared = live.present();
        let minds = mind_all(&live, &shared, client(&shared));
        tokio::select! {
            _ = reloads.changed() => {}
            never = minds => match never {},
        }
    }
}

/// What is found out holds for as long as somebody looks.
struct Forgets<'a>(&'a Live);

impl Drop for Forgets<'_> {
    fn drop(&mut self) {
        self.0.found(Vec::clear);
    }
}

/// A server, and the keys that it answers.
struct Server<'a> {
    uri: Uri,
    first: &'a Key,
    names: Vec<&'a KeyName>,
}

async fn mind_all(live: &Live, shared: &Arc<Shared>, client: Client) -> Infallible {
    let servers = shared.health_check.as_ref().map(|check| (check, servers(shared, check)));
    let names = |server: &Server<'_>| server.names.iter().map(|name| (*name).clone()).collect();
    let kept: Vec<Vec<KeyName>> =
        servers.iter().flat_map(|(_, servers)| servers.iter().map(names)).collect();
    // Other keys may have gone, and other addresses come.
    live.found(|checked| checked.retain(|one| kept.iter().flatten().any(|name| *name == one.name)));
    shared.telemetry.metrics.servers_unwell(&shared.provider, 0);
    let Some((check, servers)) = servers else { return std::future::pending().await };
    let minds = servers.iter().map(|server| mind(live, shared, (check, server), &client));
    join_all(minds).await;
    // There is none.
    std::future::pending().await
}

/// Each server once, in the order of the keys.
fn servers<'a>(shared: &'a Shared, check: &HealthCheck) -> Vec<Server<'a>> {
    let mut servers: Vec<Server<'a>> = Vec::new();
    for key in &shared.keys {
        // Addresses may end in the version that paths begin with.
        let base = key.endpoints.base();
        let base = base.strip_suffix("/v1").unwrap_or(base);
        let Ok(uri) = format!("{base}{}", check.path).parse::<Uri>() else {
            tracing::warn!(provider = %shared.provider, key = %key.name, "it has no address to check");
            continue;
        };
        match servers.iter_mut().find(|server| server.uri == uri) {
            Some(server) => server.names.push(&key.name),
            None => servers.push(Server { uri, first: key, names: vec![&key.name] }),
        }
    }
    servers
}

async fn mind(
    live: &Live,
    shared: &Shared,
    (check, server): (&HealthCheck, &Server<'_>),
    client: &Client,
) -> Infallible {
    let mut standing = Standing::default();
    loop {
        let found = ask(shared, check, server, client).await;
        if let Some(found) = &found {
            shared.telemetry.metrics.health_check(&shared.provider, found.is_ok());
        }
        if let Some(found) = found
            && standing.hears(found)
        {
            tell(live, shared, server, standing.trouble.as_deref());
        }
        let is_doubted = standing.bad > 0;
        sleep(if is_doubted { check.interval.min(AGAIN) } else { check.interval }).await;
    }
}

fn tell(live: &Live, shared: &Shared, server: &Server<'_>, trouble: Option<&str>) {
    let (provider, keys) = (shared.provider.as_str(), server.names.as_slice());
    match trouble {
        Some(why) => tracing::warn!(provider, ?keys, why, "a server is not well"),
        None => tracing::info!(provider, ?keys, "a server is well"),
    }
    live.found(|checked| {
        checked.retain(|one| !server.names.contains(&&one.name));
        let now = server.names.iter().map(|name| (*name).clone());
        checked.extend(now.map(|name| CheckedKey { name, trouble: trouble.map(str::to_owned) }));
        shared.telemetry.metrics.servers_unwell(&shared.provider, unwell(shared, checked));
    });
}

/// How many servers are not well.
fn unwell(shared: &Shared, checked: &[CheckedKey]) -> usize {
    let base = |name: &KeyName| shared.key(name).map(|key| key.endpoints.base());
    let unwell = checked.iter().filter(|one| one.trouble.is_some());
    let mut bases: Vec<_> = unwell.filter_map(|one| base(&one.name)).collect();
    bases.sort_unstable();
    bases.dedup();
    bases.len()
}

/// What is wrong.
#[derive(Debug)]
struct Trouble {
    why: String,
    /// Nobody is there: no second look is needed.
    is_certain: bool,
}

/// How a server is, as far as it is known.
#[derive(Debug, Default)]
struct Standing {
    /// Bad answers in a row.
    bad: u32,
    was_heard: bool,
    trouble: Option<String>,
}

impl Standing {
    /// Whether this is news.
    fn hears(&mut self, found: Result<(), Trouble>) -> bool {
        let is_first = !self.was_heard;
        match found {
            Ok(()) => {
                self.bad = 0;
                self.was_heard = true;
                self.trouble.take().is_some() || is_first
            }
            Err(Trouble { why, is_certain }) => {
                self.bad = self.bad.saturating_add(1);
                if self.bad < BAD_MAX && !is_certain {
                    return false;
                }
                self.was_heard = true;
                self.trouble.replace(why.clone()) != Some(why)
            }
        }
    }
}

/// One look; `None` if it shows nothing.
async fn ask(
    shared: &Shared,
    check: &HealthCheck,
    server: &Server<'_>,
    client: &Client,
) -> Option<Result<(), Trouble>> {
    let deadline = Instant::now() + check.timeout;
    let mut found = once(shared, server, client, deadline).await;
    if let Err(Error::Stale(_)) = found {
        found = once(shared, server, client, deadline).await;
    }
    let trouble = |mut why: String, is_certain| {
        server.first.hide(&mut why);
        Trouble { why, is_certain }
    };
    match found {
        Ok(status) if status.is_success() => Some(Ok(())),
        Ok(status) => {
            let why = format!("{} answers {}", server.uri.path(), status.as_u16());
            Some(Err(trouble(why, false)))
        }
        // What is wrong is here.
        Err(Error::Busy { .. } | Error::Request(_)) => None,
        Err(error) => {
            let is_certain = matches!(error, Error::Connect { .. } | Error::ConnectTimeout { .. });
            Some(Err(trouble(error.to_string(), is_certain)))
        }
    }
}

async fn once(
    shared: &Shared,
    server: &Server<'_>,
    client: &Client,
    deadline: Instant,
) -> Result<http::StatusCode, Error> {
    let key = server.first;
    let endpoint = key.endpoints.of(Operation::ListModels, key.model.choices);
    let expect = Expect { stream: None, answer: Content::Bytes, content_type: None };
    let (template, trace) = (&shared.headers, TraceContext::default());
    let headers = endpoint.map(|one| headers::of_call(template, one, &[], &trace, &expect, ""));
    let mut request = Request::new(Outgoing::parts(Vec::new()));
    *request.method_mut() = Method::GET;
    *request.uri_mut() = server.uri.clone();
    *request.headers_mut() = headers.unwrap_or_default();
    let authorizer = endpoint.and_then(|one| one.authorizer.as_deref());
    let sender = Sender { authorizer, client };
    let authorized = sender.authorize(shared, &mut request, deadline).await;
    authorized.map_err(|fault| Error::Request(fault.detail.message.into_owned()))?;
    // Nobody reads the answer: its connection is closed, and the next look makes a new one.
    Ok(client.send(request, deadline).await?.status())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(why: &str, is_certain: bool) -> Result<(), Trouble> {
        Err(Trouble { why: why.to_owned(), is_certain })
    }

    #[test]
    fn a_bad_answer_counts_the_second_time_and_nobody_there_at_once() {
        let mut standing = Standing::default();
        assert!(standing.hears(Ok(())), "the first look is news");
        assert!(!standing.hears(Ok(())));
        assert!(!standing.hears(bad("503", false)));
        assert_eq!(standing.trouble, None);
        // One that passed does not count.
        assert!(!standing.hears(Ok(())) && !standing.hears(bad("503", false)));
        assert!(standing.hears(bad("503", false)) && !standing.hears(bad("503", false)));
        assert_eq!(standing.trouble.as_deref(), Some("503"));
        assert!(standing.hears(bad("refused", true)), "other words are news");
        assert!(standing.hears(Ok(())) && standing.trouble.is_none());
        assert!(standing.hears(bad("refused", true)));
        assert_eq!(standing.trouble.as_deref(), Some("refused"));
    }
}
