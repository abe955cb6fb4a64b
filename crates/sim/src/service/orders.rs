//! Orders: what was asked for is kept until it is fetched, streamed or given up.
//!
//! `latency` is the time that the work takes: an order is open for so long.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Door, Draft, Shared, broken, json_draft};
use crate::answer::{self, Done, Making, text};
use crate::ask::{Ask, Task};
use crate::behaviour::{Behaviour, Breakage, How};
use crate::call::Call;
use crate::plan::{Plan, Spoil, Step};
use crate::refusal::Refusal;
use crate::wire::{Asked, Told};

/// The oldest go first.
const ORDERS_MAX: usize = 10_000;

/// Work takes longer than the answer to its order, if that is not held back.
const BEGINNING: Duration = Duration::from_secs(1);

/// Every order that can still be asked for.
#[derive(Debug, Default)]
pub(crate) struct Orders(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    orders: BTreeMap<String, Order>,
    ids: VecDeque<String>,
    count: u64,
}

#[derive(Debug, Clone)]
struct Order {
    /// Whose.
    key: String,
    /// As it is when its work is done.
    done: Value,
    events: Plan,
    due: Instant,
    is_canceled: bool,
}

impl Order {
    fn is_open(&self) -> bool {
        !self.is_canceled && Instant::now() < self.due
    }

    /// As it is now.
    fn now(&self) -> Value {
        let mut now = self.done.clone();
        if self.is_canceled || self.is_open() {
            now["status"] = json!(if self.is_canceled { "canceled" } else { "processing" });
            for name in ["output", "error", "metrics", "completed_at"] {
                now[name] = Value::Null;
            }
        }
        now
    }
}

impl Orders {
    fn with<T>(&self, work: impl FnOnce(&mut Book) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn id(&self, parts: &[&[u8]]) -> String {
        let nth = self.with(|book| {
            book.count += 1;
            book.count
        });
        text::id(&text::id("", text::hash(parts)), nth)
    }

    fn keep(&self, id: &str, order: Order) {
        self.with(|book| {
            if book.ids.len() >= ORDERS_MAX
                && let Some(oldest) = book.ids.pop_front()
            {
                book.orders.remove(&oldest);
            }
            book.ids.push_back(id.to_owned());
            book.orders.insert(id.to_owned(), order);
        });
    }

    /// The order of whoever calls with `key`.
    fn of(&self, id: &str, key: &str) -> Option<Order> {
        self.with(|book| book.orders.get(id).filter(|order| order.key == key).cloned())
    }

    fn cancel(&self, id: &str, key: &str) -> Option<Order> {
        self.with(|book| {
            let order = book.orders.get_mut(id).filter(|order| order.key == key)?;
            order.is_canceled |= order.is_open();
            Some(order.clone())
        })
    }
}

impl Door<'_> {
    /// Takes an order; its answer is held back as the call prefers.
    pub(super) async fn take(
        self,
        shared: &Shared,
        call: &Call<'_>,
        ask: &Ask<'_>,
        behaviour: &Behaviour,
    ) -> Draft {
        let Some(wait) = preferred(call.header("prefer")) else {
            return self.error(&Refusal::bad_request("Prefer: wait takes 1 to 60 seconds"));
        };
        let order = match self.made(shared, call, ask, behaviour) {
            Ok(order) => order,
            Err(refusal) => return self.error(&refusal),
        };
        let id = order.done.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        shared.orders.keep(&id, order.clone());
        tokio::time::sleep_until(order.due.min(Instant::now() + wait)).await;
        let mut order = shared.orders.of(&id, call.key).unwrap_or(order);
        if wait.is_zero() {
            // Nothing is done in the moment of the order.
            order.due = Instant::now() + BEGINNING;
        }
        // Of a stream it is the events that break.
        let breakage = behaviour.breakage.filter(|_| !ask.stream);
        let told = Behaviour { breakage, ..behaviour.clone() };
        Draft { status: 201, ..self.shown(&order, &told) }
    }

