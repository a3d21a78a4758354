//! The catalog of the process: who may ask for it at any moment, and when it is made anew.
//!
//! The provider of the server's own configuration is asked for its models when a thread is made or models are listed,
//! unless it was in the last minutes, and when an answer of it says that its list has changed. Whoever waits waits for
//! seconds at most, and together with all others. When nothing comes of it, what was known stays.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use super::cache::{Cached, Stamp, is_fresh};
use super::{ModelInfo, ModelList, table};
use crate::config::{CatalogModel, ModelsResponse, ProviderConfig};
use crate::model::error::ModelError;
use crate::model::http::{Endpoint, headers};
use crate::model::provider::RequestIdentity;

/// How long anybody waits for the provider.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a provider that did not answer is left alone.
const PAUSE: Duration = Duration::from_secs(60);
/// How old a cache is before it is renewed for a list that has not changed.
const RENEWED_AFTER: TimeDelta = TimeDelta::seconds(60);
/// The most that a list may be, in bytes.
const LIMIT: usize = 16 << 20;

/// On whose behalf the provider is asked.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// `originator` header.
    pub originator: String,
    /// `user-agent` header.
    pub user_agent: String,
}

impl From<&RequestIdentity> for Asker {
    fn from(identity: &RequestIdentity) -> Self {
        Asker {
            originator: identity.originator.clone(),
            user_agent: identity.user_agent.clone(),
        }
    }
}

/// The models that are known now. One for the process.
#[derive(Debug)]
pub struct Catalog {
    listed: RwLock<ModelList>,
    /// None when it stays as it is.
    source: Option<Source>,
}

/// Where newer models come from.
#[derive(Debug)]
struct Source {
    cache: PathBuf,
    /// The provider's id.
    provider: String,
    /// The provider's list; none when it has none for who comes with such credentials.
    endpoint: Option<Endpoint>,
    /// Held while anything is made anew.
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// The cache as it was read or written last.
    stamp: Option<Stamp>,
    /// When the provider told its models, as the cache says.
    fetched_at: Option<DateTime<Utc>>,
    etag: Option<String>,
    /// When the provider was asked last.
    asked: Option<Instant>,
    /// Nobody waits for the provider before.
    silent_until: Option<Instant>,
    /// The provider is not asked for a changed list before.
    failed_until: Option<Instant>,
}

impl Default for Catalog {
    fn default() -> Self {
        Catalog::constant(ModelList::default())
    }
}

impl Catalog {
    fn constant(list: ModelList) -> Self {
        Catalog {
            listed: RwLock::new(list),
            source: None,
        }
    }

    /// The models of a file and no others.
    pub fn of_file(file: &ModelsResponse) -> Self {
        Catalog::constant(ModelList::new(file.models.iter().map(ModelInfo::from).collect(), false))
    }

    /// The bundled models with those of the home's cache, and those that the provider lists.
    pub fn of_home(home: &Path, provider: &str, config: &ProviderConfig) -> Self {
        let endpoint = Endpoint::new(provider, config, home, "models")
            .inspect_err(|error| tracing::warn!("models of `{provider}` cannot be listed: {error}"))
            .ok()
            .filter(Endpoint::lists_models)
            .map(|mut endpoint| {
                let mut query = endpoint.url.query_pairs_mut();
                query.append_pair("client_version", headers::VERSION);
                drop(query);
                endpoint
            });
        Catalog {
            listed: RwLock::default(),
            source: Some(Source {
                cache: home.join("models_cache.json"),
                provider: provider.to_owned(),
                endpoint,
                known: Arc::default(),
            }),
        }
    }

