//! What a key's aliases say of their models beside the provider's names: whose they are, by which
//! name rules find them, and through which of a host's interfaces they are asked.

use weir_config::{Alias, Key, ModelFamily};
use weir_provider::{Choices, Family};
use weir_worker::ModelSettings;

/// What holds for models that are no alias of `key`.
pub(super) fn without_alias(key: &Key) -> ModelSettings {
    ModelSettings { choices: choices(key, None), ..ModelSettings::default() }
}

/// What holds for `alias`, one of those of `key`.
pub(super) fn of_alias(key: &Key, alias: &Alias) -> ModelSettings {
    let names = [alias.model_name.as_deref(), Some(&*alias.model_id), Some(&*alias.name)];
    let mut names = names.into_iter().flatten();
    let stated = alias.model_family.map(family);
    let family =
        stated.or_else(|| names.clone().map(Family::of).find(|family| *family != Family::Other));
    let telling = match family {
        // Nothing is to be told.
        None => alias.model_name.as_deref(),
        Some(family) => {
            Some(names.find(|name| Family::of(name) == family).unwrap_or_else(|| family.name()))
        }
    };
    ModelSettings {
        family,
        known_as: telling.map(str::to_owned),
        choices: choices(key, Some(alias)),
    }
}

/// What the alias says comes before what the key says.
fn choices(key: &Key, alias: Option<&Alias>) -> Choices {
    let of_alias = alias.and_then(|alias| alias.use_anthropic_endpoints);
    let of_key = key.blocks.replicate_key_config.as_ref();
    Choices {
        anthropic_endpoints: of_alias.or(key.use_anthropic_endpoints),
        deployments: Some(
            alias.is_some_and(|alias| alias.use_deployments_endpoint)
                || of_key.is_some_and(|config| config.use_deployments_endpoint),
        ),
    }
}

const fn family(stated: ModelFamily) -> Family {
    match stated {
        ModelFamily::Anthropic => Family::Anthropic,
        ModelFamily::OpenAI => Family::OpenAi,
        ModelFamily::Mistral => Family::Mistral,
        ModelFamily::Cohere => Family::Cohere,
        ModelFamily::Gemini => Family::Gemini,
        ModelFamily::Gemma => Family::Gemma,
        ModelFamily::Llama => Family::Llama,
        ModelFamily::Imagen => Family::Imagen,
        ModelFamily::Veo => Family::Veo,
        ModelFamily::Nova => Family::Nova,
        ModelFamily::Titan => Family::Titan,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        name: &str,
        id: &str,
        model_name: Option<&str>,
        stated: Option<ModelFamily>,
    ) -> String {
        let alias = Alias {
            name: name.to_owned(),
            model_id: id.to_owned(),
            model_name: model_name.map(str::to_owned),
            model_family: stated,
            ..Alias::default()
        };
        let settings = of_alias(&Key::named("k".into()), &alias);
        let family = settings.family.map_or_else(|| "-".to_owned(), |family| format!("{family:?}"));
        format!("{family} {}", settings.known_as.unwrap_or_else(|| "-".to_owned()))
    }

    #[test]
    fn the_family_is_what_the_file_says_or_the_first_name_that_tells_it() {
        let arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc";
        let sonnet = "claude-sonnet-4-5";
        assert_eq!(found("fast", arn, None, None), "- -");
        assert_eq!(found("fast", arn, Some("My best"), None), "- My best");
        assert_eq!(found(sonnet, arn, None, None), "Anthropic claude-sonnet-4-5");
        assert_eq!(
            found("gpt-x", "gemini-2.5-pro", Some(sonnet), None),
            "Anthropic claude-sonnet-4-5"
        );
        assert_eq!(found("gpt-x", "gemini-2.5-pro", None, None), "Gemini gemini-2.5-pro");
        let stated = Some(ModelFamily::Anthropic);
        assert_eq!(found(sonnet, "gpt-4o", None, stated), "Anthropic claude-sonnet-4-5");
        assert_eq!(found("fast", "gpt-4o", Some("x"), stated), "Anthropic anthropic.claude");
    }
}
