//! The models of a catalog at one moment: looking up a name, and the order in which lists show them.

use std::borrow::Cow;
use std::sync::Arc;

use super::{DEFAULT_MODEL, ModelInfo, REHEARSAL, table};

/// The models that are known. A copy is the same list; two lists are equal when one is a copy of the other.
#[derive(Debug, Clone)]
pub struct ModelList(Arc<Models>);

#[derive(Debug)]
struct Models {
    known: Vec<ModelInfo>,
    /// Whether the offline model is shown among them.
    rehearsal: bool,
}

impl ModelList {
    /// The list of these models. `rehearsal`: lists show the offline model, too. It is found either way.
    pub(super) fn new(mut known: Vec<ModelInfo>, rehearsal: bool) -> Self {
        known.sort_by_key(|model| model.priority);
        ModelList(Arc::new(Models { known, rehearsal }))
    }

    /// The facts about the model called `name`. Never fails: see [`ModelInfo::fallback`].
    pub fn find(&self, name: &str) -> ModelInfo {
        match self.lookup(name).or_else(|| self.lookup(bare(name)?)) {
            Some(known) => ModelInfo {
                slug: Cow::Owned(name.to_owned()),
                ..known.clone()
            },
            None => table::fallback(name),
        }
    }

    /// The models that can be had, in the order of lists; hidden ones are among them.
    pub fn available(&self) -> impl Iterator<Item = &ModelInfo> {
        let rehearsal = self.0.rehearsal.then_some(&*REHEARSAL);
        self.0.known.iter().filter(|model| model.in_api).chain(rehearsal)
    }

    /// The models that are offered to everybody.
    pub fn visible(&self) -> impl Iterator<Item = &ModelInfo> {
        self.available().filter(|model| model.visible)
    }

    /// Whether a model of exactly this name can be had.
    pub fn has(&self, name: &str) -> bool {
        self.available().any(|model| model.slug == name)
    }

    /// The model of threads for which nobody chose one.
    pub fn default_model(&self) -> &str {
        let first = self.visible().next().or_else(|| self.available().next());
        first.map_or(DEFAULT_MODEL, |model| &model.slug)
    }

    fn lookup(&self, name: &str) -> Option<&ModelInfo> {
        let mut best: Option<&ModelInfo> = None;
        for model in self.0.known.iter().chain([&*REHEARSAL]) {
            let longer = best.is_none_or(|best| model.slug.len() > best.slug.len());
            if longer && name.starts_with(&*model.slug) {
                best = Some(model);
            }
        }
        best
    }
}

impl Default for ModelList {
    fn default() -> Self {
        table::bundled().clone()
    }
}

impl PartialEq for ModelList {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ModelList {}

/// A name without its namespace, if that looks like one.
fn bare(name: &str) -> Option<&str> {
    let (namespace, bare) = name.split_once('/')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_one = !namespace.is_empty() && namespace.chars().all(plain) && !bare.contains('/');
    is_one.then_some(bare)
}
