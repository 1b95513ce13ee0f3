//! Pure: what a repository holds, and which of its files make the model that is wanted.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::llm::config::Architecture;
use crate::llm::refusal::Refusal;

/// Files of a folder with safetensors beside those that hold weights.
const SETTINGS: &[&str] = &[
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
];

/// What is taken of several GGUF files if nothing is said: a quarter of the memory, and hardly worse answers.
const USUAL: &str = "Q4_K_M";

/// Names that an error lists.
const N_NAMED: usize = 12;

/// The files of a repository at one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Which commit; what it holds does not change.
    pub commit: String,
    /// All files.
    pub files: Vec<File>,
    /// Architecture of the model, where the hub says.
    pub architecture: Option<String>,
}

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// From the top of the repository, with `/`; only plain names.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// How it is known to be whole.
    pub check: Check,
}

/// How a file is known to be whole; lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The SHA-256 of a large file.
    Sha256(String),
    /// The id that git gives a small one.
    GitBlob(String),
}

/// The files that make a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// One GGUF file.
    Gguf(File),
    /// A folder with safetensors.
    Folder(Vec<File>),
}

impl Selection {
    /// The files.
    pub fn files(&self) -> &[File] {
        match self {
            Self::Gguf(file) => std::slice::from_ref(file),
            Self::Folder(files) => files,
        }
    }

    /// What of the folder that they lie in is loaded.
    pub fn model_in(&self, folder: &Path) -> PathBuf {
        match self {
            Self::Gguf(file) => folder.join(&file.path),
            Self::Folder(_) => folder.to_owned(),
        }
    }
}

impl Listing {
    /// Reads what a hub says of a repository, asked for sizes and hashes (`blobs`).
    ///
    /// # Errors
    /// In words, when it is something else.
    pub fn read(value: &Value) -> Result<Self, String> {
        let commit = value["sha"].as_str().filter(|sha| is_hex(sha, 40));
        let commit = commit.ok_or(
            "expected the listing of a repository, found none: is it the address of a model hub?",
        )?;
        let siblings = value["siblings"].as_array().map(Vec::as_slice).unwrap_or_default();
        let files = siblings.iter().map(file).collect::<Result<_, _>>()?;
        let said = ["/gguf/architecture", "/config/model_type"];
        let architecture = said.iter().find_map(|place| value.pointer(place)?.as_str());
        let architecture = architecture.map(str::to_owned);
        Ok(Self { commit: commit.to_owned(), files, architecture })
    }

    /// The files of the model that `part` names: a file, a quantisation such as `Q4_K_M`, or `safetensors`.
    ///
    /// # Errors
    /// In words, when there is none or it is not clear which.
    pub fn choose(&self, part: Option<&str>) -> Result<Selection, String> {
        if let Some(name) = &self.architecture {
            // Before gigabytes come that cannot be loaded.
            Architecture::named(name).map_err(Refusal::reason)?;
        }
        let ggufs: Vec<&File> = self.files.iter().filter(|file| is_model(file)).collect();
        match part {
            Some("safetensors") => return self.folder(),
            Some(part) => return named(&ggufs, part),
            None => {}
        }
        match ggufs.as_slice() {
            [] => self.folder(),
            [one] => whole(one),
            several => named(several, USUAL).map_err(|_| {
                format!("it has several models, {}: name one, as `owner/name:file`", list(several))
            }),
        }
    }

    fn folder(&self) -> Result<Selection, String> {
        let is_weights = |path: &str| {
            path.starts_with("model") && path.ends_with(".safetensors") && !path.contains('/')
        };
        let has = |name: &str| self.files.iter().any(|file| file.path == name);
        if !has("config.json") || !self.files.iter().any(|file| is_weights(&file.path)) {
            return Err(String::from(
                "expected a GGUF file, or `config.json` with `model.safetensors`, found neither: it is no model that \
                 this program loads",
            ));
        }
        if !has("tokenizer.json") {
            return Err(String::from(
                "it lacks `tokenizer.json`: choose a GGUF file of the same model",
            ));
        }
        let wanted =
            |file: &&File| SETTINGS.contains(&file.path.as_str()) || is_weights(&file.path);
        Ok(Selection::Folder(self.files.iter().filter(wanted).cloned().collect()))
    }
}

