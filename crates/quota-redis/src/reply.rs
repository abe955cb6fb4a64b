//! The script's reply as the protocol's types.
//!
//! One string: MessagePack of nested arrays of whole numbers and strings; -1 stands for none.
//! Anything unexpected is an error that names what was expected, never a guess.

use redis::Value;
use weir_quota::{
    Answer, BatchReply, Event, Incarnation, Limits, Micros, NoKeyReason, Note, PoolStatus,
    StoreError, TicketId,
};
use weir_types::KeyName;

use crate::msgpack::{self, Item};

/// A reply that is not what the script sends: what was expected.
pub(crate) type Expected = &'static str;

/// A reply, and what the bell has to know.
#[derive(Debug, PartialEq)]
pub(crate) struct Replied {
    /// For the router that sent the batch.
    pub(crate) reply: BatchReply,
    /// Other routers that have news.
    pub(crate) rung: Vec<Incarnation>,
}

/// Reads a reply to a batch of `router`.
///
/// # Errors
/// `StaleSession` or `Corrupt` if the script says so; `Unanswered` if the reply cannot be read.
pub(crate) fn decode(reply: &Value, router: Incarnation) -> Result<Replied, StoreError> {
    let Value::BulkString(bytes) = reply else {
        return Err(StoreError::Unanswered("unreadable reply, no string".to_owned()));
    };
    if bytes == b"stale" {
        return Err(StoreError::StaleSession);
    }
    if let Some(why) = bytes.strip_prefix(b"corrupt ") {
        return Err(StoreError::Corrupt(String::from_utf8_lossy(why).into_owned()));
    }
    msgpack::read(bytes)
        .ok_or("whole value")
        .and_then(|item| read(Fields::of(&item)?, router))
        .map_err(|expected| StoreError::Unanswered(format!("unreadable reply, no {expected}")))
}

fn read(mut fields: Fields<'_>, router: Incarnation) -> Result<Replied, Expected> {
    let now = fields.whole()?;
    let wake_in = fields.whole_or_none()?;
    let restate = fields.whole()? == 1;
    let session = fields.exact()?;
    let mut status = fields.fields()?;
    let status = PoolStatus {
        leases: status.count()?,
        tickets: status.count()?,
        routers: status.count()?,
        cooling: status.count()?,
        limits_hash: status.exact()?,
    };
    let answers = fields.fields()?.each(answer)?;
    let events = fields.fields()?.each(|fields| event(fields, router))?;
    let rung = routers(fields.fields()?)?;
    let reply = BatchReply { answers, events, now, wake_in, restate, session, status };
    Ok(Replied { reply, rung })
}

pub(crate) fn answer(mut fields: Fields<'_>) -> Result<Answer, Expected> {
    Ok(match fields.whole()? {
        1 => Answer::Granted { key: fields.key()?, arrival: fields.whole()? },
        2 => Answer::Queued {
            arrival: fields.whole()?,
            ahead: fields.count()?,
            estimate: fields.whole_or_none()?,
        },
        3 => Answer::Full { retry_after: fields.whole()? },
        4 => Answer::NoKey {
            until: fields.whole_or_none()?,
            reason: fields.reason()?,
            notes: fields.notes()?,
        },
        5 => Answer::ClaimRefused,
        6 => Answer::Done,
        7 if fields.is_empty() => Answer::Settled(None),
        7 => Answer::Settled(Some(Box::new(answer(fields.fields()?)?))),
        8 if fields.is_empty() => Answer::LimitsInForce(Limits::unset()),
        8 => Answer::LimitsInForce(limits(fields)?),
        9 => Answer::Grace,
        10 => Answer::Routers(routers(fields)?),
        _ => return Err("known answer"),
    })
}

/// In the machine's order; the script has none.
fn routers(mut fields: Fields<'_>) -> Result<Vec<Incarnation>, Expected> {
    let mut routers = Vec::new();
    while !fields.is_empty() {
        routers.push(Incarnation(fields.exact()?));
    }
    routers.sort_unstable();
    Ok(routers)
}

