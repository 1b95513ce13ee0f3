//! Rules of the house that a test can hold: who may use whom, what a file looks like, what documents promise.

use std::path::{Path, PathBuf};

/// Longest source file, in lines.
const LONGEST: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Files that git tracks, as paths from the root, whose names end with one of `ends`.
fn files(ends: &[&str]) -> Vec<String> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listed.status.success(), "expected a git checkout, found none");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let wanted =
        |file: &&str| ends.iter().any(|end| file.ends_with(end)) && root().join(file).is_file();
    listed.lines().filter(wanted).map(str::to_owned).collect()
}

/// The part of a source file that is shipped: without the tests at its end.
fn shipped(file: &str) -> String {
    let text = read(file);
    text.split("\n#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// Code lines of shipped source files under `folder`, with where they stand; comments do not count.
fn lines_under(folder: &str) -> Vec<(String, String)> {
    let sources =
        files(&[".rs"]).into_iter().filter(|file| file.starts_with(folder) && !is_test(file));
    let numbered = sources.flat_map(|file| {
        let text = shipped(&file);
        let lines: Vec<_> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(at, line)| (format!("{file}:{}", at + 1), line.to_owned()))
            .collect();
        lines
    });
    numbered.collect()
}

fn is_test(file: &str) -> bool {
    file.contains("/tests") || file.starts_with("tests/") || file.contains("/fuzz/")
}

#[track_caller]
fn none_found(rule: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{rule}\n  {}", found.join("\n  "));
}

/// Where one of `words` stands in code outside of the files that may name it.
fn places(folder: &str, words: &[&str], may: &[&str]) -> Vec<String> {
    lines_under(folder)
        .into_iter()
        .filter(|(place, line)| {
            !may.iter().any(|file| place.starts_with(file))
                && words.iter().any(|word| line.contains(word))
        })
        .map(|(place, line)| format!("{place}: {}", line.trim()))
        .collect()
}

#[test]
fn the_agent_knows_no_event_loop_no_zeromq_and_no_jupyter() {
    let manifest = read("agent/Cargo.toml");
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
    for name in ["tokio", "zeromq", "jupyter", "nbformat", "datarus-kernel"] {
        assert!(!dependencies.contains(name), "agent/Cargo.toml names `{name}`");
    }
    let words = ["datarus_kernel", "tokio::", "zeromq", "jupyter_", "async fn"];
    none_found("the agent is plain blocking Rust", places("agent/src/", &words, &[]));
}

#[test]
fn only_the_endpoint_the_hub_databases_and_a_companion_elsewhere_reach_out() {
    let words = ["ureq::", "rustls::", "std::net", "TcpStream", "UnixStream"];
    // Where cells run elsewhere, and databases that the user named.
    let companion =
        ["kernel/src/companion/elsewhere/web.rs", "kernel/src/companion/gate/outside.rs"];
    let may = [
        "agent/src/llm/web.rs",
        "agent/src/llm/endpoint/exchange.rs",
        "agent/src/llm/endpoint/address.rs",
        "agent/src/llm/hub",
    ];
    none_found("few places speak HTTP", places("agent/src/", &words, &may));
    let words = ["ureq::", "rustls::", "tungstenite::"];
    none_found("and two in the kernel", places("kernel/src/", &words, &companion));
}

#[test]
fn the_model_host_knows_nothing_of_the_loop() {
    let words = ["crate::agent", "crate::executor", "crate::dialect", "crate::observation"];
    none_found("llm/ uses only the transcript", places("agent/src/llm/", &words, &[]));
}

#[test]
fn only_the_server_and_the_client_own_sockets() {
    // And what is inside a sandbox, or tries one.
    let may = [
        "kernel/src/serve.rs",
        "kernel/src/server",
        "kernel/src/zmtp",
        "kernel/src/companion",
        "kernel/src/client.rs",
        "kernel/src/sandbox/jail.rs",
        "kernel/src/doctor/probe.rs",
    ];
    let words =
        ["zeromq::", "Socket::bind", "TcpListener", "UnixListener", "TcpStream", "UnixStream"];
    none_found("sockets belong to the server and the client", places("kernel/src/", &words, &may));
}

#[test]
fn only_the_wire_sees_signatures() {
    let words = ["hmac::", "Hmac<", "Hmac::"];
    none_found("signatures belong to wire.rs", places("kernel/src/", &words, &["kernel/src/wire"]));
}

#[test]
fn pure_modules_do_no_input_and_output() {
    let words = [
        "std::fs",
        "std::net",
        "std::process",
        "std::env",
        "tokio::",
        "Instant::now",
        "SystemTime",
    ];
    let kernel = [
        "database",
        "route",
        "display",
        "cells",
        "markdown",
        "page",
        "iopub",
        "outputs",
        "bound",
        "sieve",
        "bench/score",
        "bench/summary",
        "bench/compare",
        "bench/suite",
        "preset",
        "report",
        "research",
        "serve/told",
    ];
    for module in kernel {
        none_found("values in, values out", places(&format!("kernel/src/{module}"), &words, &[]));
    }
    for module in [
        "observation",
        "plan",
        "dialect",
        "grammar",
        "transcript",
        "trajectory",
        "reward",
        "numbers",
        "chat",
        "names",
        "forms",
        "quoted",
        "mention",
        "fitting",
        "spelling",
    ] {
        none_found("values in, values out", places(&format!("agent/src/{module}"), &words, &[]));
    }
}

#[test]
fn only_these_files_of_the_kernel_name_the_agent() {
    let may = [
        "kernel/src/prompt.rs",
        "kernel/src/display.rs",
        "kernel/src/event.rs",
        "kernel/src/outputs.rs",
        "kernel/src/session",
        "kernel/src/sources",
        "kernel/src/server",
        "kernel/src/companion/elsewhere/web.rs",
        "kernel/src/config",
        "kernel/src/model",
        "kernel/src/commands/models.rs",
        "kernel/src/cells",
        "kernel/src/page",
        "kernel/src/headless",
        "kernel/src/report",
        "kernel/src/research",
        "kernel/src/training",
        "kernel/src/commands/training.rs",
    ];
    let found = places("kernel/src/", &["datarus_agent"], &may);
    none_found("a new arrow from kernel to agent is written into ARCHITECTURE.md first", found);
}

#[test]
fn a_source_file_says_what_it_is_and_stays_short() {
    let mut found = Vec::new();
    for file in files(&[".rs"]) {
        let text = read(&file);
        if !text.starts_with("//!") && !is_test(&file) {
            found.push(format!("{file}: no `//!` at its beginning"));
        }
        let count = text.lines().count();
        if count > LONGEST && !is_test(&file) {
            found.push(format!("{file}: {count} lines, at most {LONGEST}"));
        }
    }
    none_found("every module says what it is, in few lines", found);
}

#[test]
fn nothing_is_left_for_later_and_nothing_names_this_machine() {
    // Put together, so that this file does not name them.
    let marks =
        [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["unimpl", "emented!"]].map(|two| two.concat());
    let folders = [["/ro", "ot/"], ["/wo", "rk/"]].map(|two| two.concat());
    let homes = [["/ho", "me/"], ["/Us", "ers/"]].map(|two| two.concat());
    let mut found = Vec::new();
    for file in files(&[
        ".rs", ".py", ".sh", ".md", ".toml", ".json", ".yml", ".js", ".ts", ".ipynb", ".txt",
    ]) {
        let Ok(text) = std::fs::read_to_string(root().join(&file)) else { continue };
        // Data of others may hold any word.
        let is_fixture = file.contains("fixtures/") || file.ends_with("tokenizer.json");
        for (at, line) in text.lines().enumerate() {
            let marked = !is_fixture && marks.iter().any(|mark| has_word(line, mark));
            let named = folders.iter().chain(&homes).any(|folder| has_path(line, folder));
            if marked || named {
                found.push(format!("{file}:{}: {}", at + 1, line.trim()));
            }
        }
    }
    none_found("no marks, no absolute paths of a machine", found);
}

/// Whether `word` stands alone in `line`.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, rest) = line.split_at(at);
        !is_part(before.chars().next_back()) && !is_part(rest[word.len()..].chars().next())
    })
}