fn file(value: &Value) -> Result<File, String> {
    let path = value["rfilename"].as_str().unwrap_or_default();
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let is_odd = |c: char| c.is_control() || c == '\\';
    if path.is_empty() || path.contains(is_odd) || !Path::new(path).components().all(is_plain) {
        return Err(String::from(
            "expected plain names of files, found one that leads elsewhere: nothing is taken",
        ));
    }
    let sha256 = value["lfs"]["sha256"].as_str().filter(|sha| is_hex(sha, 64));
    let blob = value["blobId"].as_str().filter(|sha| is_hex(sha, 40));
    let check = match (sha256, blob) {
        (Some(sha256), _) => Check::Sha256(sha256.to_ascii_lowercase()),
        (None, Some(blob)) if value["lfs"].is_null() => Check::GitBlob(blob.to_ascii_lowercase()),
        _ => {
            return Err(format!(
                "expected a hash of `{path}`, found none: nothing is taken unchecked"
            ));
        }
    };
    let bytes = value["size"]
        .as_u64()
        .ok_or_else(|| format!("expected the size of `{path}`, found none"))?;
    Ok(File { path: path.to_owned(), bytes, check })
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a file is a language model; files with images' projections lie beside some.
fn is_model(file: &File) -> bool {
    let path = Path::new(&file.path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"))
        && !name.starts_with("mmproj")
}

/// The GGUF file of that path or name, else the one of that quantisation.
fn named(ggufs: &[&File], part: &str) -> Result<Selection, String> {
    let name = |file: &File| file.path.rsplit('/').next().unwrap_or_default().to_owned();
    let exact = ggufs.iter().find(|file| file.path == part || name(file) == part);
    if let Some(file) = exact {
        return whole(file);
    }
    let is_of = |file: &&&File| {
        file.path.split(['-', '.', '/']).any(|word| word.eq_ignore_ascii_case(part))
    };
    let found: Vec<&File> = ggufs.iter().filter(is_of).copied().collect();
    match found.as_slice() {
        [one] => whole(one),
        [] if ggufs.is_empty() => Err(format!("expected `{part}`, found no GGUF file")),
        [] => Err(format!("expected `{part}`, found {}: name one of these", list(ggufs))),
        [first, ..] if parts_of(first) == Some(found.len()) => whole(first),
        several => Err(format!("`{part}` is meant by several, {}: name one file", list(several))),
    }
}

/// One file, if it is a whole model.
fn whole(file: &File) -> Result<Selection, String> {
    match parts_of(file) {
        Some(parts) if parts > 1 => Err(format!(
            "`{}` is one of {parts} parts, which are not read together: choose a model in one file",
            file.path
        )),
        _ => Ok(Selection::Gguf(file.clone())),
    }
}

/// In how many parts a model is: its names end in `-00001-of-00003.gguf`.
fn parts_of(file: &File) -> Option<usize> {
    let stem = file.path.get(..file.path.len().checked_sub(".gguf".len())?)?;
    let (rest, parts) = stem.rsplit_once("-of-")?;
    let (_, at) = rest.rsplit_once('-')?;
    at.parse::<usize>().ok()?;
    parts.parse().ok()
}

/// The files, smallest first, with their sizes.
fn list(files: &[&File]) -> String {
    let mut files = files.to_vec();
    files.sort_by_key(|file| file.bytes);
    let named = files.iter().take(N_NAMED);
    let named: Vec<String> = named
        .map(|file| format!("`{}` ({} MiB)", file.path, file.bytes.div_ceil(1 << 20)))
        .collect();
    let more = files.len().saturating_sub(N_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHA: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const BLOB: &str = "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f";

    fn listing(paths: &[&str]) -> Listing {
        let files = paths.iter().map(|path| File {
            path: (*path).to_owned(),
            bytes: 3 << 20,
            check: Check::Sha256(SHA.to_owned()),
        });
        Listing { commit: BLOB.to_owned(), files: files.collect(), architecture: None }
    }

    #[track_caller]
    fn check(paths: &[&str], part: Option<&str>, expected: Result<&[&str], &str>) {
        match (listing(paths).choose(part), expected) {
            (Ok(found), Ok(expected)) => {
                let found: Vec<&str> = found.files().iter().map(|file| &*file.path).collect();
                assert_eq!(found, expected);
            }
            (Err(found), Err(words)) => assert!(found.contains(words), "{found}"),
            (found, expected) => panic!("expected {expected:?}, found {found:?}"),
        }
    }

    #[test]
    fn a_file_a_quantisation_or_the_usual_one_is_chosen() {
        let two = &["m-Q4_K_M.gguf", "m-q8_0.gguf", "mmproj-f16.gguf", "README.md"];
        check(two, Some("m-q8_0.gguf"), Ok(&["m-q8_0.gguf"]));
        check(two, Some("Q8_0"), Ok(&["m-q8_0.gguf"]));
        check(two, None, Ok(&["m-Q4_K_M.gguf"]));
        check(
            two,
            Some("Q4_K"),
            Err("found `m-Q4_K_M.gguf` (3 MiB), `m-q8_0.gguf` (3 MiB): name one"),
        );
        check(&["a.gguf", "b.gguf"], None, Err("several models, `a.gguf` (3 MiB)"));
        check(&["deep/only.gguf"], None, Ok(&["deep/only.gguf"]));
        check(&["x/a-Q4_0.gguf", "y/b-Q4_0.gguf"], Some("Q4_0"), Err("meant by several"));
        check(&["a.gguf", "b.gguf"], Some("b.gguf"), Ok(&["b.gguf"]));
        check(&["README.md"], Some("Q8_0"), Err("found no GGUF file"));
    }

    #[test]
    fn a_model_in_several_files_is_refused_before_it_is_fetched() {
        let parts = &["m-Q4_0-00001-of-00002.gguf", "m-Q4_0-00002-of-00002.gguf"];
        check(parts, Some("Q4_0"), Err("is one of 2 parts"));
        check(&["m-00001-of-00001.gguf"], None, Ok(&["m-00001-of-00001.gguf"]));
    }

    #[test]
    fn a_folder_is_taken_without_what_is_not_loaded() {
        let folder = &[
            "README.md",
            "config.json",
            "tokenizer.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "onnx/model.safetensors",
            "pytorch_model.bin",
            "consolidated.safetensors",
        ];
        check(folder, None, Ok(&[folder[1], folder[2], folder[3], folder[4], folder[5]]));
        check(&["config.json", "model.safetensors"], None, Err("lacks `tokenizer.json`"));
        check(&["config.json"], None, Err("found neither"));
        let both = &["config.json", "tokenizer.json", "model.safetensors", "m.gguf"];
        check(both, None, Ok(&["m.gguf"]));
        check(both, Some("safetensors"), Ok(&both[..3]));
    }

    #[test]
    fn what_cannot_be_loaded_is_refused_before_it_is_fetched() {
        let told = |place: Value| {
            let mut value = json!({"sha": BLOB, "siblings": []});
            value.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
            Listing::read(&value).unwrap().choose(None).unwrap_err()
        };
        for place in
            [json!({"gguf": {"architecture": "llama"}}), json!({"config": {"model_type": "llama"}})]
        {
            assert!(told(place).contains("its architecture is `llama`, supported are"));
        }
        assert!(told(json!({"config": {"model_type": "qwen3"}})).contains("found neither"));
    }

    #[test]
    fn a_listing_gives_sizes_and_hashes_or_is_refused() {
        let large = json!({"rfilename": "m.gguf", "size": 7, "blobId": BLOB,
            "lfs": {"sha256": SHA.to_uppercase(), "size": 7, "pointerSize": 130}});
        let small = json!({"rfilename": "a/config.json", "size": 3, "blobId": BLOB});
        let read = Listing::read(&json!({"sha": BLOB, "siblings": [large, small]})).unwrap();
        let file = |path: &str, bytes, check| File { path: path.to_owned(), bytes, check };
        assert_eq!(
            read.files,
            [
                file("m.gguf", 7, Check::Sha256(SHA.to_owned())),
                file("a/config.json", 3, Check::GitBlob(BLOB.to_owned())),
            ]
        );
        let refused = |value: Value, words: &str| {
            let error = Listing::read(&value).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        refused(json!({"sha": "main"}), "found none: is it the address of a model hub?");
        refused(json!("page"), "found none");
        let with = |sibling: Value| json!({"sha": BLOB, "siblings": [sibling]});
        for path in ["../m.gguf", "/m.gguf", "a/../../m", "", "a\nb", "a\\b"] {
            refused(with(json!({"rfilename": path, "size": 1, "blobId": BLOB})), "leads elsewhere");
        }
        refused(with(json!({"rfilename": "a", "blobId": BLOB})), "expected the size of `a`");
        refused(with(json!({"rfilename": "a", "size": 1})), "expected a hash of `a`");
        refused(
            with(json!({"rfilename": "a", "size": 1, "blobId": BLOB, "lfs": {}})),
            "expected a hash",
        );
    }
}
