//! What a step could do besides computing: the reasons to ask before it runs. Pure: code in, reasons out.
//!
//! It looks at the names that code mentions and at the lines of `IPython`'s own syntax. It protects from accidents,
//! not from intent: code that hides what it does is not found, which only a sandbox could stop.

use std::collections::HashMap;

use crate::route::lexer::{Token, scan};

pub(crate) mod packages;

/// How many reasons are named.
const MAX_REASONS: usize = 8;

const DELETES: &str = "deletes a file";
const OVERWRITES: &str = "may overwrite a file";
const INSTALLS: &str = "installs packages";
const STARTS: &str = "starts a process";
const OPENS: &str = "opens the network";
const HIDES: &str = "runs code that cannot be looked at";

/// Modules that exist for one thing: already their import is a reason.
const MODULES: &[(&str, &[&str])] = &[
    (STARTS, &["subprocess", "multiprocessing", "pty", "pexpect", "sh", "plumbum", "ctypes"]),
    (
        OPENS,
        &[
            "socket",
            "requests",
            "httpx",
            "aiohttp",
            "urllib.request",
            "urllib3",
            "http.client",
            "http.server",
            "ftplib",
            "smtplib",
            "imaplib",
            "poplib",
            "telnetlib",
            "xmlrpc",
            "websocket",
            "websockets",
            "paramiko",
            "boto3",
            "webbrowser",
            "yfinance",
            "huggingface_hub",
            "socketserver",
            "s3fs",
            "gcsfs",
        ],
    ),
    (INSTALLS, &["pip", "ensurepip", "conda", "piplite", "micropip"]),
];

/// Names, as they are after imports; a name that ends with `*` stands for all that begin so.
const NAMES: &[(&str, &[&str])] = &[
    (
        DELETES,
        &["os.remove", "os.unlink", "os.rmdir", "os.removedirs", "shutil.rmtree", "os.truncate"],
    ),
    (
        OVERWRITES,
        &[
            "os.rename",
            "os.renames",
            "os.replace",
            "shutil.move",
            "shutil.copy*",
            "shutil.unpack_archive",
            "shutil.make_archive",
            "numpy.save*",
            "json.dump",
            "pickle.dump",
            "joblib.dump",
            "torch.save",
            "plt.imsave",
            "pandas.ExcelWriter",
            "yaml.dump",
            "sqlite3.connect",
        ],
    ),
    (
        STARTS,
        &[
            "os.system",
            "os.popen*",
            "os.spawn*",
            "os.exec*",
            "os.fork*",
            "os.posix_spawn*",
            "os.kill*",
            "os.startfile",
            "asyncio.create_subprocess_*",
            "concurrent.futures.ProcessPoolExecutor",
            "ProcessPoolExecutor",
        ],
    ),
    (HIDES, &["exec", "eval", "__import__", "importlib.*", "compile", "runpy.*"]),
];

/// Methods that mean the same whatever they are called on.
const METHODS: &[(&str, &[&str])] = &[
    (DELETES, &["unlink", "rmtree", "rmdir", "removedirs"]),
    (
        OVERWRITES,
        &["write_text", "write_bytes", "savefig", "write_image", "write_html", "extractall"],
    ),
    (STARTS, &["run_line_magic", "run_cell_magic", "getoutput", "run_cell", "Popen"]),
    (
        OPENS,
        &[
            "urlopen",
            "urlretrieve",
            "load_dataset",
            "from_pretrained",
            "hf_hub_download",
            "fetch_openml",
        ],
    ),
];

/// Functions that make a text when they are called without a file.
const WRITERS: &[&str] = &[
    "to_csv",
    "to_excel",
    "to_parquet",
    "to_json",
    "to_pickle",
    "to_feather",
    "to_hdf",
    "to_stata",
    "to_html",
    "to_latex",
    "to_markdown",
    "to_xml",
    "to_sql",
    "to_orc",
    "to_clipboard",
    "to_gbq",
    "tofile",
];

/// Functions that take the mode in which a file is opened.
const OPENERS: &[&str] = &["open", "fdopen", "ZipFile", "File", "HDFStore", "TarFile"];

/// Where data is fetched from, by the beginning of a text.
const SCHEMES: &[&str] =
    &["http://", "https://", "ftp://", "s3://", "gs://", "hf://", "sftp://", "ssh://"];

/// Says why the user should be asked before `code` runs; nothing for code that only computes and reads files.
pub(crate) fn reasons(code: &str) -> Vec<String> {
    let mut reasons = Reasons::default();
    look_at(code, &mut reasons);
    reasons.0.truncate(MAX_REASONS);
    reasons.0
}

