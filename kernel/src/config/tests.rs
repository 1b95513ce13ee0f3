use super::*;

fn args() -> EngineArgs {
    EngineArgs {
        max_steps: 1,
        max_sections: 1,
        max_errors: 1,
        cell_timeout: 1,
        ..EngineArgs::default()
    }
}

#[test]
fn weights_are_kept_in_the_cache_folder_or_not_at_all() {
    let kept = weights_cache(WeightsArgs { gigabytes: 2 }).unwrap();
    assert!(kept.folder.is_absolute() && kept.folder.ends_with("datarus/weights"));
    assert_eq!(kept.most_bytes, 2 << 30);
    assert_eq!(weights_cache(WeightsArgs { gigabytes: 0 }), None);
}

#[test]
fn the_python_that_is_named_must_exist() {
    let error = find_python(Some(Path::new("/no/such/python"))).unwrap_err().to_string();
    assert!(error.starts_with("no Python at `/no/such/python`"), "{error}");
    assert!(find_python(Some(Path::new("no-such-python"))).is_err());
    assert!(find_python(Some(Path::new("sh"))).unwrap().is_absolute());
}

#[test]
fn the_python_that_install_noted_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("config.json");
    assert_eq!(noted_python(&note), None);
    let shell = on_path(Path::new("sh")).unwrap();
    std::fs::write(&note, serde_json::json!({"python": shell}).to_string()).unwrap();
    assert_eq!(noted_python(&note), Some(shell));
    std::fs::write(&note, r#"{"python": "/no/such"}"#).unwrap();
    assert_eq!(noted_python(&note), None);
}

#[test]
fn numbers_out_of_range_are_refused_by_their_flag() {
    let refused = |change: fn(&mut EngineArgs)| {
        let mut args = args();
        change(&mut args);
        let error = limits(&args, &ModelSource::Embedded).err().or_else(|| sampling(&args).err());
        error.map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(refused(|_| ()), "");
    assert_eq!(refused(|args| args.max_steps = 0), "expected `--max-steps` of at least 1, found 0");
    let wrong = refused(|args| args.temperature = Some(-1.0));
    assert_eq!(wrong, "expected `--temperature` of at least 0, found -1");
    let wrong = refused(|args| (args.temperature, args.top_p) = (Some(1.0), Some(1.5)));
    assert_eq!(wrong, "expected `--top-p` above 0 and at most 1, found 1.5");
}

#[test]
fn no_temperature_leaves_the_choice_to_the_model_and_zero_is_greedy() {
    assert_eq!(sampling(&args()).unwrap(), None);
    let greedy = EngineArgs { temperature: Some(0.0), ..args() };
    assert_eq!(sampling(&greedy).unwrap(), Some(Sampling::Greedy));
}

#[test]
fn a_kernel_starts_without_its_python_and_its_model() {
    let path = |path: &str| Some(PathBuf::from(path));
    let missing = EngineArgs { python: path("/no/python"), model: path("/no/model"), ..args() };
    assert!(Config::resolve(&missing, Vec::new()).is_err());
    let config = Config::resolve_for_kernel(&missing, Vec::new()).unwrap();
    assert_eq!(config.python, PathBuf::from("/no/python"));
}

#[test]
fn completions_of_a_server_are_longer() {
    let tokens = |args: &EngineArgs| {
        let model = ModelSource::named(args.model.as_deref(), &args.endpoint).unwrap();
        let limits = limits(args, &model).unwrap();
        (limits.max_new_tokens, limits.max_turn_tokens)
    };
    assert_eq!(tokens(&args()), (1_024, 16_384));
    let with_server = EngineArgs { model: Some(PathBuf::from("http://127.0.0.1:1/v1")), ..args() };
    assert_eq!(tokens(&with_server), (4_096, 65_536));
    assert_eq!(tokens(&EngineArgs { max_new_tokens: Some(9), ..with_server }), (9, 65_536));
}
