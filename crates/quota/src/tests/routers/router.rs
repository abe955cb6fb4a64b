//! A router that keeps the protocol whatever the network does.
//!
//! It re-sends what was not answered, says hello and restates when in doubt, and knows nothing of
//! the pool but what replies told it.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_types::KeyName;

use super::SLOTS;
use crate::conformance::limits;
use crate::tests::support::Dice;
use crate::{
    Acquire, Answer, Batch, BatchReply, Class, Command, Event, Health, HeldLease, Incarnation,
    Micros, Note, Outcome, Scope, TicketId,
};

/// What a request does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    /// Its acquire, or the command it is a `then` of, is not answered.
    Asking,
    Waiting,
    /// An upstream call, up to this moment.
    Running(Micros),
    /// The end of its lease is not answered.
    Ending,
}

#[derive(Debug, Clone)]
pub(super) struct Request {
    stage: Stage,
    ask: Acquire,
    arrival: u64,
    key: Option<KeyName>,
    rotations: u32,
    retries: u32,
}

pub(super) struct Router {
    id: Incarnation,
    session: u64,
    /// The last one that it was given.
    last_session: u64,
    sequence: u64,
    heard: u64,
    numbers: u64,
    pub(super) requests: BTreeMap<TicketId, Request>,
    /// Not yet sent, or not yet answered.
    pub(super) outbox: Vec<Command>,
    must_restate: bool,
    renewed: Micros,
}

impl Router {
    pub(super) fn new(id: u64) -> Self {
        Self {
            id: Incarnation(id),
            session: 0,
            last_session: 0,
            sequence: 0,
            heard: 0,
            numbers: 0,
            requests: BTreeMap::new(),
            outbox: Vec::new(),
            must_restate: true,
            renewed: 0,
        }
    }

    pub(super) fn ask(&mut self, dice: &mut Dice, delay: Micros) -> Acquire {
        self.numbers += 1;
        let keys = if dice.percent(30) { vec!["k"] } else { vec!["k", "l"] };
        Acquire {
            ticket: TicketId { router: self.id, number: self.numbers },
            class: Class {
                model: Arc::from("m"),
                operation: Arc::from("chat"),
                keys: keys.into_iter().map(KeyName::from).collect(),
            },
            delay,
            deadline: 3_600_000_000,
            arrival: None,
            wait_for_cooldown: dice.percent(50),
        }
    }

    pub(super) fn start(&mut self, ask: Acquire, retries: u32) {
        let id = ask.ticket;
        let (stage, arrival) = (Stage::Asking, ask.arrival.unwrap_or(0));
        let request = Request { stage, ask, arrival, key: None, rotations: 0, retries };
        self.requests.insert(id, request);
    }

    pub(super) fn running(&self) -> usize {
        self.requests.values().filter(|one| matches!(one.stage, Stage::Running(_))).count()
    }

    /// What happens by itself: calls end, callers give up, leases are renewed.
    pub(super) fn live(&mut self, now: Micros, dice: &mut Dice) {
        for (id, request) in self.requests.clone() {
            match request.stage {
                Stage::Running(until) if until <= now => self.end_call(id, &request, dice),
                Stage::Running(_) | Stage::Ending => {}
                _ if dice.below(60) == 0 => self.give_up(id),
                Stage::Asking | Stage::Waiting => {}
            }
        }
        if now - self.renewed > 3_000_000 {
            self.renewed = now;
            let held = self.held();
            if !held.is_empty() {
                self.outbox.push(Command::Renew(held));
            }
        }
    }

