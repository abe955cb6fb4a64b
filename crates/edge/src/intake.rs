//! Reading a request's body: refused early where the head already says that it will not do, read
//! once, bounded in size and in time, and within what all bodies of the process may take. A body that
//! arrives in one piece is not copied.

use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures_util::{FutureExt, Stream};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http_body::Frame;
use http_body_util::BodyExt;
use weir_budget::{Budget, Gather, Hold};
use weir_types::{Deadline, Fault, FaultCode};

use crate::pace::Pace;

/// How long the rest of a refused body is still taken, so that a client that writes first and
/// reads later gets to see the refusal instead of a reset connection.
const LINGER: Duration = Duration::from_secs(10);

/// Copies of longer bodies are counted.
const COPIED_BYTES: usize = 64 * 1024;

/// What bounds the reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The longest body.
    pub(crate) bytes_max: usize,
    /// The longest time between two pieces.
    pub(crate) stall_max: Duration,
    /// Bytes a second that have to come; 0: any.
    pub(crate) rate_min: usize,
    /// When the request as a whole is given up.
    pub(crate) deadline: Deadline,
    /// What all bodies may take.
    pub(crate) budget: Budget,
}

/// The pieces of a body.
pub(crate) type PieceStream = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

/// Reads `body` to its end.
///
/// # Errors
/// Too large, in a form that is not read, cut, or too slow; or there is no room for it now.
pub(crate) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    limits: Limits,
) -> Result<Bytes, Fault> {
    let announced = announced(headers);
    let fault = match check_json(headers).and_then(|()| check(headers, announced, limits.bytes_max))
    {
        Ok(()) => match collect(&mut body, announced, limits).await {
            Ok(bytes) => return Ok(bytes),
            Err(fault) => fault,
        },
        Err(fault) => fault,
    };
    if matches!(
        fault.code,
        FaultCode::BodyTooLarge | FaultCode::UnsupportedMediaType | FaultCode::Overloaded
    ) {
        linger(body, limits.bytes_max);
    }
    Err(fault)
}

/// The length that a client says its body will have.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn check(headers: &HeaderMap, announced: Option<u64>, bytes_max: usize) -> Result<(), Fault> {
    for encoding in headers.get_all(CONTENT_ENCODING) {
        if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") {
            let text = "compressed request bodies are not read; send the body without \
                        content-encoding";
            return Err(Fault::new(FaultCode::UnsupportedMediaType, text));
        }
    }
    if announced.is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(too_large(bytes_max));
    }
    Ok(())
}

fn check_json(headers: &HeaderMap) -> Result<(), Fault> {
    if let Some(form) = headers.get(CONTENT_TYPE)
        && form.as_bytes().get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
    {
        let text = "multipart bodies are not read here; send JSON with content-type \
                    application/json";
        return Err(Fault::new(FaultCode::UnsupportedMediaType, text));
    }
    Ok(())
}

/// What kind of body it is, for bodies that are not read here.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    given.unwrap_or("application/octet-stream").to_owned()
}

/// The pieces of `body` as they come, for uploads that nobody holds: as bounded in size, and between
/// two pieces in time, as a body that is read.
///
/// # Errors
/// Too large already by its head, or compressed.
pub(crate) fn stream(
    headers: &HeaderMap,
    body: Body,
    limits: Limits,
) -> Result<PieceStream, Fault> {
    if let Err(fault) = check(headers, announced(headers), limits.bytes_max) {
        linger(body, limits.bytes_max);
        return Err(fault);
    }
    let waits = headers.contains_key(EXPECT);
    let rest = Rest { body: Some(body), waits, bytes_max: limits.bytes_max };
    let begin = (rest, 0, Pace::new(limits.rate_min, limits.stall_max));
    let pieces = futures_util::stream::try_unfold(begin, move |state| async move {
        let (mut rest, taken, mut pace) = state;
        let Some(body) = &mut rest.body else { return Ok(None) };
        rest.waits = false;
        let Some(piece) = next(body, limits, &mut pace).await? else {
            rest.body = None;
            return Ok(None);
        };
        let taken = taken + piece.len();
        if taken > limits.bytes_max {
            return Err(too_large(limits.bytes_max));
        }
        Ok(Some((piece, (rest, taken, pace))))
    });
    Ok(Box::pin(pieces))
}

/// What has not come of an upload. If nobody wants it any more, it is taken all the same for a while:
/// a client that is still writing is to read why.
struct Rest {
    body: Option<Body>,
    /// The client sends nothing until it is asked to, and was not: what it sends next is another request.
    waits: bool,
    bytes_max: usize,
}

