//! Which features in trial that a client asks for go on to the provider: what the vendor takes,
//! unless the configuration says otherwise.

use weir_dialect::ir::Losses;
use weir_provider::Betas;
use weir_types::headers;

/// What decides.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    vendor: Betas,
    /// Beginnings of names, and whether they go on; the longest first.
    overrides: Vec<(String, bool)>,
}

impl Filter {
    pub(crate) fn new(vendor: Betas, overrides: &[(String, bool)]) -> Self {
        let mut overrides = overrides.to_vec();
        overrides.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Self { vendor, overrides }
    }

    /// Whether nothing is ever held back.
    fn is_open(&self) -> bool {
        self.overrides.is_empty() && self.vendor == Betas::All
    }

    fn passes(&self, name: &str) -> bool {
        let said = self.overrides.iter().find(|(prefix, _)| name.starts_with(prefix.as_str()));
        said.map_or_else(|| self.vendor.takes(name), |(_, pass)| *pass)
    }

    /// What a client asks for, less what is held back, which `losses` gets to know.
    pub(crate) fn apply<'a>(
        &self,
        asked: impl Iterator<Item = &'a str>,
        losses: &mut Losses,
    ) -> Vec<&'a str> {
        let names = asked.flat_map(|line| line.split(',')).map(str::trim);
        let mut passed: Vec<&str> = Vec::new();
        for name in names.filter(|name| !name.is_empty()) {
            if !(self.is_open() || self.passes(name)) {
                let member = format!("{}.{name}", headers::BETAS);
                losses.add(member, "the provider does not take this feature");
            } else if !passed.contains(&name) {
                passed.push(name);
            }
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(vendor: Betas, overrides: &[(&str, bool)], lines: &[&str]) -> (String, String) {
        let overrides: Vec<_> =
            overrides.iter().map(|(prefix, pass)| ((*prefix).to_owned(), *pass)).collect();
        let mut losses = Losses::default();
        let filter = Filter::new(vendor, &overrides);
        let passed = filter.apply(lines.iter().copied(), &mut losses).join(",");
        let lost: Vec<_> = losses.iter().map(|loss| loss.member.to_string()).collect();
        (passed, lost.join(" "))
    }

    #[test]
    fn the_vendor_decides_unless_told_otherwise() {
        let vendor = Betas::Only(&["computer-use-"]);
        let lines = ["computer-use-1, files-2", "new-3"];
        let (passed, lost) = applied(vendor, &[], &lines);
        assert_eq!(passed, "computer-use-1");
        assert_eq!(lost, "anthropic-beta.files-2 anthropic-beta.new-3");
        let (passed, _) = applied(vendor, &[("files-", true), ("computer-", false)], &lines);
        assert_eq!(passed, "files-2");
        // The longest beginning says it best.
        let overrides = [("", false), ("new-", true), ("new-3", false)];
        assert_eq!(applied(Betas::All, &overrides, &lines).0, "");
        assert_eq!(applied(Betas::All, &[], &lines).0, "computer-use-1,files-2,new-3");
        assert_eq!(applied(Betas::All, &[], &["a", "b,a"]).0, "a,b");
    }
}
