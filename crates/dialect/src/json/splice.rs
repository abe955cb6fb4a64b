//! Edits of a document, collected and then applied together. Nothing is copied but what is new.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::{Members, quoted};

/// Edits to come. They are given in any order and refer to the document before all of them.
#[derive(Debug, Clone, Default)]
pub struct Splices {
    replaced: Vec<(Range<usize>, Bytes)>,
    removed: Vec<String>,
    inserted: Vec<(String, Bytes)>,
}

impl Splices {
    /// Puts `with` in place of the bytes at `range`. Where two replaced ranges overlap, or one
    /// lies in a removed member, the one that starts later is left out.
    pub fn replace(&mut self, range: Range<usize>, with: impl Into<Bytes>) {
        self.replaced.push((range, with.into()));
    }

    /// Removes every top-level member called `name`, if there is one.
    pub fn remove_member(&mut self, name: &str) {
        self.removed.push(name.to_owned());
    }

    /// Removes every member called `name` of an object inside the document; `members` are those
    /// of the bytes at `object`. Says whether there is one.
    pub fn remove_within(
        &mut self,
        object: &Range<usize>,
        members: &Members<'_>,
        name: &str,
    ) -> bool {
        let mut cuts = Vec::new();
        remove(&mut cuts, members, &[name]);
        let is_there = !cuts.is_empty();
        self.replaced.extend(
            cuts.into_iter()
                .map(|(range, with)| (range.start + object.start..range.end + object.start, with)),
        );
        is_there
    }

    /// Adds a top-level member at the end; `raw` is its value as JSON.
    pub fn insert_member(&mut self, name: &str, raw: impl Into<Bytes>) {
        self.inserted.push((name.to_owned(), raw.into()));
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.removed.is_empty() && self.inserted.is_empty()
    }

    /// The edited document; `members` must be those of `body`.
    #[must_use]
    pub fn apply(self, body: &Bytes, members: &Members<'_>) -> Bytes {
        match self.pieces(body, members).as_slice() {
            [one] => one.clone(),
            pieces => pieces.concat().into(),
        }
    }

    /// The edited document in pieces, none of which is copied from `body`; `members` must be those
    /// of `body`.
    #[must_use]
    pub fn pieces(self, body: &Bytes, members: &Members<'_>) -> Vec<Bytes> {
        if self.is_empty() {
            return vec![body.clone()];
        }
        let mut cuts = self.replaced;
        let kept_any = remove(&mut cuts, members, &self.removed);
        let end =
            members.found.list.last().map_or(members.found.inside.start, |last| last.value.end);
        if !self.inserted.is_empty() {
            cuts.push((end..end, added(&self.inserted, kept_any)));
        }
        if cuts.is_empty() {
            return vec![body.clone()];
        }
        splice(body, cuts)
    }
}

/// Adds the cuts that remove members, commas included; says whether a member is left.
fn remove(
    cuts: &mut Vec<(Range<usize>, Bytes)>,
    members: &Members<'_>,
    names: &[impl AsRef<str>],
) -> bool {
    if names.is_empty() {
        return !members.found.list.is_empty();
    }
    let spans = members.found.list.iter().map(|member| member.key.start..member.value.end);
    let is_gone = |member| names.iter().any(|name| members.is_called(member, name.as_ref()));
    let gone: Vec<bool> = members.found.list.iter().map(is_gone).collect();
    cut_out(cuts, &spans.collect::<Vec<_>>(), &gone)
}

/// Adds the cuts that remove those of `spans`, which commas stand between, that are `gone`; says
/// whether one is left.
pub(super) fn cut_out(
    cuts: &mut Vec<(Range<usize>, Bytes)>,
    spans: &[Range<usize>],
    gone: &[bool],
) -> bool {
    let mut kept_any = false;
    for (at, span) in spans.iter().enumerate() {
        if !gone.get(at).copied().unwrap_or_default() {
            kept_any = true;
            continue;
        }
        let previous = at.checked_sub(1).and_then(|previous| spans.get(previous));
        let range = match (kept_any, previous, spans.get(at + 1)) {
            (true, Some(previous), _) => previous.end..span.end,
            (_, _, Some(next)) => span.start..next.start,
            (_, _, None) => span.clone(),
        };
        cuts.push((range, Bytes::new()));
    }
    kept_any
}

fn added(inserted: &[(String, Bytes)], mut comma: bool) -> Bytes {
    let mut text = BytesMut::new();
    for (name, raw) in inserted {
        if comma {
            text.extend_from_slice(b",");
        }
        comma = true;
        text.extend_from_slice(&quoted(name));
        text.extend_from_slice(b":");
        text.extend_from_slice(raw);
    }
    text.freeze()
}

/// `body` with the cuts made, in pieces.
pub(super) fn splice(body: &Bytes, mut cuts: Vec<(Range<usize>, Bytes)>) -> Vec<Bytes> {
    // Of cuts that start at one place the longest is a removal and goes first; an insertion, which
    // is empty, comes behind what ends there.
    cuts.sort_by(|(a, _), (b, _)| a.start.cmp(&b.start).then(b.end.cmp(&a.end)));
    let mut pieces = Vec::with_capacity(2 * cuts.len() + 1);
    let mut done = 0;
    for (range, with) in cuts {
        if range.start < done || range.end > body.len() {
            continue;
        }
        pieces.push(body.slice(done..range.start));
        pieces.push(with);
        done = range.end;
    }
    pieces.push(body.slice(done..));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
