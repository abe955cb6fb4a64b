//! A slot is held from grant to the last byte and comes back in every case.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_slot_is_held_up_to_the_last_byte() {
    let fake = Fake::new(|_| Does::Answer {
        after: Duration::ZERO,
        chunks: vec!["one ", "two ", "three"],
        apart: Duration::from_secs(10),
    });
    let world = World::new(vec![provider("one", &["a"])], &[fake]);
    let mut reply = world.call("one/m").await.unwrap();
    for _ in 0..3 {
        assert!(matches!(reply.frames.next().await, Some(Frame::Chunk(_))));
        assert_eq!(world.held("one"), (1, 0));
    }
    assert!(matches!(reply.frames.next().await, Some(Frame::End(_))));
    assert_eq!(world.held("one"), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_drops_the_workers_call_first_and_gives_the_slot_back() {
    let hang = Fake::new(|_| Does::Hang);
    let stall = Fake::new(|_| Does::Stall);
    let world = World::new(
        vec![provider("one", &["a"]), provider("two", &["a"])],
        &[hang.clone(), stall.clone()],
    );
    let held_at_drop = Arc::new(AtomicUsize::new(0));
    for (name, fake) in [("one", &hang), ("two", &stall)] {
        let (store, seen) = (world.store.clone(), held_at_drop.clone());
        fake.when_dropped(move || {
            let pool = store.snapshot(&name.into()).unwrap();
            seen.fetch_add(pool.leases.len(), Ordering::SeqCst);
        });
    }
    // In the middle of an attempt.
    let mut call = Box::pin(world.call("one/m"));
    assert!((&mut call).now_or_never().is_none());
    assert_eq!((world.held("one"), hang.running()), ((1, 0), 1));
    drop(call);
    assert_eq!((world.held("one"), hang.running()), ((0, 0), 0));
    assert_eq!(held_at_drop.load(Ordering::SeqCst), 1, "the slot outlives the call");
    // In the middle of a stream.
    let mut reply = world.call("two/m").await.unwrap();
    assert!(matches!(reply.frames.next().await, Some(Frame::Chunk(_))));
    assert!(reply.frames.next().now_or_never().is_none());
    assert_eq!((world.held("two"), stall.running()), ((1, 0), 1));
    drop(reply);
    assert_eq!((world.held("two"), stall.running()), ((0, 0), 0));
    assert_eq!(held_at_drop.load(Ordering::SeqCst), 2, "the slot outlives the stream");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_an_end_is_told_as_broken() {
    let world = World::new(vec![provider("one", &["a"])], &[Fake::new(|_| Does::Cut)]);
    let reply = world.call("one/m").await.unwrap();
    let frames: Vec<Frame> = reply.frames.collect().await;
    assert_eq!(frames.len(), 2);
    let Frame::End(end) = &frames[1] else {
        panic!("{frames:?}");
    };
    let fault = end.fault.as_ref().unwrap();
    assert_eq!(fault.code, FaultCode::UpstreamBroken);
    assert_eq!(fault.detail.class, Some(FailureClass::Cut));
    assert_eq!(world.held("one"), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn over_the_buffer_requests_are_dropped_with_a_time_to_come_back() {
    let one = ProviderSettings { concurrency: 1, buffer: 2, ..provider("one", &["a"]) };
    let two = provider("two", &["b"]);
    let slow = Fake::new(|_| Does::Answer {
        after: Duration::from_secs(1),
        chunks: vec!["slow"],
        apart: Duration::ZERO,
    });
    let world = World::new(vec![one, two], &[slow, Fake::answering("from two")]);
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(world.call("one/m"))).collect();
    for call in &mut waiting {
        assert!(call.now_or_never().is_none());
    }
    assert_eq!(world.held("one"), (1, 2));
    let fault = world.call("one/m").await.unwrap_err();
    assert_eq!((fault.code, fault.http_status()), (FaultCode::RequestDropped, 429));
    assert!(fault.detail.retry_after.is_some());
    // A full pool is a reason to fall back.
    let fallbacks = vec!["two/m".to_owned()];
    let reply = world.send(RouterRequest { fallbacks, ..request("one/m") }).await.unwrap();
    assert_eq!(read(reply).await, "from two");
    let replies = futures_util::future::join_all(
        waiting.into_iter().map(|call| async move { read(call.await.unwrap()).await }),
    );
    assert_eq!(replies.await, ["slow", "slow", "slow"]);
    assert_eq!(world.held("one"), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn eight_slots_under_two_hundred_clients_are_reached_and_never_exceeded() {
    for stream in [false, true] {
        let fake = Fake::new(move |_| Does::Answer {
            after: Duration::from_millis(20),
            chunks: if stream { vec!["x"; 5] } else { vec!["xxxxx"] },
            apart: Duration::from_millis(4),
        });
        let one = ProviderSettings { concurrency: 8, buffer: 200, ..provider("one", &["a", "b"]) };
        let world = Arc::new(World::new(vec![one], std::slice::from_ref(&fake)));
        let clients: Vec<_> = (0..200)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move {
                    for _ in 0..5 {
                        let request = RouterRequest { stream, ..request("one/m") };
                        assert_eq!(read(world.send(request).await.unwrap()).await, "xxxxx");
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        assert_eq!(fake.keys_asked().len(), 1000);
        assert_eq!(fake.running.most.load(Ordering::SeqCst), 8);
        let a = fake.keys_asked().iter().filter(|key| **key == "a").count();
        assert_eq!(a, 500);
        assert_eq!(world.held("one"), (0, 0));
    }
}
