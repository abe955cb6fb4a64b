//! Amazon's S3: errors in XML, and nothing that a model is asked. What it keeps, `store` knows.

use super::{Route, Spoken, Told, Wire};
use crate::answer::Done;
use crate::answer::events::Events;
use crate::ask::Ask;
use crate::call::Call;
use crate::refusal::Refusal;

#[derive(Debug)]
pub(crate) struct S3;

/// S3's word for a status, and what it says.
fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        401 | 403 => ("AccessDenied", "Access Denied"),
        404 => ("NoSuchKey", "The specified key does not exist."),
        405 => ("MethodNotAllowed", "The specified method is not allowed against this resource."),
        429 | 503 => ("SlowDown", "Please reduce your request rate."),
        500.. => ("InternalError", "We encountered an internal error. Please try again."),
        _ => ("InvalidRequest", "The request is not valid."),
    }
}

/// `text` as XML has it.
pub(crate) fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

impl Wire for S3 {
    fn route<'a>(&self, _call: &Call<'a>) -> Option<Route<'a>> {
        None
    }

    fn read<'a>(
        &self,
        call: &Call<'a>,
        _route: &Route<'a>,
        _body: &'a [u8],
    ) -> Result<Ask<'a>, Refusal> {
        Err(Refusal::no_route(call.method.as_str(), call.path))
    }

    fn whole(&self, _route: &Route<'_>, _ask: &Ask<'_>, _done: &Done) -> Vec<u8> {
        Vec::new()
    }

    fn stream(&self, _route: &Route<'_>, _ask: &Ask<'_>, _told: Told<'_>) -> Events {
        Events::default()
    }

    fn models(&self, _route: &Route<'_>, _names: &[String]) -> Vec<u8> {
        Vec::new()
    }

    fn error(&self, _route: &Route<'_>, refusal: &Refusal) -> Spoken {
        let (code, usual) = words(refusal.status);
        let code = refusal.code.as_deref().unwrap_or(code);
        let said = if refusal.message.is_empty() { usual } else { &refusal.message };
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>\
             <RequestId>simulated</RequestId></Error>",
            escaped(code),
            escaped(said)
        );
        let headers = vec![("content-type", "application/xml".to_owned())];
        Spoken { status: refusal.status, body, headers }
    }

    fn error_event(&self, _route: &Route<'_>, _refusal: &Refusal, _earlier: usize) -> Vec<u8> {
        Vec::new()
    }

    fn wrong_key(&self, _route: &Route<'_>) -> Refusal {
        let message = "The AWS Access Key Id you provided does not exist in our records.";
        let refusal = Refusal { status: 403, ..Refusal::bad_request(message) };
        refusal.with_code("InvalidAccessKeyId")
    }

    fn id_header(&self) -> &'static str {
        "x-amz-request-id"
    }
}
