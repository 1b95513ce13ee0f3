//! `IPython`'s own syntax: magics, the shell, help.
//!
//! # Source
//! <https://ipython.readthedocs.io/en/stable/interactive/reference.html>, and
//! `IPython/core/inputtransformer2.py`.

/// Whether a line is `IPython`'s own: `%magic`, `!command`, `?help`, `help?`, or an autocall.
pub(super) fn is_line(line: &str) -> bool {
    let line = line.trim();
    let after = |rest: &str| rest.starts_with(|c: char| c.is_alphabetic() || c == '_');
    if let Some(rest) = line.strip_prefix('%') {
        // `% of sales` is a share.
        return after(rest.trim_start_matches('%'));
    }
    if let Some(rest) = line.strip_prefix(['/', ',', ';']) {
        return after(rest);
    }
    line.starts_with(['!', '?']) || is_help(line)
}

/// Whether a line asks for help: one thing and then `?` or `??`, perhaps assigned.
fn is_help(line: &str) -> bool {
    let Some(thing) = help_target(line) else { return false };
    let thing = thing.rsplit_once('=').map_or(thing, |(_, thing)| thing.trim_start());
    let known = |c: char| c.is_alphanumeric() || "_.*%[]()".contains(c);
    !thing.is_empty() && thing.chars().all(known)
}

/// What stands before the question marks of a help line.
pub(super) fn help_target(line: &str) -> Option<&str> {
    let line = line.trim();
    line.strip_suffix("??").or_else(|| line.strip_suffix('?')).map(str::trim_end)
}

/// Whether a whole cell belongs to `IPython` by how it begins: a cell magic, a doctest, a pasted
/// prompt.
pub(super) fn is_cell(code: &str) -> bool {
    let code = code.trim_start();
    code.starts_with("%%")
        || code.starts_with(">>>")
        || code.strip_prefix("In [").is_some_and(|rest| {
            rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with("]:")
        })
}

/// Whether a single line is a magic without its `%`, as `pip install pandas` is.
///
/// Some magics are English verbs; those count only with what a person would not write to a model.
pub(super) fn is_automagic(code: &str) -> bool {
    let code = code.trim();
    if code.contains('\n') {
        return false;
    }
    let mut words = code.split_whitespace();
    let (Some(magic), argument) = (words.next(), words.next()) else { return false };
    let single = words.next().is_none();
    match magic {
        "pip" | "conda" | "mamba" | "micromamba" | "uv" | "ls" | "ll" | "cd" | "pwd" | "mkdir"
        | "rmdir" | "rm" | "cp" | "mv" | "load_ext" | "reload_ext" | "autoreload" | "timeit"
        | "prun" | "whos" | "who_ls" | "lsmagic" | "set_env" | "pinfo" | "pinfo2" | "pdoc"
        | "psource" | "xmode" | "autocall" | "automagic" | "pylab" => true,
        "cat" | "man" | "less" | "more" | "run" | "load" | "edit" => {
            single && argument.is_some_and(is_file_or_flag)
        }
        "time" | "who" | "env" | "history" | "hist" | "reset" | "debug" | "alias" | "store" => {
            single && argument.is_none_or(is_file_or_flag)
        }
        "matplotlib" => single,
        _ => false,
    }
}

fn is_file_or_flag(argument: &str) -> bool {
    let extensions = [".py", ".ipy", ".ipynb", ".txt", ".sh", ".md"];
    argument.starts_with('-') || extensions.iter().any(|end| argument.ends_with(end))
}
