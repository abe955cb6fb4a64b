//! An explanation as a table that is read on a screen of 100 columns.
//!
//! What a provider said comes from outside: nothing of it reaches the terminal but letters and spaces.

use std::fmt::Write;

use weir_rpc::{ExplainedClass, ExplainedKey, ExplainedPool, ExplainedProvider, Explanation};

/// No line is longer, but for names that are.
const COLUMNS: usize = 100;
/// Kinds of request that are named; the others are counted.
const CLASSES_MAX: usize = 8;

/// The whole, without a line break at its end.
pub(super) fn of(explanation: &Explanation) -> String {
    let mut out = String::new();
    for provider in &explanation.providers {
        let is_first = explanation.next_provider.as_ref() == Some(&provider.provider);
        section(&mut out, provider, is_first && explanation.providers.len() > 1);
    }
    let keys = || explanation.providers.iter().flat_map(|one| &one.keys);
    let usable = keys().filter(|key| key.eligible).count();
    let (model, all) = (clean(&explanation.model), keys().count());
    let by = if explanation.live { "now" } else { "by configuration alone; no router was asked" };
    line(&mut out, "", &format!("{model}: {usable} of {all} keys can serve it {by}"));
    out.truncate(out.trim_end().len());
    out
}

fn section(out: &mut String, provider: &ExplainedProvider, is_first: bool) {
    let first = if is_first { ", which would be asked first" } else { "" };
    line(out, "", &format!("{}, model {}{first}", provider.provider, clean(&provider.model)));
    provider.pool.iter().for_each(|seen| pool(out, seen));
    if provider.keys.is_empty() {
        line(out, "  ", "it has no keys");
    } else {
        keys(out, provider);
    }
    out.push('\n');
}

fn pool(out: &mut String, pool: &ExplainedPool) {
    let ExplainedPool { in_flight, concurrency, waiting, buffer_size, mode, .. } = pool;
    let mut text = format!(
        "pool: {in_flight} of {concurrency} slots in use, {waiting} waiting (at most {buffer_size}), limits \
         {mode}"
    );
    let heard = pool.heard_ms_ago.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms ago"));
    match &*pool.seen {
        "last_heard" => _ = write!(text, ", as this router last heard, {heard}"),
        "share" => _ = write!(text, ", this router's own share; the pool was heard {heard}"),
        _ => {}
    }
    if let Some(generation) = pool.limits_generation {
        _ = write!(text, ", limits changed {} times", generation.saturating_sub(1));
    }
    if let Some(ms) = pool.limits_obeyed_for_ms {
        _ = write!(text, ", obeyed by this router for {}", span(ms));
    }
    if pool.other_limits {
        text.push_str(", other ones than this router's configuration has");
    }
    _ = write!(text, ", routers {}", pool.routers);
    line(out, "  ", &text);
    if pool.in_grace {
        line(out, "  ", "grace: nothing is granted until all routers have said what they hold");
    }
    if !pool.trouble.is_empty() {
        line(out, "  ", &format!("trouble: {}", clean(&pool.trouble)));
    }
    pool.waiting_by_class.iter().take(CLASSES_MAX).for_each(|one| class(out, one));
    let more = pool.waiting_by_class.iter().skip(CLASSES_MAX);
    let count: u32 = more.map(|class| class.waiting).sum();
    if count > 0 {
        line(out, "  ", &format!("waiting: {count} others"));
    }
}

fn class(out: &mut String, class: &ExplainedClass) {
    let ExplainedClass { model, operation, keys, waiting } = class;
    let keys = keys.join(", ");
    line(out, "  ", &format!("waiting: {waiting} x {operation} {} (keys {keys})", clean(model)));
}

fn keys(out: &mut String, provider: &ExplainedProvider) {
    let of = |text: fn(&ExplainedKey) -> usize, least: usize| {
        provider.keys.iter().map(text).max().unwrap_or(0).max(least)
    };
    let name = of(|key| key.key.chars().count(), 3).min(30);
    let state = of(|key| key.state.chars().count(), 5);
    let is_live = provider.keys.iter().any(|key| key.in_flight.is_some());
    let columns = |key: &str, of: &str, weight: &str, slots: &str, lag: &str| {
        let live = if is_live { format!(" {slots:>6} {lag:>7}") } else { String::new() };
        format!("{key:<name$}  {of:<state$} {weight:>7}{live}  ")
    };
    let head = columns("KEY", "STATE", "WEIGHT", "IN USE", "LAG");
    _ = writeln!(out, "    {head}WHY");
    for key in &provider.keys {
        let mark = if provider.next_key.as_ref() == Some(&key.key) { "  > " } else { "    " };
        let slots = key.in_flight.map(|slots| slots.to_string()).unwrap_or_default();
        let lag = key.lag.map(|lag| format!("{lag:+.3}")).unwrap_or_default();
        let row = columns(&key.key, &key.state, &key.weight.to_string(), &slots, &lag);
        let why = if provider.next_key.as_ref() == Some(&key.key) {
            format!("next; {}", why(key))
        } else {
            why(key)
        };
        let why = why.trim_end_matches("; ");
        wrapped(out, &format!("{mark}{row}"), why);
    }
}

