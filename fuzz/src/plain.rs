//! What knows no format: framings and JSON.

use bytes::Bytes;
use weir_dialect::json::{Cuts, Members, Splices, Spot};
use weir_framing::{Decoder, FrameError};
use weir_types::Framing;

fn frames(framing: Framing, data: &[u8], first: usize) -> (Vec<Bytes>, Option<FrameError>) {
    let mut decoder = Decoder::new(framing);
    let mut found = Vec::new();
    let (one, two) = data.split_at(first.min(data.len()));
    for part in [one, two] {
        decoder.push(Bytes::copy_from_slice(part));
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    found.extend(decoder.finish());
    (found, None)
}

/// Frames are the same however the input is split, and put together they are the input again.
pub(crate) fn framing(framing: Framing, data: &[u8]) {
    let (whole, error) = frames(framing, data, 0);
    let split = data.first().map_or(0, |first| usize::from(*first) % (data.len() + 1));
    let in_parts = frames(framing, data, split);
    assert_eq!(in_parts, (whole.clone(), error.clone()), "split at {split}");
    if error.is_none() {
        assert_eq!(whole.concat(), data, "frames put together");
    }
    let decoder = Decoder::new(framing);
    for frame in &whole {
        let _ = decoder.parse(frame);
    }
}

/// The scanner takes nothing that `serde_json` refuses, and what is cut out of a document leaves one.
pub(crate) fn json(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let Ok(members) = Members::scan(&body) else { return };
    let value = serde_json::from_slice::<serde_json::Value>(&body);
    // What the scanner does not look at: halves of surrogate pairs, numbers out of range.
    let is_odd = value.is_err();
    let names: Vec<String> = members.iter().map(|one| members.name(one).into_owned()).collect();
    let mut splices = Splices::default();
    if let Some(name) = names.first() {
        splices.remove_member(name);
        splices.insert_member("weir", "1");
        let _ = (members.text(name), members.truth(name), members.value(name));
    }
    let edited = splices.apply(&body, &members);
    assert!(Members::scan(&edited).is_ok(), "spliced: {edited:?}");
    let Ok(document) = Spot::document(&body) else { return };
    let mut cuts = Cuts::default();
    for name in &names {
        let Ok(list) = document.list(name) else { continue };
        let gone: Vec<bool> = (0..list.len()).map(|at| at % 3 != 1).collect();
        cuts.remove_elements(&list, &gone);
        for element in &list {
            let inner = element.names().unwrap_or_default();
            let every_second: Vec<&str> = inner.iter().step_by(2).map(|name| &**name).collect();
            let _ = cuts.remove_members(element, &every_second);
        }
    }
    let left = cuts.apply(&body);
    assert!(Members::scan(&left).is_ok(), "cut: {left:?}");
    if !is_odd {
        let left = serde_json::from_slice::<serde_json::Value>(&left);
        assert!(left.is_ok(), "cut: {left:?}");
    }
}
