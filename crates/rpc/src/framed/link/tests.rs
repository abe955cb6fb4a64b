//! Two ends and the bytes between them, in every order that chance comes upon.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use proptest::prelude::*;

use super::super::frame::{Decoder, PAYLOAD_COST};
use super::*;

const WINDOW: u32 = 1000;
const REQUESTS_MAX: usize = 3;

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn rang(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// Both ends of a link, and what is on its way.
struct Pair {
    caller: Link<Arc<()>>,
    service: Link<Arc<()>>,
    decoders: [Decoder; 2],
    opened: Vec<(u64, Bytes)>,
    waker: Waker,
}

impl Pair {
    fn new() -> Self {
        let windows = Windows { own: WINDOW, peer: WINDOW, requests_max: REQUESTS_MAX };
        Self {
            caller: Link::new(Side::Caller, windows),
            service: Link::new(Side::Service, windows),
            decoders: Default::default(),
            opened: Vec::new(),
            waker: Waker::noop().clone(),
        }
    }

    /// Carries at most `turns` pulls from the caller to the service, in pieces of `size`.
    fn forth(&mut self, turns: usize, size: usize) {
        for _ in 0..turns {
            let Some(bytes) = self.caller.pull() else { return };
            for piece in bytes.chunks(size) {
                self.decoders[0].push(Bytes::copy_from_slice(piece));
                while let Some((number, part)) = self.decoders[0].next().unwrap() {
                    self.opened.extend(self.service.receive(number, part).unwrap());
                }
            }
        }
    }

    fn back(&mut self, turns: usize, size: usize) {
        for _ in 0..turns {
            let Some(bytes) = self.service.pull() else { return };
            for piece in bytes.chunks(size) {
                self.decoders[1].push(Bytes::copy_from_slice(piece));
                while let Some((number, part)) = self.decoders[1].next().unwrap() {
                    assert!(self.caller.receive(number, part).unwrap().is_none());
                }
            }
        }
    }

    fn all(&mut self) {
        for _ in 0..100 {
            self.forth(usize::MAX, usize::MAX);
            self.back(usize::MAX, usize::MAX);
        }
    }

    fn asked(&mut self, number: u64) -> Poll<Option<Result<Part, Arc<str>>>> {
        let waker = self.waker.clone();
        self.service.poll_arrived(number, &Context::from_waker(&waker))
    }

    fn answered(&mut self, number: u64) -> Poll<Option<Result<Part, Arc<str>>>> {
        let waker = self.waker.clone();
        self.caller.poll_arrived(number, &Context::from_waker(&waker))
    }

    /// Opens a request with a body that is there.
    fn ask(&mut self, body: &[u8]) -> u64 {
        let body = payload(body);
        self.caller.open(vec![open(), body, Part::End(Bytes::new())]).unwrap()
    }

    /// Bytes of payload that wait to be read of a request, and whether its end has come.
    fn read_all(&mut self, number: u64) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        loop {
            match self.asked(number) {
                Poll::Ready(Some(Ok(Part::Payload { bytes: more, .. }))) => bytes.extend(more),
                Poll::Ready(Some(Ok(Part::End(_)))) => return (bytes, true),
                _ => return (bytes, false),
            }
        }
    }
}

fn open() -> Part {
    Part::Open(Bytes::from_static(b"opening"))
}

fn payload(bytes: &[u8]) -> Part {
    Part::Payload { bytes: Bytes::copy_from_slice(bytes), is_last: true }
}

fn end() -> Part {
    Part::End(Bytes::from_static(b"end"))
}

fn pattern(length: usize, seed: u64) -> Vec<u8> {
    (0..length as u64).map(|at| (at * 31 + at / 251 + seed) as u8).collect()
}

