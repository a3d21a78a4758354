//! A turn that the user's own command is: no model is asked, unless something is said while the command runs.
//!
//! What other commands of the user that ran beside it had to tell, and what is said after the command has ended but
//! before the turn has, is taken in as in any other turn.

use crate::engine::pending::Pending;
use crate::engine::tools::user_shell;
use crate::engine::turn::task::{Failure, Task};

impl Task {
    /// Runs the command; then, if something was said meanwhile, the model has its turn.
    pub(super) async fn run_shell(&mut self, script: &str) -> Result<(), Failure> {
        let cancel = self.host().cancel.clone();
        self.begin();
        if cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        self.flush().await?;
        let told = user_shell::run(&self.scope, script, cancel.cancelled()).await;
        self.tell(told).await?;
        if cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        loop {
            let mut opened = false;
            for pending in self.host().pending.take() {
                match pending {
                    Pending::Told(item) => self.tell(item).await?,
                    Pending::Input(said) if opened => drop(self.user_message(&said.input).await?),
                    Pending::Input(said) => {
                        opened = true;
                        self.say_first(&said.input, None).await?;
                    }
                }
            }
            if opened {
                return self.steps().await;
            }
            if self.host().pending.close() {
                return Ok(());
            }
        }
    }
}
