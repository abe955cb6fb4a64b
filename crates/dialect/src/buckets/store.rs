//! S3's own interface, for clients that put and get objects themselves: what it says of errors, and
//! which of its calls there are.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use bytes::Bytes;
use quick_xml::escape::escape;

use crate::ir::{self, ErrorKind};
use crate::stored::{BASE, Stored};

/// What is asked for at places.
pub(crate) const OBJECTS: Stored = Stored { objects: Some(&PARAMETERS), ..BASE };

/// S3's interface: the parameters of queries that are known, by what they are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Objects {
    /// Of a bucket's list.
    pub list: &'static [&'static str],
    /// Of what is read.
    pub read: &'static [&'static str],
    /// Of what is put.
    pub write: &'static [&'static str],
    /// Of what begins or ends an upload in parts.
    pub begin: &'static [&'static str],
    /// Of what is deleted.
    pub delete: &'static [&'static str],
    /// Those that mean nothing.
    pub ignored: &'static [&'static str],
    /// The one that says what names of a list begin with.
    pub prefix: &'static str,
}

impl Objects {
    /// What its documents are called.
    pub const CONTENT_TYPE: &'static str = "application/xml";

    /// An error as its clients read it.
    #[must_use]
    pub fn write_error(&self, error: &ir::Error) -> Bytes {
        write(error)
    }
}

const PARAMETERS: Objects = Objects {
    list: &[
        "continuation-token",
        "delimiter",
        "encoding-type",
        "fetch-owner",
        "list-type",
        "marker",
        "max-keys",
        "prefix",
        "start-after",
    ],
    read: &[
        "partNumber",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "versionId",
    ],
    write: &["partNumber", "uploadId"],
    begin: &["uploadId", "uploads"],
    delete: &["uploadId", "versionId"],
    // Some clients say in the address which call it is.
    ignored: &["x-id"],
    prefix: "prefix",
};

fn write(error: &ir::Error) -> Bytes {
    let own = error.code.as_deref().filter(|code| is_own(code));
    let code = own.unwrap_or_else(|| word(error));
    // Characters that no XML may have.
    let message = error.message.replace(|c: char| c.is_control(), " ");
    let (message, id) = (escape(&*message), escape(&*error.context.request_id));
    let code = escape(code);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}\
         </Message><RequestId>{id}</RequestId></Error>"
    )
    .into()
}

/// Whether it is a word of S3's, and none of the gateway's.
fn is_own(code: &str) -> bool {
    code.starts_with(|first: char| first.is_ascii_uppercase())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// S3's word for what clients' libraries act on.
fn word(error: &ir::Error) -> &'static str {
    match (error.status, error.kind) {
        (405, _) => "MethodNotAllowed",
        (408, _) => "RequestTimeout",
        (411, _) => "MissingContentLength",
        (412, _) => "PreconditionFailed",
        (413, _) => "EntityTooLarge",
        (429 | 503, _) => "SlowDown",
        (501, _) => "NotImplemented",
        (_, ErrorKind::Authentication) => "InvalidAccessKeyId",
        (_, ErrorKind::Permission) => "AccessDenied",
        (_, ErrorKind::NotFound) => "NoSuchBucket",
        (_, ErrorKind::InvalidRequest) => "InvalidRequest",
        _ => "InternalError",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buckets::objects;

    #[test]
    fn errors_are_those_of_s3() {
        for (status, own, code) in [
            (404, None, "NoSuchBucket"),
            (404, Some("NoSuchKey"), "NoSuchKey"),
            (403, Some("key_shared"), "AccessDenied"),
            (401, Some("unknown_key"), "InvalidAccessKeyId"),
            (400, None, "InvalidRequest"),
            (413, None, "EntityTooLarge"),
            (429, None, "SlowDown"),
            (501, Some("unsupported_operation"), "NotImplemented"),
            (502, None, "InternalError"),
        ] {
            let mut error = ir::Error::new(status, "a <b> & \"c\"".to_owned());
            error.code = own.map(str::to_owned);
            let written = write(&error);
            let read = objects::refusal(&written).unwrap();
            assert_eq!((&*read.code, &*read.message), (code, "a <b> & \"c\""), "{status}");
        }
    }
}
