//! How well documents fit a question: by the words that they share.

use super::text;
use crate::ask::Rerank;

/// The documents by their score, the best first. Equal ones keep the order they came in.
pub(crate) fn scores(rerank: &Rerank) -> Vec<(usize, f64)> {
    let wanted = words(&rerank.query);
    let mut scores: Vec<(usize, f64)> = rerank
        .documents
        .iter()
        .enumerate()
        .map(|(nth, document)| {
            let found = words(document);
            let shared = wanted.iter().filter(|word| found.contains(word)).count();
            let share = shared as f64 / wanted.len().max(1) as f64;
            // A small part of its own, so that scores look like scores.
            let own = (text::hash(&[document.as_bytes()]) % 1000) as f64 / 100_000.0;
            (nth, ((share * 0.98 + own) * 1e6).round() / 1e6)
        })
        .collect();
    scores.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    scores.truncate(rerank.top.unwrap_or(usize::MAX));
    scores
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_words_decide() {
        let documents = ["the sea", "A weir holds water", "weir"].map(str::to_owned).to_vec();
        let query = "Which weir holds?".to_owned();
        let all = Rerank { query, documents, top: None, echo: false, records: Vec::new() };
        let order: Vec<usize> = scores(&all).into_iter().map(|(nth, _)| nth).collect();
        assert_eq!(order, [1, 2, 0]);
        assert_eq!(scores(&Rerank { top: Some(1), ..all }).len(), 1);
    }
}