fn limits(mut fields: Fields<'_>) -> Result<Limits, Expected> {
    let generation = fields.exact()?;
    let hash = fields.exact()?;
    let concurrency = fields.count()?;
    let buffer = fields.count()?;
    let mut pairs = fields.fields()?;
    let mut keys = Vec::new();
    while !pairs.is_empty() {
        let name = pairs.key()?;
        let weight = pairs.text()?.parse().map_err(|_| "weight")?;
        keys.push((name, weight));
    }
    let leeway = fields.count()?;
    Ok(Limits { generation, hash, concurrency, buffer, leeway, keys })
}

fn event(mut fields: Fields<'_>, router: Incarnation) -> Result<Event, Expected> {
    let kind = fields.whole()?;
    let ticket = TicketId { router, number: fields.exact()? };
    Ok(match kind {
        1 => Event::HandedOff {
            ticket,
            key: fields.key()?,
            arrival: fields.whole()?,
            claimed: fields.whole()? == 1,
        },
        2 => Event::NoKey {
            ticket,
            until: fields.whole_or_none()?,
            reason: fields.reason()?,
            notes: fields.notes()?,
        },
        _ => return Err("known event"),
    })
}

/// What is left of an array.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a>(std::slice::Iter<'a, Item<'a>>);

// === impl Fields ===

impl<'a> Fields<'a> {
    pub(crate) fn of(item: &'a Item<'a>) -> Result<Self, Expected> {
        match item {
            Item::Array(items) => Ok(Self(items.iter())),
            Item::Whole(_) | Item::Text(_) => Err("array"),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    pub(crate) fn each<T>(
        self,
        read: impl Fn(Self) -> Result<T, Expected>,
    ) -> Result<Vec<T>, Expected> {
        self.0.map(|value| Self::of(value).and_then(&read)).collect()
    }

    pub(crate) fn all<T>(
        mut self,
        read: impl Fn(&mut Self) -> Result<T, Expected>,
    ) -> Result<Vec<T>, Expected> {
        let mut found = Vec::new();
        while !self.is_empty() {
            found.push(read(&mut self)?);
        }
        Ok(found)
    }

    fn next(&mut self) -> Result<&'a Item<'a>, Expected> {
        self.0.next().ok_or("further field")
    }

    pub(crate) fn fields(&mut self) -> Result<Self, Expected> {
        self.next().and_then(Self::of)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Expected> {
        match self.next()? {
            Item::Whole(number) => Ok(*number),
            Item::Text(_) | Item::Array(_) => Err("number"),
        }
    }

    pub(crate) fn whole(&mut self) -> Result<u64, Expected> {
        u64::try_from(self.signed()?).map_err(|_| "number from 0")
    }

    fn whole_or_none(&mut self) -> Result<Option<Micros>, Expected> {
        Ok(u64::try_from(self.signed()?).ok())
    }

    pub(crate) fn count(&mut self) -> Result<u32, Expected> {
        u32::try_from(self.signed()?).map_err(|_| "count")
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Expected> {
        match self.next()? {
            Item::Text(bytes) => Ok(bytes),
            Item::Whole(_) | Item::Array(_) => Err("string"),
        }
    }

    fn exact(&mut self) -> Result<u64, Expected> {
        self.bytes()?.try_into().map(u64::from_be_bytes).map_err(|_| "eight bytes")
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Expected> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "text")
    }

    pub(crate) fn key(&mut self) -> Result<KeyName, Expected> {
        self.text().map(KeyName::from)
    }

    fn notes(&mut self) -> Result<Vec<Note>, Expected> {
        let (mut fields, mut notes) = (self.fields()?, Vec::new());
        while !fields.is_empty() {
            notes.push(Note::from(fields.text()?));
        }
        Ok(notes)
    }

    fn reason(&mut self) -> Result<NoKeyReason, Expected> {
        match self.whole()? {
            1 => Ok(NoKeyReason::Cooling),
            2 => Ok(NoKeyReason::EndpointCooling),
            3 => Ok(NoKeyReason::Unknown),
            _ => Err("known reason"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let router = Incarnation(1);
        let packed = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
        let bad = [
            Value::Nil,
            Value::Array(vec![]),
            packed(b""),
            packed(&[0x90]),
            packed(&[0x92, 1, 0xff]),
            packed(b"other"),
        ];
        for one in bad {
            let found = decode(&one, router);
            assert!(matches!(found, Err(StoreError::Unanswered(_))), "{one:?}: {found:?}");
        }
        let stale = packed(b"stale");
        assert_eq!(decode(&stale, router), Err(StoreError::StaleSession));
    }
}
