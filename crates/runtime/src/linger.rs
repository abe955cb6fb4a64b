//! The last moments of a connection whose client is still sending.
//!
//! Closing a socket that has unread bytes resets it, and the reset can overtake the answer: a
//! client that sends too much would see a broken connection instead of the 413 or 431.

use std::io;
use std::time::Duration;

use tokio::io::{BufReader, copy_buf, sink};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a client may go on before it is cut off after all.
const LINGER: Duration = Duration::from_secs(2);

/// Takes and forgets what the client still sends, if it `is_sending` or shows signs of it. The
/// answer and our end of the connection have been sent already.
pub(crate) async fn linger(mut stream: TcpStream, is_sending: bool) {
    let mut byte = [0];
    let unread = matches!(stream.try_read(&mut byte), Ok(1));
    if !unread && !is_sending {
        return;
    }
    let rest = async {
        let mut reader = BufReader::new(&mut stream);
        copy_buf(&mut reader, &mut sink()).await
    };
    // However it ends, there is nothing left to report.
    let _: Result<io::Result<u64>, _> = timeout(LINGER, rest).await;
}
