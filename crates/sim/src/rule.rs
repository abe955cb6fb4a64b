//! Which behaviour a request meets: rules set by a test, then what the model name carries.
//!
//! Counting turns is part of it, so that "the first two get 429" holds across connections. Pure: time is
//! an argument, a lock and the HTTP shape are the caller's.

use std::collections::HashMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviour, GrammarError};

/// Model names whose turns are counted; a test that uses more of them must reset in between.
const COUNTED_MODELS_MAX: usize = 10_000;
/// Rules at a time.
const RULES_MAX: usize = 1000;

/// Which requests a rule is for. What is left out matches everything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// The key value that the request carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The model name in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The end of the path: `/embeddings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether a stream is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
}

/// What a test asks for through `POST /sim/faults`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which requests.
    #[serde(default, rename = "match")]
    pub matcher: Matcher,
    /// What happens to them, in the grammar of [`Behaviour::parse`].
    #[serde(rename = "do")]
    pub act: String,
    /// Headers of the answer, added to its own.
    #[serde(default, skip_serializing_if = "HashMap::is_empty")]
    pub headers: HashMap<String, String>,
    /// The body of an error answer, instead of the usual one. With `content-type` in `headers`
    /// it may be an HTML page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// What is known of a request when rules are asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) key: &'a str,
    pub(crate) model: &'a str,
    pub(crate) path: &'a str,
    pub(crate) stream: bool,
}

/// What a request meets.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) behaviour: Behaviour,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
}

/// A rule in force and how many requests matched it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Placed {
    id: u64,
    #[serde(flatten)]
    rule: Rule,
    #[serde(skip)]
    behaviour: Behaviour,
    #[serde(skip)]
    since: Instant,
    matched: u64,
}

/// The rules in force and the turns counted so far.
#[derive(Debug, Default)]
pub(crate) struct RuleBook {
    rules: Vec<Placed>,
    next_id: u64,
    /// Of each model name, and when the first came.
    turns: HashMap<String, (u64, Instant)>,
}

impl Matcher {
    fn fits(&self, facts: Facts<'_>) -> bool {
        self.key.as_deref().is_none_or(|key| key == facts.key)
            && self.model.as_deref().is_none_or(|model| model == facts.model)
            && self.path.as_deref().is_none_or(|path| facts.path.ends_with(path))
            && self.stream.is_none_or(|stream| stream == facts.stream)
    }
}

impl RuleBook {
    /// Puts a rule behind the others and gives its number.
    ///
    /// # Errors
    /// The mistake in its `do`, or that there are too many rules.
    pub(crate) fn add(&mut self, rule: Rule, now: Instant) -> Result<u64, String> {
        if self.rules.len() >= RULES_MAX {
            return Err(format!("there are {RULES_MAX} rules; DELETE /sim/faults removes them"));
        }
        let behaviour = Behaviour::parse(&rule.act).map_err(|error| format!("do: {error}"))?;
        self.next_id += 1;
        self.rules.push(Placed { id: self.next_id, rule, behaviour, since: now, matched: 0 });
        Ok(self.next_id)
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
        self.turns.clear();
    }

    pub(crate) fn list(&self) -> &[Placed] {
        &self.rules
    }

    /// What this request meets; counts it. The first rule that still acts wins; the model name
    /// is laid above it.
    ///
    /// # Errors
    /// The mistake in a model name's grammar.
    pub(crate) fn judge(
        &mut self,
        facts: Facts<'_>,
        now: Instant,
    ) -> Result<Verdict, GrammarError> {
        let mut verdict = self.first_acting(facts, now);
        let Some(wish) = Behaviour::of_model(facts.model)? else {
            return Ok(verdict);
        };
        let acts = |(turn, since)| wish.acts_after(turn, now.duration_since(since));
        if self.turn_of(facts.model, now).is_some_and(acts) {
            verdict.behaviour = verdict.behaviour.overlaid(wish);
        }
        Ok(verdict)
    }

    fn first_acting(&mut self, facts: Facts<'_>, now: Instant) -> Verdict {
        for placed in &mut self.rules {
            if !placed.rule.matcher.fits(facts) {
                continue;
            }
            let turn = placed.matched;
            placed.matched += 1;
            if placed.behaviour.acts_after(turn, now.duration_since(placed.since)) {
                let headers = &placed.rule.headers;
                return Verdict {
                    behaviour: placed.behaviour.clone(),
                    headers: headers.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
                    body: placed.rule.body.clone(),
                };
            }
        }
        Verdict::default()
    }

