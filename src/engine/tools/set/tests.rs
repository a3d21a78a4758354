//! What is offered, and in which order.

use serde_json::json;

use super::*;

fn offered(set: &ToolSet, offer: &ToolOffer) -> Vec<String> {
    let specs: Vec<Value> = serde_json::from_str(set.specs(offer).get()).unwrap();
    let name = |spec: &Value| {
        spec.get("name")
            .or(spec.get("type"))
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    };
    specs.iter().map(name).collect()
}

fn declared(namespace: Option<&str>, name: &str) -> DynamicToolSpec {
    DynamicToolSpec {
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
        input_schema: json!({"type": "object"}),
        ..DynamicToolSpec::default()
    }
}

#[test]
fn a_clients_tools_stand_between_the_built_in_ones_and_the_search() {
    let tools = [
        declared(None, "zz"),
        declared(Some("n2"), "zz"),
        declared(None, "aa"),
        declared(Some("n1"), "c"),
        declared(Some("n2"), "c"),
    ];
    let set = ToolSet::with(Vec::new(), &tools);
    let offer = ToolOffer {
        web_search_live: Some(true),
        ..ToolOffer::default()
    };
    assert_eq!(offered(&set, &offer), ["zz", "n2", "aa", "n1", "web_search"]);
    let specs: Vec<Value> = serde_json::from_str(set.specs(&offer).get()).unwrap();
    let members = |spec: &Value| {
        spec["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].clone())
            .collect()
    };
    let members: Vec<Value> = members(&specs[1]);
    assert_eq!(members, ["c", "zz"]);
    assert!(set.find(Some("n1"), "c").is_some());
    assert!(set.find(Some("n1"), "zz").is_none());
    assert!(set.find(None, "c").is_none());
}

#[test]
fn another_offer_is_not_answered_from_memory() {
    let set = ToolSet::with(Vec::new(), &[]);
    let live = ToolOffer {
        web_search_live: Some(true),
        ..ToolOffer::default()
    };
    assert_eq!(offered(&set, &live), ["web_search"]);
    assert!(offered(&set, &ToolOffer::default()).is_empty());
    let cached = ToolOffer {
        web_search_live: Some(false),
        ..ToolOffer::default()
    };
    assert!(set.specs(&cached).get().contains("\"external_web_access\":false"));
}