    /// The models that are known now.
    pub fn list(&self) -> ModelList {
        self.listed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The facts about the model called `name`, see [`ModelList::find`].
    pub fn find(&self, name: &str) -> ModelInfo {
        self.list().find(name)
    }

    /// Sees to it that what is known is not too old, as far as anything can be done about it.
    pub async fn refresh(&self, asker: &Asker) {
        let Some(source) = &self.source else { return };
        let came = Instant::now();
        let mut known = source.known.lock().await;
        if known.asked.is_some_and(|asked| asked > came) {
            return;
        }
        self.take_cache(source, &mut known).await;
        let fresh = known.fetched_at.is_some_and(is_fresh);
        if !fresh && is_over(known.silent_until) {
            self.ask(source, &mut known, asker).await;
        }
    }

    /// An answer of `provider` said which version its list has. A new one is asked for aside.
    pub fn heard_of(self: &Arc<Self>, provider: &str, etag: &str, identity: &RequestIdentity) {
        let Some(source) = self.source.as_ref().filter(|source| source.provider == provider) else {
            return;
        };
        // Whoever has it is at it already; the next answer tells it again.
        let Ok(mut known) = Arc::clone(&source.known).try_lock_owned() else {
            return;
        };
        let same = known.etag.as_deref() == Some(etag);
        let age = known
            .fetched_at
            .map(|fetched| Utc::now().signed_duration_since(fetched));
        let due = match same {
            true => age.is_some_and(|age| age >= RENEWED_AFTER),
            false => source.endpoint.is_some() && is_over(known.failed_until),
        };
        if !due {
            return;
        }
        let (catalog, asker) = (Arc::clone(self), Asker::from(identity));
        tokio::spawn(async move {
            let Some(source) = &catalog.source else { return };
            match same {
                true => renew(source, &mut known).await,
                false => catalog.ask(source, &mut known, &asker).await,
            }
        });
    }

    /// Takes over what the cache says, if it has changed.
    async fn take_cache(&self, source: &Source, known: &mut Known) {
        let (path, before) = (source.cache.clone(), known.stamp);
        let read = tokio::task::spawn_blocking(move || {
            let stamp = Stamp::of(&path);
            (stamp != before).then(|| (stamp, Cached::read(&path, headers::VERSION)))
        });
        let Ok(Some((stamp, cached))) = read.await else { return };
        known.stamp = stamp;
        known.fetched_at = None;
        if let Some(cached) = cached.filter(Cached::is_fresh) {
            known.fetched_at = Some(cached.fetched_at);
            known.etag = cached.etag;
            self.take_over(&cached.models);
        }
    }

    /// Asks the provider, and keeps what it says.
    async fn ask(&self, source: &Source, known: &mut Known, asker: &Asker) {
        let Some(endpoint) = &source.endpoint else { return };
        let asked = tokio::time::timeout(PATIENCE, fetch(endpoint, asker)).await;
        known.asked = Some(Instant::now());
        let later = Instant::now().checked_add(PAUSE);
        let (catalog, etag) = match asked {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => {
                tracing::warn!("the models of `{}` could not be listed: {error}", source.provider);
                known.failed_until = later;
                return;
            }
            Err(_) => {
                tracing::warn!("`{}` did not list its models in time", source.provider);
                (known.failed_until, known.silent_until) = (later, later);
                return;
            }
        };
        (known.failed_until, known.silent_until) = (None, None);
        self.take_over(&catalog.models);
        let cached = Cached::now(catalog.models, etag, headers::VERSION);
        known.fetched_at = Some(cached.fetched_at);
        known.etag.clone_from(&cached.etag);
        keep(source, known, cached).await;
    }

    /// What is told counts more than what is bundled, and is added to it.
    fn take_over(&self, told: &[CatalogModel]) {
        let mut models = table::models();
        for model in told.iter().map(ModelInfo::from) {
            match models.iter_mut().find(|known| known.slug == model.slug) {
                Some(known) => *known = model,
                None => models.push(model),
            }
        }
        *self.listed.write().unwrap_or_else(PoisonError::into_inner) = ModelList::new(models, true);
    }
}

fn is_over(pause: Option<Instant>) -> bool {
    pause.is_none_or(|until| Instant::now() >= until)
}

/// The list of the home has not changed: it counts from now on.
async fn renew(source: &Source, known: &mut Known) {
    let path = source.cache.clone();
    let read = tokio::task::spawn_blocking(move || Cached::read(&path, headers::VERSION)).await;
    if let Ok(Some(mut cached)) = read {
        cached.fetched_at = Utc::now();
        known.fetched_at = Some(cached.fetched_at);
        keep(source, known, cached).await;
    }
}

/// Writes the cache. A home that cannot be written costs the next process a request.
async fn keep(source: &Source, known: &mut Known, cached: Cached) {
    let path = source.cache.clone();
    let written = tokio::task::spawn_blocking(move || {
        if let Err(error) = cached.write(&path) {
            tracing::warn!("{} could not be written: {error}", path.display());
        }
        Stamp::of(&path)
    });
    if let Ok(stamp) = written.await {
        known.stamp = stamp;
    }
}

async fn fetch(endpoint: &Endpoint, asker: &Asker) -> Result<(ModelsResponse, Option<String>), ModelError> {
    let headers = headers::asking(&endpoint.headers, &asker.originator, &asker.user_agent);
    let mut response = endpoint.get(headers).await?;
    if !response.status().is_success() {
        return Err(endpoint.refusal(response).await);
    }
    let etag = headers::text(response.headers(), "etag");
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| ModelError::disconnected(error.without_url().to_string());
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        body.extend_from_slice(&chunk);
        if body.len() > LIMIT {
            return Err(ModelError::Provider("the list of models is too large".to_owned()));
        }
    }
    let catalog = serde_json::from_slice(&body)
        .map_err(|error| ModelError::Provider(format!("the list of models is not readable: {error}")))?;
    Ok((catalog, etag))
}
