//! A body that nobody reads, as large as it may be: it passes piece by piece and is held nowhere.

use std::time::Duration;

use crate::bench::{ATTEMPT, Bench, Links};
use crate::over_both;
use crate::provider::Heard;
use crate::wire::{Peer, within};

over_both!(
    pieces_pass_before_the_last_is_sent,
    an_announced_length_passes,
    over_the_limit_on_the_way,
    over_the_limit_by_its_head,
    a_client_that_stops_sending,
    a_slow_client,
    a_provider_that_says_nothing,
    a_provider_that_has_heard_enough,
    a_client_that_leaves,
    nobody_named,
);

const MIB: usize = 1 << 20;

/// Begins an upload to the provider `probe`.
async fn begin(bench: &Bench, headers: &str) -> Peer {
    let mut client = bench.connect().await;
    let head = format!(
        "POST /probe/raw?provider=probe HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-odd\r\n\
         {headers}\r\n\r\n"
    );
    client.send(head.as_bytes()).await.unwrap();
    client
}

/// Bytes that are no text, different in every piece.
fn bytes(piece: usize) -> Vec<u8> {
    (0..MIB).map(|at| (at.wrapping_mul(31) ^ (at >> 8) ^ piece.wrapping_mul(97)) as u8).collect()
}

/// Waits until the provider has all of `expected`, and has heard nothing else.
async fn hears(bench: &mut Bench, expected: &[u8]) {
    let mut heard = Vec::with_capacity(expected.len());
    while heard.len() < expected.len() {
        match bench.provider.hears().await {
            Heard::Piece(piece) => heard.extend(piece),
            other => panic!("{other:?}"),
        }
    }
    assert!(heard == expected, "the bytes are others");
}

async fn heard_head(bench: &mut Bench) -> crate::wire::Head {
    match bench.provider.hears().await {
        Heard::Head(head) => head,
        other => panic!("{other:?}"),
    }
}

/// Waits until the provider's connection has ended within the body.
async fn is_cut(bench: &mut Bench) {
    loop {
        match bench.provider.hears().await {
            Heard::Cut => return,
            Heard::End => panic!("the provider takes the upload for complete"),
            Heard::Head(_) | Heard::Piece(_) => {}
        }
    }
}

async fn pieces_pass_before_the_last_is_sent(links: Links) {
    let mut bench = Bench::new(links).await;
    let said: Vec<u8> = (0..3 * MIB).map(|at| (at ^ (at >> 11)) as u8).collect();
    bench.provider.answers(201, "application/pdf; v=1", &said);
    let mut client = begin(&bench, "transfer-encoding: chunked").await;
    let head = heard_head(&mut bench).await;
    assert_eq!(head.first, "POST /raw HTTP/1.1");
    assert_eq!(head.header("content-type"), Some("application/x-odd"));
    for piece in 0..8 {
        // Not before the provider has all of a piece is the next one sent.
        client.send_chunk(&bytes(piece)).await.unwrap();
        hears(&mut bench, &bytes(piece)).await;
    }
    client.send_chunk(b"").await.unwrap();
    assert!(matches!(bench.provider.hears().await, Heard::End));
    let answer = client.answer().await;
    assert_eq!(answer.head.status(), 201);
    assert_eq!(answer.head.header("content-type"), Some("application/pdf; v=1"));
    assert!(answer.body == said, "the answer's bytes are others");
}

async fn an_announced_length_passes(links: Links) {
    let mut bench = Bench::new(links).await;
    bench.provider.answers(200, "application/octet-stream", b"\xff\x00\xfe");
    let mut client = begin(&bench, &format!("content-length: {}", 2 * MIB)).await;
    let _ = heard_head(&mut bench).await;
    for piece in 0..2 {
        client.send(&bytes(piece)).await.unwrap();
        hears(&mut bench, &bytes(piece)).await;
    }
    assert!(matches!(bench.provider.hears().await, Heard::End));
    assert_eq!(client.answer().await.body, b"\xff\x00\xfe");
}

fn small() -> weir_edge::Settings {
    weir_edge::Settings { body_bytes_max: 2 * MIB, ..weir_edge::Settings::default() }
}

async fn check(client: &mut Peer, status: u16, part: &str) {
    let answer = client.answer().await;
    let text = answer.text();
    assert_eq!(answer.head.status(), status, "{text}");
    assert!(text.starts_with("{\"oops\":") && text.contains(part), "{text}");
}

