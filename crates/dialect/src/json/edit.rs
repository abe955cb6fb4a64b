//! Edits deep inside of a document: places in it, and cuts there. What is not cut stays as it is to
//! the byte. Every step looks at its bytes anew, so this is for edits that are rare.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde_json::Value;

use super::splice::{cut_out, splice};
use super::{JsonFault, Members, elements};

/// A value in a document.
#[derive(Clone)]
pub struct Spot<'a> {
    body: &'a [u8],
    range: Range<usize>,
}

/// Edits to come; they refer to the document before all of them.
#[derive(Debug, Clone, Default)]
pub struct Cuts(Vec<(Range<usize>, Bytes)>);

impl std::fmt::Debug for Spot<'_> {
    /// The position only: documents are prompts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spot").field("range", &self.range).finish_non_exhaustive()
    }
}

impl<'a> Spot<'a> {
    /// The whole of `body`.
    ///
    /// # Errors
    /// It is not one JSON object.
    pub fn document(body: &'a [u8]) -> Result<Self, JsonFault> {
        Members::scan(body)?;
        Ok(Self { body, range: 0..body.len() })
    }

    /// The bytes of the value.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.body.get(self.range.clone()).unwrap_or_default()
    }

    /// Where the value is.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    fn inner(&self, range: &Range<usize>) -> Self {
        let start = self.range.start;
        Self { body: self.body, range: range.start + start..range.end + start }
    }

    /// The member called `name`; `None` if there is none, or the value is not an object.
    ///
    /// # Errors
    /// There are two.
    pub fn member(&self, name: &str) -> Result<Option<Self>, JsonFault> {
        let Some(members) = self.members()? else { return Ok(None) };
        Ok(members.find(name)?.map(|member| self.inner(&member.value)))
    }

    /// The names of the members; none if the value is not an object.
    ///
    /// # Errors
    /// Not to be met in a document that has been looked at.
    pub fn names(&self) -> Result<Vec<Cow<'a, str>>, JsonFault> {
        let members = self.members()?;
        let named = |members: Members<'a>| members.iter().map(|one| members.name(one)).collect();
        Ok(members.map(named).unwrap_or_default())
    }

    /// The elements; none if the value is not a list.
    ///
    /// # Errors
    /// Not to be met in a document that has been looked at.
    pub fn elements(&self) -> Result<Vec<Self>, JsonFault> {
        Ok(elements(self.raw())?.iter().map(|range| self.inner(range)).collect())
    }

    /// The elements of the member called `name`.
    ///
    /// # Errors
    /// There are two such members.
    pub fn list(&self, name: &str) -> Result<Vec<Self>, JsonFault> {
        self.member(name)?.map_or_else(|| Ok(Vec::new()), |list| list.elements())
    }

    /// The text of the member called `name`; empty if there is none, or it is no text.
    ///
    /// # Errors
    /// There are two such members.
    pub fn text(&self, name: &str) -> Result<String, JsonFault> {
        let Some(member) = self.member(name)? else { return Ok(String::new()) };
        Ok(match serde_json::from_slice(member.raw()) {
            Ok(Value::String(text)) => text,
            _ => String::new(),
        })
    }

    fn members(&self) -> Result<Option<Members<'a>>, JsonFault> {
        let raw = self.raw();
        let is_object = raw.trim_ascii_start().first() == Some(&b'{');
        is_object.then(|| Members::scan(raw)).transpose()
    }
}

impl Cuts {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts `with` in place of the value.
    pub fn replace(&mut self, spot: &Spot<'_>, with: impl Into<Bytes>) {
        self.0.push((spot.range.clone(), with.into()));
    }

    /// Removes the members of `object` that are called so, with their commas.
    ///
    /// # Errors
    /// Not to be met in a document that has been looked at.
    pub fn remove_members(&mut self, object: &Spot<'_>, names: &[&str]) -> Result<(), JsonFault> {
        let Some(members) = object.members()? else { return Ok(()) };
        let start = object.range.start;
        let list = || members.iter();
        let spans = list().map(|one| one.key.start + start..one.value.end + start);
        let gone = list().map(|one| names.contains(&&*members.name(one)));
        cut_out(&mut self.0, &spans.collect::<Vec<_>>(), &gone.collect::<Vec<_>>());
        Ok(())
    }

    /// Removes those of the elements of one list that are `gone`, with their commas.
    pub fn remove_elements(&mut self, list: &[Spot<'_>], gone: &[bool]) {
        let spans: Vec<_> = list.iter().map(|element| element.range.clone()).collect();
        cut_out(&mut self.0, &spans, gone);
    }

    /// Removes from the list that each of `outer` has under `name` what `gone` says of it, element by
    /// element. One of `outer` goes as a whole if nothing of its list is left.
    ///
    /// # Errors
    /// Those of `gone`; others are not to be met in a document that has been looked at.
    pub fn remove_inner<'a, E: From<JsonFault>>(
        &mut self,
        outer: &[Spot<'a>],
        name: &str,
        mut gone: impl FnMut(&[Spot<'a>], &mut Self) -> Result<Vec<bool>, E>,
    ) -> Result<(), E> {
        let mut emptied = Vec::with_capacity(outer.len());
        for one in outer {
            let list = one.list(name)?;
            let gone = gone(&list, self)?;
            let is_empty = !gone.is_empty() && gone.iter().all(|gone| *gone);
            if !is_empty {
                self.remove_elements(&list, &gone);
            }
            emptied.push(is_empty);
        }
        self.remove_elements(outer, &emptied);
        Ok(())
    }

    /// `body` with the edits made.
    #[must_use]
    pub fn apply(self, body: &Bytes) -> Bytes {
        if self.is_empty() {
            return body.clone();
        }
        splice(body, self.0).concat().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_cut_stays_as_it_is() {
        let body = Bytes::from_static(
            br#" {"a" : [ {"x":1} ,2, {"y" :[1 , 2,3], "z":"\u00e9"} , 4 ], "b":{ "c" : 1 } } "#,
        );
        let document = Spot::document(&body).unwrap();
        let list = document.list("a").unwrap();
        let mut cuts = Cuts::default();
        cuts.remove_elements(&list, &[true, true, false, true]);
        let inner = list[2].list("y").unwrap();
        cuts.remove_elements(&inner, &[false, true, false]);
        cuts.remove_members(&list[2], &["z"]).unwrap();
        cuts.replace(&document.member("b").unwrap().unwrap().member("c").unwrap().unwrap(), "7");
        // Within what is removed altogether.
        cuts.replace(&list[0].member("x").unwrap().unwrap(), "9");
        let expected = br#" {"a" : [ {"y" :[1,3]} ], "b":{ "c" : 7 } } "#;
        assert_eq!(cuts.apply(&body), &expected[..]);
        assert_eq!(document.names().unwrap(), ["a", "b"]);
        assert_eq!(list[2].text("z").unwrap(), "é");
        assert!(list[1].member("x").unwrap().is_none() && list[0].elements().unwrap().is_empty());
    }

    #[test]
    fn a_member_that_stands_twice_is_no_place() {
        let document = Spot::document(br#"{"a":{"b":1,"b":2}}"#).unwrap();
        assert!(document.member("a").unwrap().unwrap().member("b").is_err());
        assert!(Spot::document(b"[1]").is_err());
    }
}
