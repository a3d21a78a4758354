//! `request_user_input`: the model asks the user one to three short questions while it plans.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::host::Answer;
use crate::engine::tools::{Tool, ToolContext, ToolOffer, ToolOutput, function_spec, parse_arguments};
use crate::protocol::methods::server::ItemToolRequestUserInput;
use crate::protocol::{
    ModeKind, ThreadActiveFlag, ToolRequestUserInputOption, ToolRequestUserInputParams, ToolRequestUserInputQuestion,
};

const NAME: &str = "request_user_input";

/// The feature that opens the tool to the default mode.
const FEATURE: &str = "default_mode_request_user_input";

/// The tool.
pub struct RequestUserInput;

#[derive(Deserialize)]
struct Arguments {
    questions: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    id: String,
    header: String,
    question: String,
    #[serde(default)]
    options: Option<Vec<QuestionOption>>,
}

#[derive(Deserialize)]
struct QuestionOption {
    label: String,
    description: String,
}

impl From<Question> for ToolRequestUserInputQuestion {
    fn from(question: Question) -> Self {
        ToolRequestUserInputQuestion {
            header: question.header,
            id: question.id,
            is_other: true,
            is_secret: false,
            options: question.options.map(|options| {
                let option = |option: QuestionOption| ToolRequestUserInputOption {
                    description: option.description,
                    label: option.label,
                };
                options.into_iter().map(option).collect()
            }),
            question: question.question,
        }
    }
}

impl Tool for RequestUserInput {
    fn name(&self) -> &str {
        NAME
    }

    fn spec(&self, _offer: &ToolOffer) -> Option<Value> {
        let text = |description: &str| json!({"type": "string", "description": description});
        let option = json!({
            "type": "object",
            "properties": {
                "label": text("The choice in one to five words."),
                "description": text("One sentence on what follows from it."),
            },
            "required": ["label", "description"],
            "additionalProperties": false,
        });
        let question = json!({
            "type": "object",
            "properties": {
                "id": text("A snake_case name for the question; the answer carries it."),
                "header": text("A title of at most 12 characters."),
                "question": text("The question, in one sentence."),
                "options": {
                    "type": "array",
                    "description": "Two or three choices that exclude each other. Put the one you would take first and end \
                                    its label with \"(Recommended)\". Do not add a catch-all: the client offers free text.",
                    "items": option,
                },
            },
            "required": ["id", "header", "question", "options"],
            "additionalProperties": false,
        });
        Some(function_spec(
            NAME,
            "Ask the user one to three short questions and wait for the answers. Works in Plan mode only.",
            json!({
                "type": "object",
                "properties": {"questions": {
                    "type": "array",
                    "description": "The questions, one if possible, three at most.",
                    "items": question,
                }},
                "required": ["questions"],
                "additionalProperties": false,
            }),
        ))
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        ask(cx).boxed()
    }
}

async fn ask(cx: ToolContext) -> ToolOutput {
    if cx.turn.services.identity.subagent.is_some() {
        return ToolOutput::text("request_user_input can only be used by the root thread");
    }
    let allowed = cx.turn.services.config.feature(FEATURE);
    if cx.turn.settings.mode != ModeKind::Plan && !allowed {
        return ToolOutput::text("request_user_input is unavailable in Default mode");
    }
    let arguments: Arguments = match parse_arguments(&cx.call) {
        Ok(arguments) => arguments,
        Err(output) => return output,
    };
    let choiceless = |question: &Question| question.options.as_ref().is_none_or(Vec::is_empty);
    if arguments.questions.iter().any(choiceless) {
        return ToolOutput::text("request_user_input requires non-empty options for every question");
    }
    let params = ToolRequestUserInputParams {
        item_id: cx.call.call_id.clone(),
        questions: arguments.questions.into_iter().map(Into::into).collect(),
        thread_id: cx.turn.host.thread_id.to_string(),
        turn_id: cx.turn.host.turn_id.to_string(),
    };
    let flag = Some(ThreadActiveFlag::WaitingOnUserInput);
    match cx.turn.host.ask::<ItemToolRequestUserInput>(&params, flag).await {
        Answer::Given(response) => ToolOutput::text(serde_json::to_string(&response).unwrap_or_default()),
        Answer::Refused(_) | Answer::Malformed(_) => ToolOutput::text(r#"{"answers":{}}"#),
        Answer::Cancelled => ToolOutput::text("request_user_input was cancelled before receiving a response"),
    }
}
