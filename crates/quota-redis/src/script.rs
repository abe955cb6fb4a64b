//! The script's text, its digest, and the names of a pool's keys.

use redis::Script;
use weir_types::ProviderName;

/// Parts in the order in which they build on each other; one chunk of Lua together.
const TEXT: &str = concat!(
    include_str!("../lua/00_call.lua"),
    include_str!("../lua/10_core.lua"),
    include_str!("../lua/20_routers.lua"),
    include_str!("../lua/30_cooldowns.lua"),
    include_str!("../lua/40_leases.lua"),
    include_str!("../lua/50_tickets.lua"),
    include_str!("../lua/60_hand_out.lua"),
    include_str!("../lua/70_verbs.lua"),
    include_str!("../lua/80_execute.lua"),
);

/// In the order of the script's `KEYS`.
const PARTS: [&str; 14] = [
    "core",
    "limits",
    "routers",
    "news",
    "leases",
    "ends",
    "tickets",
    "order",
    "lists",
    "delayed",
    "deadlines",
    "classes",
    "cooldowns",
    "rests",
];

/// The script and its digest.
#[derive(Debug)]
pub(crate) struct Text {
    digest: String,
}

impl Text {
    /// Digests the script.
    pub(crate) fn new() -> Self {
        Self { digest: Script::new(TEXT).get_hash().to_owned() }
    }

    /// A call by digest, which fails with `NOSCRIPT` where the server does not know it.
    pub(crate) fn by_digest(&self, keys: &[String], batch: &[u8]) -> redis::Cmd {
        call("EVALSHA", &self.digest, keys, batch)
    }

    /// A call that brings the script along and makes it known in the same step.
    pub(crate) fn in_full(&self, keys: &[String], batch: &[u8]) -> redis::Cmd {
        call("EVAL", TEXT, keys, batch)
    }
}

fn call(verb: &str, script: &str, keys: &[String], batch: &[u8]) -> redis::Cmd {
    let mut command = redis::cmd(verb);
    command.arg(script).arg(keys.len()).arg(keys).arg(batch);
    command
}

/// The names of a pool's keys: `<prefix>:v1:{pool}:…`, all in one slot of a cluster. Braces of the
/// pool's own name would end the hash tag early, so they and `%` are written as in a URL.
pub(crate) fn keys(prefix: &str, pool: &ProviderName) -> Vec<String> {
    let tag = pool.replace('%', "%25").replace('{', "%7B").replace('}', "%7D");
    PARTS.iter().map(|part| format!("{prefix}:v1:{{{tag}}}:{part}")).collect()
}

/// The channel on which a pool's name is published when it has news.
pub(crate) fn bell(prefix: &str) -> String {
    format!("{prefix}:v1:bell")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_pool_share_one_hash_tag_and_no_other_pool_has_them() {
        for pool in ["openai", "}", "a}b", "{a", "%7D"] {
            for key in keys("weir", &pool.into()) {
                let (before, rest) = key.split_once('{').unwrap();
                let (tag, after) = rest.split_once('}').unwrap();
                assert!(!tag.is_empty() && before == "weir:v1:", "{key}");
                assert!(!after.contains(['{', '}']), "{key}");
            }
        }
        assert_ne!(keys("weir", &"}".into()), keys("weir", &"%7D".into()));
    }
}