    fn end_call(&mut self, lease: TicketId, request: &Request, dice: &mut Dice) {
        let key = request.key.clone().unwrap();
        let scope = Scope::KeyModel(key, Arc::from("m"));
        let cool = Health::Cool {
            scope: scope.clone(),
            retry_after: None,
            base: 300_000,
            max: 5_000_000,
            missing: false,
            note: Note::default(),
        };
        let good = dice.percent(60) || request.retries > 3;
        let outcome = Outcome { health: vec![if good { Health::Well(scope) } else { cool }] };
        let then = (!good && dice.percent(70)).then(|| {
            let delay = dice.below(800_000);
            let ask = Acquire { arrival: Some(request.arrival), ..self.ask(dice, delay) };
            self.start(ask.clone(), request.retries + 1);
            ask
        });
        if !good && dice.percent(60) {
            let class = request.ask.class.clone();
            let attempt = request.rotations + 1;
            self.outbox.push(Command::Rotate { lease, attempt, outcome, class, then });
        } else if good && dice.percent(15) {
            self.outbox.push(Command::Leave(lease));
        } else {
            self.outbox.push(Command::Settle { lease, outcome, then });
        }
        self.requests.get_mut(&lease).unwrap().stage = Stage::Ending;
    }

    /// A withdrawn acquire is not sent again, only its leave. One that rides on the end of a
    /// lease stays with it.
    fn give_up(&mut self, id: TicketId) {
        if self.outbox.iter().any(|command| then_of(command).is_some_and(|t| t.ticket == id)) {
            return;
        }
        self.outbox.retain(|command| match command {
            Command::Acquire(ask) => ask.ticket != id,
            _ => true,
        });
        self.outbox.push(Command::Leave(id));
        self.requests.remove(&id);
    }

    fn held(&self) -> Vec<HeldLease> {
        let running = |one: &Request| matches!(one.stage, Stage::Running(_));
        let held = self.requests.iter().filter(|(_, one)| running(one));
        held.map(|(&lease, one)| HeldLease {
            lease,
            key: one.key.clone().unwrap(),
            model: Arc::from("m"),
        })
        .collect()
    }

    /// Everything but acquires that stand alone and are not answered: those are sent again.
    fn restate(&self) -> Command {
        let rides = |id: TicketId| {
            self.outbox.iter().any(|command| then_of(command).is_some_and(|t| t.ticket == id))
        };
        let waits = |id: TicketId, one: &Request| match one.stage {
            Stage::Waiting => true,
            Stage::Asking => rides(id),
            Stage::Running(_) | Stage::Ending => false,
        };
        let waiting = self.requests.iter().filter(|&(&id, one)| waits(id, one));
        let tickets =
            waiting.map(|(_, one)| Acquire { arrival: Some(one.arrival), ..one.ask.clone() });
        Command::Restate { leases: self.held(), tickets: tickets.collect() }
    }

    pub(super) fn batch(&mut self) -> Batch {
        if self.session == 0 {
            return Batch { heard: self.last_session, ..Batch::hello(self.id) };
        }
        let mut commands = Vec::new();
        if self.must_restate {
            let keys = limits(SLOTS, 6, &[("k", 2.0), ("l", 1.0)]);
            commands.push(Command::SetLimits { limits: keys, replaces: None });
            // Renewals that a restate replaces are not sent again.
            self.outbox.retain(|command| !matches!(command, Command::Renew(_)));
            commands.push(self.restate());
        }
        commands.extend(self.outbox.iter().cloned());
        commands.truncate(crate::COMMANDS_MAX);
        self.sequence += 1;
        let (session, sequence) = (self.session, self.sequence);
        let heard = self.heard;
        Batch { session, sequence, heard, commands, ..Batch::hello(self.id) }
    }

    /// A doubtful one says hello again, another goes on in its session.
    pub(super) fn unanswered(&mut self, doubts: bool) {
        if doubts {
            self.session = 0;
            self.must_restate = true;
        }
    }

    pub(super) fn hear(&mut self, batch: &Batch, reply: &BatchReply, now: Micros, dice: &mut Dice) {
        (self.session, self.must_restate) = (reply.session, reply.restate || batch.session == 0);
        if batch.session == 0 {
            (self.last_session, self.sequence, self.heard) = (reply.session, 0, 0);
            return;
        }
        self.heard = batch.sequence;
        self.outbox.clear();
        for (command, answer) in batch.commands.iter().zip(&reply.answers) {
            self.answer(command, answer, now, dice);
        }
        for event in &reply.events {
            self.event(event, now, dice);
        }
    }

