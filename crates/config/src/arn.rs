//! Names of things at AWS, as far as Bedrock's models need them: `arn:aws:bedrock:REGION:ACCOUNT:` and
//! a kind of things, or one of them.

use crate::report::Draft;
use crate::text::Instead;

/// A name of something at AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arn {
    /// A kind of things: with a slash at its end, behind which names of things stand.
    Kind(String),
    /// A single thing.
    Thing(String),
}

const EXPECTED: &str = "arn:aws:bedrock:REGION:ACCOUNT:inference-profile";

impl Arn {
    /// Reads `text`; `None`: it is no such name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut parts = text.splitn(6, ':');
        let has_head = parts.next() == Some("arn") && parts.nth(1).is_some_and(|s| !s.is_empty());
        let resource = parts.nth(2).filter(|resource| has_head && !resource.is_empty())?;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"?#%".contains(&byte);
        if !text.bytes().all(is_plain) {
            return None;
        }
        Some(match resource.split_once('/') {
            Some((_, name)) if !name.is_empty() => Self::Thing(text.to_owned()),
            Some(_) => Self::Kind(text.to_owned()),
            None => Self::Kind(format!("{text}/")),
        })
    }
}

/// What stands before models' names.
pub(crate) fn kind(text: &str) -> Result<Option<Instead>, Draft> {
    let draft = Draft::error("not the beginning of models' ARNs").expected(EXPECTED);
    match Arn::parse(text) {
        Some(Arn::Kind(_)) => Ok(None),
        Some(Arn::Thing(_)) => {
            let help = "for one model, write it into an alias, as inference_profile_arn";
            Err(draft.found("the ARN of a single thing").help(help))
        }
        None => Err(draft.found("something else")),
    }
}

/// A profile, or what stands before the names of profiles.
pub(crate) fn any(text: &str) -> Result<Option<Instead>, Draft> {
    if Arn::parse(text).is_some() {
        return Ok(None);
    }
    let draft = Draft::error("not an ARN").expected(format!("an ARN, as {EXPECTED}/NAME"));
    Err(draft.found("something else"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_from_things() {
        let head = "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012";
        let kind = Some(Arn::Kind(format!("{head}:inference-profile/")));
        assert_eq!(Arn::parse(&format!(" {head}:inference-profile")), kind);
        assert_eq!(Arn::parse(&format!("{head}:inference-profile/")), kind);
        let thing = format!("{head}:application-inference-profile/abc123");
        assert_eq!(Arn::parse(&thing), Some(Arn::Thing(thing.clone())));
        let model = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-x-v1:0";
        assert_eq!(Arn::parse(model), Some(Arn::Thing(model.to_owned())));
        for wrong in ["", "arn", "arn:aws:bedrock", "arn:aws:bedrock:r:a:", "urn:a:b:c:d:e"] {
            assert_eq!(Arn::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Arn::parse("arn:aws:bedrock:r:a:x y"), None);
    }
}
