//! Brings the parts of a stream into the order that [`crate::ir::event`] promises: one after the
//! other, each whole, numbered without gaps.
//!
//! A stream of this format does so by itself. Hosts that imitate it may mix the pieces of several
//! calls: what comes before its turn waits, within a bound.

use std::collections::VecDeque;

use serde_json::Value;

use crate::fault::Garbage;
use crate::ir::{Delta, Event, PartStart};

/// Parts of one answer.
const PARTS_MAX: usize = 4096;
/// Bytes that wait for their turn.
const HELD_BYTES_MAX: usize = 4 << 20;

/// Where a part stands: the item's `output_index`, and `content_index` in messages.
pub(super) type Place = (u64, u64);

/// What a part is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text or a refusal; begins with the first words, or never.
    Words,
    /// Reasoning; begins with the first words, or at its end if it is encrypted only.
    Thinking,
    /// A call.
    Call,
    /// Something that is complete at once.
    Block,
}

/// What is known of one part.
#[derive(Debug)]
pub(super) struct Slot {
    place: Place,
    /// What it is made of.
    pub(super) shape: Shape,
    /// The format's own id of it.
    pub(super) id: Option<String>,
    /// It has begun.
    pub(super) has_begun: bool,
    /// Words or arguments have come.
    pub(super) has_words: bool,
    /// It has ended.
    pub(super) is_over: bool,
    /// Annotations that have come.
    pub(super) annotations: usize,
    /// Whether its words are a summary, once words have come.
    pub(super) is_summary: Option<bool>,
    /// The part of a summary that it is at.
    pub(super) summary: u64,
    held: VecDeque<Piece>,
}

#[derive(Debug)]
enum Piece {
    Start(PartStart),
    Delta(Delta, Option<Value>),
    End,
}

/// The parts of one answer, in the order of their appearance.
#[derive(Debug, Default)]
pub(super) struct Slots {
    list: Vec<Slot>,
    /// The part whose turn it is.
    head: usize,
    /// Its number.
    part: u32,
    held_bytes: usize,
}

impl Slots {
    /// The number of the part at `place`, if it has appeared.
    pub(super) fn find(&self, place: Place) -> Option<usize> {
        self.list.iter().rposition(|slot| slot.place == place)
    }

    /// As [`Slots::find`], if it is made of that.
    pub(super) fn find_shaped(&self, place: Place, shape: Shape) -> Option<usize> {
        let at = self.find(place)?;
        self.list.get(at).filter(|slot| slot.shape == shape).map(|_| at)
    }

    /// The numbers of the parts of one item.
    pub(super) fn of_item(&self, output: u64) -> Vec<usize> {
        let all = self.list.iter().enumerate();
        all.filter(|(_, slot)| slot.place.0 == output).map(|(at, _)| at).collect()
    }

    /// How many have appeared.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// A new part.
    pub(super) fn add(&mut self, place: Place, shape: Shape) -> Result<usize, Garbage> {
        if self.list.len() >= PARTS_MAX {
            return Err(Garbage("the answer has too many parts"));
        }
        self.list.push(Slot {
            place,
            shape,
            id: None,
            has_begun: false,
            has_words: false,
            is_over: false,
            annotations: 0,
            is_summary: None,
            summary: 0,
            held: VecDeque::new(),
        });
        Ok(self.list.len() - 1)
    }

    /// The part `at`.
    pub(super) fn get(&mut self, at: usize) -> Option<&mut Slot> {
        self.list.get_mut(at)
    }

    /// Begins the part `at`, unless it has begun.
    pub(super) fn start(
        &mut self,
        at: usize,
        start: PartStart,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        match self.list.get_mut(at) {
            Some(slot) if !slot.has_begun && !slot.is_over => slot.has_begun = true,
            _ => return Ok(()),
        }
        self.say(at, Piece::Start(start), events)
    }

    /// Adds to the part `at`, unless it is over.
    pub(super) fn delta(
        &mut self,
        at: usize,
        delta: Delta,
        logprobs: Option<Value>,
        events: &mut Vec<Event>,
    ) -> Result<(), Garbage> {
        match self.list.get_mut(at) {
            Some(slot) if slot.has_begun && !slot.is_over => {
                slot.has_words |= matches!(delta, Delta::Text(_) | Delta::Arguments(_));
            }
            _ => return Ok(()),
        }
        self.say(at, Piece::Delta(delta, logprobs), events)
    }

    /// Ends the part `at`, unless it is over.
    pub(super) fn end(&mut self, at: usize, events: &mut Vec<Event>) -> Result<(), Garbage> {
        match self.list.get_mut(at) {
            Some(slot) if !slot.is_over => slot.is_over = true,
            _ => return Ok(()),
        }
        self.say(at, Piece::End, events)
    }

    fn say(&mut self, at: usize, piece: Piece, events: &mut Vec<Event>) -> Result<(), Garbage> {
        if at == self.head {
            self.tell(piece, events);
            return Ok(());
        }
        self.held_bytes = self.held_bytes.saturating_add(piece.bytes());
        if self.held_bytes > HELD_BYTES_MAX {
            return Err(Garbage("parts of the answer are mixed, and too much of them"));
        }
        if let Some(slot) = self.list.get_mut(at) {
            slot.held.push_back(piece);
        }
        Ok(())
    }

    /// Gives a piece of the part whose turn it is, and if that ends it, what has waited for it.
    fn tell(&mut self, piece: Piece, events: &mut Vec<Event>) {
        let mut next = Some(piece);
        while let Some(piece) = next {
            let (choice, part) = (0, self.part);
            match piece {
                Piece::Start(start) => events.push(Event::PartStart { choice, part, start }),
                Piece::Delta(delta, logprobs) => {
                    events.push(Event::Delta { choice, part, delta, logprobs });
                }
                Piece::End => {
                    // What never began leaves no gap.
                    if self.list.get(self.head).is_some_and(|slot| slot.has_begun) {
                        events.push(Event::PartEnd { choice, part });
                        self.part = self.part.saturating_add(1);
                    }
                    self.head += 1;
                }
            }
            next = self.list.get_mut(self.head).and_then(|slot| slot.held.pop_front());
            let freed = next.as_ref().map_or(0, Piece::bytes);
            self.held_bytes = self.held_bytes.saturating_sub(freed);
        }
    }
}

impl Piece {
    fn bytes(&self) -> usize {
        let own = size_of::<Self>();
        own + match self {
            Self::Delta(Delta::Text(text) | Delta::Arguments(text), _) => text.len(),
            Self::Delta(Delta::Signature(sealed), _) => sealed.data.len(),
            Self::Start(PartStart::Redacted(sealed)) => sealed.data.len(),
            _ => 0,
        }
    }
}