#[test]
fn a_request_and_its_answer_cross_and_leave_nothing() {
    let mut pair = Pair::new();
    let number = pair.ask(b"body");
    pair.all();
    assert_eq!(pair.opened, [(number, Bytes::from_static(b"opening"))]);
    assert_eq!(pair.read_all(number), (b"body".to_vec(), true));
    for part in [Part::Head(Bytes::from_static(b"head")), payload(b"answer"), end()] {
        assert!(pair.service.send(number, part));
    }
    pair.all();
    assert!(!pair.service.send(number, end()), "it has had its last part");
    for part in [Part::Head(Bytes::from_static(b"head")), payload(b"answer"), end()] {
        assert_eq!(pair.answered(number), Poll::Ready(Some(Ok(part))));
    }
    assert_eq!(pair.answered(number), Poll::Ready(None));
    pair.caller.unread(number);
    assert!(pair.caller.is_idle() && pair.service.is_idle());
    assert!(pair.caller.pull().is_none(), "of what has ended there is nothing to say");
}

#[test]
fn what_waits_for_requests_that_are_gone_is_bounded() {
    // A peer that reads nothing opens requests and lets them go, when an answer and a credit wait.
    let mut pair = Pair::new();
    let most = 4 * REQUESTS_MAX + 1;
    for number in 1..100 {
        let opened = pair.service.receive(number, open()).unwrap();
        assert!(opened.is_some());
        pair.service.receive(number, payload(&[0; 600])).unwrap();
        assert!(pair.asked(number).is_ready());
        assert!(pair.service.send(number, Part::Head(Bytes::new())));
        pair.service.receive(number, Part::Cancel).unwrap();
        let waits = [pair.service.ready.len(), pair.service.control.len()];
        assert!(waits.iter().all(|waits| *waits <= most), "{waits:?} at {number}");
    }
    // And users that go at once, when nothing was sent yet.
    for number in 1..100 {
        assert_eq!(pair.ask(b"body"), number);
        pair.caller.unread(number);
        assert!(pair.caller.ready.len() <= most, "{} at {number}", pair.caller.ready.len());
    }
    // Who is there still has a turn.
    let number = pair.ask(b"body");
    pair.forth(usize::MAX, usize::MAX);
    assert_eq!(pair.opened.last().map(|(number, _)| *number), Some(number));
}

#[test]
fn a_request_that_nobody_reads_holds_up_no_other() {
    let mut pair = Pair::new();
    let stuck = pair.ask(&pattern(50_000, 1));
    let other = pair.ask(&pattern(30_000, 2));
    let mut read = Vec::new();
    let mut ended = false;
    while !ended {
        pair.all();
        let (more, is_end) = pair.read_all(other);
        assert!(is_end || !more.is_empty(), "held up after {}", read.len());
        (ended, _) = (is_end, read.extend(more));
    }
    assert!(read == pattern(30_000, 2));
    // What came of the other is no more than its window.
    let held: u32 = pair.service.requests[&stuck].incoming.arrived.iter().map(cost).sum();
    assert!(held <= WINDOW && held > WINDOW / 2, "{held}");
}

#[test]
fn credit_is_given_back_when_half_a_window_was_read_and_not_for_less() {
    let mut pair = Pair::new();
    let number = pair.ask(&pattern(400, 0));
    pair.all();
    pair.read_all(number);
    assert!(pair.service.pull().is_none());
    let number = pair.ask(&pattern(5000, 0));
    pair.forth(usize::MAX, usize::MAX);
    pair.read_all(number);
    assert!(pair.service.pull().is_some());
}

#[test]
fn a_caller_that_leaves_drops_the_work_and_whoever_reads_hears_of_it() {
    let mut pair = Pair::new();
    let number = pair.caller.open(vec![open(), payload(b"half")]).unwrap();
    pair.all();
    let work = Arc::new(());
    pair.service.begin(number, Arc::clone(&work));
    assert_eq!(pair.asked(number), Poll::Ready(Some(Ok(payload(b"half")))));
    let bell = Arc::new(Bell::default());
    pair.waker = Arc::clone(&bell).into();
    assert_eq!(pair.asked(number), Poll::Pending);
    pair.caller.unread(number);
    pair.all();
    assert_eq!((Arc::strong_count(&work), bell.rang()), (1, 1));
    assert_eq!(pair.asked(number), Poll::Ready(None));
    assert!(!pair.service.send(number, end()));
    // One that was never begun is not spoken of.
    let number = pair.ask(b"");
    pair.caller.unread(number);
    assert!(pair.caller.pull().is_none() && pair.caller.is_idle());
}

