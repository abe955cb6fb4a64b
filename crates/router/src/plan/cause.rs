//! Why a key rests, in the words of who saw it: written into the note that the pool keeps beside
//! the rest, and read by whichever router meets it. Knows no pool.

use std::borrow::Cow;
use std::sync::Arc;

use weir_quota::{NOTE_MAX, Note};
use weir_types::{FailureClass, Fault, told_within};

/// Why a key rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// What the failure meant.
    pub(crate) class: FailureClass,
    /// Whether the provider named the time of the rest.
    pub(crate) is_named: bool,
    /// The status that it was said with; 0: there was no answer.
    pub(crate) status: u16,
    /// What the provider said; of a very long text the beginning.
    pub(crate) said: Arc<str>,
    /// Its code for it.
    pub(crate) code: Option<Cow<'static, str>>,
}

/// Follows the status of a rest whose time the provider named.
const NAMED: &str = ",named";

// === impl Cause ===

impl Cause {
    /// What a failure of this class says.
    pub(crate) fn of(fault: &Fault, class: FailureClass) -> Self {
        let said = Arc::from(&*fault.detail.message);
        let is_named = fault.detail.retry_after.is_some();
        let status = fault.detail.upstream.as_ref().map_or(0, |answer| answer.status);
        Self { class, is_named, status, said, code: fault.detail.code.clone() }
    }

    /// Three lines: the class, the status and whether the time was named; the code; and what was said,
    /// which may have more of them.
    pub(crate) fn note(&self) -> Note {
        let named = if self.is_named { NAMED } else { "" };
        let code = self.code.as_deref().filter(|code| !code.contains('\n')).unwrap_or_default();
        let note = format!("{},{}{named}\n{code}\n{}", self.class.label(), self.status, self.said);
        told_within(&note, NOTE_MAX).into()
    }

    /// The inverse; `None` of what is no such note.
    pub(crate) fn read(note: &str) -> Option<Self> {
        let mut lines = note.splitn(3, '\n');
        let first = lines.next()?;
        let rest = first.strip_suffix(NAMED);
        let (label, status) = rest.unwrap_or(first).split_once(',')?;
        let (class, status) = (FailureClass::from_label(label)?, status.parse().ok()?);
        let code = lines.next().filter(|code| !code.is_empty());
        let code = code.map(|code| Cow::Owned(code.to_owned()));
        let said = lines.next()?.into();
        Some(Self { class, is_named: rest.is_some(), status, said, code })
    }

    /// The cause that all keys share of whose rests these are the notes. Its time is named if all were.
    pub(crate) fn common(notes: &[Note]) -> Option<Self> {
        let mut causes: Vec<Self> =
            notes.iter().map(|note| Self::read(note)).collect::<Option<_>>()?;
        let are_named = causes.iter().all(|cause| cause.is_named);
        causes.iter_mut().for_each(|cause| cause.is_named = are_named);
        let first = causes.first()?.class;
        if causes.iter().all(|cause| cause.class == first) {
            return Some(causes.swap_remove(0));
        }
        // Some are refused, the others out of quota.
        let refuse_all = causes.iter().all(|cause| cause.class.refuses_key());
        causes.into_iter().find(|cause| refuse_all && cause.class == FailureClass::Credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(class: FailureClass, said: &str, code: Option<&'static str>) -> Cause {
        let code = code.map(Cow::Borrowed);
        Cause { class, is_named: false, status: 404, said: said.into(), code }
    }

    #[test]
    fn a_note_says_what_it_was_made_of() {
        let texts = ["", "no", "two\nlines\n", "ü\u{0}"];
        for class in FailureClass::ALL {
            for (said, code) in texts.into_iter().flat_map(|t| [(t, None), (t, Some("its"))]) {
                for is_named in [false, true] {
                    let cause = Cause { is_named, ..cause(class, said, code) };
                    assert_eq!(Cause::read(&cause.note()), Some(cause));
                }
            }
        }
        for other in
            ["", "credential", "credential\nits", "credential\n\nno", "weather,404\n\nfine"]
        {
            assert_eq!(Cause::read(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_to_what_the_pool_takes() {
        for text in ["a".repeat(5_000), "ü".repeat(5_000), "\u{1f600}".repeat(5_000)] {
            let long = cause(FailureClass::Credential, &text, Some("its"));
            assert!((NOTE_MAX - 4..=NOTE_MAX).contains(&long.note().len()));
            let read = Cause::read(&long.note()).unwrap();
            let beginning = read.said.strip_suffix('…').unwrap();
            assert!(text.starts_with(beginning));
            assert_eq!((read.class, read.code), (long.class, long.code));
        }
        // A code that would leave no room for the text, or is none.
        let code = Some(Cow::Owned("c".repeat(5_000)));
        let odd = Cause { code, ..cause(FailureClass::Credential, "no", None) };
        assert!(odd.note().len() <= NOTE_MAX);
        let odd = cause(FailureClass::Credential, "no", Some("a\nb"));
        assert_eq!(Cause::read(&odd.note()), Some(Cause { code: None, ..odd }));
    }

    #[test]
    fn keys_share_a_cause_or_none() {
        use FailureClass::{Credential, ModelMissing, QuotaExhausted, RateLimited};
        let common = |classes: &[FailureClass]| {
            let notes: Vec<Note> =
                classes.iter().map(|one| cause(*one, "no", None).note()).collect();
            Cause::common(&notes).map(|cause| cause.class)
        };
        assert_eq!(common(&[]), None);
        assert_eq!(common(&[RateLimited]), Some(RateLimited));
        assert_eq!(common(&[ModelMissing, ModelMissing]), Some(ModelMissing));
        assert_eq!(common(&[QuotaExhausted, Credential]), Some(Credential));
        assert_eq!(common(&[Credential, RateLimited]), None);
        assert_eq!(common(&[ModelMissing, QuotaExhausted]), None);
        let unknown = [cause(Credential, "no", None).note(), Note::default()];
        assert_eq!(Cause::common(&unknown), None);
    }
}
