//! Rests as a part of a state that is written down.

use super::{Cooldowns, Row, STEPS_MAX};
use crate::canonical::Scribe;

impl Cooldowns {
    pub(crate) fn write(&self, to: &mut Scribe) {
        // Moments are those of the rows; what has changed was asked for by the end of a batch.
        let Self { rows: _, moments: _, opened: _, has_closed: _, next_at, step: _, keep: _ } =
            self;
        to.each(self.rows(), |to, (scope, row)| {
            let Row { until, growth, missing, since, probes, note, place } = row;
            to.scope(&scope);
            to.moment_to_come(until);
            to.granted(until);
            to.word(u64::from(growth));
            to.flag(missing);
            // After its last step a trial is over, however long ago that was.
            let last = u64::from(STEPS_MAX).saturating_mul(self.step());
            let ago = since.map(|since| to.now().saturating_sub(since).min(last));
            to.each(ago, Scribe::word);
            to.each(probes, Scribe::ticket);
            to.text(&note);
            to.moment(place.1);
        });
        to.moment(*next_at);
    }
}
