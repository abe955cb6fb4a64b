//! Applies the table of `rules` to what `cargo metadata` says.

use cargo_metadata::{DependencyKind, Package};

use super::Finding;
use super::rules::{
    CRATES, Crate, IMPURE, ONLY_IN, OnlyIn, PURE, TEST_FEATURES, TOOLS, matches_name,
};

const HOW: &str = "see crates/xtask/src/tidy/rules.rs";

/// A package, with what is needed of it.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: String,
    /// Its `Cargo.toml`, from the root.
    pub(super) manifest: String,
    /// The text of it.
    pub(super) text: String,
    pub(super) imports: Vec<Import>,
}

/// A dependency as the manifest has it.
#[derive(Debug, Clone)]
pub(super) struct Import {
    pub(super) name: String,
    pub(super) dev: bool,
    pub(super) features: Vec<String>,
}

impl Member {
    /// Takes what is needed of `package`; `text` is its manifest.
    pub(super) fn new(package: &Package, manifest: String, text: String) -> Self {
        let import = |dependency: &cargo_metadata::Dependency| Import {
            name: dependency.name.clone(),
            dev: dependency.kind == DependencyKind::Development,
            features: dependency.features.clone(),
        };
        let imports = package.dependencies.iter().map(import).collect();
        Self { name: package.name.to_string(), manifest, text, imports }
    }

    fn finding(&self, word: &str, text: String) -> Finding {
        let stands = |line: &str| {
            let key = line.trim_start();
            key.strip_prefix(word).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
        };
        let line = self.text.lines().position(stands).map_or(1, |at| at + 1);
        Finding::new(&self.manifest, line, text)
    }
}

/// Every arrow that should not be there.
pub(super) fn check(members: &[Member]) -> Vec<Finding> {
    members.iter().flat_map(check_member).collect()
}

fn check_member(member: &Member) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !member.text.lines().collect::<Vec<_>>().windows(2).any(inherits_lints) {
        let text = "add `[lints]` and `workspace = true`: lints are those of the workspace";
        findings.push(member.finding("name", text.to_owned()));
    }
    let leaks =
        member.imports.iter().filter_map(|import| Some((import, leak(&member.name, import)?)));
    findings.extend(leaks.map(|(import, text)| member.finding(&import.name, text)));
    if TOOLS.contains(&member.name.as_str()) {
        return findings;
    }
    let Some(own) = known(&member.name) else {
        let text = format!("{} has no layer: give it a line, {HOW}", member.name);
        findings.push(member.finding("name", text));
        return findings;
    };
    for import in &member.imports {
        let wrong = if import.name.starts_with("weir") || TOOLS.contains(&import.name.as_str()) {
            wrong_arrow(own, import)
        } else {
            wrong_outsider(own, import)
        };
        findings.extend(wrong.map(|text| member.finding(&import.name, text)));
    }
    findings
}

fn inherits_lints(lines: &[&str]) -> bool {
    let [first, second] = lines else {
        return false;
    };
    first.trim() == "[lints]" && second.trim() == "workspace = true"
}

fn known(name: &str) -> Option<&'static Crate> {
    CRATES.iter().find(|known| known.name == name)
}

/// A feature for tests that would reach what is released.
fn leak(name: &str, import: &Import) -> Option<String> {
    let is_for_tests = |feature: &&String| {
        TEST_FEATURES.iter().any(|(one, tools)| feature == one && !tools.contains(&name))
    };
    let feature = import.features.iter().find(is_for_tests).filter(|_| !import.dev)?;
    let to = &import.name;
    Some(format!("{to} with '{feature}' is for tests: make it a dev-dependency, {HOW}"))
}

fn wrong_arrow(own: &Crate, import: &Import) -> Option<String> {
    let (name, to) = (own.name, import.name.as_str());
    // A package may import itself for its tests, to turn a feature on.
    if name == to {
        return None;
    }
    if TOOLS.contains(&to) {
        return Some(format!("{name} must not import the tool {to}"));
    }
    let Some(target) = known(to) else {
        return Some(format!("{to} has no layer: give it a line, {HOW}"));
    };
    let room = |krate: &Crate| matches!(krate.name, "weir-edge" | "weir-router" | "weir-worker");
    if import.dev && !(room(own) && room(target)) {
        return None;
    }
    if own.never.contains(&to) {
        return Some(format!("{name} must not know {to}: pass it what it needs as plain settings"));
    }
    if room(own) && room(target) {
        return Some(format!("rooms meet in weir-rpc and weir only: {name} must not import {to}"));
    }
    let down = target.layer < own.layer || own.beside.contains(&to);
    let layers = (own.layer, target.layer);
    (!down).then(|| {
        format!(
            "arrows point down: {name} (layer {}) imports {to} (layer {}), {HOW}",
            layers.0, layers.1
        )
    })
}

