//! Names of documents. Converse takes few characters in them and refuses a name twice in one
//! conversation; other formats have file names, titles or nothing.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html>

use std::collections::HashSet;

const CHARS_MAX: usize = 200;
const UNNAMED: &str = "document";

/// The names that are taken in one conversation.
#[derive(Debug, Default)]
pub(in crate::bedrock_converse) struct Titles(HashSet<String>);

impl Titles {
    /// A legal name for a document called `title` that no other document has. The same
    /// conversation, gone on, gives the same names again, so that prompts stay cached.
    pub(super) fn take(&mut self, title: Option<&str>) -> String {
        let name = legal(title.unwrap_or_default());
        let mut free = name.clone();
        let mut number = 2_usize;
        while self.0.contains(&free) {
            let end = format!(" ({number})");
            // ASCII only: bytes are characters.
            let start = name.get(..name.len().min(CHARS_MAX - end.len())).unwrap_or(&name);
            free = format!("{}{end}", start.trim_end());
            number += 1;
        }
        self.0.insert(free.clone());
        free
    }
}

fn legal(title: &str) -> String {
    let mut name = String::with_capacity(title.len().min(CHARS_MAX));
    for char in title.trim().chars() {
        let char = match char {
            ' ' | '\t' | '\n' | '\r' => ' ',
            '-' | '(' | ')' | '[' | ']' => char,
            char if char.is_ascii_alphanumeric() => char,
            _ => '-',
        };
        if name.len() == CHARS_MAX {
            break;
        }
        if !(matches!(char, ' ' | '-') && name.ends_with(char)) {
            name.push(char);
        }
    }
    let name = name.trim_matches(|char| char == ' ' || char == '-');
    if name.contains(|char: char| char.is_ascii_alphanumeric()) {
        name.to_owned()
    } else {
        UNNAMED.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_legal_and_unique() {
        let mut titles = Titles::default();
        assert_eq!(titles.take(Some("Q3  report_v2.pdf")), "Q3 report-v2-pdf");
        assert_eq!(titles.take(Some("Q3 report/v2.pdf")), "Q3 report-v2-pdf (2)");
        assert_eq!(titles.take(None), "document");
        assert_eq!(titles.take(Some("…")), "document (2)");
        assert_eq!(titles.take(Some("  ")), "document (3)");
        let long = "x".repeat(300);
        assert_eq!(titles.take(Some(&long)).len(), 200);
        let second = titles.take(Some(&long));
        assert!(second.len() == 200 && second.ends_with("x (2)"));
    }
}