impl Drop for Rest {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream())
            && !self.waits
            && tokio::runtime::Handle::try_current().is_ok()
        {
            linger(body, self.bytes_max);
        }
    }
}

fn too_large(bytes_max: usize) -> Fault {
    let text = format!(
        "the request body is over the limit of {bytes_max} bytes \
         (client.max_request_body_size_mb)"
    );
    Fault::new(FaultCode::BodyTooLarge, text)
}

async fn collect(body: &mut Body, announced: Option<u64>, limits: Limits) -> Result<Bytes, Fault> {
    let within =
        |length| if length > limits.bytes_max { Err(too_large(limits.bytes_max)) } else { Ok(()) };
    let mut pace = Pace::new(limits.rate_min, limits.stall_max);
    let Some(first) = next(body, limits, &mut pace).await? else { return Ok(Bytes::new()) };
    within(first.len())?;
    if body.is_end_stream() {
        return Ok(Gather::whole(limits.budget, first).await?);
    }
    // What a client announces is its word only; memory follows what it really sends.
    let announced = announced.and_then(|bytes| usize::try_from(bytes).ok());
    let mut gather = Gather::new(limits.budget, announced, limits.bytes_max);
    gather.push(first).await?;
    while let Some(piece) = next(body, limits, &mut pace).await? {
        within(gather.len() + piece.len())?;
        gather.push(piece).await?;
    }
    Ok(gather.finish())
}

/// Room for a copy of a large body that has `word` in it, for which it may have to be changed.
///
/// # Errors
/// There is none.
pub(crate) async fn room_for_copy(
    body: &[u8],
    word: &str,
    limits: Limits,
) -> Result<Option<Hold>, Fault> {
    if body.len() <= COPIED_BYTES || memchr::memmem::find(body, word.as_bytes()).is_none() {
        return Ok(None);
    }
    let mut hold = limits.budget.hold(Some(body.len())).made_of(body.len());
    hold.grow_to(body.len()).await?;
    Ok(Some(hold))
}

/// The next piece of data; `None` at the end.
async fn next(body: &mut Body, limits: Limits, pace: &mut Pace) -> Result<Option<Bytes>, Fault> {
    // Most bodies have come with their heads: what is there already needs no clock.
    if let Some(frame) = body.frame().now_or_never() {
        let Some(frame) = frame else { return Ok(None) };
        if let Some(data) = data_of(frame)? {
            pace.wait(Duration::ZERO, data.len())?;
            return Ok(Some(data));
        }
    }
    wait_for_next(body, limits, pace).await
}

/// The data of a frame that came; `None` if it has none.
fn data_of(frame: Result<Frame<Bytes>, axum::Error>) -> Result<Option<Bytes>, Fault> {
    let frame = frame.map_err(|cut| {
        Fault::new(FaultCode::InvalidRequest, format!("the request body broke off: {cut}"))
    })?;
    // Trailers say nothing to us.
    Ok(frame.into_data().ok().filter(|data| !data.is_empty()))
}

/// As [`next`], where nothing is there yet.
async fn wait_for_next(
    body: &mut Body,
    limits: Limits,
    pace: &mut Pace,
) -> Result<Option<Bytes>, Fault> {
    let patience = limits.stall_max.min(limits.deadline.remaining(Instant::now()));
    let silent = tokio::time::Instant::now();
    loop {
        let begun = tokio::time::Instant::now();
        let silence = patience.saturating_sub(begun - silent);
        let frame = tokio::time::timeout(silence.min(pace.left()), body.frame()).await;
        let came = match &frame {
            Ok(None | Some(Err(_))) => None,
            Ok(Some(Ok(frame))) => Some(frame.data_ref().map_or(0, Bytes::len)),
            Err(_) => Some(0),
        };
        if let Some(bytes) = came {
            pace.wait(begun.elapsed(), bytes)?;
        }
        let Ok(frame) = frame else {
            if silent.elapsed() < patience {
                continue;
            }
            let text = format!(
                "the request body did not arrive: nothing came for {} s",
                patience.as_secs_f64()
            );
            return Err(Fault::new(FaultCode::RequestIncomplete, text));
        };
        let Some(frame) = frame else { return Ok(None) };
        if let Some(data) = data_of(frame)? {
            return Ok(Some(data));
        }
    }
}

/// Reads the body of a request that was refused by its head, so that the connection can serve the next
/// one: a body that is left unread ends it, without a word to the client. One that is sent only when it is
/// asked for is not.
pub(crate) fn forget(headers: &HeaderMap, body: Body, bytes_max: usize) {
    if !body.is_end_stream() && !headers.contains_key(EXPECT) {
        linger(body, bytes_max);
    }
}

