//! What must not be seen in what a provider says: what was sent to it with a key, in any spelling.
//!
//! Looked for in everything that goes on but the body of a success. Knows no call and no format.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use weir_types::{Fault, Mask, Secret, UpstreamAnswer};

/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";

/// One key's secrets.
pub(crate) struct Hidden {
    /// What the settings say.
    fixed: Mask,
    /// What is fetched and changes, as it was last; `None`: nothing is.
    fetched: Option<Mutex<Fetched>>,
}

#[derive(Default)]
struct Fetched {
    secrets: Vec<Secret>,
    mask: Option<Arc<Mask>>,
}

impl Hidden {
    pub(crate) fn new<'a>(fixed: impl Iterator<Item = &'a Secret>, fetches: bool) -> Self {
        Self { fixed: Mask::new(fixed), fetched: fetches.then(Mutex::default) }
    }

    /// Takes secrets out of `text`. `now`: what has been fetched.
    pub(crate) fn in_text(&self, text: &mut String, now: impl Fn() -> Vec<Secret>) {
        if let Some(clean) = self.fixed.hide_text(text, REDACTED) {
            *text = clean;
        }
        if let Some(mask) = self.fetched(&now)
            && let Some(clean) = mask.hide_text(text, REDACTED)
        {
            *text = clean;
        }
    }

    /// As [`Self::in_text`], in a provider's error answer.
    pub(crate) fn in_answer(&self, answer: &mut UpstreamAnswer, now: impl Fn() -> Vec<Secret>) {
        self.in_text(&mut answer.content_type, &now);
        let clean = |mask: &Mask, body: &Bytes| mask.hide(body, REDACTED).map(Bytes::from);
        if let Some(body) = clean(&self.fixed, &answer.body) {
            answer.body = body;
        }
        if let Some(body) = self.fetched(&now).and_then(|mask| clean(&mask, &answer.body)) {
            answer.body = body;
        }
    }

    /// As [`Self::in_text`], in all that is said of a failure.
    pub(crate) fn in_fault(&self, fault: &mut Fault, now: impl Fn() -> Vec<Secret>) {
        let detail = &mut *fault.detail;
        let texts = [Some(&mut detail.message), detail.code.as_mut(), detail.param.as_mut()];
        for text in texts.into_iter().flatten() {
            let mut owned = std::mem::take(text).into_owned();
            self.in_text(&mut owned, &now);
            *text = owned.into();
        }
        if let Some(answer) = &mut detail.upstream {
            self.in_answer(answer, now);
        }
    }

    /// The mask of what has been fetched, made anew when that has changed.
    fn fetched(&self, now: &impl Fn() -> Vec<Secret>) -> Option<Arc<Mask>> {
        let fetched = self.fetched.as_ref()?;
        let now = now();
        let mut fetched = fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let same = now.iter().map(Secret::expose).eq(fetched.secrets.iter().map(Secret::expose));
        if let (Some(mask), true) = (&fetched.mask, same) {
            return Some(Arc::clone(mask));
        }
        let mask = Arc::new(Mask::new(&now));
        *fetched = Fetched { secrets: now, mask: Some(Arc::clone(&mask)) };
        Some(mask)
    }
}

#[cfg(test)]
mod tests {
    use weir_types::FaultCode;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn fixed_and_fetched_secrets_are_taken_out_of_all_parts_of_a_fault() {
        let hidden = Hidden::new([secret("fixed-0123")].iter(), true);
        for token in ["token-one-0", "token-two-0"] {
            let now = || vec![secret(token)];
            let said = format!("fixed-0123 {token}");
            let mut fault = Fault::new(FaultCode::UpstreamRejected, said.clone());
            fault.detail.code = Some(said.clone().into());
            fault.detail.param = Some(said.clone().into());
            fault.detail.upstream = Some(UpstreamAnswer {
                status: 400,
                content_type: said.clone(),
                body: said.clone().into(),
            });
            hidden.in_fault(&mut fault, now);
            let detail = *fault.detail;
            let answer = detail.upstream.unwrap();
            let body = String::from_utf8(answer.body.to_vec()).unwrap();
            let parts = [detail.message.into(), answer.content_type, body];
            let codes = [detail.code, detail.param].map(|code| code.unwrap().into_owned());
            for part in parts.into_iter().chain(codes) {
                assert_eq!(part, "[redacted] [redacted]");
            }
        }
    }

    #[test]
    fn what_is_not_fetched_is_not_asked_for() {
        let hidden = Hidden::new(std::iter::empty(), false);
        let mut text = "token-one-0".to_owned();
        hidden.in_text(&mut text, || unreachable!());
        assert_eq!(text, "token-one-0");
    }
}