    /// How many requests named this model before, and since when; `None` once too many names are
    /// counted.
    fn turn_of(&mut self, model: &str, now: Instant) -> Option<(u64, Instant)> {
        if let Some((turns, since)) = self.turns.get_mut(model) {
            *turns += 1;
            return Some((*turns - 1, *since));
        }
        if self.turns.len() >= COUNTED_MODELS_MAX {
            return None;
        }
        self.turns.insert(model.to_owned(), (1, now));
        Some((0, now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn facts<'a>(key: &'a str, model: &'a str) -> Facts<'a> {
        Facts { key, model, path: "/v1/chat/completions", stream: false }
    }

    fn status(book: &mut RuleBook, key: &str, model: &str) -> Option<u16> {
        book.judge(facts(key, model), Instant::now()).unwrap().behaviour.status
    }

    #[test]
    fn a_spent_rule_lets_the_next_one_act() {
        let mut book = RuleBook::default();
        let key = Some("k1".to_owned());
        let matcher = Matcher { key, ..Matcher::default() };
        let first = Rule { matcher, act: "status=429,times=2".into(), ..Rule::default() };
        let second = Rule { act: "status=500,skip=1".into(), ..Rule::default() };
        let now = Instant::now();
        assert_eq!((book.add(first, now), book.add(second, now)), (Ok(1), Ok(2)));
        assert_eq!(status(&mut book, "k1", "m"), Some(429));
        assert_eq!(status(&mut book, "k2", "m"), None, "the second rule skips one");
        assert_eq!(status(&mut book, "k1", "m"), Some(429));
        assert_eq!(status(&mut book, "k1", "m"), Some(500));
        book.clear();
        assert_eq!(status(&mut book, "k1", "m"), None);
    }

    #[test]
    fn a_model_name_counts_its_own_turns_and_wins() {
        let mut book = RuleBook::default();
        let rule = Rule { act: "status=500,latency=3".into(), ..Rule::default() };
        book.add(rule, Instant::now()).unwrap();
        let wish = "sim:status=429,times=1";
        let verdict = book.judge(facts("k", wish), Instant::now()).unwrap();
        assert_eq!(verdict.behaviour.status, Some(429));
        assert_eq!(verdict.behaviour.latency.map(|latency| latency.as_millis()), Some(3));
        assert_eq!(status(&mut book, "k", wish), Some(500));
        assert_eq!(status(&mut book, "k", "sim:status=429,times=1,tag=b"), Some(429));
    }

    #[test]
    fn a_wrong_rule_is_refused_and_counts_nothing() {
        let mut book = RuleBook::default();
        let error =
            book.add(Rule { act: "oops".into(), ..Rule::default() }, Instant::now()).unwrap_err();
        assert!(error.contains("unknown word 'oops'"), "{error}");
        assert!(book.list().is_empty());
        assert!(book.judge(facts("k", "sim:oops"), Instant::now()).is_err());
    }

    #[test]
    fn down_for_a_while_and_then_slow() {
        let (mut book, start) = (RuleBook::default(), Instant::now());
        for act in ["status=503,for=1000", "latency=5,for=3000"] {
            book.add(Rule { act: act.into(), ..Rule::default() }, start).unwrap();
        }
        let mut at = |ms| {
            let behaviour = book.judge(facts("k", "m"), start + Duration::from_millis(ms)).unwrap();
            let behaviour = behaviour.behaviour;
            (behaviour.status, behaviour.latency.is_some())
        };
        assert_eq!([at(0), at(999)], [(Some(503), false); 2]);
        assert_eq!([at(1000), at(2999), at(3000)], [(None, true), (None, true), (None, false)]);
        // A model name's time begins with the first request for it.
        let mut is_down = |ms| {
            let now = start + Duration::from_millis(ms);
            book.judge(facts("k", "sim:status=500,for=100"), now).unwrap().behaviour.status
        };
        assert_eq!([is_down(9000), is_down(9099), is_down(9100)], [Some(500), Some(500), None]);
    }
}
