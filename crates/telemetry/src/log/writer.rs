//! The thread that writes log lines, and the bounded queue in front of it.
//!
//! Writing to a pipe that is not read blocks. It blocks this thread only; lines that no longer fit
//! are counted, and the count is written once there is room again.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::bound;
use super::mask::Masks;

/// Lines that wait are written together up to this size.
const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// After a write, lines gather for so long: under load most of them then cost neither a wake-up of this
/// thread nor a write of their own, while one that comes alone is written at once.
const GATHERED_FOR: Duration = Duration::from_millis(5);

enum Message {
    Line(Vec<u8>),
    /// Everything before it was written.
    Flush(SyncSender<()>),
}

/// Where the formatting layer writes. Clones share one thread.
#[derive(Debug, Clone)]
pub(super) struct LineWriter {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    masks: Masks,
}

impl LineWriter {
    /// Starts the thread that writes to `out`.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        queue_lines_max: usize,
    ) -> io::Result<Self> {
        let (queue, lines) = sync_channel(queue_lines_max.max(1));
        let (dropped, masks) = (Arc::new(AtomicU64::new(0)), Masks::default());
        let loop_ = WriteLoop { lines, out, dropped: Arc::clone(&dropped), masks: masks.clone() };
        thread::Builder::new().name("weir-log".to_owned()).spawn(move || loop_.run())?;
        Ok(Self { queue, dropped, masks })
    }

    pub(super) fn masks(&self) -> Masks {
        self.masks.clone()
    }

    /// Waits until every line so far is written, at most `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        let (done, written) = sync_channel(1);
        // A full queue means a stalled reader: there is nothing to wait for.
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let _in_time = written.recv_timeout(timeout);
        }
    }
}

impl Write for LineWriter {
    /// The formatting layer hands over one whole line per call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

struct WriteLoop<W> {
    lines: Receiver<Message>,
    out: W,
    dropped: Arc<AtomicU64>,
    masks: Masks,
}

impl<W: Write> WriteLoop<W> {
    /// Ends when the last [`LineWriter`] is gone.
    #[expect(clippy::disallowed_methods, reason = "a thread of its own, which serves nobody")]
    fn run(mut self) {
        let mut chunk = Vec::new();
        while let Ok(first) = self.lines.recv() {
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Line(mut line) => {
                        if bound::is_long(&line) {
                            // Half a secret would not be known as one.
                            self.masks.hide(&mut line);
                        }
                        chunk.extend_from_slice(&bound::bounded(line));
                    }
                    Message::Flush(done) => {
                        self.write_out(&mut chunk);
                        let _waiting = done.try_send(());
                    }
                }
                let room = chunk.len() < CHUNK_BYTES_MAX;
                next = room.then(|| self.lines.try_recv().ok()).flatten();
            }
            let is_empty = chunk.len() < CHUNK_BYTES_MAX;
            self.write_out(&mut chunk);
            if is_empty {
                thread::sleep(GATHERED_FOR);
            }
        }
    }

    fn write_out(&mut self, chunk: &mut Vec<u8>) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let line =
                format!("{dropped} log lines were dropped: stderr is not read fast enough\n");
            chunk.extend_from_slice(line.as_bytes());
        }
        self.masks.hide(chunk);
        // There is no other place to tell of an error.
        let _written = self.out.write_all(chunk).and_then(|()| self.out.flush());
        chunk.clear();
    }
}
