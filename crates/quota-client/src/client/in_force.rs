//! Whose limits are in force, as one router sees it (Q15).
//!
//! The pool keeps one set of limits for all. A router offers its own when it has read them, and obeys
//! what it is answered; where that is another's, it says so and offers its own again at times: the pool
//! takes them when nobody is left who has newer ones.

use weir_quota::{Answer, Command, Limits, Micros};

use super::PoolClient;

impl<W> PoolClient<W> {
    /// The command that offers limits to the store, and their digest. After a loss the pool may have
    /// forgotten which limits were in force; ours, if others replaced them, were not. What is no news
    /// skips a generation.
    pub(super) fn offer(&self, replaces: Option<u64>) -> (u64, Command) {
        let in_force = self.in_force.as_ref().filter(|_| self.offers_in_force);
        // Ours were overruled by those that are in force.
        let is_again = self.limits_written && self.in_force.is_some();
        let is_news = in_force.is_none() && !is_again;
        let limits = in_force.unwrap_or(&self.limits);
        let generation = replaces.unwrap_or(0) + if is_news { 1 } else { 2 };
        let limits = Limits { generation, ..limits.clone() };
        (limits.hash, Command::SetLimits { limits, replaces })
    }

    /// Offers ours again where others are in force.
    pub(super) fn offer_again(&mut self) {
        let (Some(in_force), None) = (&self.in_force, &self.share) else { return };
        self.replaces = Some(in_force.generation);
        self.limits_due = true;
    }

    /// What the pool said to the limits of digest `offered`; the generation that ours are to replace.
    /// `tried`: the one that these were to replace.
    pub(super) fn judge(
        &mut self,
        offered: u64,
        answer: Answer,
        tried: Option<u64>,
    ) -> Option<u64> {
        let is_ours = offered == self.limits.hash;
        let Answer::LimitsInForce(in_force) = answer else {
            if is_ours {
                self.limits_written = true;
                self.in_force = None;
            }
            return None;
        };
        let ours = Limits { generation: in_force.generation, ..self.limits.clone() };
        if ours == in_force {
            self.limits_written = true;
            self.in_force = None;
            return None;
        }
        // Offered in the place of these and not taken: somebody has newer ones.
        let is_refused = is_ours && tried == Some(in_force.generation);
        if self.limits_written || in_force.is_unset() || is_refused {
            self.limits_written |= is_refused;
            self.in_force = Some(in_force);
            return None;
        }
        // Of an earlier configuration of ours, or not offered yet: ours are due.
        Some(in_force.generation)
    }

    /// Since when the pool, or the share, is seen to obey limits of this digest; `None`: it was not yet.
    pub fn obeyed_since(&self, hash: u64) -> Option<Micros> {
        let (obeyed, since) = self.obeyed;
        (obeyed == hash).then_some(since)
    }

    /// Another router may have put other limits in force since: the pool is asked for them.
    pub(super) fn look_at_limits(&mut self, found: u64, now: Micros) {
        if found != 0 && found != self.obeyed.0 {
            self.obeyed = (found, now);
        }
        let known = self.in_force.as_ref().map_or(self.limits.hash, |limits| limits.hash);
        let is_settled = self.share.is_none() && self.limits_written && !self.limits_due;
        if found == known {
            self.asked_of = 0;
        } else if is_settled && found != 0 && found != self.asked_of {
            self.asked_of = found;
            self.replaces = None;
            self.limits_due = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_quota::{Incarnation, Machine, Timing};

    use super::*;

    const NOW: Micros = 100_000_000;

    fn limits(hash: u64) -> Limits {
        let keys = vec![("k".into(), 1.0)];
        Limits { generation: 1, hash, concurrency: 1, buffer: 4, leeway: 0, keys }
    }

    fn client(router: u64, hash: u64) -> PoolClient<()> {
        let timing = Timing { grace: false, ..Timing::default() };
        PoolClient::new(Incarnation(router), limits(hash), timing, true, NOW)
    }

    fn speak(client: &mut PoolClient<()>, pool: &mut Machine, now: Micros) {
        client.poll();
        while let Some(batch) = client.next_batch(now) {
            client.absorb(pool.execute(now, &batch).map(|executed| executed.reply), now);
        }
    }

    /// Whoever comes later has seen them for less long, and another's change is seen with the next word.
    #[test]
    fn limits_are_obeyed_since_they_are_seen_in_force() {
        let mut pool = Machine::new(Timing { grace: false, ..Timing::default() });
        let (mut one, mut two) = (client(1, 7), client(2, 7));
        assert_eq!(one.obeyed_since(7), None);
        speak(&mut one, &mut pool, NOW);
        speak(&mut two, &mut pool, NOW + 5);
        speak(&mut one, &mut pool, NOW + 6);
        assert_eq!((one.obeyed_since(7), two.obeyed_since(7)), (Some(NOW), Some(NOW + 5)));
        two.resize(limits(8));
        speak(&mut two, &mut pool, NOW + 7);
        assert_eq!((one.obeyed_since(8), two.obeyed_since(8)), (None, Some(NOW + 7)));
        speak(&mut one, &mut pool, NOW + 9);
        assert_eq!((one.obeyed_since(7), one.obeyed_since(8)), (None, Some(NOW + 9)));
    }
}