    /// What has become of an order, its events, or that it is given up.
    pub(super) fn tell(self, shared: &Shared, call: &Call<'_>, behaviour: &Behaviour) -> Draft {
        let (id, key) = (&*self.route.model, call.key);
        let found = match self.route.asked {
            Asked::Cancel => shared.orders.cancel(id, key),
            Asked::Order | Asked::Events => shared.orders.of(id, key),
            _ => return self.listing(shared, call, behaviour),
        };
        let Some(order) = found else {
            return self.error(&Refusal::of_status(404, ""));
        };
        if self.route.asked != Asked::Events {
            return self.shown(&order, behaviour);
        }
        if !call.header("accept").starts_with("text/event-stream") {
            return self.error(&Refusal::of_status(406, ""));
        }
        let mut plan = order.events;
        let wait = order.due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            plan.steps.insert(0, Step::Wait(wait));
        }
        Draft { content_type: self.wire.stream_type(self.route), ..json_draft(plan) }
    }

    fn shown(self, order: &Order, behaviour: &Behaviour) -> Draft {
        // An error is what the order came to, not how it is told.
        let told = Behaviour {
            breakage: behaviour.breakage.filter(|breakage| !is_error(Some(*breakage))),
            ..behaviour.clone()
        };
        self.json(order.now().to_string().into_bytes(), &told)
    }

    fn made(
        self,
        shared: &Shared,
        call: &Call<'_>,
        ask: &Ask<'_>,
        behaviour: &Behaviour,
    ) -> Result<Order, Refusal> {
        let Door { wire, route } = self;
        let settings = &shared.settings;
        let answer_bytes = behaviour.answer_bytes.or(settings.answer_bytes);
        let making = Making { answer_bytes, dimensions: settings.dimensions };
        let made = answer::work(ask, "order", making)?;
        let mut done: Value =
            serde_json::from_slice(&wire.whole(route, ask, &made)).unwrap_or_default();
        let id = shared.orders.id(&[call.path.as_bytes(), ask.model.as_bytes()]);
        done["id"] = json!(id);
        done["urls"] = urls(call, &id);
        if is_error(behaviour.breakage) {
            done["status"] = json!("failed");
            done["output"] = Value::Null;
            let code = behaviour.code.as_deref().unwrap_or("E1000");
            done["error"] = json!(format!("The prediction failed. ({code})"));
        }
        let events = match (&made, &ask.task) {
            (Done::Reply(reply), Task::Chat(chat)) => {
                let chunks = behaviour.chunks.unwrap_or(settings.chunks);
                wire.stream(route, ask, Told { chat, reply, chunks })
            }
            _ => answer::events::Events::default(),
        };
        let interval = behaviour.interval.unwrap_or(settings.interval);
        let events = Plan::stream(events, interval, behaviour, |what, earlier| match what {
            Spoil::Garbage => wire.garbage_event(route),
            Spoil::Error => wire.error_event(route, &broken(behaviour), earlier),
        });
        let due = Instant::now() + behaviour.latency.unwrap_or(settings.latency);
        Ok(Order { key: call.key.to_owned(), done, events, due, is_canceled: false })
    }
}

fn is_error(breakage: Option<Breakage>) -> bool {
    matches!(breakage, Some(Breakage::InBody { how: How::Error, .. }))
}

/// How long an answer is to be held back; `None`: not as it may be said.
fn preferred(header: &str) -> Option<Duration> {
    let seconds = match header.strip_prefix("wait") {
        None => 0,
        Some("") => 60,
        Some(rest) => {
            let seconds = rest.strip_prefix('=')?.parse().ok()?;
            (1..=60).contains(&seconds).then_some(seconds)?
        }
    };
    Some(Duration::from_secs(seconds))
}

/// Where an order is, for whoever sees this server as `call` does.
fn urls(call: &Call<'_>, id: &str) -> Value {
    let (before, _) = call.path.split_once("/v1/").unwrap_or_default();
    let at = format!("http://{}{before}/v1", call.header("host"));
    json!({
        "get": format!("{at}/predictions/{id}"),
        "cancel": format!("{at}/predictions/{id}/cancel"),
        "stream": format!("{at}/stream/{id}"),
    })
}
