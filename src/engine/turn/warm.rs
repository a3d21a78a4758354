//! Before a thread's first turn: the provider prepares for what is going to be asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::engine::history::History;
use crate::engine::host::TurnHost;
use crate::engine::scope::{ThreadServices, TurnScope};
use crate::engine::settings::TurnSettings;
use crate::engine::turn::request::{StepTemplate, model_info};
use crate::protocol::ThreadId;

/// Has the provider prepare for a turn of a thread that was just loaded, with the settings that it has. For providers that
/// do so; nothing is recorded, and nobody hears of it.
pub async fn warm_up(thread: ThreadId, services: Arc<ThreadServices>, settings: TurnSettings) {
    let (events, _) = mpsc::channel(1);
    let host = TurnHost::new(thread, "".into(), CancellationToken::new(), Default::default(), events);
    let model = Arc::new(model_info(&settings, &services.config, &services.catalog));
    let provider = Arc::clone(&services.provider);
    let request = {
        let scope = TurnScope::new(host, services, Arc::new(settings), model);
        let template = StepTemplate::new(&scope, None, &BTreeMap::new(), None);
        template.request(&History::default(), 0, None)
    };
    provider.warm_up(request).await;
}
