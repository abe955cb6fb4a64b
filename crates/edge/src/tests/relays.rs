//! Answers on their way: order, early flush, honest ends, and what dropping them does.

use super::*;
use futures_util::FutureExt;
use weir_types::{FaultCode, Usage};

/// The next piece of a body, which must be there already.
async fn piece(body: &mut Body) -> String {
    let frame = body.frame().await.expect("a piece").unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

fn is_waiting(body: &mut Body) -> bool {
    body.frame().now_or_never().is_none()
}

#[tokio::test]
async fn one_chunk_and_its_end_get_a_length() {
    let edge = Edge::fine();
    let response = edge.send(chat()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(length(&response), Some(11));
    assert_eq!(header(&response, "content-type"), Some("application/json"));
    assert_eq!(edge.in_flight(), 1, "until the last byte is taken");
    assert_eq!(text(response).await, r#"{"ok":true}"#);
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test]
async fn an_empty_answer_is_an_answer() {
    let edge = Edge::replying(|| Ok(reply_of("application/json", vec![end()])));
    let response = edge.send(chat()).await;
    assert_eq!((response.status().as_u16(), text(response).await), (200, String::new()));
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_takes_too_long_is_ended_with_an_error() {
    let stream_time_max = Some(Duration::from_secs(30));
    let (edge, feed) = fed(Settings { stream_time_max, ..Settings::default() }, SSE);
    let mut body = edge.send(chat_stream()).await.into_body();
    for _ in 0..29 {
        feed.send(chunk("data: 1\n\n")).await;
        assert_eq!(piece(&mut body).await, "data: 1\n\n");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    feed.send(chunk("data: 2\n\n")).await;
    let last = piece(&mut body).await;
    assert!(last.contains("request_timed_out") && last.contains("--stream-seconds-max"), "{last}");
    assert!(body.frame().await.is_none() && feed.is_dropped());
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_says_that_it_is_alive_after_a_quiet_time_between_events() {
    let stream_quiet_max = Some(Duration::from_secs(15));
    let (edge, feed) = fed(Settings { stream_quiet_max, ..Settings::default() }, SSE);
    let mut body = edge.send(chat_stream()).await.into_body();
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(14)).await;
        feed.send(chunk("data: 1\n\n")).await;
        assert_eq!(piece(&mut body).await, "data: 1\n\n");
    }
    for seconds in [57, 72] {
        assert_eq!(piece(&mut body).await, ": keep-alive\n\n");
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    // Nothing goes into the middle of an event.
    feed.send(chunk("data: {\"half\"")).await;
    assert_eq!(piece(&mut body).await, "data: {\"half\"");
    let waits = tokio::time::timeout(Duration::from_secs(100), body.frame()).await;
    assert!(waits.is_err());
    feed.send(chunk(": 1}\n\n")).await;
    assert_eq!(piece(&mut body).await, ": 1}\n\n");
    assert_eq!(piece(&mut body).await, ": keep-alive\n\n");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_stream_of_events_says_nothing_in_between() {
    let stream_quiet_max = Some(Duration::from_secs(15));
    let (edge, feed) =
        fed(Settings { stream_quiet_max, ..Settings::default() }, "application/json");
    feed.send(chunk("[1")).await;
    feed.send(chunk(",2")).await;
    let mut body = edge.send(chat()).await.into_body();
    for part in ["[1", ",2"] {
        assert_eq!(piece(&mut body).await, part);
    }
    assert!(tokio::time::timeout(Duration::from_secs(100), body.frame()).await.is_err());
}

#[tokio::test]
async fn a_stream_is_relayed_frame_by_frame_as_it_comes() {
    let (edge, feed) = fed(Settings::default(), SSE);
    let response = edge.send(chat_stream()).await;
    assert_eq!(response.status(), 200, "the head goes out before any frame is there");
    assert_eq!(header(&response, "content-type"), Some(SSE));
    assert_eq!(header(&response, "cache-control"), Some("no-cache"));
    assert_eq!(header(&response, "x-accel-buffering"), Some("no"));
    assert_eq!(length(&response), None);
    let mut body = response.into_body();
    assert!(is_waiting(&mut body));
    for event in ["data: {\"n\":1}\n\n", "data: {\"n\":2}\n\n", "data: [DONE]\n\n"] {
        feed.send(chunk(event)).await;
        assert_eq!(piece(&mut body).await, event);
        assert!(is_waiting(&mut body));
    }
    let usage = Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() };
    feed.send(Frame::End(Box::new(End { usage, ..End::default() }))).await;
    assert!(body.frame().await.is_none());
    assert!(feed.is_dropped() && http_body::Body::is_end_stream(&body));
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test]
async fn a_large_answer_is_relayed_in_pieces() {
    let frames = || vec![chunk("{\"a\":"), chunk("1,"), chunk("\"b\":2}"), end()];
    let edge = Edge::replying(move || Ok(reply_of("application/json", frames())));
    let response = edge.send(chat()).await;
    assert_eq!(length(&response), None);
    assert_eq!(text(response).await, r#"{"a":1,"b":2}"#);
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test]
async fn dropping_the_body_drops_the_frames() {
    let (edge, feed) = fed(Settings::default(), SSE);
    let mut body = edge.send(chat_stream()).await.into_body();
    feed.send(chunk("data: 1\n\n")).await;
    piece(&mut body).await;
    assert!(!feed.is_dropped());
    drop(body);
    assert!(feed.is_dropped());
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test]
async fn dropping_the_request_drops_the_call() {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dropped);
    let script = move |_: &RouterRequest| -> CallFuture {
        let flag = Flag(Arc::clone(&flag));
        Box::pin(async move {
            let _held = flag;
            std::future::pending().await
        })
    };
    let edge = Edge::scripted(Settings::default(), Box::new(script));
    let mut request = Box::pin(edge.send(chat()));
    assert!(request.as_mut().now_or_never().is_none());
    assert_eq!((edge.calls(), edge.in_flight()), (1, 1));
    drop(request);
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error_event_and_no_done() {
    let fault = Fault::new(FaultCode::UpstreamBroken, "the provider's stream was cut");
    let frames = vec![chunk("data: {\"n\":1}\n\n"), broken(fault)];
    let frames = Mutex::new(Some(frames));
    let edge = Edge::replying(move || Ok(reply_of(SSE, frames.lock().unwrap().take().unwrap())));
    let response = edge.send(chat_stream()).await;
    assert_eq!(response.status(), 200);
    let id = header(&response, "x-request-id").unwrap().to_owned();
    let text = text(response).await;
    let events: Vec<_> = text.split_terminator("\n\n").collect();
    assert_eq!(events.len(), 2, "{text:?}");
    let error: Value = serde_json::from_str(events[1].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(error["error"]["message"], "the provider's stream was cut");
    assert_eq!(error["error"]["type"], "upstream_answer_broken");
    assert_eq!(error["event_id"], id);
    assert_eq!(error["extra_fields"]["request_type"], "chat_completion_stream");
    assert_eq!(error["extra_fields"]["provider"], "openai");
    assert!(!text.contains("[DONE]"));
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test]
async fn an_event_that_was_cut_in_the_middle_does_not_swallow_the_error() {
    for (cut, gap) in [
        ("data: {\"n\":", "\n\n"),
        ("data: {\"n\":1}\n", "\n"),
        ("data: {\"n\":1}\n\n", ""),
        ("data: {\"n\":1}\r\n\r\n", ""),
    ] {
        let frames = move || vec![chunk(cut), broken(Fault::new(FaultCode::UpstreamBroken, "cut"))];
        let edge = Edge::replying(move || Ok(reply_of(SSE, frames())));
        let text = text(edge.send(chat_stream()).await).await;
        let rest = text.strip_prefix(cut).unwrap();
        assert!(rest.starts_with(&format!("{gap}data: {{\"event_id\"")), "{text:?}");
    }
}

#[tokio::test]
async fn frames_that_stop_without_an_end_are_no_end() {
    let edge = Edge::replying(|| Ok(reply_of(SSE, vec![chunk("data: [DONE]\n\n")])));
    let text = text(edge.send(chat_stream()).await).await;
    assert!(text.contains("\"error\":{"), "{text:?}");

    let edge = Edge::replying(|| Ok(reply_of("application/json", vec![chunk("{"), chunk("}")])));
    let response = edge.send(chat()).await;
    assert!(response.into_body().collect().await.is_err(), "a broken transfer");
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test]
async fn a_broken_answer_that_is_no_stream_is_a_broken_transfer() {
    let fault = || Fault::new(FaultCode::UpstreamBroken, "reset");
    let edge = Edge::replying(move || {
        let frames = vec![chunk("{\"a\":"), chunk("1}"), broken(fault())];
        Ok(reply_of("application/json", frames))
    });
    let mut body = edge.send(chat()).await.into_body();
    assert_eq!(piece(&mut body).await, "{\"a\":");
    assert_eq!(piece(&mut body).await, "1}");
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.frame().await.is_none());
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test]
async fn a_panic_behind_the_head_is_a_broken_answer() {
    let edge = Edge::replying(|| {
        let frames = futures_util::stream::once(async { panic!("the inner reason") }).boxed();
        Ok(Reply { head: head(SSE), frames })
    });
    let text = text(edge.send(chat_stream()).await).await;
    assert!(text.contains("internal_error") && !text.contains("inner reason"), "{text:?}");
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_keeps_its_stream() {
    let (edge, feed) = fed(Settings::default(), SSE);
    let mut body = edge.send(chat_stream()).await.into_body();
    for _ in 0..10 {
        feed.send(chunk("data: 1\n\n")).await;
        tokio::time::sleep(Duration::from_secs(50)).await;
        piece(&mut body).await;
    }
    assert!(!feed.is_dropped());
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_says_nothing_is_not_the_clients_fault() {
    let (edge, feed) = fed(Settings::default(), SSE);
    let mut body = edge.send(chat_stream()).await.into_body();
    assert!(is_waiting(&mut body));
    tokio::time::sleep(LONG).await;
    assert!(!feed.is_dropped());
    feed.send(chunk("data: 1\n\n")).await;
    assert_eq!(piece(&mut body).await, "data: 1\n\n");
}
