use std::os::unix::fs::PermissionsExt as _;

use candle_core::Tensor;

use super::*;
use crate::llm::local::tests::{EVERYTHING, asking, fixture, model, question, write};
use crate::llm::{Completion, Model as _, Sampling};
use crate::transcript::{ChatMessage, Role, Segment};

const GREEDY: Sampling = Sampling::Greedy;
/// Enough for some files.
const PLENTY: u64 = 1 << 30;

fn saving(folder: &Path, max_bytes: u64) -> LocalModel {
    let shelf = Shelf { folder: folder.to_owned(), max_bytes, min_tokens: 8 };
    model(EVERYTHING).saving(shelf, &fixture())
}

/// A process that answers a question, rests, and ends.
fn process(folder: &Path, text: &str, max_bytes: u64) -> Completion {
    let mut model = saving(folder, max_bytes);
    let completion = write(&mut model, &asking(text), &GREEDY);
    model.rest(&Interrupt::default());
    completion
}

/// The only file.
fn only(folder: &Path) -> PathBuf {
    let found = files(folder, ENDING);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].0.clone()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_process_goes_on_where_another_one_was() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("kv");
    let first = process(&folder, "Which region sold most?", PLENTY);
    assert_eq!((mode(&folder), mode(&only(&folder))), (0o700, 0o600));
    let longer = asking("Which region sold most, and which product?");
    let fresh = write(&mut model(EVERYTHING), &longer, &GREEDY);
    let mut second = saving(&folder, PLENTY);
    let restored = write(&mut second, &longer, &GREEDY);
    assert_eq!((restored.text, restored.tokens), (fresh.text, fresh.tokens));
    assert_eq!(first.usage.restored_tokens, 0);
    assert!(restored.usage.restored_tokens > 8, "{:?}", restored.usage);
    let held = restored.usage.prompt_tokens - restored.usage.prefilled_tokens;
    assert_eq!(restored.usage.restored_tokens, held);
    // All is there if the question is the same.
    let again = write(&mut saving(&folder, PLENTY), &question(), &GREEDY);
    assert_eq!((again.usage.prefilled_tokens, again.text), (1, first.text));
}

#[test]
fn what_goes_on_from_most_of_a_file_is_saved_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let first = process(folder.path(), "Which region sold most?", PLENTY);
    let file = only(folder.path());
    let before = std::fs::metadata(&file).unwrap().len();
    let written = Segment::Generated { text: first.text, tokens: first.tokens };
    let more = ChatMessage { role: Role::Assistant, content: vec![written] };
    let mut second = saving(folder.path(), PLENTY);
    let next = asking("And which product sold least there?");
    write(&mut second, &[question(), vec![more], next].concat(), &GREEDY);
    second.rest(&Interrupt::default());
    assert_eq!(only(folder.path()), file);
    assert!(std::fs::metadata(&file).unwrap().len() > before);
    // Nothing new: it is not written again.
    std::fs::remove_file(&file).unwrap();
    second.rest(&Interrupt::default());
    assert!(!file.exists());
    process(folder.path(), "A question of another notebook, with words of its own", PLENTY);
    process(folder.path(), "Which region sold most?", PLENTY);
    assert_eq!(files(folder.path(), ENDING).len(), 2);
}

#[test]
fn damaged_and_foreign_files_are_refused_without_panic() {
    let folder = tempfile::tempdir().unwrap();
    process(folder.path(), "Which region sold most?", PLENTY);
    let file = only(folder.path());
    let good = std::fs::read(&file).unwrap();
    let fresh = std::cell::RefCell::new(saving(folder.path(), PLENTY));
    let sequence = fresh.borrow().encode(&question()).unwrap();
    let check = |bytes: &[u8], stays: bool, why: &str| {
        std::fs::write(&file, bytes).unwrap();
        let mut fresh = fresh.borrow_mut();
        fresh.restore(&sequence);
        assert_eq!((fresh.cache.len(), file.exists()), (0, stays), "{why}");
    };
    let header = 72;
    let n_tokens = u64::from_le_bytes(good[header - 8..header].try_into().unwrap());
    let last_token = header + 4 * (usize::try_from(n_tokens).unwrap() - 1);
    let places = (0..header).chain([last_token, good.len() / 2, good.len() - 1]);
    for at in places {
        let mut bytes = good.clone();
        bytes[at] ^= 0x80;
        // One of another model is none of ours.
        check(&bytes, (16..48).contains(&at), &format!("byte {at}"));
    }
    for length in [0, 1, header - 1, header, header + 5, good.len() / 2, good.len() - 1] {
        check(&good[..length], false, &format!("cut to {length}"));
    }
    check(&[good.as_slice(), b"x"].concat(), false, "longer");
    for n_tokens in [0, 1, u64::from(u32::MAX), u64::MAX, u64::MAX / 4] {
        let mut bytes = good.clone();
        bytes[header - 8..header].copy_from_slice(&n_tokens.to_le_bytes());
        check(&bytes, false, &format!("{n_tokens} tokens"));
    }
    // A token that the embedding does not have, with the right hash.
    let mut bytes = good[..good.len() - 32].to_vec();
    bytes[header..header + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    bytes.extend(Sha256::digest(&bytes));
    check(&bytes, false, "a token beyond the vocabulary");
    // Neither followed nor waited for.
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("link.kv")).unwrap();
    std::fs::create_dir(folder.path().join("folder.kv")).unwrap();
    std::fs::write(&file, &good).unwrap();
    let mut fresh = fresh.into_inner();
    fresh.restore(&sequence);
    assert_eq!(fresh.cache.tokens(), sequence);
}

