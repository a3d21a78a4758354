//! Tools as functions, and the way back from a called function to the tool.
//!
//! Chat Completions knows functions only. A tool that takes free text becomes a function with one string, `input`; the
//! tools of a namespace become functions named `namespace__tool`; tools that a provider hosts have no counterpart.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The longest name that a function may have.
const LONGEST_NAME: usize = 64;

/// One entry of the request's `tools`.
#[derive(Debug, Serialize)]
pub(super) struct Function {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Definition,
}

#[derive(Debug, Serialize)]
struct Definition {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    parameters: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// The tools of a request.
#[derive(Debug, Default)]
pub(super) struct Tools {
    functions: Vec<Function>,
    by_name: HashMap<String, Called>,
}

/// The tool behind a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Called {
    /// A function tool.
    Function {
        /// Its namespace.
        namespace: Option<String>,
        /// Its name there.
        name: String,
    },
    /// A tool that takes free text.
    Freeform(String),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Spec {
    Function(FunctionSpec),
    Custom {
        name: String,
        #[serde(default)]
        description: String,
        #[serde(default)]
        format: Value,
    },
    Namespace {
        name: String,
        #[serde(default)]
        tools: Vec<FunctionSpec>,
    },
    #[serde(other)]
    Hosted,
}

#[derive(Deserialize)]
struct FunctionSpec {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Option<Value>,
    #[serde(default)]
    strict: Option<bool>,
}

impl Tools {
    /// Reads the `tools` of a Responses request.
    pub(super) fn read(specs: &RawValue) -> Self {
        let mut tools = Tools::default();
        // They are our own; what is not among them cannot be called.
        for spec in serde_json::from_str::<Vec<Spec>>(specs.get()).unwrap_or_default() {
            match spec {
                Spec::Function(spec) => tools.function(None, spec),
                Spec::Namespace { name, tools: members } => {
                    for spec in members {
                        tools.function(Some(&name), spec);
                    }
                }
                Spec::Custom {
                    name,
                    description,
                    format,
                } => tools.freeform(name, &description, &format),
                Spec::Hosted => {}
            }
        }
        tools
    }

    /// The functions, in the order of the tools.
    pub(super) fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The tool that a function stands for. What nobody offered is taken for a function of that name: whoever looks for
    /// the tool says that there is none.
    pub(super) fn called(&self, function: &str) -> Called {
        let known = self.by_name.get(function).cloned();
        known.unwrap_or_else(|| Called::Function {
            namespace: None,
            name: function.to_owned(),
        })
    }

    fn function(&mut self, namespace: Option<&str>, spec: FunctionSpec) {
        let empty = || json!({"type": "object", "properties": {}});
        let called = Called::Function {
            namespace: namespace.map(str::to_owned),
            name: spec.name.clone(),
        };
        self.add(
            called,
            Definition {
                name: flat(namespace, &spec.name),
                description: spec.description,
                parameters: spec.parameters.filter(Value::is_object).unwrap_or_else(empty),
                strict: spec.strict.filter(|strict| *strict),
            },
        );
    }

    fn freeform(&mut self, name: String, description: &str, format: &Value) {
        let mut description = description.to_owned();
        if let Some(grammar) = format["definition"].as_str() {
            let syntax = format["syntax"].as_str().unwrap_or("lark");
            description.push_str(&format!("\n\n`input` follows this {syntax} grammar:\n{grammar}"));
        }
        let input = json!({"type": "string", "description": "The whole input of the tool, as it is."});
        self.add(
            Called::Freeform(name.clone()),
            Definition {
                name,
                description,
                parameters: json!({"type": "object", "properties": {"input": input}, "required": ["input"],
                    "additionalProperties": false}),
                strict: None,
            },
        );
    }

    fn add(&mut self, called: Called, definition: Definition) {
        self.by_name.insert(definition.name.clone(), called);
        self.functions.push(Function {
            kind: "function",
            function: definition,
        });
    }
}

/// The function's name for a tool of a namespace: as long as a name may be, the same for the same tool always.
pub(super) fn flat(namespace: Option<&str>, name: &str) -> String {
    let Some(namespace) = namespace else {
        return name.to_owned();
    };
    let whole = format!("{namespace}__{name}");
    if whole.len() <= LONGEST_NAME {
        return whole;
    }
    let digest = Sha256::digest(whole.as_bytes());
    let tail: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let head = whole.floor_char_boundary(LONGEST_NAME - tail.len() - 1);
    format!("{}_{tail}", &whole[..head])
}

/// The arguments of the function that stands for a tool that takes free text.
pub(super) fn freeform_arguments(input: &str) -> String {
    json!({ "input": input }).to_string()
}

/// The free text of such a call. A model that wrote the text itself, without an object around it, is understood too.
pub(super) fn freeform_input(arguments: &str) -> String {
    #[derive(Deserialize)]
    struct Arguments {
        input: String,
    }
    let read = serde_json::from_str::<Arguments>(arguments);
    read.map_or_else(|_| arguments.to_owned(), |arguments| arguments.input)
}

/// A JSON value as text that is not encoded again.
pub(super) fn raw(value: &Value) -> Option<Box<RawValue>> {
    to_raw_value(value).ok()
}
