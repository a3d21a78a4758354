//! What the model is told besides the conversation: permissions, environment, AGENTS.md, images.
