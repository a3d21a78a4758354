//! The providers of the process, by their id, made when a thread first asks.
//!
//! A provider is kept with the configuration it was made from. Threads whose configuration differs (another project,
//! an edited file) get one of their own; the newest is the one that is kept.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::config::ProviderConfig;
use crate::model::catalog::Catalog;
use crate::model::chat::ChatProvider;
use crate::model::error::ModelError;
use crate::model::provider::ModelProvider;
use crate::model::rehearsal::{self, RehearsalProvider};
use crate::model::responses::ResponsesProvider;

/// Finds providers and models. One for the process.
#[derive(Debug)]
pub struct Models {
    home: PathBuf,
    catalog: Arc<Catalog>,
    providers: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    config: ProviderConfig,
    provider: Arc<dyn ModelProvider>,
}

impl Models {
    /// Models for a home, which holds the stored login.
    pub fn new(home: PathBuf, catalog: Catalog) -> Self {
        Models {
            home,
            catalog: Arc::new(catalog),
            providers: Mutex::default(),
        }
    }

    /// The provider called `id`, as `config` describes it.
    ///
    /// # Errors
    /// The configuration has no usable URL.
    pub fn provider(&self, id: &str, config: &ProviderConfig) -> Result<Arc<dyn ModelProvider>, ModelError> {
        let Ok(mut providers) = self.providers.lock() else {
            return self.make(id, config);
        };
        if let Some(kept) = providers.get(id)
            && kept.config == *config
        {
            return Ok(kept.provider.clone());
        }
        let provider = self.make(id, config)?;
        let kept = Kept {
            config: config.clone(),
            provider: provider.clone(),
        };
        providers.insert(id.to_owned(), kept);
        Ok(provider)
    }

    /// The models that are known.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The model of a thread for which nobody chose one.
    pub fn default_model(&self, provider: &str) -> String {
        match provider {
            rehearsal::ID => rehearsal::ID.to_owned(),
            _ => self.catalog.list().default_model().to_owned(),
        }
    }

    fn make(&self, id: &str, config: &ProviderConfig) -> Result<Arc<dyn ModelProvider>, ModelError> {
        // A configured `rehearsal` with a URL of its own is an ordinary provider.
        if id == rehearsal::ID && config.base_url.is_none() {
            return Ok(Arc::new(RehearsalProvider::default()));
        }
        Ok(match config.wire_api.as_deref() {
            Some("chat") => Arc::new(ChatProvider::new(id, config, &self.home)?),
            _ => Arc::new(ResponsesProvider::new(id, config, &self.home)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_kept_until_its_configuration_changes() {
        let models = Models::new(PathBuf::from("/nowhere"), Catalog::default());
        let mut config = ProviderConfig {
            base_url: Some("http://127.0.0.1:1/v1".into()),
            ..ProviderConfig::default()
        };
        let first = models.provider("mock", &config).unwrap();
        assert!(Arc::ptr_eq(&first, &models.provider("mock", &config).unwrap()));
        config.request_max_retries = Some(0);
        assert!(!Arc::ptr_eq(&first, &models.provider("mock", &config).unwrap()));
        config.base_url = Some("not a url".into());
        assert!(models.provider("mock", &config).is_err());
    }

    #[test]
    fn the_offline_model_goes_with_the_offline_provider() {
        let models = Models::new(PathBuf::from("/nowhere"), Catalog::default());
        let provider = models.provider("rehearsal", &ProviderConfig::default()).unwrap();
        assert_eq!(provider.id(), "rehearsal");
        assert_eq!(models.default_model("rehearsal"), "rehearsal");
        assert_eq!(models.default_model("openai"), "gpt-5.5");
    }
}
