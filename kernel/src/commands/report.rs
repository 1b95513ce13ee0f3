//! `datarus report`: has the report written, and says so.

use anyhow::Result;

use super::{Failure, MISUSED, print_json, say};
use crate::cli::ReportArgs;
use crate::publish::{Order, PublishError, publish};

pub(super) fn report(args: &ReportArgs) -> Result<u8, Failure> {
    let order = Order {
        notebook: args.notebook.clone(),
        to: args.to,
        audience: args.audience,
        language: args.language.clone(),
        output: args.output.clone(),
        python: args.python.clone(),
    };
    let published = publish(&order).map_err(|error| match error {
        PublishError::Failed(cause) => Failure::from(cause),
        other @ PublishError::Notebook(_) => Failure { cause: other.into(), code: MISUSED },
    })?;
    for note in &published.notes {
        say(note);
    }
    say(&format!("wrote {}", published.report.display()));
    if args.json {
        print_json(&published)?;
    }
    Ok(0)
}