#[test]
fn an_answer_that_ends_early_stops_the_upload() {
    let mut pair = Pair::new();
    let number = pair.caller.open(vec![open(), payload(&pattern(5000, 0))]).unwrap();
    pair.all();
    pair.service.send(number, end());
    pair.all();
    assert!(!pair.caller.send(number, payload(b"more")));
    pair.caller.unread(number);
    pair.all();
    assert!(pair.caller.is_idle() && pair.service.is_idle());
}

#[test]
fn more_requests_than_may_be_open_are_let_go_by_the_service() {
    let mut pair = Pair::new();
    let numbers: Vec<_> = (0..=REQUESTS_MAX).map(|_| pair.ask(b"")).collect();
    pair.all();
    assert_eq!(pair.opened.len(), REQUESTS_MAX);
    assert_eq!(pair.answered(numbers[REQUESTS_MAX]), Poll::Ready(Some(Ok(Part::Cancel))));
}

#[test]
fn a_service_that_leaves_serves_what_was_on_its_way() {
    let mut pair = Pair::new();
    let number = pair.ask(b"body");
    pair.service.leave();
    pair.service.leave();
    pair.back(usize::MAX, usize::MAX);
    assert_eq!(pair.caller.open(vec![open()]), Err(Closed::Leaving));
    assert!(pair.caller.is_leaving() && !pair.caller.is_idle());
    pair.all();
    assert_eq!(pair.opened.len(), 1);
    assert!(pair.service.send(number, end()));
    pair.all();
    pair.caller.unread(number);
    assert!(pair.caller.is_idle() && pair.service.is_idle());
}

#[test]
fn a_broken_link_ends_its_requests_after_what_had_come() {
    let mut pair = Pair::new();
    let number = pair.ask(b"");
    pair.all();
    let work = Arc::new(());
    pair.service.begin(number, Arc::clone(&work));
    pair.service.send(number, payload(b"half"));
    pair.all();
    pair.service.fail("gone");
    assert_eq!(Arc::strong_count(&work), 1);
    assert_eq!(pair.asked(number), Poll::Ready(Some(Err("gone".into()))));
    pair.caller.fail("gone");
    assert_eq!(pair.answered(number), Poll::Ready(Some(Ok(payload(b"half")))));
    assert_eq!(pair.answered(number), Poll::Ready(Some(Err("gone".into()))));
    assert_eq!(pair.answered(number), Poll::Ready(None));
    assert_eq!(pair.caller.open(vec![open()]), Err(Closed::Broken("gone".into())));
}

#[test]
fn a_peer_that_breaks_the_rules_is_not_believed() {
    let windows = Windows { own: WINDOW, peer: WINDOW, requests_max: REQUESTS_MAX };
    let service = || {
        let mut service = Link::<()>::new(Side::Service, windows);
        service.receive(5, open()).unwrap();
        service
    };
    let fits = WINDOW as usize - PAYLOAD_COST;
    assert_eq!(service().receive(5, payload(&pattern(fits, 0))), Ok(None));
    for (number, part, why) in [
        (5, payload(&pattern(fits + 1, 0)), Violation::Overdrawn),
        (5, open(), Violation::Misplaced),
        (4, open(), Violation::Misplaced),
        (5, Part::Head(Bytes::new()), Violation::Misplaced),
        (6, payload(b""), Violation::Misplaced),
    ] {
        assert_eq!(service().receive(number, part.clone()), Err(why), "{number} {part:?}");
    }
    let mut ended = service();
    ended.receive(5, end()).unwrap();
    assert_eq!(ended.receive(5, payload(b"")), Err(Violation::Misplaced));
    let mut caller = Link::<()>::new(Side::Caller, windows);
    assert_eq!(caller.receive(1, end()), Err(Violation::Misplaced));
    // Nobody answers what was not sent.
    let number = caller.open(vec![open()]).unwrap();
    assert_eq!(caller.receive(number, end()), Err(Violation::Misplaced));
    assert!(caller.pull().is_some());
    assert_eq!(caller.receive(number, end()), Ok(None));
    // Of a request that was let go the rest may have been on its way.
    assert_eq!(service().receive(3, payload(&pattern(5000, 0))), Ok(None));
}