fn why(key: &ExplainedKey) -> String {
    let mut parts = Vec::new();
    if let Some(left) = key.rests_for_ms.filter(|left| *left > 0) {
        let what = match key.resting.as_deref() {
            Some("provider") => "the whole provider rests",
            Some("model") => "rests for this model",
            _ => "rests",
        };
        parts.push(format!("{what} for {} after", seconds(left)));
        let said = if key.state == "resting" { &key.why } else { "a failure" };
        parts = vec![format!("{} {}", parts.concat(), clean(said))];
    }
    if key.state != "resting" && !key.why.is_empty() {
        parts.insert(0, clean(&key.why));
    }
    if let Some(alias) = &key.alias_of {
        parts.push(format!("asks the provider for `{}`", clean(alias)));
    }
    if key.for_batches {
        parts.push("also for batches".to_owned());
    }
    parts.join("; ")
}

#[expect(clippy::cast_precision_loss, reason = "read by people")]
fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1000.0)
}

/// Times that may be long, in the unit that fits.
fn span(ms: u64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        0..2 => seconds(ms),
        2..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1_440),
    }
}

/// As much of `text` as can be shown.
fn clean(text: &str) -> String {
    let text: String = text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn line(out: &mut String, indent: &str, text: &str) {
    wrapped(out, indent, text);
}

/// `text` behind `head`; what is too long for a line goes on below itself.
fn wrapped(out: &mut String, head: &str, text: &str) {
    let indent = head.chars().count();
    let (indent, mut column) = (if indent > COLUMNS / 2 + 20 { 8 } else { indent }, indent);
    out.push_str(head);
    let mut is_fresh = true;
    for word in text.split(' ') {
        let length = word.chars().count();
        if !is_fresh && column + 1 + length > COLUMNS {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            (column, is_fresh) = (indent, true);
        }
        if !is_fresh {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        is_fresh = false;
    }
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, state: &str, why: &str) -> ExplainedKey {
        ExplainedKey {
            key: name.to_owned(),
            eligible: state == "eligible",
            state: state.to_owned(),
            why: why.to_owned(),
            weight: 1.0,
            in_flight: Some(0),
            lag: Some(0.25),
            ..ExplainedKey::default()
        }
    }

    #[test]
    fn a_table_fits_and_shows_nothing_that_steers_a_terminal() {
        let said = format!("rate_limited, 429, \u{1b}[31m{}", "slow down, please. ".repeat(20));
        let mut resting = key("openai-two", "resting", &said);
        (resting.rests_for_ms, resting.resting) = (Some(12_340), Some("model".to_owned()));
        let pool = ExplainedPool {
            mode: "exact".to_owned(),
            seen: "last_heard".to_owned(),
            heard_ms_ago: Some(120),
            concurrency: 2,
            limits_generation: Some(3),
            limits_obeyed_for_ms: Some(25 * 3_600_000),
            trouble: "the pool did not answer: nothing within 250ms".to_owned(),
            ..ExplainedPool::default()
        };
        let provider = ExplainedProvider {
            provider: "openai".to_owned(),
            model: "gpt-4o".to_owned(),
            next_key: Some("openai-1".to_owned()),
            keys: vec![key("openai-1", "eligible", ""), resting],
            pool: Some(pool),
        };
        let explanation = Explanation {
            model: "openai/gpt-4o".to_owned(),
            live: true,
            next_provider: Some("openai".to_owned()),
            providers: vec![provider],
        };
        let text = of(&explanation);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        for part in [
            "0 of 2 slots in use",
            "as this router last heard, 120 ms ago",
            "limits changed 2 times, obeyed by this router for 25 h",
            "  > openai-1",
            "rests for this model for 12.3 s after rate_limited",
            "1 of 2 keys can serve it now",
        ] {
            let whole = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(part) || whole.contains(part), "{part}: {text}");
        }
    }
}
