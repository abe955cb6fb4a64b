//! What a text refers to: Google's grounding and citations, which stand beside the text and count
//! in bytes, as annotations of the text, which count in characters.

use serde_json::{Map, Value, json};

/// The annotations of `text`, which is part `part` of its candidate.
pub(in super::super) fn annotations(candidate: &Value, text: &str, part: u64) -> Vec<Value> {
    let mut found = Vec::new();
    let member = |camel: &str, snake: &str| candidate.get(camel).or_else(|| candidate.get(snake));
    if let Some(grounding) = member("groundingMetadata", "grounding_metadata") {
        grounded(grounding, text, part, &mut found);
    }
    let cited = member("citationMetadata", "citation_metadata");
    let cited = cited.and_then(|cited| {
        cited.get("citations").or_else(|| cited.get("citationSources")).and_then(Value::as_array)
    });
    for citation in cited.into_iter().flatten() {
        if let Some(uri) = citation.get("uri").and_then(Value::as_str) {
            found.push(annotation(uri, citation.get("title"), citation, text));
        }
    }
    found
}

fn grounded(grounding: &Value, text: &str, part: u64, found: &mut Vec<Value>) {
    let list = |name: &str| grounding.get(name).and_then(Value::as_array);
    let chunks = list("groundingChunks").map_or(&[][..], Vec::as_slice);
    for support in list("groundingSupports").into_iter().flatten() {
        let Some(segment) = support.get("segment") else { continue };
        if segment.get("partIndex").and_then(Value::as_u64).unwrap_or(0) != part {
            continue;
        }
        let indices = support.get("groundingChunkIndices").and_then(Value::as_array);
        for index in indices.into_iter().flatten().filter_map(Value::as_u64) {
            let chunk = usize::try_from(index).ok().and_then(|index| chunks.get(index));
            let web = chunk.and_then(|chunk| {
                chunk
                    .get("web")
                    .or_else(|| chunk.get("retrievedContext"))
                    .or_else(|| chunk.get("maps"))
            });
            if let Some(uri) = web.and_then(|web| web.get("uri")).and_then(Value::as_str) {
                let title = web.and_then(|web| web.get("title"));
                found.push(annotation(uri, title, segment, text));
            }
        }
    }
}

fn annotation(uri: &str, title: Option<&Value>, range: &Value, text: &str) -> Value {
    let characters = |name: &str| {
        let bytes = range.get(name).and_then(Value::as_u64).unwrap_or(0);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        text.char_indices().take_while(|(at, _)| *at < bytes).count()
    };
    json!({ "type": "url_citation", "url_citation": {
        "url": uri,
        "title": title.cloned().unwrap_or_else(|| json!("")),
        "start_index": characters("startIndex"),
        "end_index": characters("endIndex"),
    }})
}

/// `groundingMetadata` of texts with annotations, each with its place among the parts; `None` if no
/// annotation says where its source is.
pub(in super::super) fn grounding(texts: &[(u64, &str, &[Value])]) -> Option<Value> {
    let (mut chunks, mut supports) = (Vec::new(), Vec::new());
    for (part, text, annotations) in texts {
        for annotation in *annotations {
            let Some(citation) = annotation.get("url_citation") else { continue };
            let Some(url) = citation.get("url").and_then(Value::as_str) else { continue };
            let mut web = Map::new();
            web.insert("uri".to_owned(), json!(url));
            let title = citation.get("title").and_then(Value::as_str).unwrap_or_default();
            web.insert("title".to_owned(), json!(title));
            let bytes = |name: &str| {
                let characters = citation.get(name).and_then(Value::as_u64).unwrap_or(0);
                let characters = usize::try_from(characters).unwrap_or(usize::MAX);
                text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at)
            };
            let (start, end) = (bytes("start_index"), bytes("end_index"));
            let mut segment = json!({ "startIndex": start, "endIndex": end });
            if *part > 0 {
                segment["partIndex"] = json!(part);
            }
            if let Some(quoted) = text.get(start..end) {
                segment["text"] = json!(quoted);
            }
            // Without the text nothing can be said of where in it.
            if !text.is_empty() {
                let index = chunks.len();
                supports.push(json!({ "segment": segment, "groundingChunkIndices": [index] }));
            }
            chunks.push(json!({ "web": web }));
        }
    }
    (!chunks.is_empty())
        .then(|| json!({ "groundingChunks": chunks, "groundingSupports": supports }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_characters_and_back() {
        let text = "größer: 5 m";
        let candidate = json!({"groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "https://a.example", "title": "a"}}],
            "groundingSupports": [{"segment": {"startIndex": 10, "endIndex": 13},
                "groundingChunkIndices": [0, 7]}]}});
        let found = annotations(&candidate, text, 0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["url_citation"]["start_index"], 8);
        assert_eq!(found[0]["url_citation"]["end_index"], 11);
        let back = grounding(&[(0, text, &found)]).unwrap();
        assert_eq!(back["groundingSupports"][0]["segment"]["text"], "5 m");
        assert_eq!(back["groundingSupports"][0]["segment"]["startIndex"], 10);
    }
}
