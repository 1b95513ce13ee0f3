//! Models with names: added from files, servers and a hub, used by name, listed, removed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tests::frontend::binary;
use tests::hub::{COMMIT, Fault, Repository, StandInHub, TOKEN};
use tests::stand_in::StandIn;

const GGUF: &[u8] = include_bytes!("../fixtures/models/qwen2-q8_0.gguf");

/// A command with a home of its own, and proxies that lead nowhere.
fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(home)
        .env("HOME", home)
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:9")));
    let theirs = [
        "XDG_DATA_HOME",
        "HF_ENDPOINT",
        "HF_TOKEN",
        "HF_HUB_OFFLINE",
        "DATARUS_HUB",
        "DATARUS_MODEL",
    ];
    for name in theirs {
        command.env_remove(name);
    }
    command
}

fn done(output: &Output) -> String {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
    text(&output.stderr)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    command(home, arguments).output().unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models").join(name)
}

/// A repository with one large file.
fn repository(name: &str) -> Repository {
    let files = vec![(String::from("m-Q8_0.gguf"), GGUF.to_vec(), true)];
    Repository { name: name.to_owned(), files, ..Repository::default() }
}

fn folder() -> Repository {
    let names = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
    let read = |name: &str| {
        let bytes = std::fs::read(fixture("qwen2").join(name)).unwrap();
        (name.to_owned(), bytes, name.ends_with(".safetensors"))
    };
    let mut files: Vec<_> = names.into_iter().map(read).collect();
    files.push((String::from("README.md"), b"nothing".to_vec(), false));
    Repository { name: String::from("a/folder"), files, ..Repository::default() }
}

/// Where a file of a repository is put.
fn place(home: &Path, repository: &str, file: &str) -> PathBuf {
    home.join(".local/share/datarus/models")
        .join(repository.replace('/', "--"))
        .join(COMMIT)
        .join(file)
}

fn add(home: &Path, hub: &StandInHub, source: &str) -> Output {
    command(home, &["model", "add", source]).env("HF_ENDPOINT", &hub.address).output().unwrap()
}

#[test]
fn a_file_gets_a_name_and_is_used_by_it() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let file = fixture("qwen2-q8_0.gguf");
    let added = run(home, &["model", "add", file.to_str().unwrap(), "--name", "small"]);
    assert!(done(&added).starts_with("small                    qwen2, q8_0, "));
    assert!(text(&added.stderr).contains("MiB are free: it fits"), "{}", text(&added.stderr));
    let by_name = done(&run(home, &["model", "info", "small", "--json"]));
    let by_path = done(&run(home, &["model", "info", file.to_str().unwrap(), "--json"]));
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let (by_name, by_path) = (read(&by_name), read(&by_path));
    assert_eq!(by_name["sha256"], by_path["sha256"]);
    assert_eq!((&by_name["architecture"], &by_name["fits"]), (&"qwen2".into(), &true.into()));
    let listed = read(&done(&run(home, &["model", "list", "--json"])));
    assert_eq!((&listed[0]["name"], &listed[0]["sha256"]), (&"small".into(), &by_path["sha256"]));
    let bench =
        run(home, &["model", "bench", "small", "--prompt", "8", "--decode", "2", "--repeat", "1"]);
    assert!(done(&bench).contains("tokens a second"));
    for command in [&["model", "info", "small"][..], &["model", "bench", "small"]] {
        let narrow = refused(&run(home, &[command, &["--kv-type", "q8"]].concat()));
        assert!(narrow.contains("its heads have 16 numbers"), "{narrow}");
    }

    let taken = run(home, &["model", "add", fixture("qwen2").to_str().unwrap(), "--name", "small"]);
    assert!(refused(&taken).contains("another model of the name `small`"));
    let removed = run(home, &["model", "remove", "small"]);
    done(&removed);
    assert!(file.exists(), "the user's own file stays");
    let gone = refused(&run(home, &["model", "info", "small"]));
    assert!(gone.contains("cannot read `small`"), "{gone}");
    assert!(done(&run(home, &["model", "list"])).starts_with("embedded"));
    assert!(done(&run(home, &["model", "info", "embedded"])).contains("architecture  qwen"));
}

#[test]
fn what_is_no_model_gets_no_name() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::write(home.join("x.gguf"), "GGUF").unwrap();
    assert!(refused(&run(home, &["model", "add", "x.gguf"])).contains("damaged or not supported"));
    let neither = refused(&run(home, &["model", "add", "nothing"]));
    assert!(
        neither.contains("expected a file, a folder, a model of a hub or the address"),
        "{neither}"
    );
    let nobody = refused(&run(home, &["model", "add", "a/b"]));
    assert!(nobody.contains("DATARUS_HUB or HF_ENDPOINT"), "{nobody}");
    assert!(!home.join(".local/share/datarus/models.json").exists());
}