/// Those of [`reasons`] that change the Python environment, which no undo brings back.
pub(crate) fn installs(code: &str) -> Vec<String> {
    let mut reasons = reasons(code);
    reasons.retain(|reason| reason.starts_with(INSTALLS));
    reasons
}

#[derive(Default)]
struct Reasons(Vec<String>);

impl Reasons {
    fn add(&mut self, what: &str, name: &str) {
        let name: String = name.chars().take(60).collect();
        let reason = format!("{what}: {}", name.trim());
        if !self.0.contains(&reason) {
            self.0.push(reason);
        }
    }
}

fn look_at(code: &str, reasons: &mut Reasons) {
    let scan = scan(code);
    let lines = code.split('\n').zip(&scan.lines);
    for (line, known) in lines {
        if !known.inside_text && !known.magic && is_command(line) {
            look_at_command(line, reasons);
        }
    }
    let mut imported = HashMap::new();
    let mut tokens = scan.tokens.as_slice();
    while let Some((token, rest)) = tokens.split_first() {
        tokens = match token {
            Token::Magic(line) => {
                look_at_magic(line, reasons);
                rest
            }
            Token::Text(text) => {
                look_at_text(text, reasons);
                rest
            }
            Token::Name("import" | "from") => import(tokens, &mut imported, reasons),
            Token::Name(_) => {
                let (name, after) = dotted(tokens);
                look_at_name(&resolved(&name, &imported), after, reasons);
                after
            }
            Token::Op(".") => {
                // What follows a call: `Path("x").unlink()`.
                let (name, after) = dotted(rest);
                if !name.is_empty() {
                    look_at_name(&format!(".{name}"), after, reasons);
                }
                if name.is_empty() { rest } else { after }
            }
            _ => rest,
        };
    }
}

/// The dotted name at the beginning, and what follows it.
fn dotted<'t, 'a>(mut tokens: &'t [Token<'a>]) -> (String, &'t [Token<'a>]) {
    let mut name = String::new();
    while let [Token::Name(part), rest @ ..] = tokens {
        name.push_str(part);
        tokens = rest;
        let [Token::Op("."), rest @ ..] = tokens else { break };
        if !matches!(rest, [Token::Name(_), ..]) {
            break;
        }
        name.push('.');
        tokens = rest;
    }
    (name, tokens)
}

/// Takes an import statement: each name that it binds is noted under its full one.
fn import<'t, 'a>(
    tokens: &'t [Token<'a>],
    imported: &mut HashMap<String, String>,
    reasons: &mut Reasons,
) -> &'t [Token<'a>] {
    let end = tokens.iter().position(|token| matches!(token, Token::NewLine | Token::Op(";")));
    let (statement, rest) = tokens.split_at(end.unwrap_or(tokens.len()));
    let (module, mut list) = match statement {
        [Token::Name("from"), from @ ..] => {
            let (module, after) = dotted(from);
            match after {
                [Token::Name("import"), list @ ..] => (Some(module), list),
                // `yield from`, `raise … from`.
                _ => return tokens.get(1..).unwrap_or_default(),
            }
        }
        [_, list @ ..] => (None, list),
        [] => return rest,
    };
    while let Some(token) = list.first() {
        if !matches!(token, Token::Name(_)) {
            list = list.get(1..).unwrap_or_default();
            continue;
        }
        let (name, after) = dotted(list);
        let full = module.as_ref().map_or(name.clone(), |module| format!("{module}.{name}"));
        let alias = if let [Token::Name("as"), Token::Name(alias), rest @ ..] = after {
            list = rest;
            Some(*alias)
        } else {
            list = after;
            module.is_some().then_some(name.as_str())
        };
        look_at_import(&full, reasons);
        if let Some(alias) = alias {
            imported.insert(alias.to_owned(), full);
        }
    }
    rest
}

fn look_at_import(full: &str, reasons: &mut Reasons) {
    if let Some(what) = of_module(full).or_else(|| of_name(full)) {
        reasons.add(what, full);
    }
}

fn resolved(name: &str, imported: &HashMap<String, String>) -> String {
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let usual = match first {
        "np" => Some("numpy"),
        "pd" => Some("pandas"),
        _ => None,
    };
    let full = imported.get(first).map(String::as_str).or(usual).unwrap_or(first);
    if rest.is_empty() { full.to_owned() } else { format!("{full}.{rest}") }
}

