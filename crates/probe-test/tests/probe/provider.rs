//! A provider that answers as the script of the request says, and tells what it hears when it hears
//! it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::wire::{Head, Peer, chunk, within};

/// What a provider hears.
#[derive(Debug)]
pub(crate) enum Heard {
    Head(Head),
    Piece(Vec<u8>),
    End,
    /// The connection ended within the body.
    Cut,
}

/// What is said to one request.
#[derive(Debug)]
struct Script {
    /// For requests to this path only.
    path: Option<&'static str>,
    bytes: Vec<u8>,
    then: Then,
}

/// When it is said, and what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// After the request; the connection is kept.
    Stay,
    /// After the request; the connection is closed.
    Close,
    /// After the request's head; its body is taken all the same.
    Listen,
}

type Scripts = Arc<Mutex<VecDeque<Script>>>;

/// A running provider; each request gets the next script once its body has ended.
pub(crate) struct Provider {
    pub(crate) url: String,
    heard: mpsc::Receiver<Heard>,
    scripts: Scripts,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let scripts = Scripts::default();
        let (tell, heard) = mpsc::channel(4096);
        let known = Arc::clone(&scripts);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, tell.clone(), Arc::clone(&known)));
            }
        });
        Self { url, heard, scripts }
    }

    /// The next request is answered so.
    pub(crate) fn answers(&self, status: u16, content_type: &str, body: &[u8]) {
        self.says(whole(status, content_type, body));
    }

    /// The next request to `path` is answered with this document.
    pub(crate) fn answers_at(&self, path: &'static str, body: &[u8]) {
        let bytes = whole(200, "application/json", body);
        self.add(Script { path: Some(path), bytes, then: Then::Stay });
    }

    /// The next request is answered with a stream of these pieces.
    pub(crate) fn streams(&self, content_type: &str, pieces: &[&str]) {
        self.says([stream(content_type, pieces), chunk(b"")].concat());
    }

    /// The same, but more is to come and does not.
    pub(crate) fn streams_on(&self, content_type: &str, pieces: &[&str]) {
        self.says(stream(content_type, pieces));
    }

    /// The same, but the connection ends without the end of the stream.
    pub(crate) fn cuts(&self, content_type: &str, pieces: &[&str]) {
        self.add(Script { path: None, bytes: stream(content_type, pieces), then: Then::Close });
    }

    /// The next request is answered before its body has come.
    pub(crate) fn interrupts(&self, status: u16, body: &[u8]) {
        let bytes = whole(status, "application/json", body);
        self.add(Script { path: None, bytes, then: Then::Listen });
    }

    /// The next request gets no answer.
    pub(crate) fn hangs(&self) {
        self.says(Vec::new());
    }

    fn says(&self, bytes: Vec<u8>) {
        self.add(Script { path: None, bytes, then: Then::Stay });
    }

    fn add(&self, script: Script) {
        self.scripts.lock().unwrap().push_back(script);
    }

    pub(crate) async fn hears(&mut self) -> Heard {
        within(self.heard.recv()).await.expect("the provider runs")
    }

    /// The head and the body of the next request.
    pub(crate) async fn request(&mut self) -> (Head, Vec<u8>) {
        let Heard::Head(head) = self.hears().await else { panic!("no head") };
        let mut body = Vec::new();
        loop {
            match self.hears().await {
                Heard::Piece(piece) => body.extend(piece),
                Heard::End => return (head, body),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn whole(status: u16, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn stream(content_type: &str, pieces: &[&str]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    pieces.iter().fold(head.into_bytes(), |mut script, piece| {
        script.extend(chunk(piece.as_bytes()));
        script
    })
}

async fn serve(socket: TcpStream, tell: mpsc::Sender<Heard>, scripts: Scripts) {
    let mut peer = Peer::new(socket);
    while let Some(head) = peer.head().await {
        let path = head.first.split(' ').nth(1).unwrap_or_default().to_owned();
        // Fails once the test has ended.
        let _ = tell.send(Heard::Head(head)).await;
        let early = next(&scripts, &path, true);
        if let Some(script) = &early {
            let _ = peer.send(&script.bytes).await;
        }
        loop {
            match peer.piece().await {
                Ok(Some(piece)) => drop(tell.send(Heard::Piece(piece)).await),
                Ok(None) => break,
                Err(_) => return drop(tell.send(Heard::Cut).await),
            }
        }
        let _ = tell.send(Heard::End).await;
        if early.is_some() {
            continue;
        }
        let Some(script) = next(&scripts, &path, false) else { return };
        if peer.send(&script.bytes).await.is_err() || script.then == Then::Close {
            return;
        }
    }
}

/// The first script that is for `path`, if it is one for the head alone, or not.
fn next(scripts: &Scripts, path: &str, early: bool) -> Option<Script> {
    let mut scripts = scripts.lock().unwrap();
    let fits = |script: &Script| script.path.is_none_or(|only| only == path);
    let at = scripts.iter().position(fits)?;
    if (scripts.get(at)?.then == Then::Listen) != early {
        return None;
    }
    scripts.remove(at)
}
