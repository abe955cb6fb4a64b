//! The buckets of a request's key, and the addresses of objects in them.

use http::Uri;
use weir_dialect::buckets::{Addressing, Bucket, Cloud, Place, for_new, of_place};
use weir_provider::{encoded, encoded_path};
use weir_types::{FailureClass, Fault, FaultCode};

use super::super::visit::{Visit, not_there, with_query};

impl<'a> Visit<'a> {
    /// The buckets are there, and the credential opens them.
    pub(super) fn check_storage(&self, cloud: &dyn Cloud) -> Result<(), Fault> {
        if self.key.shows_value {
            return Err(self.refused(
                "an API key opens no bucket: files and batches need access_key and secret_key, or the \
                 process's own AWS identity, in place of its value",
            ));
        }
        match self.buckets().is_empty() {
            true => self.bucket_for_new(cloud).map(|_| ()),
            false => Ok(()),
        }
    }

    fn refused(&self, why: &str) -> Fault {
        let text = format!("{}: key {}: {why}", self.wire.shared.provider, self.key.name);
        Fault::new(FaultCode::UnsupportedOperation, text).with_class(FailureClass::Elsewhere)
    }

    pub(super) fn buckets(&self) -> &'a [Bucket] {
        &self.key.storage.buckets
    }

    /// The bucket that new files go to.
    pub(super) fn bucket_for_new(&self, cloud: &dyn Cloud) -> Result<&'a Bucket, Fault> {
        for_new(self.buckets(), cloud.field()).map_err(|why| self.refused(&why))
    }

    /// What the request is for, and its bucket.
    pub(super) fn file(&self, cloud: &dyn Cloud) -> Result<(Place, &'a Bucket), Fault> {
        let id = self.request.resource.as_deref().unwrap_or_default();
        let place = Place::of_id(cloud.scheme(), id).ok_or_else(|| not_there("file", id))?;
        let bucket = self.bucket_of(cloud, &place)?;
        Ok((place, bucket))
    }

    /// The bucket that `place` is in.
    pub(super) fn bucket_of(&self, cloud: &dyn Cloud, place: &Place) -> Result<&'a Bucket, Fault> {
        of_place(self.buckets(), place).ok_or_else(|| {
            let text = format!(
                "{}: {} is in none of the buckets that key {} names in {}, or not behind their prefixes",
                self.wire.shared.provider,
                place.uri(cloud.scheme()),
                self.key.name,
                cloud.field()
            );
            Fault::new(FaultCode::NotFound, text).with_class(FailureClass::Caller)
        })
    }

    /// The address of the object `key` in `bucket`, or with an empty one of the bucket.
    pub(super) fn object_uri(
        &self,
        cloud: &dyn Cloud,
        bucket: &str,
        key: &str,
        query: &[(&str, &str)],
    ) -> Result<Uri, Fault> {
        let address = match cloud.addressing() {
            Addressing::ByName => object_address(&self.base, self.is_vendors, bucket, key),
            Addressing::Resource => resource_address(&self.base, "", bucket, key),
        };
        with_query(&address, query)
    }

    /// The address at which uploads into `bucket` begin.
    pub(super) fn upload_uri(&self, bucket: &str, query: &[(&str, &str)]) -> Result<Uri, Fault> {
        with_query(&resource_address(&self.base, "/upload", bucket, ""), query)
    }
}

/// Where the object `key` is, of a service at `base`: by a host of the bucket's own at the vendor's, else
/// by path.
fn object_address(base: &str, is_vendors: bool, bucket: &str, key: &str) -> String {
    let (base, key) = (base.trim_end_matches('/'), encoded_path(key));
    match base.split_once("://") {
        // A certificate for all buckets is none for names with dots.
        Some((scheme, host)) if is_vendors && !bucket.contains('.') => {
            format!("{scheme}://{bucket}.{host}/{key}")
        }
        _ => format!("{base}/{bucket}/{key}"),
    }
}

/// Where the object `key` is as a resource, or with an empty one all objects of the bucket.
fn resource_address(base: &str, before: &str, bucket: &str, key: &str) -> String {
    let all = format!("{}{before}/storage/v1/b/{bucket}/o", base.trim_end_matches('/'));
    match key {
        "" => all,
        key => format!("{all}/{}", encoded(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_resource_is_one_step() {
        let base = "https://storage.googleapis.com";
        let address = resource_address(base, "", "b", "a/b c");
        assert_eq!(address, "https://storage.googleapis.com/storage/v1/b/b/o/a%2Fb%20c");
        let address = resource_address("http://s:1/", "/upload", "b", "");
        assert_eq!(address, "http://s:1/upload/storage/v1/b/b/o");
    }

    #[test]
    fn a_bucket_has_a_host_of_its_own_but_for_names_with_dots_and_other_services() {
        let vendors = "https://s3.eu-west-1.amazonaws.com/";
        for (base, is_vendors, bucket, key, expected) in [
            (
                vendors,
                true,
                "b-1",
                "a/b c+.x",
                "https://b-1.s3.eu-west-1.amazonaws.com/a/b%20c%2B.x",
            ),
            (vendors, true, "b.1", "a", "https://s3.eu-west-1.amazonaws.com/b.1/a"),
            (vendors, true, "b-1", "", "https://b-1.s3.eu-west-1.amazonaws.com/"),
            ("http://store:9000/x/", false, "b-1", "a", "http://store:9000/x/b-1/a"),
        ] {
            let address = object_address(base, is_vendors, bucket, key);
            assert_eq!(address, expected);
            assert!(with_query(&address, &[("a b", "c&d")]).is_err());
            let uri = with_query(&address, &[("prefix", "c&d/ä"), ("uploads", "")]).unwrap();
            assert_eq!(uri.query(), Some("prefix=c%26d%2F%C3%A4&uploads="));
        }
    }
}
