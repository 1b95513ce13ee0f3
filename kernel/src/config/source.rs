//! Where the model comes from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use datarus_agent::llm::endpoint::{Address, ApiKey, Patience, Settings};

use super::{API_KEY, ConfigError, check, user_data_dir};
use crate::cli::EndpointArgs;
use crate::model::registry::{self, Entry, Registry};

/// Where the model comes from.
#[derive(Debug, Clone, Default)]
pub enum ModelSource {
    /// The program itself.
    #[default]
    Embedded,
    /// A file (GGUF) or a folder (safetensors).
    Path(PathBuf),
    /// A server.
    Served(Box<Settings>),
}

impl ModelSource {
    /// What was named: an address if it begins as one, else a name that `datarus model add` gave, else a path. The key
    /// of a server is in the environment.
    ///
    /// # Errors
    /// When an address or its settings cannot be used, or the list of names cannot be read.
    pub fn named(model: Option<&Path>, args: &EndpointArgs) -> Result<Self, ConfigError> {
        let Some(path) = model else { return Ok(Self::Embedded) };
        let text = path.to_str().unwrap_or_default();
        if Address::is_meant_by(text) {
            return served(text, args);
        }
        if text == registry::EMBEDDED {
            return Ok(Self::Embedded);
        }
        // A path that no name can be is not looked for among the names.
        let folder = user_data_dir().filter(|_| registry::is_name(text));
        let registry = folder.map(|folder| Registry::read(&folder)).transpose()?;
        match registry.as_ref().and_then(|registry| registry.entries.get(text)) {
            Some(Entry::File(file)) => Ok(Self::Path(file.path.clone())),
            Some(Entry::Server(server)) => served(&server.address, &server.settings(args)),
            None => Ok(Self::Path(path.to_owned())),
        }
    }
}

fn served(address: &str, args: &EndpointArgs) -> Result<ModelSource, ConfigError> {
    let mut patience = Patience::default();
    if let Some(seconds) = args.endpoint_timeout {
        check("--endpoint-timeout", seconds > 0, "of at least 1", seconds)?;
        patience.silence = Duration::from_secs(seconds);
    }
    if let Some(length) = args.context_length {
        check("--context-length", length > 0, "of at least 1", length)?;
    }
    let key = std::env::var_os(API_KEY).unwrap_or_default();
    Ok(ModelSource::Served(Box::new(Settings {
        address: address.parse()?,
        model: args.endpoint_model.clone(),
        key: ApiKey::read(&key.to_string_lossy())?,
        context_length: args.context_length,
        patience,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(args: &EndpointArgs, address: &str) -> Result<Settings, ConfigError> {
        match ModelSource::named(Some(Path::new(address)), args)? {
            ModelSource::Served(endpoint) => Ok(*endpoint),
            source => panic!("expected a server, found {source:?}"),
        }
    }

    #[test]
    fn an_address_is_a_server_and_anything_else_a_path() {
        let named =
            |text: &str| ModelSource::named(Some(Path::new(text)), &EndpointArgs::default());
        assert!(matches!(named("model.gguf"), Ok(ModelSource::Path(_))));
        assert!(matches!(named("https://example.org/v1"), Ok(ModelSource::Served(_))));
        let nothing = ModelSource::named(None, &EndpointArgs::default());
        assert!(matches!(nothing, Ok(ModelSource::Embedded)));
        let wrong = named("https://me:secret@example.org/v1").unwrap_err().to_string();
        assert!(wrong.starts_with("`--model`: expected an address without a user"), "{wrong}");
    }

    #[test]
    fn a_server_gets_its_settings() {
        let args = EndpointArgs {
            endpoint_model: Some(String::from("m")),
            endpoint_timeout: Some(7),
            context_length: Some(99),
        };
        let endpoint = served(&args, "http://127.0.0.1:1/v1").unwrap();
        assert_eq!((endpoint.model.as_deref(), endpoint.context_length), (Some("m"), Some(99)));
        assert_eq!(endpoint.patience.silence, Duration::from_secs(7));
        let wrong = EndpointArgs { endpoint_timeout: Some(0), ..EndpointArgs::default() };
        let wrong = served(&wrong, "http://127.0.0.1:1/v1").unwrap_err().to_string();
        assert_eq!(wrong, "expected `--endpoint-timeout` of at least 1, found 0");
    }
}
