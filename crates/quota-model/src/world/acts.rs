//! What can happen next, and what it does.

use std::sync::Arc;

use weir_quota::{Health, Machine, Outcome, Scope};
use weir_types::KeyName;

use super::{Request, World};
use crate::model::Action;
use crate::router::{Fate, Router};
use crate::setup::{APART_MAX, NEVER, REST, TIMING};

impl World {
    /// All that can happen next.
    pub(crate) fn actions(&self, actions: &mut Vec<Action>) {
        for (request, stage) in self.requests.iter().enumerate() {
            self.actions_of(request, stage, actions);
        }
        for router in 0..self.routers.len() {
            self.network(router, actions);
            self.troubles(router, actions);
        }
        actions.extend((0..self.late.len()).map(Action::ExecuteLate));
        if self.left.empties > 0 {
            actions.push(Action::Empty);
        }
        let is_idle = (0..self.routers.len()).all(|at| !self.is_under_way(at));
        // What is apart comes back some time, or is as good as dead.
        let is_overdue =
            |at: &Arc<Router>| (at.is_frozen || at.is_cut) && self.now - at.apart_since > APART_MAX;
        if is_idle && self.is_time_of_use() && !self.routers.iter().any(is_overdue) {
            actions.push(Action::Pass);
        }
    }

    fn actions_of(&self, request: usize, stage: &Request, actions: &mut Vec<Action>) {
        let router = &self.routers[self.setup.requests[request]];
        if router.is_frozen {
            return;
        }
        match stage {
            Request::ToCome => {
                // They come in their order.
                let is_next = request == 0 || self.requests[request - 1] != Request::ToCome;
                actions.extend(is_next.then_some(Action::Begin(request)));
            }
            Request::Waiting { .. } => {
                actions.extend((self.left.cancels > 0).then_some(Action::Cancel(request)));
            }
            Request::Running { .. } => {
                actions.push(Action::End(request));
                if self.left.failures > 0 {
                    actions.push(Action::Retry(request));
                    actions.extend((self.setup.keys > 1).then_some(Action::Rotate(request)));
                }
            }
            Request::Served | Request::Refused | Request::Gone => {}
        }
    }

    fn network(&self, router: usize, actions: &mut Vec<Action>) {
        let at = &self.routers[router];
        let Some(wire) = &at.wire else { return };
        let is_troubled = self.is_troubled(router);
        match &wire.fate {
            Fate::Sent => {
                actions.push(Action::Execute(router));
                if !is_troubled {
                    return;
                }
                if self.left.losses > 0 {
                    actions.extend([Action::LoseRequest(router), Action::LoseReply(router)]);
                }
                actions.extend((self.left.late > 0).then_some(Action::Delay(router)));
                actions.extend((self.left.twice > 0).then_some(Action::Repeat(router)));
            }
            Fate::Answered(_) if !at.is_frozen => actions.push(Action::Answer(router)),
            Fate::Answered(_) | Fate::Lost => {}
        }
    }

    fn troubles(&self, router: usize, actions: &mut Vec<Action>) {
        let at = &self.routers[router];
        actions.extend(at.is_frozen.then_some(Action::Thaw(router)));
        actions.extend(at.is_cut.then_some(Action::Heal(router)));
        if self.left.changes > 0 && at.changes == 0 && !at.is_frozen {
            actions.push(Action::Change(router));
        }
        if !self.is_troubled(router) || at.is_frozen || at.is_cut {
            return;
        }
        actions.extend((self.left.crashes > 0).then_some(Action::Crash(router)));
        actions.extend((self.left.freezes > 0).then_some(Action::Freeze(router)));
        actions.extend((self.left.cuts > 0).then_some(Action::Cut(router)));
    }

    pub(crate) fn is_troubled(&self, router: usize) -> bool {
        self.setup.troubled.is_none_or(|troubled| troubled == router)
    }

    /// Does one thing.
    pub(crate) fn step(&mut self, action: Action) {
        match action {
            Action::Begin(request) => self.begin(request),
            Action::Cancel(request) => self.cancel(request),
            Action::End(request) | Action::Rotate(request) | Action::Retry(request) => {
                self.end(request, action);
            }
            Action::Execute(router) => self.execute_of(router),
            Action::Answer(router) => self.answer(router),
            Action::LoseRequest(router) | Action::LoseReply(router) | Action::Delay(router) => {
                self.lose(router, action);
            }
            Action::Repeat(router) => {
                self.left.twice -= 1;
                let wire = self.routers[router].wire.as_ref();
                self.late.extend(wire.map(|wire| wire.batch.clone()));
            }
            Action::ExecuteLate(at) => {
                let batch = self.late.remove(at);
                let _nobody_waits = self.execute(&batch);
            }
            Action::Pass => self.pass(),
            _ => self.trouble(action),
        }
        if !matches!(action, Action::Execute(_) | Action::Answer(_) | Action::Pass) {
            self.seen.disturbed();
        }
        self.judge();
    }

    fn begin(&mut self, request: usize) {
        let (ask, now) = (self.ask(request), self.now);
        let router = self.setup.requests[request];
        let number = self.drive(router, |client, _| client.enter(ask, NEVER, now));
        self.requests[request] = Request::Waiting { number, in_slot: None };
        self.look(request);
    }

