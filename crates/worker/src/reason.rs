//! What an error answer says that is no error of its format: a line of text, a page of HTML, JSON of
//! another shape. For messages, so in one line and short.

/// Of a body no more is looked at.
const LOOKED_AT_MAX: usize = 64 << 10;
/// Elements whose text is not for people.
const HIDDEN: [&str; 4] = ["script", "style", "svg", "noscript"];
const ENTITIES: [(&str, &str); 7] = [
    ("&nbsp;", " "),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&#x27;", "'"),
    // Last, so that nothing is read twice.
    ("&amp;", "&"),
];

/// The reason that `body` gives; empty if it is nothing that people read.
pub(crate) fn of_body(body: &[u8]) -> String {
    let body = body.get(..LOOKED_AT_MAX).unwrap_or(body);
    if body.contains(&0) {
        return String::new();
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') { in_one_line(&without_markup(text)) } else { in_one_line(text) }
}

fn in_one_line(text: &str) -> String {
    let visible = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    visible.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The text between the tags.
fn without_markup(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let end = if tag.starts_with("!--") { "-->" } else { ">" };
        let Some((inside, after)) = tag.split_once(end) else {
            rest = "";
            break;
        };
        rest = after;
        let name = inside.split(|letter: char| !letter.is_ascii_alphanumeric()).next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        if HIDDEN.contains(&&*name) && !inside.ends_with('/') {
            rest = after_element(after, &name);
        }
    }
    text.push_str(rest);
    ENTITIES.iter().fold(text, |text, (entity, letter)| text.replace(entity, letter))
}

/// What follows the element `name`; nothing if it is not closed.
fn after_element<'a>(rest: &'a str, name: &str) -> &'a str {
    let close = format!("</{name}");
    // Lower case of ASCII keeps every position.
    let at = rest.to_ascii_lowercase().find(&close);
    at.and_then(|at| rest.get(at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_found_in_whatever_a_server_sends() {
        for (body, expected) in [
            ("404 page not found\n", "404 page not found"),
            ("\u{feff}  no\r\n\tway", "no way"),
            (
                "<html><head><title>502 Bad Gateway</title><style>h1 {a: b}</style></head>\n\
                 <body><center><h1>502 Bad Gateway</h1></center><!-- a > b -->\
                 <SCRIPT>alert(1 < 2)</SCRIPT><hr>nginx &amp; &lt;co&gt;</body></html>",
                "502 Bad Gateway 502 Bad Gateway nginx & <co>",
            ),
            ("<p>cut <b", "cut"),
            ("<script>no end", ""),
            (r#"{"detail": "Not Found"}"#, r#"{"detail": "Not Found"}"#),
            ("\u{1b}[31mred", "[31mred"),
            ("\0\u{1}binary", ""),
            ("", ""),
        ] {
            assert_eq!(of_body(body.as_bytes()), expected, "{body}");
        }
        assert!(of_body(&vec![b'x'; 1 << 20]).len() <= LOOKED_AT_MAX);
    }
}
