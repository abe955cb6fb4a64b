//! A provider that does what a script says: no HTTP library, so that it can misbehave.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// One step of an answer.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Sends these bytes.
    Send(String),
    /// Says nothing for so long.
    Pause(Duration),
    /// Closes the connection in order.
    Close,
    /// Resets it.
    Reset,
    /// Says nothing until the client closes, and reports that.
    Hold,
}

/// A running provider; each request gets the next script.
pub(super) struct Fake {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
    /// A message per held connection that the client has closed.
    pub(super) closed: mpsc::Receiver<()>,
}

impl Fake {
    pub(super) async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (report, closed) = mpsc::channel(16);
        let scripts = Arc::new(Mutex::new(VecDeque::from(scripts)));
        let (seen, counted) = (Arc::clone(&requests), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                let (seen, scripts) = (Arc::clone(&seen), Arc::clone(&scripts));
                tokio::spawn(serve(socket, seen, scripts, report.clone()));
            }
        });
        Self { url, requests, connections, closed }
    }

    /// A provider that answers one request with `text` and closes.
    pub(super) async fn once(text: impl Into<String>) -> Self {
        Self::start(vec![vec![Act::Send(text.into()), Act::Close]]).await
    }

    /// Every request so far, head and body.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

async fn serve(
    mut socket: TcpStream,
    seen: Arc<Mutex<Vec<String>>>,
    scripts: Arc<Mutex<VecDeque<Vec<Act>>>>,
    report: mpsc::Sender<()>,
) {
    while let Some(request) = read_request(&mut socket).await {
        seen.lock().unwrap().push(request);
        let script = scripts.lock().unwrap().pop_front().unwrap_or_default();
        for act in script {
            match act {
                Act::Send(text) => {
                    if socket.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
                Act::Pause(time) => tokio::time::sleep(time).await,
                Act::Close => return,
                Act::Reset => {
                    socket.set_zero_linger().unwrap();
                    return;
                }
                Act::Hold => {
                    let mut rest = Vec::new();
                    // Ends with the connection, in order or not.
                    let _ = socket.read_to_end(&mut rest).await;
                    let _ = report.send(()).await;
                    return;
                }
            }
        }
    }
}

/// Reads head and body; `None` once the client has closed.
async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some(String::from_utf8(bytes).unwrap());
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A whole answer with a JSON body.
pub(super) fn json(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         {headers}\r\n{body}"
    )
}

/// The head of a stream of chunks.
pub(super) const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// One chunk of a stream.
pub(super) fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// The end of a stream.
pub(super) const LAST: &str = "0\r\n\r\n";
