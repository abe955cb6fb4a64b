//! Names that a file gives to things, and how they are shown in messages.
//!
//! A name goes into metrics, logs and headers, so it is short and free of control characters.
//! A name may also be a secret that was pasted into the wrong place: one that looks like it is
//! shown cut off.

use crate::reader::Field;
use crate::report::Draft;

/// The longest name of a key, model, alias or provider, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// How credentials begin at the well-known vendors.
const SECRET_PREFIXES: [&str; 18] = [
    "sk-",
    "sk_",
    "gsk_",
    "xai-",
    "hf_",
    "pplx-",
    "r8_",
    "fw_",
    "AKIA",
    "AIza",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "github_pat_",
    "eyJ",
    "-----",
    "Bearer ",
];

/// `name` as it may be printed: quoted characters escaped, cut off if long or secret-like.
pub(crate) fn shown(name: &str) -> String {
    let bare = name.strip_prefix("env.").unwrap_or(name);
    let has_prefix = SECRET_PREFIXES.iter().any(|prefix| bare.starts_with(prefix));
    // An address may have a password before its host, or a key behind its path.
    let secret_like = (name.len() > 16 && has_prefix) || name.contains("://");
    let chars_max = if secret_like { 3 } else { 64 };
    let cut = name.char_indices().nth(chars_max).map_or(name.len(), |(at, _)| at);
    let escaped: String = name[..cut].chars().flat_map(char::escape_debug).collect();
    if cut < name.len() { format!("{escaped}…") } else { escaped }
}

/// `name` as a step of a JSON path: `.name`, or `["name"]` where a dot would mislead.
pub(crate) fn step(name: &str) -> String {
    let plain = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'));
    if plain { format!(".{}", shown(name)) } else { format!("[\"{}\"]", shown(name)) }
}

/// What makes `name` unusable as a name, if anything.
pub(crate) fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("an empty string");
    }
    if name.trim() != name {
        return Some("a name with blanks around it");
    }
    if name.chars().any(char::is_control) {
        return Some("a name with control characters");
    }
    (name.len() > NAME_BYTES_MAX).then_some("a name longer than 256 bytes")
}

/// The text of `field` as a name.
pub(crate) fn read<'a>(field: &Field<'a>) -> Option<&'a str> {
    let name = field.text()?;
    let Some(fault) = fault(name) else {
        return Some(name);
    };
    let draft = Draft::error("not a usable name");
    field.report(
        draft
            .expected("a name of 1 to 256 bytes, no blanks around it, no control characters")
            .found(fault),
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_like_names_are_cut() {
        assert_eq!(shown("sk-proj-0123456789abcdef"), "sk-…");
        assert_eq!(shown("claude-3-5-sonnet-20241022-v2:0"), "claude-3-5-sonnet-20241022-v2:0");
        assert_eq!(shown("a\nb"), "a\\nb");
        assert_eq!(step("gpt-4o"), ".gpt-4o");
        assert_eq!(step("gpt-4.1"), "[\"gpt-4.1\"]");
    }
}
