//! The one grammar by which a request, or a rule of the test, asks for special behaviour.
//!
//! `status=429,retry-after=2,times=1`: words parted by commas, each with a value or without. A
//! model name that begins with `sim:` carries it, and so does a rule's `do` member. Pure.

mod grammar;

use std::time::Duration;

pub use grammar::GrammarError;

/// A model name with this prefix carries a [`Behaviour`].
const MODEL_PREFIX: &str = "sim:";

/// What to do instead of the plain answer. `None` and `false` leave the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// `latency=MS`: time before the head of the answer.
    pub latency: Option<Duration>,
    /// `first-chunk=MS`: time between the head and the first event of a stream.
    pub first_chunk: Option<Duration>,
    /// `interval=MS`: time between two content chunks.
    pub interval: Option<Duration>,
    /// `chunks=N`: content chunks of a stream.
    pub chunks: Option<u32>,
    /// `answer-bytes=N`: length of the text.
    pub answer_bytes: Option<usize>,
    /// `status=N`: answer with this error status.
    pub status: Option<u16>,
    /// `code=TEXT`: `error.code` of an error answer or event, or what the format has in its place.
    pub code: Option<String>,
    /// `retry-after=TEXT` and its relatives: when an error says that trying again makes sense.
    pub hints: Vec<Hint>,
    /// `silence`, `reset`, `cut`, `stall`, `garbage`, `error`: how the answer breaks.
    pub breakage: Option<Breakage>,
    /// `no-done`: a stream without the mark at its end (`data: [DONE]`).
    pub no_done: bool,
    /// `no-finish`: a stream that ends without finish reason and without the mark at its end.
    pub no_finish: bool,
    /// `html`: a page with status 200 in place of the answer.
    pub html: bool,
    /// `gzip`: the answer is packed.
    pub gzip: bool,
    /// `trailing`: garbage follows the answer.
    pub trailing: bool,
    /// `linger`: the connection stays open behind a stream's end.
    pub linger: bool,
    /// `content-type=TEXT`: the answer is called so.
    pub content_type: Option<String>,
    /// `split=N`: the answer is sent in pieces of N bytes.
    pub split: Option<usize>,
    /// `comments=MS`: comments for ever, so far apart, where a stream would stall or from its beginning.
    pub comments: Option<Duration>,
    /// `lenient`: members that the format does not know are let through.
    pub lenient: bool,
    /// `skip=N`: the first N requests that match are served without this behaviour.
    pub skip: u64,
    /// `times=N`: it acts on N requests, then no more.
    pub times: Option<u64>,
    /// `for=MS`: it acts for so long, then no more.
    pub lasts: Option<Duration>,
}

/// A way in which a provider says when to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// `retry-after=TEXT`: the header as given, seconds or not.
    RetryAfter(String),
    /// `retry-after-ms=N`: the header `retry-after-ms`.
    RetryAfterMs(String),
    /// `retry-after-date=N`: `retry-after` as an HTTP date N seconds ahead.
    RetryAfterDate(u64),
    /// `reset-requests=TEXT`: `x-ratelimit-remaining-requests: 0` and when it refills.
    ResetRequests(String),
    /// `reset-tokens=TEXT`: the same for tokens.
    ResetTokens(String),
}

/// How an answer breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    /// Nothing is ever sent.
    Silence,
    /// The connection ends before the head, by RST (`reset`) or FIN (`cut`).
    BeforeHead {
        /// RST instead of FIN.
        reset: bool,
    },
    /// The head is sent, then this happens.
    InBody {
        /// What happens.
        how: How,
        /// When.
        at: At,
    },
}

/// How a body breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Nothing more is sent, the connection stays open.
    Stall,
    /// The connection is closed (FIN) before the body is complete.
    Cut,
    /// The connection is reset (RST).
    Reset,
    /// An event that is not JSON; the stream goes on after it.
    Garbage,
    /// An error event; the stream ends after it.
    Error,
}

/// Where a body breaks. A body that is not a stream breaks in its middle, whatever is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// `first`: instead of the first event.
    First,
    /// `K`: after the event with the role and K content chunks.
    Chunk(u32),
}

