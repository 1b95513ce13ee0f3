//! `%datarus`: a cell of the user's that sets what Python may reach.

use crate::sandbox::{Network, Switch};

/// The mark of such a cell.
pub(super) const MARK: &str = "%datarus";

/// How it is written.
const USAGE: &str = "`%datarus sandbox on`, `%datarus sandbox off`, `%datarus network on`, `%datarus network off`, `%datarus network HOST,HOST`";

/// What is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Nothing: say what holds.
    Show,
    /// Whether a sandbox holds Python.
    Sandbox(Switch),
    /// Which network cells reach.
    Network(Network),
}

/// Reads what follows the mark.
///
/// # Errors
/// One sentence on how it is written.
pub(super) fn read(rest: &str) -> Result<Setting, String> {
    let (line, below) = rest.split_once('\n').unwrap_or((rest, ""));
    let is_empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if !below.lines().all(is_empty) {
        return Err("`%datarus` stands alone in its cell, since Python starts afresh".to_owned());
    }
    let words: Vec<_> = line.split_whitespace().collect();
    match words.as_slice() {
        [] => Ok(Setting::Show),
        ["sandbox", value] => switch(value).map(Setting::Sandbox),
        ["network", value, values @ ..] => {
            let network = [&[*value], values].concat().concat().parse();
            network.map(Setting::Network)
        }
        _ => Err(unknown(line)),
    }
}

fn switch(value: &str) -> Result<Switch, String> {
    match value {
        "off" => Ok(Switch::Off),
        "on" => Ok(Switch::On),
        _ => Err(unknown(value)),
    }
}

fn unknown(found: &str) -> String {
    format!("expected {USAGE}, found `{}`", found.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_one_word_and_its_value_alone_in_the_cell() {
        assert_eq!(read(""), Ok(Setting::Show));
        assert_eq!(read(" sandbox off"), Ok(Setting::Sandbox(Switch::Off)));
        assert_eq!(read(" network  on \n\n# so\n"), Ok(Setting::Network(Network::On)));
        let hosts = "a.example,b.example".parse().unwrap();
        assert_eq!(read(" network a.example, b.example"), Ok(Setting::Network(hosts)));
        for wrong in [
            " sandbox",
            " sandbox maybe",
            " off",
            " sandbox off now",
            " network http://a",
            " sandbox off\nx",
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
