//! Lines as they leave the process.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use super::*;
use weir_types::Secret;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn logged(settings: &LogSettings, masks: &[&str], say: impl FnOnce()) -> String {
    let sink = Sink::default();
    let writer = LineWriter::start(sink.clone(), settings.queue_lines_max).unwrap();
    masks.iter().for_each(|mask| writer.masks().add(&Secret::new((*mask).to_owned())));
    let subscriber = subscriber(settings, false, writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, say);
    writer.flush(Duration::from_secs(5));
    sink.text()
}

fn say() {
    tracing::info!(target: "weir_edge", model = "gpt\n4o", key = None::<&str>, ms = 12.345, "done");
}

#[test]
fn an_event_is_one_line_of_text() {
    let text = logged(&LogSettings::default(), &[], say);
    assert_eq!(text.lines().count(), 1, "{text}");
    let expected = "INFO weir_edge: done model=\"gpt\\n4o\" ms=12.345\n";
    assert!(text.ends_with(expected), "{text}");
}

/// What a line without colours looks like by tracing-subscriber's own formatter: the witness.
#[test]
fn a_line_without_colours_is_the_usual_one() {
    let sink = Sink::default();
    let writer = LineWriter::start(sink.clone(), 64).unwrap();
    let layer = tracing_subscriber::fmt::layer().with_writer(writer.clone()).with_ansi(false);
    let usual = tracing_subscriber::registry().with(layer);
    let say = || {
        say();
        tracing::warn!(r#type = ?Some("a"), n = 1u8, flag = true, error = %"no: way", "{}, {}", 1, "ü");
        tracing::info!(message = "said", "a.b" = -1);
        tracing::info!(none = "but fields");
        tracing::info!(
            n = u64::MAX,
            m = i64::MIN,
            flag = false,
            text = "a \"b\" \\ 'c' é\t",
            empty = ""
        );
        for ms in [
            0.0,
            -0.0,
            0.5,
            1.0,
            0.001,
            12.34,
            100.05,
            0.0005,
            1.0 / 3.0,
            1e9,
            999_999_999.999,
            1e21,
            -1.5,
            1e-7,
            f64::NAN,
            f64::INFINITY,
            f64::MAX,
            0.1 + 0.2,
            123_456.789,
        ] {
            tracing::info!(ms);
        }
        tracing::info!("bell\u{7}, title \u{9d}, \u{1b}[31mred");
    };
    tracing::subscriber::with_default(usual, say);
    writer.flush(Duration::from_secs(5));
    let without_time = |text: String| {
        text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    let mut usual = without_time(sink.text());
    let last = usual.last_mut().unwrap();
    *last = last.replace("\\x07", "\\u{7}").replace("\\x1b", "\\u{1b}");
    assert_eq!(without_time(logged(&LogSettings::default(), &[], say)), usual);
}

#[test]
fn what_a_terminal_would_obey_is_escaped_in_every_value() {
    let text = logged(&LogSettings::default(), &[], || {
        let evil = "\u{1b}[2J\u{9b}2J\u{7f}\r";
        tracing::info!(shown = %evil, text = evil, debug = ?Some(evil), "{evil}");
    });
    assert!(text.contains("shown=\\u{1b}[2J\\u{9b}2J\\u{7f}\\u{d}"), "{text}");
    assert_eq!(text.chars().filter(|char| char.is_control()).collect::<String>(), "\n");
}

#[test]
fn an_event_is_one_json_object() {
    let settings = LogSettings { format: LogFormat::Json, ..LogSettings::default() };
    let text = logged(&settings, &[], say);
    assert_eq!(text.lines().count(), 1, "{text}");
    let expected = r#""level":"INFO","message":"done","model":"gpt\n4o","ms":12.345"#;
    assert!(text.starts_with('{') && text.ends_with("}\n") && text.contains(expected), "{text}");
}

#[test]
fn levels_are_followed_per_target() {
    let level = "warn,weir_router=debug".to_owned();
    let settings = LogSettings { level, ..LogSettings::default() };
    let text = logged(&settings, &[], || {
        tracing::debug!(target: "weir_router", "seen");
        tracing::info!(target: "weir_edge", "hidden");
        tracing::warn!(target: "weir_edge", "warned");
    });
    assert!(text.contains("seen") && text.contains("warned"), "{text}");
    assert!(!text.contains("hidden"), "{text}");
}

#[test]
fn a_level_that_means_nothing_is_refused() {
    for level in ["", "loud", "info,weir_edge=loud", "inof"] {
        let settings = LogSettings { level: level.to_owned(), ..LogSettings::default() };
        let writer = LineWriter::start(Sink::default(), 1).unwrap();
        let refused = subscriber(&settings, false, writer).err().map(|error| error.to_string());
        assert!(refused.is_some_and(|text| text.contains(&format!("'{level}'"))), "{level}");
    }
}

#[test]
fn formats_have_names() {
    assert_eq!("json".parse::<LogFormat>().ok(), Some(LogFormat::Json));
    assert_eq!("text".parse::<LogFormat>().ok(), Some(LogFormat::Text));
    assert!("yaml".parse::<LogFormat>().is_err_and(|error| error.to_string().contains("'yaml'")));
}

#[test]
fn known_secrets_do_not_leave() {
    let leak = || tracing::info!(target: "weir", answer = "bad key sk-live-0001", "refused");
    let seen = logged(&LogSettings::default(), &[], leak);
    assert!(seen.contains("sk-live-0001"), "the test must be able to see one: {seen}");
    let text = logged(&LogSettings::default(), &["sk-live-0001"], leak);
    assert!(text.contains("bad key [masked]"), "{text}");
}

/// A reader that takes nothing until it is told to.
struct Stalled {
    entered: SyncSender<()>,
    go: Receiver<()>,
    sink: Sink,
}

impl io::Write for Stalled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _first = self.entered.try_send(());
        let _released = self.go.recv();
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stalled_reader_costs_lines_and_no_time() {
    let (entered, inside) = sync_channel(1);
    let (release, go) = sync_channel::<()>(1);
    let sink = Sink::default();
    let stalled = Stalled { entered, go, sink: sink.clone() };
    let mut writer = LineWriter::start(stalled, 2).unwrap();
    io::Write::write_all(&mut writer, b"first\n").unwrap();
    inside.recv_timeout(Duration::from_secs(5)).unwrap();
    // Two fit into the queue, three do not; none of these blocks.
    (0..5).for_each(|_| io::Write::write_all(&mut writer, b"line\n").unwrap());
    drop(release);
    // The queue is emptied by the thread; the flush has to find room in it.
    while sink.text().lines().count() < 4 {
        writer.flush(Duration::from_millis(50));
        std::thread::yield_now();
    }
    let text = sink.text();
    assert!(text.starts_with("first\nline\nline\n"), "{text}");
    assert!(text.contains("3 log lines were dropped"), "{text}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "lines that come one after the other")]
fn under_load_lines_share_a_write() {
    let (entered, writes) = sync_channel(64);
    let (release, go) = sync_channel::<()>(1);
    drop(release);
    let sink = Sink::default();
    let mut writer = LineWriter::start(Stalled { entered, go, sink: sink.clone() }, 64).unwrap();
    for _ in 0..50 {
        io::Write::write_all(&mut writer, b"line\n").unwrap();
        std::thread::sleep(Duration::from_micros(100));
    }
    writer.flush(Duration::from_secs(5));
    assert_eq!(sink.text().lines().count(), 50);
    let writes = writes.try_iter().count();
    assert!(writes <= 25, "{writes} writes of 50 lines");
}

#[test]
fn a_secret_at_the_cut_of_a_long_line_is_not_shown_in_part() {
    let sink = Sink::default();
    let mut writer = LineWriter::start(sink.clone(), 8).unwrap();
    writer.masks().add(&Secret::new("sk-secret-0123456789".to_owned()));
    for before in 8 * 1024 - 20..8 * 1024 + 4 {
        let line = format!("{}sk-secret-0123456789 {}\n", "x".repeat(before), "y".repeat(60_000));
        io::Write::write_all(&mut writer, line.as_bytes()).unwrap();
        writer.flush(Duration::from_secs(5));
    }
    let text = sink.text();
    assert!(!text.contains("sk-") && text.contains('…') && text.len() < 24 * 8 * 1024 + 100);
}