/// Whether an absolute path that begins with `folder` stands in `line`; `https://x.org/home/` is none.
fn has_path(line: &str, folder: &str) -> bool {
    let may_begin =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '(' | '=' | ':' | '[');
    line.match_indices(folder).any(|(at, _)| line[..at].chars().next_back().is_none_or(may_begin))
}

#[test]
fn links_of_documents_lead_somewhere() {
    let mut found = Vec::new();
    for file in files(&[".md"]) {
        let folder = root().join(&file).parent().unwrap().to_owned();
        for target in links(&read(&file)) {
            let path = target.split('#').next().unwrap_or_default();
            let is_elsewhere =
                target.contains("://") || target.starts_with("mailto:") || path.is_empty();
            if !is_elsewhere && !folder.join(path).exists() {
                found.push(format!("{file}: {target}"));
            }
        }
    }
    none_found("a link of a document leads to a file", found);
}

/// Targets of `[text](target)` outside of code blocks.
fn links(markdown: &str) -> Vec<String> {
    let prose = markdown.split("```").step_by(2);
    let targets = prose.flat_map(|text| text.split("](").skip(1));
    targets.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

#[test]
fn documents_stay_short() {
    for (file, longest) in [("README.md", 150), ("ARCHITECTURE.md", 200)] {
        let count = read(file).lines().count();
        assert!(count <= longest, "{file}: {count} lines, at most {longest}");
    }
}

#[test]
fn the_test_command_of_the_readme_is_what_ci_runs() {
    let readme = read("README.md");
    assert!(readme.contains("\n./test.sh\n"), "expected `./test.sh` as a command of README.md");
    let last = |file: &str| read(file).trim_end().lines().next_back().unwrap().trim().to_owned();
    assert_eq!(last(".ci/run"), "./test.sh");
    assert!(read(".github/workflows/ci.yml").contains("run: .ci/run"));
}

#[test]
fn versions_are_pinned_where_people_install_from() {
    for file in ["requirements.txt", "requirements-test.txt", "requirements-lab.txt"] {
        let text = read(file);
        let loose = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.contains("=="));
        none_found("exact versions", loose.map(|line| format!("{file}: {line}")).collect());
    }
}

#[test]
fn the_tests_that_the_list_of_features_names_exist() {
    let sources: Vec<(String, String)> =
        files(&[".rs"]).into_iter().map(|file| (file.clone(), read(&file))).collect();
    let scenes: String = files(&[".test.mjs"]).iter().map(|file| read(file)).collect();
    let list = read("docs/features.md");
    let mut found = Vec::new();
    for name in list.split('`').filter(|name| name.contains(".rs")) {
        let (file, test) = name.split_once("::").unwrap_or((name, ""));
        let is_there = |(path, text): &(String, String)| {
            path.ends_with(&format!("/{file}")) && text.contains(&format!("fn {test}"))
        };
        if !sources.iter().any(is_there) {
            found.push(name.to_owned());
        }
    }
    for scene in list.split("scene *").skip(1).filter_map(|rest| rest.split_once('*')) {
        if !scenes.contains(&format!("scene(\"{}\"", scene.0)) {
            found.push(scene.0.to_owned());
        }
    }
    none_found("a row of docs/features.md names a test", found);
}
