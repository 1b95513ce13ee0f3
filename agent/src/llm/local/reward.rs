//! A reward model: a decoder with one number in the place of logits, read where a chat ends.

use super::generation::{common, require_room};
use super::{LocalModel, guard};
use crate::llm::packed::Phase;
use crate::llm::{Interrupt, ModelError};
use crate::transcript::ChatMessage;

impl LocalModel {
    /// What the model thinks of the last message, from 0 to 1: `σ(w · v)`, where `v` is the normed vector of the last
    /// token. What the cache holds of the messages before it is not computed again.
    ///
    /// # Source
    /// Bradley and Terry's model, as rewards are trained with it: <https://arxiv.org/abs/2203.02155>, equation 1.
    ///
    /// # Errors
    /// When the chat does not fit the context, or the computation fails. What the cache then holds is not known.
    pub(super) fn reward_of(&mut self, messages: &[ChatMessage]) -> Result<f64, ModelError> {
        let sequence = self.encode(messages)?;
        let (tokens, context_length) = (sequence.len(), self.info.context_length);
        if tokens > context_length {
            return Err(ModelError::ContextFull { tokens, context_length });
        }
        // The last token is computed again if need be, since its vector is not held.
        let held = common(self.cache.tokens(), &sequence).min(tokens.saturating_sub(1));
        self.cache.truncate(held.min(self.cache.n_reusable()));
        let rest = sequence.get(self.cache.len()..).unwrap_or_default();
        let mut reward = None;
        for chunk in rest.chunks(self.model.chunk()) {
            require_room(&self.model, &self.cache, chunk.len())?;
            let (model, cache) = (&self.model, &mut self.cache);
            reward = guard::computing(|| {
                let vector = model.extend(chunk, 1, cache, Phase::Prompt, &Interrupt::default())?;
                vector.map(|vector| model.rewards(&vector)).transpose()
            })?;
        }
        let reward = reward.flatten().and_then(|rewards| rewards.first().copied());
        let reward = reward.ok_or_else(|| ModelError::Compute("no reward came".to_owned()))?;
        Ok(1.0 / (1.0 + f64::from(-reward).exp()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::{Path, PathBuf};

    use candle_core::Device;
    use candle_core::quantized::gguf_file::{self, Content};
    use safetensors::SafeTensors;
    use safetensors::tensor::TensorView;

    use super::super::tests::{asking, question};
    use super::*;
    use crate::llm::chat_template::Renderer;
    use crate::llm::kv_cache::KvCache;
    use crate::llm::{GenerateRequest, Hardware, Model as _, Sampling, Unconstrained};

    /// The token whose row of the output stands as the reward head: a reward is then that token's logit.
    const TOKEN: usize = 7;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/models").join(name)
    }

    /// A folder as `save_pretrained` writes that of a `Qwen2ForSequenceClassification`.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(fixture("qwen2")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        let file = folder.path().join("model.safetensors");
        let bytes = fs::read(&file).unwrap();
        let stored = SafeTensors::deserialize(&bytes).unwrap();
        let mut tensors: BTreeMap<String, TensorView<'_>> = stored.tensors().into_iter().collect();
        let output = tensors.get("lm_head.weight").or(tensors.get("model.embed_tokens.weight"));
        let output = output.unwrap();
        let (shape, bytes) = (output.shape().to_vec(), output.data());
        let row = &bytes[TOKEN * bytes.len() / shape[0]..][..bytes.len() / shape[0]];
        let head = TensorView::new(output.dtype(), vec![1, shape[1]], row).unwrap();
        tensors.insert("score.weight".to_owned(), head);
        safetensors::serialize_to_file(tensors, None, &file).unwrap();
        folder
    }

    fn file(folder: &Path) -> PathBuf {
        let mut source = fs::File::open(fixture("qwen2-f32.gguf")).unwrap();
        let content = Content::read(&mut source).unwrap();
        let mut tensor = |name: &String| content.tensor(&mut source, name, &Device::Cpu).unwrap();
        let mut tensors: Vec<_> =
            content.tensor_infos.keys().map(|name| (name.clone(), tensor(name))).collect();
        let output = ["output.weight", "token_embd.weight"];
        let output = output.iter().find_map(|name| tensors.iter().find(|(known, _)| known == name));
        let output = output.unwrap().1.dequantize(&Device::Cpu).unwrap();
        let row = output.to_vec2::<f32>().unwrap().swap_remove(TOKEN);
        let row =
            candle_core::Tensor::from_vec(row, (1, output.dim(1).unwrap()), &Device::Cpu).unwrap();
        let head =
            candle_core::quantized::QTensor::quantize(&row, candle_core::quantized::GgmlDType::F32);
        tensors.push(("cls.output.weight".to_owned(), head.unwrap()));
        let metadata: Vec<_> =
            content.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let tensors: Vec<_> =
            tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let path = folder.join("reward.gguf");
        gguf_file::write(&mut fs::File::create(&path).unwrap(), &metadata, &tensors).unwrap();
        path
    }

    fn load(path: &Path) -> LocalModel {
        LocalModel::load(path, Hardware::Cpu, None, Renderer::Here).unwrap()
    }

    #[test]
    fn a_reward_is_the_product_of_the_head_and_the_last_vector_however_the_chat_came() {
        let kept = folder();
        for path in [kept.path().to_owned(), file(kept.path())] {
            let mut model = load(&path);
            let longer =
                [question(), asking("And of shoes, in which month, and by how much?")].concat();
            let rewards = [question(), longer.clone(), question()]
                .map(|chat| model.reward(&chat).unwrap().unwrap());
            let sequence = model.encode(&longer).unwrap();
            let mut cache = KvCache::new(model.model.config(), &Device::Cpu);
            let vector = model
                .model
                .extend(&sequence, 1, &mut cache, Phase::Completion, &Interrupt::default())
                .unwrap()
                .unwrap();
            let logit = f64::from(model.model.logits(&vector).unwrap()[0][TOKEN]);
            let found = (rewards[1] / (1.0 - rewards[1])).ln();
            assert!((found - logit).abs() < 1e-3, "{found} and {logit}");
            assert!((rewards[0] - rewards[2]).abs() < 1e-6, "{rewards:?}");
            assert!((rewards[0] - rewards[1]).abs() > 1e-6, "{rewards:?}");
        }
    }

    #[test]
    fn a_reward_model_writes_nothing_and_a_model_that_writes_gives_no_reward() {
        let kept = folder();
        let (messages, interrupt) = (question(), Interrupt::default());
        let request = GenerateRequest {
            messages: &messages,
            stop: &[],
            sampling: &Sampling::Greedy,
            seed: 0,
            max_new_tokens: 3,
            interrupt: &interrupt,
        };
        let refused =
            load(kept.path()).generate(&request, &mut Unconstrained, &mut |_| ()).unwrap_err();
        assert!(refused.to_string().contains("`--judge`"), "{refused}");
        assert_eq!(load(&fixture("qwen2")).reward(&messages).unwrap(), None);
    }
}
