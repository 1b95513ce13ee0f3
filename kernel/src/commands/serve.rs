//! `datarus serve`: says where and for whom, then serves.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{announce, block_on, print, print_json, say};
use crate::cli::ServeArgs;
use crate::config::{Config, TOKEN};
use crate::model::pool::Pool;
use crate::serve::{self, Settings};

/// Shortest token that a user may set, in bytes.
const SHORTEST_TOKEN: usize = 16;

/// Serves until it is told to end.
pub(super) fn run(args: ServeArgs) -> Result<u8> {
    let given = given_token(std::env::var(TOKEN).unwrap_or_default())?;
    let config = Config::resolve(&args.engine, Vec::new())?;
    // First of all: a port that is taken is told before a model is loaded.
    let listener = serve::listen(args.host, args.port).with_context(|| {
        format!("cannot listen at {} port {}: choose another `--port`", args.host, args.port)
    })?;
    announce(&config);
    if !args.host.is_loopback() {
        say(
            "others on the network can reach this, unencrypted: who learns the token runs code in the sandbox",
        );
    }
    let pool = Pool::load(&config, args.max_threads)?;
    let base_url = format!("http://{}/v1", listener.local_addr()?);
    // A token that the user has is not shown again, as in the log of a service.
    let (token, shown) = match given {
        Some(token) => (token, None),
        None => random_token().map(|token| (token.clone(), Some(token)))?,
    };
    match (args.json, &shown) {
        (true, _) => print_json(&json!({"base_url": base_url, "token": shown}))?,
        (false, Some(token)) => print(&format!("base_url  {base_url}\ntoken     {token}"))?,
        (false, None) => print(&format!("base_url  {base_url}\ntoken     that of {TOKEN}"))?,
    }
    let settings = Settings { token, max_threads: args.max_threads };
    block_on(async { Ok(serve::run(listener, settings, config, pool).await?) })
        .context("cannot serve")?;
    Ok(0)
}

/// The token of the user's variable, if there is one.
fn given_token(token: String) -> Result<Option<String>> {
    if token.is_empty() {
        return Ok(None);
    }
    ensure!(
        token.len() >= SHORTEST_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic()),
        "expected `{TOKEN}` with at least {SHORTEST_TOKEN} characters of ASCII and no space: set another, or none to \
         have one made"
    );
    Ok(Some(token))
}

fn random_token() -> Result<String> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).context("cannot make a token")?;
    Ok(crate::cells::hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_and_fits_into_a_header() {
        for (token, fits) in [
            ("0123456789abcdef", true),
            ("0123456789abcde", false),
            ("0123456789 abcdef", false),
            ("0123456789abcdeé", false),
            ("0123456789abcdef\n", false),
        ] {
            assert_eq!(given_token(token.to_owned()).is_ok(), fits, "{token:?}");
        }
        assert_eq!(given_token(String::new()).unwrap(), None);
        assert_ne!(random_token().unwrap(), random_token().unwrap());
    }
}
