//! The script's text, the ways to call it, and the names of a pool's keys.
//!
//! Where the server has functions (Redis 7) the text is loaded once as a library of one function,
//! so that a call defines nothing. Elsewhere it is a script, which Lua defines again with every
//! call. Both are named by a digest of the text: versions of it live side by side in a rolling
//! upgrade.

use redis::{ErrorKind, Script, ServerErrorKind, Value};
use weir_types::ProviderName;

use crate::link::{Failure, Link};

/// Parts in the order in which they build on each other; one chunk of Lua together.
const TEXT: &str = concat!(
    include_str!("../lua/00_call.lua"),
    include_str!("../lua/05_rows.lua"),
    include_str!("../lua/10_core.lua"),
    include_str!("../lua/15_new.lua"),
    include_str!("../lua/20_routers.lua"),
    include_str!("../lua/30_cooldowns.lua"),
    include_str!("../lua/40_leases.lua"),
    include_str!("../lua/50_tickets.lua"),
    include_str!("../lua/55_line.lua"),
    include_str!("../lua/60_hand_out.lua"),
    include_str!("../lua/70_verbs.lua"),
    include_str!("../lua/80_execute.lua"),
    include_str!("../lua/90_look.lua"),
);

/// In the order of the script's `KEYS`.
const PARTS: [&str; 13] = [
    "rows",
    "ends",
    "deadlines",
    "delayed",
    "order",
    "resting",
    "models",
    "news",
    "cooldowns",
    "rests",
    "idle",
    "missing",
    "notes",
];

/// What errors of a running function say, and no refusal to run one.
const CHUNK: &str = "user_function";

/// The text in its two forms, and their names.
#[derive(Debug)]
pub(crate) struct Text {
    library: String,
    /// A batch.
    pub(crate) execute: Entry,
    /// A look at a pool, which writes nothing.
    pub(crate) look: Entry,
}

/// One of the things that the text does.
#[derive(Debug)]
pub(crate) struct Entry {
    script: String,
    digest: String,
    function: String,
}

// === impl Text ===

impl Text {
    /// Digests the text.
    pub(crate) fn new() -> Self {
        let (execute, look) = (Entry::new("execute"), Entry::new("look"));
        let (name, seen) = (&execute.function, &look.function);
        let library = format!(
            "#!lua name={name}\n{TEXT}redis.register_function('{name}', execute)\n\
             redis.register_function{{function_name='{seen}', callback=look, flags={{'no-writes'}}}}\n"
        );
        Self { library, execute, look }
    }

    /// Runs it once. The server's answers decide in which form, as long as the connection lives;
    /// what it has forgotten it is given again.
    ///
    /// # Errors
    /// What Redis or the connection said.
    pub(crate) async fn run(
        &self,
        entry: &Entry,
        link: &Link,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> Result<Value, Failure> {
        if link.has_functions() {
            match self.run_function(entry, link, keys, arguments).await {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => link.lacks_functions(),
                Err(failure) => return Err(failure),
            }
        }
        let answer = link.send(&call("EVALSHA", &entry.digest, keys, arguments)).await;
        match answer {
            // Brings the script along and makes it known in the same step.
            Err(Failure::Redis(error)) if is(&error, ServerErrorKind::NoScript) => {
                link.send(&call("EVAL", &entry.script, keys, arguments)).await
            }
            answer => answer,
        }
    }

    /// `None`: the server has no functions, or none for us.
    async fn run_function(
        &self,
        entry: &Entry,
        link: &Link,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> Result<Option<Value>, Failure> {
        let call = call("FCALL", &entry.function, keys, arguments);
        let mut answer = link.send(&call).await;
        if answer.as_ref().is_err_and(is_unknown_function) {
            let mut load = redis::cmd("FUNCTION");
            load.arg("LOAD").arg("REPLACE").arg(&self.library);
            match link.send(&load).await {
                Ok(_name) => answer = link.send(&call).await,
                Err(failure) if is_refusal(&failure) => return Ok(None),
                Err(failure) => return Err(failure),
            }
        }
        match answer {
            Ok(value) => Ok(Some(value)),
            Err(failure) if is_refusal(&failure) && !failure.to_string().contains(CHUNK) => {
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

impl Entry {
    fn new(what: &str) -> Self {
        let script = format!("{TEXT}return {what}(KEYS, ARGV)\n");
        let digest = Script::new(&script).get_hash().to_owned();
        let function = format!("weir_{digest}");
        Self { script, digest, function }
    }
}

fn call(verb: &str, name: &str, keys: &[String], arguments: &[&[u8]]) -> redis::Cmd {
    let mut command = redis::cmd(verb);
    command.arg(name).arg(keys.len()).arg(keys).arg(arguments);
    command
}

fn is(error: &redis::RedisError, kind: ServerErrorKind) -> bool {
    error.kind() == ErrorKind::Server(kind)
}

fn is_unknown_function(failure: &Failure) -> bool {
    is_refusal(failure) && failure.to_string().contains("Function not found")
}

/// Whether a server does not know a command or does not allow it: nothing that passes by itself,
/// as being a replica or out of memory does.
fn is_refusal(failure: &Failure) -> bool {
    let Failure::Redis(error) = failure else { return false };
    is(error, ServerErrorKind::ResponseError) || is(error, ServerErrorKind::NoPerm)
}

/// The names of a pool's keys: `<prefix>:v2:{pool}:…`, all in one slot of a cluster. Braces of the
/// pool's own name would end the hash tag early, so they and `%` are written as in a URL.
pub(crate) fn keys(prefix: &str, pool: &ProviderName) -> Vec<String> {
    let tag = pool.replace('%', "%25").replace('{', "%7B").replace('}', "%7D");
    PARTS.iter().map(|part| format!("{prefix}:v2:{{{tag}}}:{part}")).collect()
}

/// The channel on which a pool's name is published when it has news.
pub(crate) fn bell(prefix: &str) -> String {
    format!("{prefix}:v2:bell")
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
                assert!(!tag.is_empty() && before == "weir:v2:", "{key}");
                assert!(!after.contains(['{', '}']), "{key}");
            }
        }
        assert_ne!(keys("weir", &"}".into()), keys("weir", &"%7D".into()));
    }
}