#[test]
fn a_server_gets_a_name_and_keeps_what_was_said_of_it() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = StandIn::start(vec![]);
    let arguments = ["model", "add", &server.address, "--context-length", "777"];
    let added = command(home, &arguments).env("DATARUS_API_KEY", "sk-secret").output().unwrap();
    assert!(done(&added).starts_with("datarus-stand-in "));
    assert!(done(&run(home, &["model", "info", "datarus-stand-in"])).contains("777 tokens"));
    let now = run(home, &["model", "info", "datarus-stand-in", "--context-length", "99"]);
    assert!(done(&now).contains("99 tokens"));
    let list = std::fs::read_to_string(home.join(".local/share/datarus/models.json")).unwrap();
    assert!(list.contains(&server.address) && !list.contains("secret"), "{list}");
}

#[test]
fn a_model_of_a_hub_comes_from_where_it_leads_to_and_the_token_does_not_go_there() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let hub = StandInHub::start(vec![Repository { is_gated: true, ..repository("a/b") }], vec![]);
    let gated = refused(&add(home, &hub, "a/b:Q8_0"));
    assert!(gated.contains("the repository is gated: accept its conditions"), "{gated}");
    let mut with_token = command(home, &["model", "add", "a/b:Q8_0"]);
    with_token.env("DATARUS_HUB", &hub.address).env("HF_TOKEN", TOKEN).env("DATARUS_LOG", "trace");
    let added = with_token.output().unwrap();
    assert!(done(&added).starts_with("b-q8_0 "));
    let said = text(&added.stderr);
    assert!(!said.contains("hf_stand"), "the token is shown: {said}");
    let file = place(home, "a/b", "m-Q8_0.gguf");
    assert_eq!(std::fs::read(&file).unwrap(), GGUF);
    let (blobs, hubs): (Vec<_>, Vec<_>) = hub.asked().into_iter().partition(|asked| asked.of_blobs);
    assert_eq!(blobs.len(), 1);
    assert_eq!(blobs[0].authorization, None);
    let with = hubs.iter().filter(|asked| asked.authorization.is_some()).count();
    assert_eq!(with, 2, "the listing and the file, with the token: {hubs:?}");
    assert!(done(&run(home, &["model", "info", "b-q8_0"])).contains("qwen2"));

    // Nothing is fetched twice, and nobody is asked where nobody is to be.
    let before = hub.asked().len();
    let again = command(home, &["model", "add", "a/b:Q8_0", "--offline"]).output().unwrap();
    done(&again);
    assert_eq!(hub.asked().len(), before);
    let removed = run(home, &["model", "remove", "b-q8_0"]);
    done(&removed);
    assert!(text(&removed.stderr).contains("deleted ") && !file.exists());
    let missing = run(home, &["model", "add", "a/b:Q8_0", "--offline"]);
    assert!(refused(&missing).contains("`m-Q8_0.gguf` is missing"));
    let mut set = command(home, &["model", "add", "a/c"]);
    let unknown =
        set.env("HF_ENDPOINT", &hub.address).env("HF_HUB_OFFLINE", "YES").output().unwrap();
    assert!(refused(&unknown).contains("nothing is known of its revision `main`"));
}

#[test]
fn a_token_goes_to_no_hub_that_others_can_listen_to() {
    let home = tempfile::tempdir().unwrap();
    let mut command = command(home.path(), &["model", "add", "a/b", "--hub", "http://hub.example"]);
    let said = refused(&command.env("HF_TOKEN", TOKEN).output().unwrap());
    assert!(said.contains("expected an address with https for the token"), "{said}");
    assert!(!said.contains(TOKEN), "{said}");
}

#[test]
fn a_name_that_cannot_be_given_is_refused_before_anything_is_fetched() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let hub = StandInHub::start(vec![repository("a/b")], vec![]);
    let file = fixture("qwen2-q8_0.gguf");
    done(&run(home, &["model", "add", file.to_str().unwrap(), "--name", "mine"]));
    for (name, words) in [
        ("mine", "another model of the name `mine`"),
        ("embedded", "is not `embedded`, the model in this program"),
        ("a/b", "expected a name of at most 64 letters"),
    ] {
        let mut command = command(home, &["model", "add", "a/b", "--name", name]);
        let said = refused(&command.env("HF_ENDPOINT", &hub.address).output().unwrap());
        assert!(said.contains(words), "{name}: {said}");
    }
    assert_eq!(hub.asked(), []);
}