fn wrong_outsider(own: &Crate, import: &Import) -> Option<String> {
    if import.dev {
        return None;
    }
    let (name, to) = (own.name, import.name.as_str());
    if own.layer <= PURE && IMPURE.iter().any(|pattern| matches_name(pattern, to)) {
        return Some(format!("{name} is pure: {to} does not belong here, pass its result in"));
    }
    let broken =
        ONLY_IN.iter().find(|rule| rule.holds_for(import) && !rule.crates.contains(&name))?;
    let allowed = broken.crates.join(", ");
    let feature = broken.feature.map(|feature| format!(" with '{feature}'")).unwrap_or_default();
    Some(format!("{to}{feature} may be imported by {allowed}, not by {name}, {HOW}"))
}

impl OnlyIn {
    fn holds_for(&self, import: &Import) -> bool {
        let has = |feature: &str| import.features.iter().any(|given| given == feature);
        matches_name(self.name, &import.name) && self.feature.is_none_or(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, imports: &[(&str, bool, &[&str])]) -> Member {
        let mut text = format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n");
        let imports = imports.iter().map(|(name, dev, features)| {
            text.push_str(&format!("{name}.workspace = true\n"));
            let features = features.iter().map(|feature| (*feature).to_owned()).collect();
            Import { name: (*name).to_owned(), dev: *dev, features }
        });
        let imports = imports.collect();
        Member { name: name.to_owned(), manifest: "crates/x/Cargo.toml".to_owned(), text, imports }
    }

    fn found(name: &str, import: &str, dev: bool, features: &[&str]) -> Vec<Finding> {
        check(&[member(name, &[(import, dev, features)])])
    }

    #[test]
    fn arrows_that_are_meant_are_accepted() {
        for (name, import, dev) in [
            ("weir-edge", "weir-rpc", false),
            ("weir-dialect", "weir-framing", false),
            ("weir-config", "weir-provider", false),
            ("weir-provider", "weir-dialect", false),
            ("weir-sim", "weir-runtime", false),
            ("weir-router", "weir-quota-memory", true),
            ("weir-quota", "weir-quota", true),
            ("weir", "weir-config", false),
            ("xtask", "clap", false),
            ("xtask", "weir-sim", false),
            ("weir-rpc", "tonic", false),
            ("weir-quota", "proptest", true),
            ("weir-telemetry", "prost", true),
        ] {
            assert_eq!(found(name, import, dev, &[]), [], "{name} -> {import}");
        }
        assert_eq!(found("weir-rpc", "hyper-util", false, &["tokio"]), []);
    }

    #[test]
    fn every_other_arrow_is_found() {
        for (name, import, dev, features) in [
            ("weir-edge", "weir-router", false, &[][..]),
            ("weir-edge", "weir-worker", true, &[]),
            ("weir-edge", "weir-config", false, &[]),
            ("weir-router", "weir-dialect", false, &[]),
            ("weir-worker", "weir-quota", false, &[]),
            ("weir-sim", "weir-dialect", false, &[]),
            ("weir-sim", "weir-framing", false, &[]),
            ("weir-sim", "weir-provider", false, &[]),
            ("weir-types", "weir-rpc", false, &[]),
            ("weir-quota", "weir-provider", false, &[]),
            ("weir-upstream", "weir-config", false, &[]),
            ("weir-edge", "weir-new", false, &[]),
            ("weir-new", "serde", false, &[]),
            ("weir-edge", "xtask", true, &[]),
            ("weir-router", "redis", false, &[]),
            ("weir-router", "tonic-health", false, &[]),
            ("weir-edge", "opentelemetry_sdk", false, &[]),
            ("weir-worker", "hyper-util", false, &["client-legacy"]),
            ("weir-worker", "axum", false, &[]),
            ("weir-quota", "tokio", false, &[]),
            ("weir-framing", "tracing", false, &[]),
        ] {
            let findings = found(name, import, dev, features);
            assert_eq!(findings.len(), 1, "{name} -> {import}: {findings:?}");
        }
    }

    #[test]
    fn features_for_tests_stay_in_tests() {
        for name in ["weir-worker", "weir-probe-test"] {
            assert_eq!(found(name, "weir-dialect", false, &["probe"]).len(), 1, "{name}");
            assert_eq!(found(name, "weir-dialect", true, &["probe"]), [], "{name}");
        }
    }

    #[test]
    fn findings_point_at_the_line() {
        let findings = found("weir-edge", "weir-router", false, &[]);
        assert_eq!(findings[0].to_string().split(' ').next(), Some("crates/x/Cargo.toml:5:"));
    }

    #[test]
    fn lints_are_inherited() {
        let mut member = member("xtask", &[]);
        assert_eq!(check(&[member.clone()]), []);
        member.text = "[package]\nname = \"xtask\"\n".to_owned();
        assert_eq!(check(&[member]).len(), 1);
    }
}
