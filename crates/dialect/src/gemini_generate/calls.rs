//! Ids of calls. Google's own may be missing, and then results are tied to calls by name and order.
//! Here they are made: without state, so that the same conversation gives the same ids each time.

use std::collections::{BTreeMap, VecDeque};

/// The calls read so far.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Of an answer: its id, so that ids of several answers differ.
    prefix: String,
    count: usize,
    /// Calls without a result yet: ids by name, in order.
    open: BTreeMap<String, VecDeque<String>>,
}

impl Calls {
    /// The calls of the answer `id`.
    pub(super) fn of_answer(id: &str) -> Self {
        Self { prefix: id.to_owned(), ..Self::default() }
    }

    /// How many there were.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// A call of the tool `name`; gives its id.
    pub(super) fn call(&mut self, given: Option<String>, name: &str) -> String {
        let place = self.count;
        self.count += 1;
        let made = || match self.prefix.as_str() {
            "" => format!("call_{place}_{name}"),
            prefix => format!("call_{prefix}_{place}"),
        };
        let id = given.filter(|id| !id.is_empty()).unwrap_or_else(made);
        self.open.entry(name.to_owned()).or_default().push_back(id.clone());
        id
    }

    /// A result of the tool `name`; gives the id of the call that it belongs to.
    pub(super) fn result(&mut self, given: Option<String>, name: &str) -> String {
        let open = self.open.get_mut(name);
        match given.filter(|id| !id.is_empty()) {
            Some(id) => {
                if let Some(open) = open
                    && open.front() == Some(&id)
                {
                    open.pop_front();
                }
                id
            }
            None => open
                .and_then(VecDeque::pop_front)
                .unwrap_or_else(|| format!("call_{}_{name}", self.count)),
        }
    }

    /// A turn of the model begins: what is still open stays without a result.
    pub(super) fn begin_turn(&mut self) {
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_find_their_calls_by_name_and_order() {
        let mut calls = Calls::default();
        let first = calls.call(None, "f");
        let other = calls.call(None, "g");
        let second = calls.call(Some("own".into()), "f");
        assert_eq!((first.as_str(), second.as_str()), ("call_0_f", "own"));
        assert_eq!(calls.result(None, "g"), other);
        assert_eq!(calls.result(None, "f"), first);
        assert_eq!(calls.result(None, "f"), "own");
        assert_eq!(calls.result(None, "f"), "call_3_f");
        assert_eq!(Calls::of_answer("r1").call(None, "f"), "call_r1_0");
    }
}