    fn answer(&mut self, command: &Command, answer: &Answer, now: Micros, dice: &mut Dice) {
        match (command, answer) {
            (Command::Acquire(ask), answer) => self.ticket(ask, answer, now, dice),
            (Command::Rotate { .. }, Answer::Grace) => self.outbox.push(command.clone()),
            (Command::Rotate { lease, attempt, then, .. }, Answer::Granted { key, .. }) => {
                self.requests.get_mut(lease).unwrap().rotations = *attempt;
                self.run(*lease, key, now, dice);
                self.requests.retain(|id, _| then.as_ref().is_none_or(|then| then.ticket != *id));
            }
            (Command::Settle { lease, then, .. } | Command::Rotate { lease, then, .. }, _) => {
                self.requests.remove(lease);
                match (then, answer) {
                    (Some(then), Answer::Settled(Some(answer))) => {
                        self.ticket(then, answer, now, dice);
                    }
                    (Some(then), Answer::Settled(None)) => {
                        self.outbox.push(Command::Acquire(then.clone()));
                    }
                    (None, Answer::Settled(None) | Answer::Done) => {}
                    other => panic!("{other:?}"),
                }
            }
            (Command::Leave(id), Answer::Done) => {
                self.requests.remove(id);
            }
            (_, Answer::Done | Answer::LimitsInForce(_)) => {}
            other => panic!("{other:?}"),
        }
    }

    fn ticket(&mut self, ask: &Acquire, answer: &Answer, now: Micros, dice: &mut Dice) {
        let Some(request) = self.requests.get_mut(&ask.ticket) else { return };
        match answer {
            Answer::Granted { key, arrival } => {
                request.arrival = *arrival;
                self.run(ask.ticket, key, now, dice);
            }
            Answer::Queued { arrival, .. } => {
                (request.arrival, request.stage) = (*arrival, Stage::Waiting);
            }
            Answer::Full { .. } | Answer::NoKey { .. } => {
                self.requests.remove(&ask.ticket);
                // A refusal that was repeated is a ticket still.
                self.outbox.push(Command::Leave(ask.ticket));
            }
            Answer::LimitsInForce(_) => {
                self.outbox.push(Command::Acquire(ask.clone()));
                self.must_restate = true;
            }
            other => panic!("{other:?}"),
        }
    }

    fn run(&mut self, id: TicketId, key: &KeyName, now: Micros, dice: &mut Dice) {
        let request = self.requests.get_mut(&id).unwrap();
        request.key = Some(key.clone());
        request.stage = Stage::Running(now + 100_000 + dice.below(1_500_000));
    }

    fn event(&mut self, event: &Event, now: Micros, dice: &mut Dice) {
        let (Event::HandedOff { ticket, .. } | Event::NoKey { ticket, .. }) = *event;
        let stage = self.requests.get(&ticket).map(|one| one.stage.clone());
        match (event, stage) {
            (Event::HandedOff { key, arrival, claimed: true, .. }, Some(Stage::Waiting)) => {
                self.requests.get_mut(&ticket).unwrap().arrival = *arrival;
                self.run(ticket, key, now, dice);
            }
            // The next batch claims it.
            (Event::HandedOff { claimed: false, .. }, Some(Stage::Waiting)) => {}
            // Its own command's answer has told of it.
            (Event::HandedOff { .. }, Some(Stage::Running(_) | Stage::Ending)) => {}
            (_, _) => {
                self.requests.remove(&ticket);
                self.outbox.push(Command::Leave(ticket));
            }
        }
    }
}

fn then_of(command: &Command) -> Option<&Acquire> {
    match command {
        Command::Settle { then, .. } | Command::Rotate { then, .. } => then.as_ref(),
        _ => None,
    }
}