#[test]
fn what_was_fetched_and_cannot_be_used_is_not_kept() {
    let home = tempfile::tempdir().unwrap();
    let files = vec![(String::from("m-Q8_0.gguf"), b"no model".to_vec(), true)];
    let broken = Repository { name: String::from("a/broken"), files, ..Repository::default() };
    let hub = StandInHub::start(vec![broken], vec![]);
    let said = refused(&add(home.path(), &hub, "a/broken"));
    let file = place(home.path(), "a/broken", "m-Q8_0.gguf");
    assert!(said.contains("deleted ") && !file.parent().unwrap().exists(), "{said}");
    assert!(hub.asked().iter().any(|asked| asked.of_blobs), "it was fetched");
    assert_eq!(done(&run(home.path(), &["model", "list", "--json"])).trim(), "[]");
}

#[test]
fn a_newer_commit_takes_the_place_of_an_older_one() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let hub = StandInHub::start(vec![repository("a/b")], vec![]);
    done(&add(home, &hub, "a/b"));
    // As another commit had left it.
    let older = COMMIT.replace('0', "f");
    let list = home.join(".local/share/datarus/models.json");
    let names = std::fs::read_to_string(&list).unwrap();
    assert_eq!(names.matches(COMMIT).count(), 2, "its path and its origin: {names}");
    std::fs::write(&list, names.replace(COMMIT, &older)).unwrap();
    let newer = place(home, "a/b", "m-Q8_0.gguf").parent().unwrap().to_owned();
    let old = newer.with_file_name(&older);
    std::fs::rename(&newer, &old).unwrap();
    // As a download that broke off for good had left it.
    let begun = newer.with_file_name("fff");
    std::fs::create_dir(&begun).unwrap();
    std::fs::write(begun.join("m-Q8_0.gguf.part"), &GGUF[..777]).unwrap();
    let added = add(home, &hub, "a/b");
    done(&added);
    assert!(text(&added.stderr).contains("deleted ") && !old.exists() && !begun.exists());
    assert_eq!(std::fs::read(newer.join("m-Q8_0.gguf")).unwrap(), GGUF);
    assert_eq!(std::fs::read_to_string(&list).unwrap(), names);
}

#[test]
fn a_folder_comes_with_what_is_loaded_of_it_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let hub = StandInHub::start(vec![folder()], vec![]);
    assert!(done(&add(home, &hub, "a/folder")).starts_with("folder "));
    assert!(place(home, "a/folder", "config.json").exists());
    assert!(!place(home, "a/folder", "README.md").exists());
    assert!(done(&run(home, &["model", "info", "folder"])).contains("architecture  qwen2"));
}

/// A download that meets these faults is whole in the end; the ranges that were asked for.
fn survives(faults: Vec<Fault>) -> Vec<Option<String>> {
    let home = tempfile::tempdir().unwrap();
    let hub = StandInHub::start(vec![repository("a/b")], faults);
    done(&add(home.path(), &hub, "a/b"));
    assert_eq!(std::fs::read(place(home.path(), "a/b", "m-Q8_0.gguf")).unwrap(), GGUF);
    hub.asked().into_iter().filter(|asked| asked.of_blobs).map(|asked| asked.range).collect()
}

#[test]
fn a_download_that_breaks_off_is_taken_up_where_it_did() {
    let from = |at: usize| Some(format!("bytes={at}-"));
    assert_eq!(survives(vec![Fault::Cut(1000)]), [None, from(1000)]);
    assert_eq!(survives(vec![Fault::Cut(9), Fault::Cut(1)]), [None, from(9), from(10)]);
    assert_eq!(survives(vec![Fault::Busy]), [None, None]);
    // What does not begin where it was asked to begins anew.
    assert_eq!(survives(vec![Fault::Cut(9), Fault::NoRange]), [None, from(9)]);
}

#[test]
fn what_another_run_left_is_taken_up() {
    let home = tempfile::tempdir().unwrap();
    let hub = StandInHub::start(vec![repository("a/b")], vec![]);
    let file = place(home.path(), "a/b", "m-Q8_0.gguf");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file.with_extension("gguf.part"), &GGUF[..777]).unwrap();
    done(&add(home.path(), &hub, "a/b"));
    assert_eq!(std::fs::read(&file).unwrap(), GGUF);
    let last = hub.asked().pop().unwrap();
    assert_eq!(last.range.as_deref(), Some("bytes=777-"));
}

