//! How an answer is sent that says what it should: in pieces, packed, with something behind it, under a
//! wrong name, or not at all but for comments. Pure.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::behaviour::Behaviour;
use crate::plan::{Plan, Step};

/// What keeps a connection open and says nothing.
const COMMENT: &[u8] = b": still here\n\n";
/// What stands in front of servers and answers in their place.
const PAGE: &[u8] = b"<!doctype html><html><body><h1>Welcome to nginx!</h1></body></html>";
/// What follows an answer that was complete.
const TRAILING: &[u8] = b"\n\x00garbage behind the end}";

/// The headers that a manner of sending asks for.
pub(crate) fn headers(behaviour: &Behaviour) -> impl Iterator<Item = (&'static str, &str)> {
    let page = behaviour.html.then_some("text/html; charset=utf-8");
    let kind = behaviour.content_type.as_deref().or(page);
    let packed = behaviour.gzip.then_some(("content-encoding", "gzip"));
    kind.map(|kind| ("content-type", kind)).into_iter().chain(packed)
}

/// `plan`, sent as `behaviour` says.
pub(crate) fn apply(plan: Plan, behaviour: &Behaviour) -> Plan {
    let Plan { mut steps, mut announced } = plan;
    if behaviour.html {
        (steps, announced) = (vec![Step::Send(Bytes::from_static(PAGE))], None);
    }
    if let Some(interval) = behaviour.comments {
        steps = commented(steps, interval);
        announced = None;
    }
    if behaviour.trailing {
        steps.push(Step::Send(Bytes::from_static(TRAILING)));
        announced = announced.map(|length| length + TRAILING.len() as u64);
    }
    if behaviour.linger && announced.is_none() {
        steps.push(Step::Stall);
    }
    if behaviour.gzip {
        steps = packed(steps);
        announced = None;
    }
    if let Some(size) = behaviour.split {
        steps = split(steps, size);
    }
    Plan { steps, announced }
}

/// Comments for ever: where the answer would stall, else instead of all of it.
fn commented(mut steps: Vec<Step>, interval: Duration) -> Vec<Step> {
    let at = steps.iter().position(|step| *step == Step::Stall).unwrap_or(0);
    steps.truncate(at);
    steps.push(Step::Repeat { bytes: Bytes::from_static(COMMENT), interval });
    steps
}

/// Each part is packed so that it can be read as soon as it is there.
fn packed(steps: Vec<Step>) -> Vec<Step> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut sent = Vec::with_capacity(steps.len() + 1);
    let mut breaks = false;
    for step in steps {
        match step {
            Step::Send(bytes) => {
                // Nothing can fail that is written to memory.
                let _written = encoder.write_all(&bytes).and_then(|()| encoder.flush());
                sent.push(Step::Send(std::mem::take(encoder.get_mut()).into()));
            }
            other => {
                breaks |= !matches!(other, Step::Wait(_));
                sent.push(other);
            }
        }
    }
    if let (false, Ok(end)) = (breaks, encoder.finish()) {
        sent.push(Step::Send(end.into()));
    }
    sent
}

fn split(steps: Vec<Step>, size: usize) -> Vec<Step> {
    let pieces = |step: Step| match step {
        Step::Send(bytes) => {
            let starts = (0..bytes.len()).step_by(size.max(1));
            let piece = |at: usize| Step::Send(bytes.slice(at..bytes.len().min(at + size.max(1))));
            starts.map(piece).collect()
        }
        other => vec![other],
    };
    steps.into_iter().flat_map(pieces).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn sent(text: &str, steps: Vec<Step>) -> Plan {
        let announced = Some(8);
        apply(Plan { steps, announced }, &Behaviour::parse(text).unwrap())
    }

    fn bytes(plan: &Plan) -> Vec<u8> {
        let parts = plan.steps.iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(bytes.to_vec()),
            _ => None,
        });
        parts.flatten().collect()
    }

    fn two() -> Vec<Step> {
        vec![Step::Send("1234".into()), Step::Send("5678".into())]
    }

    #[test]
    fn nothing_changes_unless_it_is_asked_for() {
        assert_eq!(sent("", two()), Plan { steps: two(), announced: Some(8) });
    }

    #[test]
    fn an_answer_is_cut_into_pieces_and_stays_the_same() {
        let plan = sent("split=1", two());
        assert_eq!((plan.steps.len(), plan.announced), (8, Some(8)));
        assert_eq!(bytes(&plan), b"12345678");
        assert_eq!(sent("split=3", two()).steps.len(), 4);
    }

    #[test]
    fn what_is_packed_can_be_read_part_by_part() {
        let plan = sent("gzip", two());
        let Step::Send(first) = &plan.steps[0] else { panic!("{plan:?}") };
        let mut text = [0; 4];
        flate2::read::GzDecoder::new(&first[..]).read_exact(&mut text).unwrap();
        assert_eq!(&text, b"1234");
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes(&plan)[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "12345678");
        let behaviour = Behaviour::parse("gzip").unwrap();
        assert_eq!(headers(&behaviour).collect::<Vec<_>>(), [("content-encoding", "gzip")]);
    }

    #[test]
    fn something_follows_the_end_and_is_announced() {
        let plan = sent("trailing", two());
        assert!(bytes(&plan).starts_with(b"12345678\n"));
        assert_eq!(plan.announced, Some(8 + TRAILING.len() as u64));
    }

    #[test]
    fn a_stream_may_stay_open_behind_its_end() {
        let (steps, announced) = (two(), None);
        let behaviour = Behaviour::parse("linger").unwrap();
        let plan = apply(Plan { steps, announced }, &behaviour);
        assert_eq!(plan.steps.last(), Some(&Step::Stall));
        assert_eq!(sent("linger", two()).steps, two(), "a whole answer has a length");
    }

    #[test]
    fn comments_take_the_place_of_silence() {
        let interval = Duration::from_millis(20);
        let repeat = Step::Repeat { bytes: Bytes::from_static(COMMENT), interval };
        assert_eq!(sent("comments=20", two()).steps, std::slice::from_ref(&repeat));
        let stalls = vec![Step::Send("1234".into()), Step::Stall];
        assert_eq!(sent("comments=20", stalls).steps, [Step::Send("1234".into()), repeat]);
    }

    #[test]
    fn a_page_or_another_name_stand_in_the_answers_place() {
        let kinds = |text: &str| {
            let behaviour = Behaviour::parse(text).unwrap();
            headers(&behaviour).map(|(_, value)| value.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(bytes(&sent("html", two())), PAGE);
        assert_eq!(kinds("html"), ["text/html; charset=utf-8"]);
        assert_eq!(kinds("content-type=text/plain"), ["text/plain"]);
        assert_eq!(kinds("html,content-type=text/plain"), ["text/plain"]);
    }
}