#[test]
fn an_answer_has_one_head() {
    let mut pair = Pair::new();
    let number = pair.ask(b"");
    pair.all();
    let head = || Part::Head(Bytes::from_static(b"head"));
    assert_eq!(pair.caller.receive(number, head()), Ok(None));
    assert_eq!(pair.caller.receive(number, head()), Err(Violation::Misplaced));
}

#[test]
fn a_peer_that_opens_and_does_not_read_is_not_listened_to_for_ever() {
    let windows = Windows { own: WINDOW, peer: WINDOW, requests_max: REQUESTS_MAX };
    let mut service = Link::<()>::new(Side::Service, windows);
    let turned_away =
        (1..100).take_while(|number| service.receive(*number, open()).is_ok()).count();
    assert_eq!(turned_away, REQUESTS_MAX + 2 * REQUESTS_MAX + 1);
    assert_eq!(service.receive(100, open()), Err(Violation::Crowd));
}

#[test]
fn a_payload_in_crumbs_is_held_in_few_pieces() {
    let mut pair = Pair::new();
    let number = pair.caller.open(vec![open()]).unwrap();
    pair.all();
    let whole = pattern(900, 0);
    for (at, byte) in whole.iter().enumerate() {
        let bytes = Bytes::copy_from_slice(&[*byte]);
        let part = Part::Payload { bytes, is_last: at + 1 == whole.len() };
        pair.service.receive(number, part).unwrap();
    }
    assert_eq!(pair.service.requests[&number].incoming.arrived.len(), 2);
    let (read, _) = pair.read_all(number);
    assert!(read == whole);
}

#[test]
fn whoever_sends_waits_for_room_and_is_woken() {
    let mut pair = Pair::new();
    let bell = Arc::new(Bell::default());
    let waker: Waker = Arc::clone(&bell).into();
    let number = pair.caller.open(vec![open()]).unwrap();
    let room = |pair: &mut Pair| pair.caller.poll_room(number, &Context::from_waker(&waker));
    assert_eq!(room(&mut pair), Poll::Ready(true));
    pair.caller.send(number, payload(&pattern(ROOM_BYTES + 500, 0)));
    assert_eq!(room(&mut pair), Poll::Pending);
    pair.all();
    assert_eq!((room(&mut pair), bell.rang()), (Poll::Ready(true), 1));
    pair.caller.send(number, payload(&pattern(ROOM_BYTES, 0)));
    assert_eq!(room(&mut pair), Poll::Pending);
    pair.caller.unread(number);
    assert_eq!((room(&mut pair), bell.rang()), (Poll::Ready(false), 1));
}