#[test]
fn a_file_with_another_hash_is_not_kept() {
    let home = tempfile::tempdir().unwrap();
    let hub = StandInHub::start(vec![repository("a/b")], vec![Fault::Spoilt]);
    let said = refused(&add(home.path(), &hub, "a/b"));
    assert!(said.contains("came with the hash") && said.contains("is deleted"), "{said}");
    let file = place(home.path(), "a/b", "m-Q8_0.gguf");
    assert!(!file.exists() && !file.with_extension("gguf.part").exists());
    // As it is not kept, another try begins anew, and is whole.
    done(&add(home.path(), &hub, "a/b"));
    assert_eq!(std::fs::read(&file).unwrap(), GGUF);
}

#[test]
fn a_file_of_another_length_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let hub = StandInHub::start(vec![repository("a/b")], vec![Fault::Short(50)]);
    let said = refused(&add(home.path(), &hub, "a/b"));
    assert!(said.contains("has 50 bytes there, expected"), "{said}");
}

#[test]
fn each_refusal_of_a_hub_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let several = Repository {
        files: ["x-Q2_K", "x-Q8_0"]
            .map(|name| (format!("{name}.gguf"), GGUF.to_vec(), true))
            .to_vec(),
        ..repository("a/two")
    };
    let llama = Repository { architecture: Some(String::from("llama")), ..repository("a/llama") };
    let hub = StandInHub::start(vec![repository("a/b"), several, llama], vec![]);
    let check = |source: &str, more: &[&str], words: &str| {
        let arguments = [&["model", "add", source], more].concat();
        let mut command = command(home, &arguments);
        let said = refused(&command.env("HF_ENDPOINT", &hub.address).output().unwrap());
        assert!(said.contains(words), "{source}: {said}");
    };
    check("a/none", &[], "no such repository, or a private one");
    check("a/b", &["--revision", "v9"], "no such revision");
    check("a/b:Q5_K_M", &[], "expected `Q5_K_M`, found `m-Q8_0.gguf`");
    check("a/two", &[], "several models, `x-Q2_K.gguf` (1 MiB), `x-Q8_0.gguf`");
    check("a/llama", &[], "its architecture is `llama`, supported are");
    check("a/b", &["--hub", "http://127.0.0.1:9"], "nothing listens there");
    check("a/b", &["--hub", "hub.example"], "the address of the hub");
    let mut wrong = command(home, &["model", "add", "a/b"]);
    let wrong =
        wrong.env("HF_ENDPOINT", &hub.address).env("HF_TOKEN", "hf_other").output().unwrap();
    assert!(refused(&wrong).contains("does not take the token in the variable HF_TOKEN"));
    assert!(hub.asked().iter().all(|asked| !asked.of_blobs), "nothing was fetched");
}

#[test]
fn of_two_that_fetch_the_same_at_once_one_waits_and_both_have_it() {
    let home = tempfile::tempdir().unwrap();
    let hub = StandInHub::start(vec![repository("a/b")], vec![Fault::Cut(100)]);
    let start = |name: &str| {
        let mut command = command(home.path(), &["model", "add", "a/b", "--name", name]);
        command.env("HF_ENDPOINT", &hub.address).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let both = [start("one"), start("other")];
    for child in both {
        done(&child.wait_with_output().unwrap());
    }
    let blobs = hub.asked().into_iter().filter(|asked| asked.of_blobs).count();
    assert_eq!(blobs, 2, "once, in two pieces");
    let list = done(&run(home.path(), &["model", "list"]));
    assert!(list.contains("one ") && list.contains("other "), "{list}");
}

#[test]
fn the_table_of_models_is_what_its_formula_gives() {
    let text = std::fs::read_to_string(fixture("").join("../../../docs/models.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.contains("layers"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let number = |at: usize| cells[at].parse::<f64>().unwrap();
        let gib = |bytes: f64| bytes / f64::from(1 << 30);
        let weights = |bits: f64| gib(number(1) * 1e9 * bits / 8.0);
        let per_token = 2.0 * number(2) * number(3) * number(4) * 2.0;
        let expected = [weights(4.85), weights(8.5), per_token / 1024.0, gib(per_token * 8192.0)];
        for (at, expected) in expected.into_iter().enumerate() {
            assert!((number(5 + at) - expected).abs() <= 0.0051, "{row}: {expected}");
        }
        count += 1;
    }
    assert_eq!(count, 7);
}
