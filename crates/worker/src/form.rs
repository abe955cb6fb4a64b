//! A form on its way to the provider: rewritten as it passes, whether all of it is there or not. Knows
//! no field; that is the format's affair.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use weir_dialect::RequestFault;
use weir_dialect::form::FormRewrite;
use weir_rpc::Body as Incoming;
use weir_types::Fault;
use weir_upstream::Outgoing;

use crate::upload::Upload;

/// `body` as `rewrite` says; watched if it is still arriving.
///
/// # Errors
/// All of it is there, and it is no form. One that arrives breaks off.
pub(crate) fn rewritten(
    body: Incoming,
    mut rewrite: FormRewrite,
) -> Result<(Outgoing, Option<Upload>), RequestFault> {
    let pieces = match body {
        Incoming::Full(bytes) => {
            let mut parts = Vec::new();
            rewrite.push(bytes, &mut parts)?;
            rewrite.finish()?;
            return Ok((Outgoing::parts(parts), None));
        }
        body => body.into_parts(),
    };
    let rewritten = stream::try_unfold((pieces, Some(rewrite)), |(mut pieces, rewrite)| async {
        let Some(mut rewrite) = rewrite else { return Ok::<_, Fault>(None) };
        let mut out: Vec<Bytes> = Vec::new();
        // An error ends the stream: a form that is cut is not sent as if it were whole.
        let rest = match pieces.next().await {
            Some(piece) => {
                rewrite.push(piece?, &mut out)?;
                Some(rewrite)
            }
            None => {
                rewrite.finish()?;
                None
            }
        };
        let out = stream::iter(out.into_iter().map(Ok::<_, Fault>));
        Ok(Some((out, (pieces, rest))))
    });
    let rewritten = rewritten.try_flatten().map_err(Into::into);
    let (upload, pieces) = Upload::watch(Box::pin(rewritten));
    Ok((Outgoing::stream(pieces, None), Some(upload)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_types::FaultCode;

    const TYPE: &str = "multipart/form-data; boundary=x";
    const FORM: &str =
        "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\na/b\r\n--x--\r\n";

    fn streamed(form: &'static str, end: Option<Fault>) -> Incoming {
        let pieces = form.as_bytes().chunks(3).map(|piece| Ok(Bytes::from_static(piece)));
        Incoming::Stream(Box::pin(stream::iter(pieces.chain(end.map(Err)).collect::<Vec<_>>())))
    }

    async fn sent(body: Incoming) -> Result<String, String> {
        use http_body_util::BodyExt;
        let rewrite = FormRewrite::new(TYPE, Some("b")).unwrap();
        let (outgoing, _upload) = rewritten(body, rewrite).map_err(|fault| fault.to_string())?;
        let sent = outgoing.collect().await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(sent.to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_form_is_sent_alike_whether_it_is_there_or_arrives() {
        let expected = FORM.replace("a/b", "b");
        assert_eq!(sent(Incoming::Full(FORM.into())).await.unwrap(), expected);
        assert_eq!(sent(streamed(FORM, None)).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_form_that_is_cut_is_never_sent_as_if_it_were_whole() {
        let cut = FORM.strip_suffix("--x--\r\n").unwrap();
        assert!(sent(Incoming::Full(cut.into())).await.unwrap_err().contains("ended"));
        assert!(sent(streamed(cut, None)).await.unwrap_err().contains("ended"));
        let stalled = Fault::new(FaultCode::RequestIncomplete, "nothing came");
        assert!(sent(streamed(cut, Some(stalled))).await.unwrap_err().contains("nothing came"));
    }
}
