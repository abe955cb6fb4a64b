//! What clients may choose of a provider's headers: features in trial, what its vendor's row takes, and
//! what the operator lets pass. What is held back is named as a loss.

use weir_dialect::ir::Losses;
use weir_provider::Betas;
use weir_rpc::Header;
use weir_types::Dialect;
use weir_types::headers::{
    BETAS, HeaderClass, HeaderPattern, header_class, passes_by_itself, provider_takes, sent_as,
};

use crate::betas::Filter;

/// What may be added of a client's.
#[derive(Debug)]
pub(crate) struct Clients {
    betas: Filter,
    /// What the vendor's row takes.
    wishes: &'static [&'static str],
    /// What the operator lets pass besides.
    listed: Vec<HeaderPattern>,
}

impl Clients {
    pub(crate) fn new(betas: Filter, wishes: &'static [&'static str], listed: &[String]) -> Self {
        let listed = listed.iter().map(|text| HeaderPattern::new(text)).collect();
        Self { betas, wishes, listed }
    }

    /// Whether the header `name` goes to a provider that is asked in `dialect`.
    pub(crate) fn may_send(&self, name: &str, dialect: Dialect) -> bool {
        let is_listed = self.listed.iter().any(|pattern| pattern.matches(name));
        provider_takes(name, dialect, self.wishes, is_listed)
    }

    /// Whether headers that a client chose go to the provider. Those that every SDK of a format sends
    /// are not chosen.
    pub(crate) fn have_chosen(&self, callers: &[Header], dialect: Dialect) -> bool {
        let mut names = callers.iter().map(|(name, _)| name);
        names.any(|name| !passes_by_itself(name, dialect) && self.may_send(name, dialect))
    }

    /// Names in `losses` what clients may choose elsewhere, and not here.
    fn tell(&self, callers: &[Header], dialect: Dialect, losses: &mut Losses) {
        for (name, _) in callers {
            if header_class(name) == Some(HeaderClass::Wish) && !self.may_send(name, dialect) {
                losses.add(sent_as(name).to_owned(), "the provider does not take this header");
            }
        }
    }
}

/// What a client asks for, and the provider that may or may not be told of it.
#[derive(Clone, Copy)]
pub(crate) struct Features<'a> {
    clients: &'a Clients,
    /// The headers that came with the request.
    callers: &'a [Header],
    /// The format in which the provider is asked.
    dialect: Dialect,
}

impl<'a> Features<'a> {
    pub(crate) fn new(clients: &'a Clients, callers: &'a [Header], dialect: Dialect) -> Self {
        Self { clients, callers, dialect }
    }

    /// What the provider is told of; `own` was asked for in the body. `losses` gets to know the rest,
    /// and what else of the headers does not go on.
    pub(crate) fn told<'o>(&self, own: &'o [String], losses: &mut Losses) -> Vec<&'o str>
    where
        'a: 'o,
    {
        let callers = self.callers.iter().filter(|(name, _)| name == BETAS);
        let asked = callers.map(|(_, line)| line.as_str()).chain(own.iter().map(String::as_str));
        self.clients.tell(self.callers, self.dialect, losses);
        // Most ask for none.
        if own.is_empty() && self.callers.iter().all(|(name, _)| name != BETAS) {
            return Vec::new();
        }
        if provider_takes(BETAS, self.dialect, &[], false) {
            return self.clients.betas.apply(asked, losses);
        }
        Filter::new(Betas::Only(&[]), &[]).apply(asked, losses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_of_another_format_is_told_of_none() {
        let callers =
            [("x-other".to_owned(), "c".to_owned()), (BETAS.to_owned(), "a, b".to_owned())];
        let clients = Clients::new(Filter::new(Betas::All, &[]), &[], &[]);
        let own = ["b".to_owned(), "d".to_owned()];
        for (dialect, expected, lost) in
            [(Dialect::AnthropicMessages, "a b d", 0), (Dialect::BedrockConverse, "", 3)]
        {
            let mut losses = Losses::default();
            let features = Features::new(&clients, &callers, dialect);
            assert_eq!(features.told(&own, &mut losses).join(" "), expected);
            assert_eq!(losses.iter().count(), lost);
        }
    }

    #[test]
    fn chosen_is_what_goes_on_and_no_sdk_sends_by_itself() {
        let listed = ["x-team".to_owned()];
        let clients = Clients::new(Filter::new(Betas::All, &[]), &["openai-beta"], &listed);
        for (name, dialect, chosen) in [
            ("openai-beta", Dialect::OpenAiChat, true),
            ("x_team", Dialect::OpenAiChat, true),
            ("x-grok-conv-id", Dialect::OpenAiChat, false),
            ("x-other", Dialect::OpenAiChat, false),
            ("anthropic-version", Dialect::AnthropicMessages, false),
        ] {
            let callers = [(name.to_owned(), "v".to_owned())];
            assert_eq!(clients.have_chosen(&callers, dialect), chosen, "{name}");
        }
    }
}