impl Behaviour {
    /// Reads the grammar. Empty text is the plain behaviour.
    ///
    /// # Errors
    /// [`GrammarError`] names the word that is wrong.
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        let mut behaviour = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (word, None),
            };
            behaviour.set(name, value)?;
        }
        Ok(behaviour)
    }

    /// The behaviour that a model name carries; `None` for an ordinary name.
    ///
    /// # Errors
    /// [`GrammarError`] of the part after the prefix.
    pub fn of_model(model: &str) -> Result<Option<Self>, GrammarError> {
        model.strip_prefix(MODEL_PREFIX).map(Self::parse).transpose()
    }

    /// `self`, with what `above` says instead where it says something.
    #[must_use]
    pub fn overlaid(self, above: Self) -> Self {
        Self {
            latency: above.latency.or(self.latency),
            first_chunk: above.first_chunk.or(self.first_chunk),
            interval: above.interval.or(self.interval),
            chunks: above.chunks.or(self.chunks),
            answer_bytes: above.answer_bytes.or(self.answer_bytes),
            status: above.status.or(self.status),
            code: above.code.or(self.code),
            hints: if above.hints.is_empty() { self.hints } else { above.hints },
            breakage: above.breakage.or(self.breakage),
            no_done: above.no_done || self.no_done,
            no_finish: above.no_finish || self.no_finish,
            html: above.html || self.html,
            gzip: above.gzip || self.gzip,
            trailing: above.trailing || self.trailing,
            linger: above.linger || self.linger,
            content_type: above.content_type.or(self.content_type),
            split: above.split.or(self.split),
            comments: above.comments.or(self.comments),
            lenient: above.lenient || self.lenient,
            skip: above.skip,
            times: above.times,
            lasts: above.lasts,
        }
    }

    /// Whether it acts on a request that `earlier` matching ones came before, so long after it was asked
    /// for.
    #[must_use]
    pub fn acts_after(&self, earlier: u64, age: Duration) -> bool {
        if self.lasts.is_some_and(|lasts| age >= lasts) {
            return false;
        }
        let Some(turn) = earlier.checked_sub(self.skip) else {
            return false;
        };
        self.times.is_none_or(|times| turn < times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_reads_every_word() {
        let text = "latency=5, first-chunk=6,interval=7,chunks=8,answer-bytes=9,status=429,\
                    code=slow_down,retry-after=2,retry-after-ms=1500,retry-after-date=3,\
                    reset-requests=1s,reset-tokens=6m0s,no-done,no-finish,lenient,skip=2,\
                    times=4,for=10,html,gzip,trailing,linger,content-type=text/plain,split=11,comments=12,\
                    tag=x,reset=3";
        let behaviour = Behaviour::parse(text).unwrap();
        let expected = Behaviour {
            latency: Some(Duration::from_millis(5)),
            first_chunk: Some(Duration::from_millis(6)),
            interval: Some(Duration::from_millis(7)),
            chunks: Some(8),
            answer_bytes: Some(9),
            status: Some(429),
            code: Some("slow_down".into()),
            hints: vec![
                Hint::RetryAfter("2".into()),
                Hint::RetryAfterMs("1500".into()),
                Hint::RetryAfterDate(3),
                Hint::ResetRequests("1s".into()),
                Hint::ResetTokens("6m0s".into()),
            ],
            breakage: Some(Breakage::InBody { how: How::Reset, at: At::Chunk(3) }),
            no_done: true,
            no_finish: true,
            lenient: true,
            skip: 2,
            times: Some(4),
            lasts: Some(Duration::from_millis(10)),
            html: true,
            gzip: true,
            trailing: true,
            linger: true,
            content_type: Some("text/plain".into()),
            split: Some(11),
            comments: Some(Duration::from_millis(12)),
        };
        assert_eq!(behaviour, expected);
    }

    #[test]
    fn breakages_before_and_after_the_head_are_told_apart() {
        let of = |text| Behaviour::parse(text).unwrap().breakage;
        assert_eq!(of("silence"), Some(Breakage::Silence));
        assert_eq!(of("reset"), Some(Breakage::BeforeHead { reset: true }));
        assert_eq!(of("cut"), Some(Breakage::BeforeHead { reset: false }));
        let first = |how| Some(Breakage::InBody { how, at: At::First });
        assert_eq!(of("reset=first"), first(How::Reset));
        assert_eq!(of("stall"), first(How::Stall));
        assert_eq!(of("error"), first(How::Error));
        let third = Breakage::InBody { how: How::Garbage, at: At::Chunk(3) };
        assert_eq!(of("garbage=3"), Some(third));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, says) in [
            ("stats=429", "unknown word 'stats'"),
            ("status=200", "'status' expects an HTTP status from 400 to 599, found '200'"),
            ("chunks=0", "'chunks' expects a number from 1 to 10000, found '0'"),
            ("cut=x", "'cut' expects 'first' or a number of chunks, found 'x'"),
            ("latency", "'latency' expects milliseconds, at most an hour, found ''"),
            ("split=0", "'split' expects a number of bytes over 0, found '0'"),
            ("no-done=1", "'no-done' expects no value, found '1'"),
            ("retry-after=\u{1}", "'retry-after' expects printable ASCII"),
        ] {
            let error = Behaviour::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(says), "{text}: {error}");
        }
        assert_eq!(Behaviour::of_model("gpt-4o"), Ok(None));
        assert!(Behaviour::of_model("sim:nonsense").is_err());
    }

    #[test]
    fn skip_and_times_bound_the_turns() {
        let turns = |text: &str| {
            let behaviour = Behaviour::parse(text).unwrap();
            (0..5)
                .filter(|&earlier| behaviour.acts_after(earlier, Duration::ZERO))
                .collect::<Vec<_>>()
        };
        assert_eq!(turns("status=500"), [0, 1, 2, 3, 4]);
        assert_eq!(turns("status=500,skip=2"), [2, 3, 4]);
        assert_eq!(turns("status=500,times=2"), [0, 1]);
        assert_eq!(turns("status=500,skip=1,times=2"), [1, 2]);
        let lasting = Behaviour::parse("status=500,for=100").unwrap();
        let acts = |ms| lasting.acts_after(7, Duration::from_millis(ms));
        assert_eq!([acts(0), acts(99), acts(100)], [true, true, false]);
    }
}
