//! HTTP/1.1 by hand, for both ends: no library, so that it is seen what is on the wire and when.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Everything here is over in milliseconds, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);
const PIECE_BYTES_MAX: usize = 64 * 1024;

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}

/// Start line and header lines.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) first: String,
    headers: Vec<(String, String)>,
}

/// The connection ended within a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cut;

/// What of a body is still to come.
#[derive(Debug)]
enum Left {
    Bytes(usize),
    Chunks,
}

/// One end of a connection.
pub(crate) struct Peer {
    socket: BufReader<TcpStream>,
    left: Left,
}

/// All of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Peer {
    pub(crate) fn new(socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        Self { socket: BufReader::new(socket), left: Left::Bytes(0) }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.socket.write_all(bytes).await?;
        self.socket.flush().await
    }

    pub(crate) async fn send_chunk(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.send(&chunk(bytes)).await
    }

    /// The next head; `None` once the other end has closed.
    pub(crate) async fn head(&mut self) -> Option<Head> {
        let first = self.line().await.filter(|line| !line.is_empty())?;
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let head = Head { first, headers };
        let length = head.header("content-length").map_or(0, |length| length.parse().unwrap());
        let is_chunked = head.header("transfer-encoding") == Some("chunked");
        self.left = if is_chunked { Left::Chunks } else { Left::Bytes(length) };
        Some(head)
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Vec<u8>>, Cut> {
        let size = match self.left {
            Left::Bytes(0) => return Ok(None),
            Left::Bytes(left) => left.min(PIECE_BYTES_MAX),
            Left::Chunks => usize::from_str_radix(&self.line().await.ok_or(Cut)?, 16).unwrap(),
        };
        let mut piece = vec![0; size];
        if let Left::Bytes(left) = &mut self.left {
            let read = self.socket.read(&mut piece).await.map_err(|_| Cut)?;
            piece.truncate(read);
            *left -= read;
            return if read == 0 { Err(Cut) } else { Ok(Some(piece)) };
        }
        self.socket.read_exact(&mut piece).await.map_err(|_| Cut)?;
        self.line().await.ok_or(Cut)?;
        if size == 0 {
            self.left = Left::Bytes(0);
            return Ok(None);
        }
        Ok(Some(piece))
    }

    /// Pieces until `what` has come.
    pub(crate) async fn until(&mut self, what: &str) -> String {
        let mut text = String::new();
        while !text.contains(what) {
            let piece = within(self.piece()).await.unwrap();
            let piece = piece.unwrap_or_else(|| panic!("ended before {what:?}: {text}"));
            text.push_str(&String::from_utf8(piece).unwrap());
        }
        text
    }

    /// An answer to its end.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = within(self.head()).await.expect("an answer");
        let mut body = Vec::new();
        while let Some(piece) = within(self.piece()).await.expect("a whole answer") {
            body.extend(piece);
        }
        Answer { head, body }
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.socket.read_line(&mut line).await.ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }
}

pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
