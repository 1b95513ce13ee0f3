//! Which environment variables the companion gets: those on a list, since any other may hold a key.

use std::ffi::OsString;

use super::{Private, Settings, Tier};
use crate::config::{API_KEY, COMPANION, COMPANION_TOKEN, DATABASE, TOKEN};

/// Names that are handed on as they are.
const NAMES: &[&str] = &[
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "COLUMNS",
    "LINES",
    "USER",
    "LOGNAME",
    "SHELL",
    "PAGER",
    "GIT_PAGER",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "JPY_SESSION_NAME",
    "CUDA_VISIBLE_DEVICES",
    "SOURCE_DATE_EPOCH",
    "PYTHONPATH",
    "PYTHONHASHSEED",
    "PYTHONUTF8",
    "PYTHONIOENCODING",
    "PYTHONWARNINGS",
    "PYTHONDEVMODE",
    "PYTHONFAULTHANDLER",
    "PYTHONMALLOC",
    "PYTHONOPTIMIZE",
    "PYTHONUNBUFFERED",
    "PYTHONNOUSERSITE",
    "PYTHONSAFEPATH",
    "PYTHONASYNCIODEBUG",
    "PYTHON_GIL",
];

/// Beginnings of names of libraries that analyses use.
const BEGINNINGS: &[&str] = &[
    "LC_",
    "MPLBACKEND",
    "OMP_",
    "OPENBLAS_",
    "MKL_",
    "NUMEXPR_",
    "NUMBA_",
    "BLIS_",
    "VECLIB_",
    "LOKY_",
    "JOBLIB_",
    "POLARS_",
    "ARROW_",
    "PYDEVD_",
    "DEBUGPY_",
    "IPYKERNEL_",
];

/// What a name with a secret in it has.
const SECRET: &[&str] = &["KEY", "SECRET", "TOKEN", "PASS", "CREDENTIAL"];

/// The variables of the companion: of this process those that may be known, and the places of its own.
pub(super) fn of(settings: &Settings, tier: Tier, private: &Private) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<_> = std::env::vars_os()
        .filter(|(name, _)| is_passed(&name.to_string_lossy(), &settings.pass_env))
        .collect();
    let mut set = |name: &str, value: OsString| variables.push((name.into(), value));
    // What Python would write beside modules has no place to go.
    set("PYTHONDONTWRITEBYTECODE", "1".into());
    if tier == Tier::Bubblewrap {
        // Its own folders are mounted at the usual places.
        set("HOME", private.user_home().into());
    } else {
        set("HOME", private.home().into());
        set("TMPDIR", private.temporary().into());
    }
    // ipykernel ends itself when this is no longer its parent. In a namespace no process has our number; with 1 it
    // does not look, and there it ends with us anyway.
    let parent = if tier == Tier::Bubblewrap { 1 } else { std::process::id() };
    set("JPY_PARENT_PID", parent.to_string().into());
    variables
}

fn is_passed(name: &str, wanted: &[String]) -> bool {
    let listed = NAMES.contains(&name) || BEGINNINGS.iter().any(|start| name.starts_with(start));
    let secret = SECRET.iter().any(|word| name.contains(word));
    ![API_KEY, DATABASE, TOKEN, COMPANION, COMPANION_TOKEN].contains(&name)
        && (wanted.iter().any(|wanted| wanted == name) || (listed && !secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_passes_only_when_it_is_listed_or_named() {
        let wanted = ["MY_TOKEN", API_KEY, TOKEN, COMPANION, COMPANION_TOKEN].map(str::to_owned);
        let passed = |name: &str| is_passed(name, &wanted);
        for name in ["PATH", "LC_ALL", "OMP_NUM_THREADS", "PYTHONPATH", "MY_TOKEN"] {
            assert!(passed(name), "{name}");
        }
        for name in [
            "OPENAI_API_KEY",
            API_KEY,
            DATABASE,
            TOKEN,
            COMPANION,
            COMPANION_TOKEN,
            "AWS_SECRET_ACCESS_KEY",
            "POLARS_TOKEN",
            "LD_PRELOAD",
            "PYTHONSTARTUP",
            "JUPYTER_TOKEN",
            "SSH_AUTH_SOCK",
            "DATARUS_MODEL",
            "XDG_RUNTIME_DIR",
            "DISPLAY",
        ] {
            assert!(!passed(name), "{name}");
        }
    }
}
