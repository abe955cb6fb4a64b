//! What the pages for users say of providers is what the table of vendors says: who is served, and
//! how one signs in there.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests")]

use std::collections::BTreeMap;
use std::fs;

use weir_provider::{Auth, Vendor, served_names, vendors};

fn page(name: &str) -> String {
    fs::read_to_string(format!("../../{name}")).unwrap()
}

/// The names in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// From the table of the readme: how each provider signs in.
fn sign_in() -> BTreeMap<String, String> {
    let readme = page("README.md");
    let table = readme.split("| provider | operations | SDKs | how it signs in |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| "));
    let mut found = BTreeMap::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [providers, _, _, how] = cells[..] else { panic!("{row}") };
        found.extend(quoted(providers).map(|name| (name.to_owned(), how.to_owned())));
    }
    found
}

/// What has to be said of how one signs in.
fn words(vendor: &Vendor) -> Vec<&'static str> {
    let mut words = match vendor.auth {
        Auth::Bearer | Auth::Header(_) => vec!["API key"],
        Auth::Aws(_) | Auth::AwsSigned(_) => {
            vec!["API key", "SigV4", "session token", "role", "web identity"]
        }
        Auth::Azure(_) => vec!["API key", "client secret", "workload identity", "managed"],
        Auth::Google | Auth::GoogleOrKey => {
            vec!["service account", "default credentials", "workload identity", "API key"]
        }
    };
    words.extend(vendor.keys_may_be_empty.then_some("nothing"));
    words
}

#[test]
fn the_readme_says_who_is_served_and_how_one_signs_in() {
    let table = sign_in();
    let mut served: Vec<_> = served_names().collect();
    served.sort_unstable();
    assert_eq!(table.keys().collect::<Vec<_>>(), served);
    for vendor in vendors() {
        let how = &table[vendor.name];
        let how = how.strip_prefix("as ").map_or(how, |other| &table[other.trim_matches('`')]);
        // A cloud's keys are not empty: they name no secret.
        let is_cloud = !matches!(vendor.auth, Auth::Bearer | Auth::Header(_));
        for word in words(vendor).into_iter().filter(|word| !(is_cloud && *word == "nothing")) {
            assert!(how.contains(word), "{}: {how:?} does not say {word:?}", vendor.name);
        }
    }
}

#[test]
fn the_manual_says_who_is_served() {
    let manual = page("docs/configuration.md");
    let list = manual.split("Built-in names that this build serves:").nth(1).unwrap();
    let mut named: Vec<_> = quoted(list.split("\n\n").next().unwrap()).collect();
    let mut served: Vec<_> = served_names().collect();
    named.sort_unstable();
    served.sort_unstable();
    assert_eq!(named, served);
}
