//! Contexts and items for tests, from JSON.

use std::collections::BTreeMap;

use super::Context;
use crate::dynamodb::Invalid;
use crate::dynamodb::value::{self, AttributeValues, Item};

/// An item from its wire form.
pub(crate) fn item(json: &str) -> Item {
    let sent: AttributeValues = serde_json::from_str(json).unwrap();
    value::item(sent).unwrap()
}

/// Names and values in two objects; `{}` for none.
pub(crate) fn context(names: &str, values: &str) -> Context {
    try_context(names, values).unwrap()
}

pub(crate) fn try_context(names: &str, values: &str) -> Result<Context, Invalid> {
    let names: BTreeMap<String, String> = serde_json::from_str(names).unwrap();
    let values: AttributeValues = serde_json::from_str(values).unwrap();
    Context::new(
        (!names.is_empty()).then_some(names),
        (!values.is_empty()).then_some(values),
    )
}

/// Names and values that most tests have enough of.
pub(crate) fn usual() -> Context {
    let names = r##"{"#a": "a", "#b": "b", "#c": "c", "#d": "[3]", "#n": "name"}"##;
    let values = r#"{
        ":s": {"S": "text"}, ":t": {"S": "te"}, ":e": {"S": ""}, ":x": {"S": "SS"},
        ":n": {"N": "1"}, ":m": {"N": "2"}, ":f": {"N": "5"},
        ":b": {"B": "YQ=="}, ":yes": {"BOOL": true}, ":null": {"NULL": true},
        ":ss": {"SS": ["a", "b"]}, ":ns": {"NS": ["1"]}, ":bs": {"BS": ["YQ=="]},
        ":l": {"L": [{"N": "9"}]}, ":map": {"M": {"k": {"S": "v"}}}
    }"#;
    context(names, values)
}
