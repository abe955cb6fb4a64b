//! `weir explain`: why keys can or cannot serve a model, asked of a router or read from a configuration.
//!
//! What is true of a key the router's room says; here it is asked for and written for people.

mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use weir_budget::Budget;
use weir_quota::Timing;
use weir_router::explain_offline;
use weir_rpc::{ExplainRequest, Explanation, RemoteRouter, RouterService};
use weir_telemetry::Telemetry;
use weir_types::{Fault, FaultCode};

use crate::cli::Strictness;
use crate::file::Source;
use crate::fleet::Fleet;
use crate::link::LinkArgs;
use crate::process::{eprint, is_broken_pipe, print};
use crate::{Failure, check, link, rooms};

/// Flags of `weir explain`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").required(true).args(["router", "config"])))]
pub(crate) struct ExplainArgs {
    /// The model, as a client writes it: provider/model or a bare name
    #[arg(long, value_name = "NAME")]
    model: String,
    /// Only this provider; default: whoever the model's name means
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only this key may serve it, as a pin of a request says
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// The router to ask, as http://HOST:PORT; where it listens for edges
    #[arg(long, value_name = "URL")]
    router: Option<String>,
    /// Ask nobody: look at this configuration alone, with the variables of this environment
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    strictness: Strictness,
    #[command(flatten)]
    link: LinkArgs,
}

/// Explains; the exit code is 0 if a key could be used now.
pub(crate) fn run(args: &ExplainArgs) -> ExitCode {
    let shown = explained(args).and_then(|explanation| {
        let text = match args.json {
            true => serde_json::to_string_pretty(&explanation)?,
            false => table::of(&explanation),
        };
        let is_served = is_served(&explanation);
        match print(&text) {
            // Whoever read it has read enough of it; the exit code still tells.
            Err(failure) if !is_broken_pipe(&*failure) => Err(failure),
            _ => Ok(is_served),
        }
    });
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprint(&format!("weir: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn is_served(explanation: &Explanation) -> bool {
    explanation.providers.iter().flat_map(|one| &one.keys).any(|key| key.eligible)
}

fn explained(args: &ExplainArgs) -> Result<Explanation, Failure> {
    let request = ExplainRequest {
        model: args.model.clone(),
        provider: args.provider.clone().unwrap_or_default(),
        key: args.key.clone().unwrap_or_default(),
    };
    match (&args.router, &args.config) {
        (Some(url), _) => ask(url, args, request),
        (None, Some(path)) => {
            let source = Source::new(path, &check::options(&args.strictness));
            let config = source.judge(&source.read())?.config;
            let fleet = Fleet::new(None, Budget::default(), &Telemetry::default(), None);
            let said = fleet.judge(&config, &args.strictness)?.descriptions();
            let settings = rooms::router(&config, Timing::default(), false);
            Ok(explain_offline(&settings, &said, &request).map_err(|fault| said_by(&fault))?)
        }
        (None, None) => Err("give --router URL or --config FILE".into()),
    }
}

fn ask(url: &str, args: &ExplainArgs, request: ExplainRequest) -> Result<Explanation, Failure> {
    let limits = link::caller(&args.link)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async {
        let router = RemoteRouter::connect(url, &limits)?;
        Ok::<_, Failure>(router.explain(request).await)
    });
    let answered = asked.map_err(|error| format!("--router: {error}"))?;
    answered.map_err(|fault| match fault.code {
        FaultCode::LinkBroken => {
            let said = said_by(&fault);
            let hint = "give the address that a router listens at for edges, and the link token and \
                        certificates that its services share (--link-token-file, --link-tls-cert)";
            format!("--router {url}: {said}; {hint}").into()
        }
        _ => said_by(&fault).into(),
    })
}

fn said_by(fault: &Fault) -> String {
    fault.detail.message.to_string()
}
