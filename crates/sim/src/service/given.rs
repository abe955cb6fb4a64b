//! Answers that are not made of what was said: media that are there as bytes, files and batches.

use bytes::Bytes;

use super::{Door, Draft, Shared, broken, json_draft};
use crate::Settings;
use crate::answer::events::{Events, Kind};
use crate::answer::{self, Done, Making};
use crate::ask::{Ask, Ready, Task};
use crate::behaviour::Behaviour;
use crate::call::Call;
use crate::plan::{Plan, Spoil};
use crate::refusal::Refusal;
use crate::wire::Told;

impl Door<'_> {
    /// An answer that is there as `bytes`, and as events if a stream is wanted.
    pub(super) fn media(
        self,
        settings: &Settings,
        ready: &Ready,
        (bytes, stream): (&[u8], bool),
        behaviour: &Behaviour,
    ) -> Draft {
        let Door { wire, route } = self;
        let interval = behaviour.interval.unwrap_or(settings.interval);
        let spoil = |what, earlier| match what {
            Spoil::Garbage => wire.garbage_event(route),
            Spoil::Error => wire.error_event(route, &broken(behaviour), earlier),
        };
        match &ready.events {
            Some(events) if stream => {
                let plan = Plan::stream(events.clone(), interval, behaviour, spoil);
                Draft { content_type: wire.stream_type(route), ..json_draft(plan) }
            }
            _ if ready.is_long => {
                let mut events = Events::default();
                let pieces = behaviour.chunks.unwrap_or(settings.chunks).max(1) as usize;
                for piece in bytes.chunks(bytes.len().div_ceil(pieces).max(1)) {
                    events.raw(Kind::Content, |out| out.extend_from_slice(piece));
                }
                let plan = Plan::stream(events, interval, behaviour, spoil);
                Draft { content_type: ready.kind, ..json_draft(plan) }
            }
            _ => Draft { content_type: ready.kind, ..self.json(bytes.to_vec(), behaviour) },
        }
    }

    /// An answer that is kept, where the service keeps answers.
    ///
    /// # Errors
    /// What the service would refuse.
    pub(super) fn kept(
        self,
        shared: &Shared,
        (call, body): (&Call<'_>, &Bytes),
        ask: &Ask<'_>,
        behaviour: &Behaviour,
    ) -> Result<Draft, Refusal> {
        let Door { wire, route } = self;
        shared.store.check_files(call, body)?;
        if wire.keeps() {
            shared.store.check_earlier(call, body)?;
        }
        let draft = self.answer(&shared.settings, ask, behaviour)?;
        let (Task::Chat(chat), true) = (&ask.task, wire.keeps()) else { return Ok(draft) };
        let answer_bytes = behaviour.answer_bytes.or(shared.settings.answer_bytes);
        let making = Making { answer_bytes, dimensions: shared.settings.dimensions };
        let done = answer::work(ask, "chat", making)?;
        let events = match &done {
            Done::Reply(reply) if ask.stream => {
                let chunks = behaviour.chunks.unwrap_or(shared.settings.chunks);
                Some(wire.stream(route, ask, Told { chat, reply, chunks }))
            }
            _ => None,
        };
        let document = wire.whole(route, ask, &done);
        let begun = shared.store.keep_response(call, body, &document, events);
        Ok(match begun.filter(|_| !ask.stream) {
            Some(begun) => self.json(begun, behaviour),
            None => draft,
        })
    }

    /// Files, batches and responses.
    pub(super) fn stored(
        self,
        shared: &Shared,
        call: &Call<'_>,
        body: &Bytes,
        behaviour: &Behaviour,
    ) -> Draft {
        match shared.store.answer(call, body, shared.settings.batch_time) {
            Ok(given) => {
                let plan = self.json(given.body.to_vec(), behaviour).plan;
                let (status, content_type) = (given.status, given.content_type);
                Draft { status, content_type, headers: given.headers, plan }
            }
            Err(refusal) => self.error(&refusal),
        }
    }
}