/// What may happen to a request.
#[derive(Debug, Clone)]
enum Step {
    Ask {
        body: usize,
    },
    /// The nth that is open goes on with its answer.
    Answer {
        nth: usize,
        bytes: usize,
    },
    Finish {
        nth: usize,
    },
    ReadBody {
        nth: usize,
    },
    ReadAnswer {
        nth: usize,
    },
    Leave {
        nth: usize,
    },
    Forth {
        turns: usize,
        size: usize,
    },
    Back {
        turns: usize,
        size: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let nth = 0..REQUESTS_MAX;
    let size = prop_oneof![1_usize..40, 1000_usize..100_000];
    let step = prop_oneof![
        (0_usize..4000).prop_map(|body| Step::Ask { body }),
        (nth.clone(), 0_usize..3000).prop_map(|(nth, bytes)| Step::Answer { nth, bytes }),
        nth.clone().prop_map(|nth| Step::Finish { nth }),
        nth.clone().prop_map(|nth| Step::ReadBody { nth }),
        nth.clone().prop_map(|nth| Step::ReadAnswer { nth }),
        nth.prop_map(|nth| Step::Leave { nth }),
        (1_usize..5, size.clone()).prop_map(|(turns, size)| Step::Forth { turns, size }),
        (1_usize..5, size).prop_map(|(turns, size)| Step::Back { turns, size }),
    ];
    prop::collection::vec(step, 1..120)
}

/// What is known of a request beside the link.
#[derive(Debug, Default)]
struct Told {
    number: u64,
    body: Vec<u8>,
    body_read: Vec<u8>,
    answer: Vec<u8>,
    answer_read: Vec<u8>,
    is_finished: bool,
    has_answer_ended: bool,
}

fn read_body(pair: &mut Pair, one: &mut Told) {
    let (more, is_end) = pair.read_all(one.number);
    one.body_read.extend(more);
    assert!(one.body.starts_with(&one.body_read));
    assert!(!is_end || one.body == one.body_read);
}

fn read_answer(pair: &mut Pair, one: &mut Told) {
    while let Poll::Ready(Some(part)) = pair.answered(one.number) {
        match part.unwrap() {
            Part::Payload { bytes, .. } => one.answer_read.extend(bytes),
            Part::End(_) => one.has_answer_ended = true,
            other => panic!("{other:?}"),
        }
    }
    assert!(one.answer.starts_with(&one.answer_read));
    assert!(!one.has_answer_ended || one.answer == one.answer_read);
}

fn finish(pair: &mut Pair, one: &mut Told) {
    if !one.is_finished && pair.service.requests.contains_key(&one.number) {
        one.is_finished = pair.service.send(one.number, end());
    }
}

fn is_within_bounds(pair: &Pair) {
    for link in [&pair.caller, &pair.service] {
        assert!(link.requests.len() <= REQUESTS_MAX);
        for request in link.requests.values() {
            let held: u32 = request.incoming.arrived.iter().map(cost).sum();
            assert!(held <= WINDOW);
        }
    }
}

proptest! {
    #[test]
    fn whatever_the_order_each_reads_what_was_sent_and_nothing_is_left(steps in steps()) {
        let mut pair = Pair::new();
        let mut told: Vec<Told> = Vec::new();
        for (turn, step) in steps.into_iter().enumerate() {
            let nth = match step {
                Step::Answer { nth, .. } | Step::Finish { nth } | Step::ReadBody { nth }
                | Step::ReadAnswer { nth } | Step::Leave { nth } => nth,
                _ => 0,
            };
            match step {
                Step::Ask { body } if told.len() < REQUESTS_MAX => {
                    let body = pattern(body, turn as u64);
                    let number = pair.ask(&body);
                    told.push(Told { number, body, ..Told::default() });
                }
                Step::Forth { turns, size } => pair.forth(turns, size),
                Step::Back { turns, size } => pair.back(turns, size),
                Step::Leave { .. } if nth < told.len() => {
                    let gone = told.remove(nth);
                    pair.caller.unread(gone.number);
                }
                _ => {}
            }
            if let Some(one) = told.get_mut(nth) {
                match step {
                    Step::Answer { bytes, .. } if !one.is_finished => {
                        let more = pattern(bytes, turn as u64);
                        if pair.service.requests.contains_key(&one.number)
                            && pair.service.send(one.number, payload(&more))
                        {
                            one.answer.extend(more);
                        }
                    }
                    Step::Finish { .. } => finish(&mut pair, one),
                    Step::ReadBody { .. } => read_body(&mut pair, one),
                    Step::ReadAnswer { .. } => read_answer(&mut pair, one),
                    _ => {}
                }
            }
            is_within_bounds(&pair);
        }
        // All that is still open comes to its end, if everybody reads.
        for _ in 0..200 {
            pair.all();
            for one in &mut told {
                read_body(&mut pair, one);
                finish(&mut pair, one);
                read_answer(&mut pair, one);
            }
        }
        for one in &told {
            prop_assert!(one.has_answer_ended, "{one:?}");
            pair.caller.unread(one.number);
        }
        pair.all();
        prop_assert!(pair.caller.is_idle() && pair.service.is_idle());
    }
}
