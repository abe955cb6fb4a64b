//! What the tests of this crate share: a Redis server of their own, and a seeded generator.

// Each test file uses a part of it.
#![expect(dead_code, reason = "no test file uses all of it")]

pub(crate) mod router;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use weir_quota::Timing;
use weir_quota_redis::Settings;

/// Slow machines run these tests too; the budget itself has a test of its own.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Elections and gossip take a while.
const LONG: Duration = Duration::from_secs(60);
/// Ports are free when they are looked for, and may be somebody's when they are opened.
const PORT_TRIES: u32 = 20;

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts a server on a socket of its own that keeps nothing on disk.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with further arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::try_start(arguments).unwrap_or_else(|log| panic!("redis-server ended: {log:#?}"))
    }

    fn try_start(arguments: &[&str]) -> Result<Self, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let child = launch(&folder, arguments)?;
        Ok(Self { child, folder })
    }

    /// The same on a port too. Further arguments are asked for with every try.
    pub(crate) fn start_on_port(more: impl Fn() -> Vec<String>) -> (Self, u16) {
        on_free_port(|port| {
            let (more, port) = (more(), port.to_string());
            let fixed = ["--bind", "127.0.0.1", "--port", &port];
            let arguments = fixed.into_iter().chain(more.iter().map(String::as_str));
            Self::try_start(&arguments.collect::<Vec<_>>())
        })
    }

    /// The same on a port that speaks TLS only, with a key and a certificate for it.
    pub(crate) fn start_tls(certificate: &str, key: &str) -> (Self, u16) {
        let files = tempfile::tempdir().unwrap();
        let [certificate, key] = [("certificate", certificate), ("key", key)].map(|(name, pem)| {
            let path = files.path().join(name);
            std::fs::write(&path, pem).unwrap();
            path.to_str().unwrap().to_owned()
        });
        on_free_port(|port| {
            Self::try_start(&[
                "--bind",
                "127.0.0.1",
                "--tls-port",
                &port.to_string(),
                "--tls-cert-file",
                &certificate,
                "--tls-key-file",
                &key,
                "--tls-auth-clients",
                "no",
            ])
        })
    }

    /// Starts a sentinel on a socket of its own and a port, watching `main` at another port.
    pub(crate) fn start_sentinel(watched: u16) -> (Self, u16) {
        on_free_port(|port| {
            let folder = tempfile::tempdir().unwrap();
            let settings = format!(
                "unixsocket s\nport {port}\nsentinel monitor main 127.0.0.1 {watched} 1\n\
                 sentinel down-after-milliseconds main 1000\n"
            );
            std::fs::write(folder.path().join("conf"), settings).unwrap();
            let mut command = Command::new("redis-server");
            command.args(["conf", "--sentinel"]).current_dir(folder.path());
            Ok(Self { child: ready(command, "+monitor master main")?, folder })
        })
    }

    /// Ends the process at once and starts another on the same socket and folder.
    pub(crate) fn restart(&mut self, arguments: &[&str]) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = launch(&self.folder, arguments)
            .unwrap_or_else(|log| panic!("redis-server ended: {log:#?}"));
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Settings for this server, patient ones.
    pub(crate) fn settings(&self, prefix: &str, timing: Timing) -> Settings {
        let usual = Settings::new(&self.url());
        Settings { prefix: prefix.to_owned(), budget: PATIENCE, timing, ..usual }
    }

    /// One command, given as words.
    pub(crate) async fn say(&self, words: &[&str]) -> redis::Value {
        self.try_say(words).await.unwrap()
    }

    /// The same, with words that need not be text.
    pub(crate) async fn say_bytes(&self, words: &[Vec<u8>]) -> redis::Value {
        let mut command = redis::cmd(std::str::from_utf8(&words[0]).unwrap());
        command.arg(&words[1..]);
        let client = redis::Client::open(self.url()).unwrap();
        let mut link = client.get_multiplexed_async_connection().await.unwrap();
        command.query_async(&mut link).await.unwrap()
    }

    /// The same, where a refusal is expected, or that the server drops the connection: servers do
    /// when their role changes.
    pub(crate) async fn try_say(&self, words: &[&str]) -> redis::RedisResult<redis::Value> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let client = redis::Client::open(self.url())?;
        command.query_async(&mut client.get_multiplexed_async_connection().await?).await
    }

    /// Asks again until an answer holds what is wanted.
    pub(crate) async fn await_text(&self, words: &[&str], wanted: &str) {
        let said = async || format!("{:?}", self.try_say(words).await).contains(wanted);
        eventually(&format!("{words:?}: {wanted}"), said).await;
    }
}

/// Tries again until it is so. What is awaited is another process's doing; until the deadline,
/// failing is not yet.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let trying = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, trying).await.unwrap_or_else(|_| panic!("never within {LONG:?}: {what}"));
}

/// Starts something on a port that was free a moment ago, on another if it is taken by now.
fn on_free_port(start: impl Fn(u16) -> Result<Server, Vec<String>>) -> (Server, u16) {
    let mut logs = Vec::new();
    for _ in 0..PORT_TRIES {
        let port = free_port();
        match start(port) {
            Ok(server) => return (server, port),
            Err(log) => logs.push(log),
        }
    }
    panic!("redis-server ended {PORT_TRIES} times: {logs:#?}");
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Starts a server. An error is what it said before it ended.
fn launch(folder: &tempfile::TempDir, arguments: &[&str]) -> Result<Child, Vec<String>> {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--unixsocket", "s", "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(folder.path()).args(arguments).current_dir(folder.path());
    ready(command, "ready to accept connections")
}

/// Starts a server and waits until it says that it is ready.
fn ready(mut command: Command, sign: &str) -> Result<Child, Vec<String>> {
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = started.unwrap_or_else(|error| {
        panic!(
            "this test needs redis-server ({error}): run `apt-get install redis-server` as root, \
             or what your system has instead"
        )
    });
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut log = Vec::new();
    loop {
        let Some(line) = lines.next() else {
            child.wait().unwrap();
            return Err(log);
        };
        let line = line.unwrap();
        if line.to_lowercase().contains(sign) {
            break;
        }
        log.push(line);
    }
    // Read on, so that the server never waits for us.
    std::thread::spawn(move || lines.for_each(drop));
    Ok(child)
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Sequence of numbers that a seed fixes (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True in so many of 100.
    pub(crate) fn percent(&mut self, of_100: u64) -> bool {
        self.below(100) < of_100
    }

    /// One of these.
    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap();
        from.get(at).cloned()
    }
}