/// Takes and forgets the rest of a refused body: as much as twice the limit, for a while.
fn linger(mut body: Body, bytes_max: usize) {
    let drain = async move {
        let mut left = bytes_max.saturating_mul(2);
        while let Some(Ok(frame)) = body.frame().await {
            let taken = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(taken) else {
                break;
            };
            left = rest;
        }
    };
    tokio::spawn(async move { tokio::time::timeout(LINGER, drain).await });
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream as streams};
    use http::HeaderValue;

    fn limits(bytes_max: usize) -> Limits {
        let deadline = Deadline::after(Instant::now(), Duration::from_hours(1));
        let budget = Budget::new(64 << 20);
        Limits { bytes_max, stall_max: Duration::from_mins(1), rate_min: 0, deadline, budget }
    }

    fn pieces(pieces: &[&'static str]) -> Body {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|p| Ok::<_, std::io::Error>(Bytes::from_static(p.as_bytes())))
            .collect();
        Body::from_stream(streams::iter(pieces))
    }

    #[tokio::test]
    async fn one_piece_is_not_copied_and_several_are_joined() {
        let one = Bytes::from_static(b"{\"model\":1}");
        let read_one = read(&HeaderMap::new(), Body::from(one.clone()), limits(100)).await;
        assert_eq!(read_one.unwrap().as_ptr(), one.as_ptr());
        let body = pieces(&["ab", "", "cd", "e"]);
        assert_eq!(read(&HeaderMap::new(), body, limits(5)).await.unwrap(), "abcde");
    }

    #[tokio::test]
    async fn the_limit_holds_for_announced_and_for_unannounced_bodies() {
        let mut headers = HeaderMap::new();
        let fault = read(&headers, pieces(&["abc", "def"]), limits(5)).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::BodyTooLarge);
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("6"));
        let never = Body::from_stream(streams::pending::<Result<Bytes, std::io::Error>>());
        let fault = read(&headers, never, limits(5)).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::BodyTooLarge);
    }

    #[tokio::test]
    async fn an_upload_is_bounded_as_it_passes() {
        let mut pieces = stream(&HeaderMap::new(), pieces(&["abc", "", "def"]), limits(5)).unwrap();
        assert_eq!(pieces.next().await.unwrap().unwrap(), "abc");
        let fault = pieces.next().await.unwrap().unwrap_err();
        assert_eq!(fault.code, FaultCode::BodyTooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_sending_is_given_up() {
        let body = Body::from_stream(streams::pending::<Result<Bytes, std::io::Error>>());
        let begun = tokio::time::Instant::now();
        let fault = read(&HeaderMap::new(), body, limits(5)).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::RequestIncomplete);
        assert_eq!(begun.elapsed().as_secs(), 60);
    }

    /// `piece` now and then, for ever.
    fn drops(piece: &'static str, every: Duration) -> Body {
        Body::from_stream(streams::unfold((), move |()| async move {
            tokio::time::sleep(every).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())), ()))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_in_drops_is_given_up() {
        let limits = Limits { rate_min: 4, ..limits(1000) };
        let begun = tokio::time::Instant::now();
        let body = drops("x", Duration::from_secs(25));
        let fault = read(&HeaderMap::new(), body, limits).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::RequestIncomplete);
        assert_eq!(begun.elapsed().as_secs(), 40, "a window of grace, and one");
        let body = drops("x", Duration::from_secs(25));
        let mut pieces = stream(&HeaderMap::new(), body, limits).unwrap();
        assert!(pieces.next().await.unwrap().is_ok());
        let fault = pieces.next().await.unwrap().unwrap_err();
        assert_eq!(fault.code, FaultCode::RequestIncomplete);
        // Fast enough: it is only too long.
        let body = drops("quick", Duration::from_secs(1));
        let fault = read(&HeaderMap::new(), body, limits).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::BodyTooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_an_upload_slowly_makes_no_client_slow() {
        let limits = Limits { rate_min: 1000, ..limits(1000) };
        let mut pieces = stream(&HeaderMap::new(), pieces(&["x"; 100]), limits).unwrap();
        while let Some(piece) = pieces.next().await {
            piece.unwrap();
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_of_a_refused_body_is_drained_for_a_while() {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
        let body = Body::from_stream(streams::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (piece, receiver))
        }));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("60"));
        read(&headers, body, limits(25)).await.unwrap_err();
        for _ in 0..5 {
            sender.send(Ok(Bytes::from_static(b"0123456789"))).await.unwrap();
        }
        tokio::time::sleep(LINGER * 2).await;
        assert!(sender.is_closed());
    }
}