async fn over_the_limit_on_the_way(links: Links) {
    let mut bench = Bench::with(links, small(), ATTEMPT).await;
    let mut client = begin(&bench, "transfer-encoding: chunked").await;
    // Writes first and reads later, as most clients do.
    for piece in 0..3 {
        client.send_chunk(&bytes(piece)).await.unwrap();
    }
    client.send_chunk(b"").await.unwrap();
    check(&mut client, 413, "over the limit").await;
    is_cut(&mut bench).await;
}

async fn over_the_limit_by_its_head(links: Links) {
    let bench = Bench::with(links, small(), ATTEMPT).await;
    let mut client = begin(&bench, &format!("content-length: {}", 3 * MIB)).await;
    for piece in 0..3 {
        client.send(&bytes(piece)).await.unwrap();
    }
    check(&mut client, 413, "over the limit").await;
}

fn impatient(stall: Duration) -> weir_edge::Settings {
    weir_edge::Settings { client_stall_max: stall, ..weir_edge::Settings::default() }
}

/// The client's limit holds, and the provider is not blamed, whichever of their limits is shorter.
async fn a_client_that_stops_sending(links: Links) {
    let stall = Duration::from_millis(300);
    for attempt in [ATTEMPT, stall / 3] {
        let mut bench = Bench::with(links, impatient(stall), attempt).await;
        let mut client = begin(&bench, "transfer-encoding: chunked").await;
        let _ = heard_head(&mut bench).await;
        client.send_chunk(&bytes(0)).await.unwrap();
        hears(&mut bench, &bytes(0)).await;
        check(&mut client, 408, "did not arrive").await;
        is_cut(&mut bench).await;
    }
}

/// It may take longer than a provider may.
async fn a_slow_client(links: Links) {
    let attempt = Duration::from_millis(100);
    let mut bench = Bench::with(links, weir_edge::Settings::default(), attempt).await;
    bench.provider.answers(200, "application/octet-stream", b"all of it");
    let mut client = begin(&bench, "transfer-encoding: chunked").await;
    let _ = heard_head(&mut bench).await;
    // Longer than the router would wait, its reserve of a second included.
    for _ in 0..7 {
        tokio::time::sleep(2 * attempt).await;
        client.send_chunk(b"slowly").await.unwrap();
        hears(&mut bench, b"slowly").await;
    }
    client.send_chunk(b"").await.unwrap();
    assert_eq!(client.answer().await.body, b"all of it");
}

/// All of an upload is there, and then no answer: now it is the provider's time that passes.
async fn a_provider_that_says_nothing(links: Links) {
    let attempt = Duration::from_millis(200);
    let bench = Bench::with(links, weir_edge::Settings::default(), attempt).await;
    bench.provider.hangs();
    let mut client = begin(&bench, "transfer-encoding: chunked").await;
    client.send_chunk(&bytes(0)).await.unwrap();
    client.send_chunk(b"").await.unwrap();
    check(&mut client, 504, "probe").await;
}

/// It refuses an upload that has only begun: the client hears it at once.
async fn a_provider_that_has_heard_enough(links: Links) {
    let mut bench = Bench::new(links).await;
    let said = r#"{"oops":"no uploads today","n":403}"#;
    bench.provider.interrupts(403, said.as_bytes());
    let mut client = begin(&bench, "transfer-encoding: chunked").await;
    client.send_chunk(&bytes(0)).await.unwrap();
    let answer = client.answer().await;
    assert_eq!((answer.head.status(), answer.text()), (403, said));
    // Nobody is left who would send the rest.
    is_cut(&mut bench).await;
}

async fn a_client_that_leaves(links: Links) {
    let mut bench = Bench::new(links).await;
    let mut client = begin(&bench, "transfer-encoding: chunked").await;
    let _ = heard_head(&mut bench).await;
    client.send_chunk(&bytes(0)).await.unwrap();
    hears(&mut bench, &bytes(0)).await;
    drop(client);
    within(is_cut(&mut bench)).await;
}

/// An upload goes to one provider; which, must be said.
async fn nobody_named(links: Links) {
    let bench = Bench::new(links).await;
    let answer = bench.post("/probe/raw", "x").await;
    assert_eq!(answer.head.status(), 400, "{}", answer.text());
    assert!(answer.text().starts_with("{\"oops\":"), "{}", answer.text());
}
