//! The line of those that wait for a slot, walked candidate by candidate.
//!
//! Whoever is first and can use a slot is next (Q5). Who cannot is told so, or steps out of the line and
//! rests until something has changed about its model. A batch looks at no more of them than its size
//! allows (Q12): what is left is noted here and goes on with the next batch.

use std::sync::Arc;

use crate::machine::Machine;
use crate::sweep::Standing;
use crate::tickets::{Arrival, Stage};
use crate::{Micros, NoKeyReason, Scope, TicketId};

/// A batch looks at so many of those in line, and at twice as many more as it has commands, for whom
/// slots can go to.
const WALK: usize = 64;
/// At so many, and one more for each command, for those who are to be told.
const LOOK: usize = 64;
/// A batch takes so many of those that rest back into the line, and one more for each command.
const THAW: usize = 32;
/// So many models at most are noted one by one; beyond that all are meant.
const THAWS_MAX: usize = 16;

/// What is yet to be looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    /// A look at all in line, for those that are to be told that they get no key.
    look: Option<Round>,
    /// Those that rest come back into the line: of one model, or of all.
    thaws: Vec<(Option<Arc<str>>, Round)>,
    /// The walk ended before anybody was found.
    is_cut: bool,
    walk_left: usize,
    look_left: usize,
    thaw_left: usize,
}

/// A walk in the order of arrival.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    /// The last one passed.
    from: Option<Arrival>,
    /// To be begun anew at its end.
    again: bool,
}

/// Who is first in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// Nobody who could use a slot.
    Nobody,
    /// This one.
    First(Arrival),
    /// The batch may look no further.
    Unknown,
}

/// What is found about one in line.
enum Found {
    Usable,
    Rests,
    Refused(Option<Micros>, NoKeyReason),
}

impl Line {
    /// A batch of so many commands begins.
    pub(crate) fn begin(&mut self, commands: usize) {
        self.walk_left = WALK + 2 * commands;
        self.look_left = LOOK + commands;
        self.thaw_left = THAW + commands;
        self.is_cut = false;
    }

    /// Whether the next batch has to go on.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.is_cut || self.look.is_some() || !self.thaws.is_empty()
    }
}

impl Round {
    fn begin_anew(&mut self) {
        self.again |= self.from.is_some();
    }

    /// The end is reached. Whether that was all.
    fn end(&mut self) -> bool {
        self.from = None;
        !std::mem::take(&mut self.again)
    }
}

impl Machine {
    /// Has all in line looked at.
    pub(crate) fn look_again(&mut self) {
        self.line.look.get_or_insert_default().begin_anew();
    }

    /// Has those of a model, or all, that rest looked at.
    pub(crate) fn thaw(&mut self, model: Option<Arc<str>>) {
        if self.tickets.resting() == 0 {
            return;
        }
        let thaws = &mut self.line.thaws;
        if let Some((_, round)) = thaws.iter_mut().find(|(of, _)| *of == model) {
            return round.begin_anew();
        }
        let is_room = thaws.len() < THAWS_MAX;
        let model = model.filter(|_| is_room);
        if model.is_none() {
            thaws.clear();
        }
        thaws.push((model, Round::default()));
    }

    /// Notes what has changed about rests. Whether there was anything.
    pub(crate) fn note_changes(&mut self) -> bool {
        let (opened, has_closed) = self.cooldowns.take_changes();
        let is_news = has_closed || !opened.is_empty();
        if has_closed && self.tickets.listed() > 0 {
            self.look_again();
        }
        for scope in opened {
            self.thaw(match scope {
                Scope::KeyModel(_, model) => Some(model),
                Scope::Endpoint | Scope::Key(_) => None,
            });
        }
        is_news
    }

    /// Takes back into the line what may have become usable, as far as the batch may.
    pub(crate) fn thaw_some(&mut self, now: Micros) {
        while self.line.thaw_left > 0
            && let Some((model, round)) = self.line.thaws.first()
        {
            let most = self.line.thaw_left;
            let found = self.tickets.resting_after(model.as_ref(), round.from, most);
            for &(_, id) in &found {
                self.judge(now, id);
            }
            self.line.thaw_left -= found.len();
            let Some((_, round)) = self.line.thaws.first_mut() else { return };
            round.from = found.last().copied().or(round.from);
            if found.len() < most && round.end() {
                self.line.thaws.remove(0);
            }
        }
    }

    /// Looks at those in line, as far as the batch may.
    pub(crate) fn look_at_some(&mut self, now: Micros) {
        while self.line.look_left > 0
            && let Some(round) = &mut self.line.look
        {
            let Some((arrival, id)) = self.tickets.after(round.from) else {
                if round.end() {
                    self.line.look = None;
                }
                continue;
            };
            self.line.look_left -= 1;
            round.from = Some((arrival, id));
            self.judge(now, id);
        }
    }

    /// The first in line who can use a slot; who cannot leaves the line.
    pub(crate) fn first_usable(&mut self, now: Micros) -> Head {
        while let Some((arrival, id)) = self.tickets.first() {
            if self.line.walk_left == 0 {
                self.line.is_cut = true;
                return Head::Unknown;
            }
            self.line.walk_left -= 1;
            if self.judge(now, id) {
                return Head::First((arrival, id));
            }
        }
        Head::Nobody
    }

    /// Puts a ticket in line, unless it can use no slot.
    pub(crate) fn list(&mut self, now: Micros, id: TicketId) {
        self.judge(now, id);
    }

    /// Whether one who waits can use a slot, and stands in line. If not, it is told so or rests.
    fn judge(&mut self, now: Micros, id: TicketId) -> bool {
        let stage = match self.look_at(now, id) {
            Found::Usable => Stage::Listed,
            Found::Rests => Stage::Resting,
            Found::Refused(until, reason) => Stage::Refused(until, reason),
        };
        if self.tickets.get(id).is_some_and(|ticket| ticket.stage != stage) {
            self.tickets.move_to(id, stage);
            if matches!(stage, Stage::Refused(..)) {
                self.tell(id);
            }
        }
        stage == Stage::Listed
    }

    fn look_at(&self, now: Micros, id: TicketId) -> Found {
        let Some(ticket) = self.tickets.get(id) else { return Found::Rests };
        let standing = self.standing(now, ticket.class);
        if let Some((until, reason)) = standing.refusal(ticket.waits) {
            return Found::Refused(until, reason);
        }
        let skipped = self.routers.is_skipped(id.router, now, self.timing.claim_limit);
        if skipped || !matches!(standing, Standing::Usable) { Found::Rests } else { Found::Usable }
    }
}

#[cfg(feature = "canonical")]
impl Line {
    pub(crate) fn write(&self, to: &mut crate::canonical::Scribe) {
        // The rest is what the batch under way may still do.
        let Self { look, thaws, is_cut, walk_left: _, look_left: _, thaw_left: _ } = self;
        let round = |to: &mut crate::canonical::Scribe, &Round { from, again }: &Round| {
            to.each(from, |to, (arrival, id)| {
                to.arrival(arrival);
                to.ticket(id);
            });
            to.flag(again);
        };
        to.each(look, round);
        to.each(thaws, |to, (model, of)| {
            to.each(model, |to, model| to.text(model));
            round(to, of);
        });
        to.flag(*is_cut);
    }
}
