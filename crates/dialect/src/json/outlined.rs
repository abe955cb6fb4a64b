//! Members that somebody else has found: handed on as positions, and checked where they are used. A
//! position that cannot be is found out; that the values between them are JSON is the word of whoever
//! scanned them.

use std::ops::Range;

use weir_types::Outline;

use super::{Found, Member};

/// The positions of `members`.
pub(super) fn outline(members: &[Member]) -> Option<Outline> {
    if members.len() > Outline::MEMBERS_MAX {
        return None;
    }
    let mut positions = Vec::with_capacity(members.len() * 4);
    for member in members {
        for range in [&member.key, &member.value] {
            positions.extend([u32::try_from(range.start).ok()?, u32::try_from(range.end).ok()?]);
        }
    }
    Outline::new(&positions)
}

/// The members of `body` at `positions`; `None` if none can be there.
pub(super) fn found(body: &[u8], positions: &[u32]) -> Option<Found> {
    let is_blank = |byte: &u8| b" \t\r\n".contains(byte);
    let begin = body.iter().position(|byte| !is_blank(byte))?;
    let end = body.iter().rposition(|byte| !is_blank(byte))?;
    let is_object = body.get(begin) == Some(&b'{') && body.get(end) == Some(&b'}');
    if !is_object || begin == end {
        return None;
    }
    let inside = begin + 1..end;
    let mut list = Vec::with_capacity(positions.len() / 4);
    let (mut has_escapes, mut from) = (false, inside.start);
    for four in positions.chunks_exact(4) {
        let at = |index: usize| usize::try_from(*four.get(index)?).ok();
        let member = Member { key: at(0)?..at(1)?, value: at(2)?..at(3)? };
        let name = named(body, &member.key)?;
        // What stands between name and value, and between two members.
        stands(body, member.key.end..member.value.start, b':')?;
        match list.is_empty() {
            true => body.get(from..member.key.start)?.iter().all(is_blank).then_some(())?,
            false => stands(body, from..member.key.start, b',')?,
        }
        if member.value.is_empty() || member.value.end > inside.end {
            return None;
        }
        has_escapes |= name.contains(&b'\\');
        from = member.value.end;
        list.push(member);
    }
    body.get(from..inside.end)?.iter().all(is_blank).then_some(())?;
    Some(Found { list, inside, has_escapes })
}

/// What stands between the quotes of a name.
fn named<'a>(body: &'a [u8], key: &Range<usize>) -> Option<&'a [u8]> {
    body.get(key.clone())?.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// Whether only `mark` and blanks stand at `range`.
fn stands(body: &[u8], range: Range<usize>, mark: u8) -> Option<()> {
    let between = body.get(range)?.trim_ascii();
    (between == [mark]).then_some(())
}

#[cfg(test)]
mod tests {
    use super::super::Members;
    use super::*;

    const BODIES: [&[u8]; 4] = [
        br#"{"model":"a","stream":true}"#,
        b" {\n \"model\" : \"a\" ,\t\"n\":[1,{\"x\":2}] } \n",
        br#"{"mo\u0064el":"a","a\"b":{}}"#,
        br#"{"only":1}"#,
    ];

    #[test]
    fn what_is_handed_on_is_what_was_found() {
        for body in BODIES {
            let scanned = Members::scan(body).unwrap();
            let outline = scanned.outline().unwrap();
            let told = Members::outlined(body, &outline).unwrap();
            assert!(told.iter().eq(scanned.iter()));
            assert_eq!(told.found.inside, scanned.found.inside);
            assert_eq!(told.found.has_escapes, scanned.found.has_escapes);
            assert_eq!(told.raw("model").unwrap(), scanned.raw("model").unwrap());
        }
        let many: Vec<_> = (0..=Outline::MEMBERS_MAX).map(|at| format!("\"m{at}\":0")).collect();
        let many = format!("{{{}}}", many.join(","));
        assert!(Members::scan(many.as_bytes()).unwrap().outline().is_none());
        assert!(Members::scan(b"{}").unwrap().outline().is_none(), "nothing is worth being told");
    }

    /// Every position of every body, a little off, or of another body.
    #[test]
    fn what_cannot_be_is_not_believed() {
        for body in BODIES {
            let positions = Members::scan(body).unwrap().outline().unwrap().positions().to_vec();
            for at in 0..positions.len() {
                for wrong in (0..=body.len() + 2).map(|wrong| u32::try_from(wrong).unwrap()) {
                    let mut changed = positions.clone();
                    changed[at] = wrong;
                    let told = Members::outlined(body, &Outline::new(&changed).unwrap());
                    let blank = |range: Range<u32>| {
                        let range = range.start as usize..range.end as usize;
                        body[range].iter().all(u8::is_ascii_whitespace)
                    };
                    let same = positions[at].min(wrong)..positions[at].max(wrong);
                    let is_same = wrong as usize <= body.len() && blank(same);
                    // Blanks around a value may be called a part of it.
                    assert!(told.is_none() || is_same, "{at}: {wrong}");
                }
            }
            for other in BODIES.iter().filter(|other| **other != body) {
                assert!(Members::outlined(other, &Outline::new(&positions).unwrap()).is_none());
            }
        }
        assert!(Members::outlined(b"", &Outline::new(&[0; 4]).unwrap()).is_none());
        assert!(Members::outlined(b"{", &Outline::new(&[0, 1, 0, 1]).unwrap()).is_none());
    }
}
