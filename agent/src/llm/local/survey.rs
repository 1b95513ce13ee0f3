//! What a model will take, by its headers alone: a file of ten gigabytes is looked at in a moment.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Device;
use serde::Serialize;

use super::{guard, load};
use crate::llm::config::Config;
use crate::llm::device;
use crate::llm::gguf::Gguf;
use crate::llm::refusal::Refusal;
use crate::llm::safetensors::SafetensorsWeights;
use crate::llm::weights::GgufWeights;
use crate::llm::{ModelError, Placement};

/// What a model will take, and what this machine has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// Architecture as the file names it.
    pub architecture: String,
    /// How most of its weights are stored, such as `q4k` or `f16`.
    pub stored_as: String,
    /// Number of weights.
    pub parameters: u64,
    /// Longest sequence in tokens.
    pub context_length: usize,
    /// Of its files.
    pub file_bytes: u64,
    /// Where it will compute: [`PROCESSOR`](crate::llm::PROCESSOR), or what the GPU is called.
    pub device: String,
    /// Memory there of its weights as this machine will hold them.
    pub weights_bytes: u64,
    /// Memory of the KV-cache for each token of a chat.
    pub cache_bytes_per_token: u64,
    /// Memory that has to be free when it is loaded: the weights, and the KV-cache of a chat's beginning.
    pub needed_bytes: u64,
    /// Memory that is free there now, where the system tells.
    pub available_bytes: Option<u64>,
}

impl Survey {
    /// Looks at a GGUF file or a folder with safetensors. No weight is read.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or is not supported.
    pub fn of(path: &Path, placement: impl Into<Placement>) -> Result<Self, ModelError> {
        let placement = placement.into();
        let read = |source| ModelError::Read { path: path.display().to_string(), source };
        let refused = if std::fs::metadata(path).map_err(read)?.is_dir() {
            guard::loading(|| Self::of_folder(path, placement))
        } else {
            let file = std::fs::File::open(path).map_err(read)?;
            guard::loading(|| Self::of_gguf(file, placement))
        };
        refused.map_err(|refusal: Refusal| refusal.at(path))
    }

    /// Whether it can be loaded now; where the system does not tell what is free, nothing is known.
    pub fn fits(&self) -> Option<bool> {
        Some(self.needed_bytes <= self.available_bytes?)
    }

    fn of_gguf(file: std::fs::File, placement: Placement) -> Result<Self, Refusal> {
        let file_bytes = file.metadata()?.len();
        let file = Gguf::open(Box::new(file))?;
        let config = placement.config(load::config_of(&file)?)?;
        let memory = |device: &Device| GgufWeights::new(&file, device, &config).memory();
        let device =
            placement.surveyed(config.is_small(), |device| memory(device) + load::room(&config))?;
        let stored = file.tensors.values().map(|entry| {
            let numbers = entry.shape.iter().map(|&size| size as u64).product();
            (format!("{:?}", entry.dtype).to_lowercase(), numbers, entry.bytes)
        });
        Ok(Self::new(&config, stored, Some(file_bytes), memory(&device), &device))
    }

    fn of_folder(folder: &Path, placement: Placement) -> Result<Self, Refusal> {
        let config = placement.config(Config::from_json(&load::settings_of(folder)?)?)?;
        let on = |device: &Device| SafetensorsWeights::look(folder, device, config.owns(device));
        let needs = |device: &Device| {
            on(device).map_or(0, |weights| weights.memory()) + load::room(&config)
        };
        let device = placement.surveyed(config.is_small(), needs)?;
        let weights = on(&device)?;
        Ok(Self::new(&config, weights.stored(), None, weights.memory(), &device))
    }

    /// Of weights, each with how it is stored, its count of numbers and of bytes.
    fn new(
        config: &Config,
        stored: impl Iterator<Item = (String, u64, u64)>,
        file_bytes: Option<u64>,
        weights_bytes: u64,
        device: &Device,
    ) -> Self {
        let mut by_type: BTreeMap<String, u64> = BTreeMap::new();
        let mut parameters = 0;
        for (name, numbers, bytes) in stored {
            parameters += numbers;
            *by_type.entry(name).or_default() += bytes;
        }
        let all = by_type.values().sum();
        let most = by_type.into_iter().max_by_key(|(_, bytes)| *bytes);
        Self {
            architecture: config.architecture.name().to_owned(),
            stored_as: most.map(|(name, _)| name).unwrap_or_default(),
            parameters,
            context_length: config.context_length,
            file_bytes: file_bytes.unwrap_or(all),
            weights_bytes,
            cache_bytes_per_token: config.cache_bytes_per_token(),
            needed_bytes: weights_bytes + load::room(config),
            device: device::name(device),
            available_bytes: device::available_bytes(device),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::llm::Hardware;

    use super::*;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/models").join(name)
    }

    #[test]
    fn a_file_and_a_folder_of_one_model_are_told_alike() {
        let (file, folder) = (fixture("qwen2-f32.gguf"), fixture("qwen2"));
        let (file, folder) = (
            Survey::of(&file, Hardware::Auto).unwrap(),
            Survey::of(&folder, Hardware::Auto).unwrap(),
        );
        assert_eq!((&*file.architecture, &*folder.architecture), ("qwen2", "qwen2"));
        assert_eq!((&*file.stored_as, &*folder.stored_as), ("f32", "bf16"));
        assert_eq!(file.cache_bytes_per_token, folder.cache_bytes_per_token);
        assert_eq!(file.context_length, folder.context_length);
        assert!(file.parameters > 0 && file.needed_bytes > file.weights_bytes);
        // What a small model's weights become, as 32-bit floats.
        for survey in [file, folder] {
            assert_eq!(survey.weights_bytes, survey.parameters * 4);
        }
    }

    #[test]
    fn what_is_too_large_for_the_machine_does_not_fit() {
        let of = |needed_bytes, available_bytes| {
            let survey = Survey::of(&fixture("qwen2-f32.gguf"), Hardware::Cpu).unwrap();
            Survey { needed_bytes, available_bytes, ..survey }.fits()
        };
        assert_eq!(of(2, Some(1)), Some(false));
        assert_eq!(of(1, Some(1)), Some(true));
        assert_eq!(of(1, None), None);
    }

    #[test]
    fn what_is_no_model_is_refused_as_when_it_is_loaded() {
        let of = |name: &str| Survey::of(&fixture(name), Hardware::Cpu).unwrap_err().to_string();
        assert!(of("generate.py").contains("damaged or not supported"));
        assert!(of("absent.gguf").starts_with("cannot read"));
    }
}
