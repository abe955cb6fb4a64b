//! `CONNECT`: asks an HTTP proxy for a tunnel. What it answers besides a tunnel is told in words,
//! because "403" and "407" are mended in different places.

use http::{HeaderValue, Uri};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::proxy::login_words;

/// The head of a proxy's answer is not longer.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Opens a tunnel to host and port of `target`.
///
/// # Errors
/// Why there is none; without credentials.
pub(crate) async fn open<T>(
    io: &mut T,
    target: &Uri,
    login: Option<&HeaderValue>,
) -> Result<(), String>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let host = target.authority().map_or("", |authority| authority.as_str());
    let mut request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n").into_bytes();
    if let Some(login) = login {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(login.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    io.write_all(&request).await.map_err(|error| error.to_string())?;
    io.flush().await.map_err(|error| error.to_string())?;
    match status(&head(io).await?)? {
        200..300 => Ok(()),
        status @ (401 | 407) => Err(format!("{} ({status})", login_words(login.is_some()))),
        status => Err(format!("it refuses the tunnel ({status})")),
    }
}

/// The head, and no byte more: what follows belongs to the tunnel.
async fn head<T: AsyncRead + Unpin>(io: &mut T) -> Result<Vec<u8>, String> {
    let mut head = Vec::with_capacity(128);
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err("its answer is too long".to_owned());
        }
        match io.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) if head.is_empty() => return Err("it closed the connection".to_owned()),
            Err(_) => return Err("it closed the connection within its answer".to_owned()),
        }
    }
    Ok(head)
}

fn status(head: &[u8]) -> Result<u16, String> {
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let is_http = words.next().is_some_and(|word| word.starts_with(b"HTTP/1."));
    let status = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
    status.filter(|_| is_http).ok_or_else(|| "its answer is not HTTP".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(answer: &'static [u8]) -> (Result<(), String>, String, Vec<u8>) {
        let (mut near, mut far) = tokio::io::duplex(1024);
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        let target = Uri::from_static("https://provider.test:443/");
        let login = HeaderValue::from_static("Basic Zm9v");
        let opened = open(&mut near, &target, Some(&login)).await;
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        drop(near);
        let mut asked = String::new();
        far.read_to_string(&mut asked).await.unwrap();
        (opened, asked, rest)
    }

    #[tokio::test]
    async fn what_follows_the_head_is_the_tunnels() {
        let (opened, asked, rest) = answered(b"HTTP/1.0 200 Fine\r\nA: b\r\n\r\nfirst").await;
        assert_eq!(opened, Ok(()));
        assert_eq!(
            asked,
            "CONNECT provider.test:443 HTTP/1.1\r\nHost: provider.test:443\r\n\
             Proxy-Authorization: Basic Zm9v\r\n\r\n"
        );
        assert_eq!(rest, b"first");
    }

    #[tokio::test]
    async fn a_refusal_has_its_status() {
        for (answer, words) in [
            (&b"HTTP/1.1 407 No\r\n\r\n"[..], "407"),
            (b"HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno!", "(403)"),
            (b"", "closed"),
            (b"HTTP/1.1 200", "within"),
            (b"SSH-2.0-x\n\n", "not HTTP"),
            (b"HTTP/1.1 yes\r\n\r\n", "not HTTP"),
        ] {
            let (opened, ..) = answered(answer).await;
            let why = opened.unwrap_err();
            assert!(why.contains(words) && !why.contains("Zm9v"), "{why}");
        }
    }
}