#[test]
fn the_files_keep_to_their_bound_and_the_one_used_longest_ago_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    process(folder.path(), "Which region sold most?", PLENTY);
    let first = only(folder.path());
    let size = std::fs::metadata(&first).unwrap().len();
    let age = |path: &Path, seconds: u64| {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
    };
    process(folder.path(), "A question of another notebook, with words of its own", 3 * size);
    let second = files(folder.path(), ENDING).into_iter().map(|(path, ..)| path);
    let second = second.into_iter().find(|path| *path != first).unwrap();
    let (left, fresh) = (folder.path().join("1-1.kv-new"), folder.path().join("2-2.kv-new"));
    for path in [&left, &fresh] {
        std::fs::write(path, "half").unwrap();
    }
    age(&left, 7_200);
    age(&first, 200);
    age(&second, 100);
    // Used again, the first is now the younger one.
    process(folder.path(), "Which region sold most?", 3 * size);
    process(
        folder.path(),
        "Something else altogether, which nobody has asked before",
        5 * size / 2,
    );
    assert_eq!((first.exists(), second.exists()), (true, false));
    assert_eq!((left.exists(), fresh.exists()), (false, true));
    let before = files(folder.path(), ENDING).len();
    process(folder.path(), "What is larger than its bound is not saved at all", size / 2);
    assert_eq!(files(folder.path(), ENDING).len(), before);
}

#[test]
fn a_new_question_ends_the_saving() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = saving(folder.path(), PLENTY);
    write(&mut model, &question(), &GREEDY);
    let wanted = Interrupt::default();
    wanted.set();
    model.rest(&wanted);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    wanted.clear();
    model.rest(&wanted);
    only(folder.path());
}

#[test]
fn a_cache_of_another_precision_is_another_models() {
    let id = |config: &Config| model_id(&fixture(), &Device::Cpu, config).unwrap();
    let config = Config { head_size: 32, ..model(EVERYTHING).model.config().clone() };
    assert_eq!(id(&config), id(&config));
    assert_ne!(id(&config), id(&config.clone().with_narrow_cache().unwrap()));
}

#[test]
fn a_cache_in_eight_bits_is_saved_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { head_size: 32, ..model(EVERYTHING).model.config().clone() };
    let config = config.with_narrow_cache().unwrap();
    let tokens: Vec<u32> = (0..140).collect();
    let shape = (config.n_kv_heads, tokens.len(), config.head_size);
    let mut cache = KvCache::new(&config, &Device::Cpu);
    cache.reserve(tokens.len(), config.n_layers).unwrap();
    for layer in 0..config.n_layers {
        let numbers = Tensor::randn(0_f32, 1.0, shape, &Device::Cpu).unwrap();
        cache.extend(layer, &numbers, &(&numbers * 2.0).unwrap()).unwrap();
    }
    cache.commit(&tokens, true);
    let mut keeper = Keeper::in_folder(folder.path().to_owned());
    keeper.save(&cache, &config, &Interrupt::default()).unwrap();
    let (_, saved, n_tokens) = keeper.best(&tokens, &config).unwrap();
    let mut restored = KvCache::new(&config, &Device::Cpu);
    restored.reserve(n_tokens, config.n_layers).unwrap();
    saved.restore(n_tokens, &config, &mut restored).unwrap();
    assert_eq!(restored.tokens(), tokens);
    let bytes = |cache: &KvCache, index| {
        cache.part(index, 140).unwrap().flatten_all().unwrap().to_vec1::<u8>().unwrap()
    };
    for index in 0..2 * config.n_layers {
        assert_eq!(bytes(&restored, index), bytes(&cache, index));
    }
}