/// Looks at a name and at what follows it.
fn look_at_name(name: &str, after: &[Token], reasons: &mut Reasons) {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_assigned = matches!(after, [Token::Op("="), ..]);
    let called = matches!(after, [Token::Open, ..]);
    let of_method = if name.contains('.') || called { of_method(last) } else { None };
    if is_assigned {
        return;
    }
    let of_module = if name.contains('.') { of_module(name) } else { None };
    let writes = called
        && (WRITERS.contains(&last) && !matches!(after, [_, Token::Close, ..])
            || OPENERS.contains(&last) && opens_for_writing(after));
    let what = of_module.or_else(|| of_name(name)).or(of_method).or(writes.then_some(OVERWRITES));
    if let Some(what) = what {
        reasons.add(what, name.trim_start_matches('.'));
    }
}

/// What the names of a table, one of which fits, are a reason for.
fn reason_in(
    table: &[(&'static str, &[&str])],
    fits: impl Fn(&str) -> bool,
) -> Option<&'static str> {
    let has_one = |names: &[&str]| names.iter().any(|known| fits(known));
    table.iter().find(|(_, names)| has_one(names)).map(|(what, _)| *what)
}

fn of_module(name: &str) -> Option<&'static str> {
    reason_in(MODULES, |module| {
        name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

fn of_name(name: &str) -> Option<&'static str> {
    reason_in(NAMES, |known| match known.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == known,
    })
}

fn of_method(last: &str) -> Option<&'static str> {
    reason_in(METHODS, |method| method == last)
}

/// Whether a call, which begins with its bracket, has a mode for writing among its own arguments.
fn opens_for_writing(call: &[Token]) -> bool {
    let mut depth = 0_usize;
    for token in call {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Text(text) if depth == 1 && is_writing_mode(without_quotes(text)) => {
                return true;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    false
}

fn is_writing_mode(text: &str) -> bool {
    (1..=4).contains(&text.len())
        && text.chars().all(|c| "rwabt+".contains(c))
        && text.contains(['w', 'a', '+'])
}

fn look_at_text(text: &str, reasons: &mut Reasons) {
    let text = without_quotes(text).trim_start();
    if SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        reasons.add(OPENS, text.lines().next().unwrap_or_default());
    }
}

/// What stands between the quotes of a string.
fn without_quotes(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_matches(['"', '\''])
}

/// Whether `IPython` takes a line for a command although it lacks its mark.
fn is_command(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let commands = ["pip", "conda", "mamba", "micromamba", "uv", "rm", "rmdir", "mv", "cp"];
    words.next().is_some_and(|word| commands.contains(&word))
        && words.next().is_some_and(|word| {
            word.starts_with(|c: char| c.is_alphanumeric() || "-/~*".contains(c))
        })
}

/// A line in `IPython`'s own syntax.
fn look_at_magic(line: &str, reasons: &mut Reasons) {
    let line = line.trim();
    if let Some(command) = line.strip_prefix('!') {
        return look_at_command(command.trim_start_matches('!'), reasons);
    }
    let Some(magic) = line.strip_prefix('%') else { return };
    let magic = magic.trim_start_matches('%');
    let (name, rest) = magic.split_once(char::is_whitespace).unwrap_or((magic, ""));
    match name {
        "time" | "timeit" | "prun" | "capture" | "memit" => look_at(rest, reasons),
        "writefile" | "file" | "save" | "notebook" | "logstart" => reasons.add(OVERWRITES, line),
        "bash" | "sh" | "script" | "system" | "sx" | "perl" | "ruby" | "cmd" | "run" | "python"
        | "python3" | "pypy" | "js" | "javascript" => reasons.add(STARTS, line),
        "pip" | "conda" | "mamba" | "micromamba" | "uv" | "rm" | "rmdir" | "mv" | "cp" => {
            look_at_command(magic, reasons);
        }
        _ => {}
    }
}

/// A command of the shell.
fn look_at_command(command: &str, reasons: &mut Reasons) {
    let command = command.trim();
    let words: Vec<_> = command.split_whitespace().collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    if has(&[
        "pip",
        "pip3",
        "conda",
        "mamba",
        "micromamba",
        "uv",
        "apt",
        "apt-get",
        "npm",
        "poetry",
    ]) && has(&["install", "uninstall", "add", "remove", "update", "upgrade", "sync"])
    {
        reasons.add(INSTALLS, command);
    } else if has(&["rm", "rmdir", "shred", "unlink"]) {
        reasons.add(DELETES, command);
    } else if has(&["mv", "cp", "tee", "dd"]) || command.contains('>') {
        reasons.add(OVERWRITES, command);
    } else if has(&["curl", "wget", "ssh", "scp", "git", "ftp", "rsync", "nc"]) {
        reasons.add(OPENS, command);
    } else {
        reasons.add(STARTS, command);
    }
}

#[cfg(test)]
mod tests;