    fn cancel(&mut self, request: usize) {
        self.left.cancels -= 1;
        if let Request::Waiting { number, .. } = self.requests[request] {
            self.requests[request] = Request::Gone;
            let router = self.setup.requests[request];
            self.drive(router, |client, _| client.withdraw(number));
        }
    }

    fn end(&mut self, request: usize, action: Action) {
        let Request::Running { number, key, arrival, apart } = self.requests[request].clone()
        else {
            return;
        };
        let (router, now) = (self.setup.requests[request], self.now);
        let then = weir_quota_client::Ask { arrival: Some(arrival), ..self.ask(request) };
        let in_slot = matches!(action, Action::Rotate(_)).then_some(apart);
        let model = then.class.model.clone();
        // Whoever is woken by it finds it ended.
        self.requests[request] = Request::Served;
        self.requests[request] = match action {
            Action::End(_) => {
                let outcome = self.well(&key, &model);
                self.drive(router, |client, _| client.settle(number, outcome, None, now));
                Request::Served
            }
            Action::Rotate(_) => {
                self.left.failures -= 1;
                let class = self.setup.class(request, Some(&key));
                let then = Some((then, NEVER));
                let outcome = self.rests(&key, &model);
                self.drive(router, |client, _| client.rotate(number, outcome, class, then, now));
                Request::Waiting { number, in_slot }
            }
            _ => {
                self.left.failures -= 1;
                let then = Some((then, NEVER));
                let outcome = self.rests(&key, &model);
                let then =
                    self.drive(router, |client, _| client.settle(number, outcome, then, now));
                Request::Waiting { number: then.unwrap_or(number), in_slot }
            }
        };
        self.look(request);
    }

    fn lose(&mut self, router: usize, action: Action) {
        match action {
            Action::LoseReply(_) => {
                self.left.losses -= 1;
                self.execute_of(router);
            }
            Action::LoseRequest(_) => self.left.losses -= 1,
            _ => {
                self.left.late -= 1;
                let wire = self.routers[router].wire.as_ref();
                self.late.extend(wire.map(|wire| wire.batch.clone()));
            }
        }
        self.nothing_comes(router);
    }

    fn nothing_comes(&mut self, router: usize) {
        if let Some(wire) = &mut Arc::make_mut(&mut self.routers[router]).wire {
            wire.fate = Fate::Lost;
        }
    }

    fn trouble(&mut self, action: Action) {
        match action {
            Action::Crash(router) => self.crash(router),
            Action::Freeze(router) => {
                self.left.freezes -= 1;
                self.seen.lost();
                self.set_apart(router).is_frozen = true;
            }
            Action::Thaw(router) => {
                Arc::make_mut(&mut self.routers[router]).is_frozen = false;
                self.drive(router, |_, _| ());
                // An answer that lay in its socket meanwhile is heard first, however late it is.
                self.answer(router);
                self.tick(router);
            }
            Action::Cut(router) => {
                self.left.cuts -= 1;
                self.seen.lost();
                self.set_apart(router).is_cut = true;
                self.nothing_comes(router);
            }
            Action::Heal(router) => Arc::make_mut(&mut self.routers[router]).is_cut = false,
            Action::Empty => {
                self.left.empties -= 1;
                self.pool = Arc::new(Machine::new(TIMING));
                self.seen.begin_anew();
                self.note_emptied();
            }
            Action::Change(router) => {
                self.left.changes -= 1;
                let limits = self.setup.limits(1);
                Arc::make_mut(&mut self.routers[router]).changes = 1;
                self.drive(router, |client, _| client.resize(limits));
            }
            _ => {}
        }
    }

    fn set_apart(&mut self, router: usize) -> &mut Router {
        let at = Arc::make_mut(&mut self.routers[router]);
        at.apart_since = self.now;
        at
    }

    fn crash(&mut self, router: usize) {
        self.left.crashes -= 1;
        self.seen.lost();
        for (request, at) in self.requests.iter_mut().zip(&self.setup.requests) {
            let is_on = matches!(request, Request::Waiting { .. } | Request::Running { .. });
            if *at == router && is_on {
                *request = Request::Gone;
            }
        }
        let changes = self.routers[router].changes;
        self.routers[router] = Arc::new(self.new_router(changes));
        self.drive(router, |_, _| ());
    }

    /// Rests of keys are those of one model where there are several.
    fn scope(&self, key: &KeyName, model: &Arc<str>) -> Scope {
        match self.setup.models {
            1 => Scope::Key(key.clone()),
            _ => Scope::KeyModel(key.clone(), Arc::clone(model)),
        }
    }

    fn well(&self, key: &KeyName, model: &Arc<str>) -> Outcome {
        Outcome { health: vec![Health::Well(self.scope(key, model))] }
    }

    fn rests(&self, key: &KeyName, model: &Arc<str>) -> Outcome {
        let (scope, base, max) = (self.scope(key, model), REST, TIMING.max_cooldown);
        let (retry_after, missing, note) = (None, false, "".into());
        Outcome { health: vec![Health::Cool { scope, retry_after, base, max, missing, note }] }
    }
}
