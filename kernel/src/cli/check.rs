//! What can be typed after `datarus verify`.

use std::path::PathBuf;

use clap::{Arg, Args};

use super::{EndpointArgs, EngineArgs};

/// Arguments of `datarus verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The notebook to check, in its folder; it is not changed, no model is asked, and its code runs in the sandbox.
    pub notebook: PathBuf,
    /// Print the result as JSON.
    #[arg(long, env = "DATARUS_JSON")]
    pub json: bool,
    /// The kernel's settings.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Settings of the analyst and of its model: a command that asks none has no use for them.
const OF_THE_ANALYST: [&str; 26] = [
    "model",
    "endpoint_model",
    "endpoint_timeout",
    "context_length",
    "threads",
    "device",
    "kv_cache",
    "weights_cache",
    "seed",
    "dialect",
    "stateless",
    "instructions",
    "no_profile",
    "max_steps",
    "max_sections",
    "max_errors",
    "cell_timeout",
    "max_new_tokens",
    "max_turn_tokens",
    "max_step_output",
    "trust_outputs",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
];

/// The settings are one struct for all commands; those that say nothing here are not shown.
pub(super) fn hidden_if_of_the_analyst(arg: Arg) -> Arg {
    let is_unused = OF_THE_ANALYST.contains(&arg.get_id().as_str());
    if is_unused { arg.hide(true) } else { arg }
}

impl EngineArgs {
    /// The same without what a model is asked with.
    pub(crate) fn without_a_model(&self) -> Self {
        let (endpoint, instructions) = (EndpointArgs::default(), None);
        Self { model: None, endpoint, instructions, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Cli;
    use super::*;

    #[test]
    fn a_check_lists_no_setting_of_a_model_and_each_that_is_hidden_exists() {
        let mut cli = Cli::command();
        cli.build();
        let verify = cli.find_subcommand("verify").unwrap();
        let is_shown =
            |id: &str| verify.get_arguments().any(|arg| arg.get_id() == id && !arg.is_hide_set());
        assert!(is_shown("sandbox") && is_shown("python") && is_shown("max_output"));
        let ask = cli.find_subcommand("ask").unwrap();
        for id in OF_THE_ANALYST {
            assert!(!is_shown(id), "{id}");
            assert!(
                ask.get_arguments().any(|arg| arg.get_id() == id && !arg.is_hide_set()),
                "{id}"
            );
        }
    }
}
