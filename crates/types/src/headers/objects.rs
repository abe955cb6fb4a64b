//! Which headers pass with files that are objects at places, as S3 has them. There a header is part of
//! what is stored, so one that nobody knows must not get lost: it is refused.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/>

use super::{HeaderClass, header_class};

/// What becomes of a client's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectHeader {
    /// It goes on.
    Sent,
    /// It says how the body comes, which is for whoever sends it on to read.
    OfBody,
    /// It belongs to the client's own message.
    Left,
    /// It asks for something that is not done here.
    Refused,
}

/// How Amazon's headers begin.
const AMAZON: &str = "x-amz-";
/// What the owner of a file has said of it.
const META: &str = "x-amz-meta-";
const CHECKSUM: &str = "x-amz-checksum-";

/// Those that go on, beside checksums and what a file's owner says of it.
const SENT: [&str; 16] = [
    "cache-control",
    "content-disposition",
    "content-language",
    "content-md5",
    "expires",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
    "x-amz-expected-bucket-owner",
    "x-amz-mp-object-size",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-storage-class",
];

const OF_BODY: [&str; 5] = [
    "content-encoding",
    "content-length",
    "x-amz-content-sha256",
    "x-amz-decoded-content-length",
    "x-amz-trailer",
];

/// Parts of the client's signature, and what it says of itself.
const LEFT: [&str; 3] = ["x-amz-date", "x-amz-security-token", "x-amz-user-agent"];

/// What becomes of the header `name` (lower case) of a client.
#[must_use]
pub fn object_header(name: &str) -> ObjectHeader {
    if SENT.contains(&name) || name.starts_with(META) || name.starts_with(CHECKSUM) {
        ObjectHeader::Sent
    } else if OF_BODY.contains(&name) {
        ObjectHeader::OfBody
    } else if LEFT.contains(&name) || !name.starts_with(AMAZON) {
        ObjectHeader::Left
    } else {
        ObjectHeader::Refused
    }
}

/// Those of an answer that say what a file is.
const ANSWERED: [&str; 10] = [
    "accept-ranges",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "etag",
    "expires",
    "last-modified",
];

/// Whether the header `name` (lower case) of an answer goes on to the client: not what looks like a
/// credential, unless a file's owner calls it so.
#[must_use]
pub fn object_answered(name: &str) -> bool {
    if ANSWERED.contains(&name) || name.starts_with(META) {
        return true;
    }
    let Some(rest) = name.strip_prefix(AMAZON) else { return false };
    header_class(rest) != Some(HeaderClass::Credential)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_goes_on_and_what_nobody_knows_is_refused() {
        for (name, becomes) in [
            ("range", ObjectHeader::Sent),
            ("x-amz-meta-secret", ObjectHeader::Sent),
            ("x-amz-checksum-crc32", ObjectHeader::Sent),
            ("x-amz-trailer", ObjectHeader::OfBody),
            ("content-length", ObjectHeader::OfBody),
            ("authorization", ObjectHeader::Left),
            ("x-amz-date", ObjectHeader::Left),
            ("amz-sdk-request", ObjectHeader::Left),
            ("x-amzn-trace-id", ObjectHeader::Left),
            ("cookie", ObjectHeader::Left),
            ("x-amz-acl", ObjectHeader::Refused),
            ("x-amz-copy-source", ObjectHeader::Refused),
            ("x-amz-grant-read", ObjectHeader::Refused),
            ("x-amz-server-side-encryption-customer-key", ObjectHeader::Refused),
        ] {
            assert_eq!(object_header(name), becomes, "{name}");
        }
    }

    #[test]
    fn answers_say_what_a_file_is_and_show_no_credential() {
        for name in ["etag", "last-modified", "x-amz-meta-key", "x-amz-checksum-crc32"] {
            assert!(object_answered(name), "{name}");
        }
        for name in ["x-amz-version-id", "x-amz-bucket-region", "x-amz-request-id"] {
            assert!(object_answered(name), "{name}");
        }
        for name in ["x-amz-security-token", "x-amz-key", "x-amz-signature", "set-cookie", "server"]
        {
            assert!(!object_answered(name), "{name}");
        }
    }
}
