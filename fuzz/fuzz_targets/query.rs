//! Query: whatever a form holds, the answer is XML, and a client's fault at worst.
#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use aws::{Blob, Caller, Name, Operations, Query, Router, Rule, ServiceError, Timestamp};
use bytes::Bytes;
use http::Request;
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

const QUERY: Query = Query {
    version: "2026-11-23",
    xml_namespace: "http://fuzz/doc/",
    error_namespace: "com.example.fuzz",
    path_member: Some("Name"),
    inputs: NAMES,
    outputs: NAMES,
};

const NAMES: &[Name] = &[
    Name::map("Tags", "Tag", "Key", "Value"),
    Name::nested_map("Labels", "Label"),
    Name::list("List", "Item"),
    Name::nested_list("Numbers", "NumberSet", "Number"),
    Name::plain("Inner", "Inside"),
];

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Everything {
    name: Option<String>,
    count: Option<i32>,
    wide: Option<i64>,
    share: Option<f64>,
    is_set: Option<bool>,
    data: Option<Blob>,
    at: Option<Timestamp>,
    list: Option<Vec<Everything>>,
    numbers: Option<Vec<u8>>,
    tags: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, Everything>>,
    inner: Option<Box<Everything>>,
}

const RULES: &[Rule] = &[
    Rule::at("Count").range(1, 100),
    Rule::at("Data").blob(0, 32),
    Rule::at("List").length(1, 5),
    Rule::at("List.member.Name").required().length(1, 4),
    Rule::at("Tags.key").length(1, 4),
];

static ROUTER: LazyLock<Arc<Router>> = LazyLock::new(|| {
    let operations = Operations::new("fuzz", "Fuzz")
        .query(&QUERY)
        .on("Echo", RULES, echo)
        .on("Loose", &[], echo);
    Arc::new(Router::new([operations.serve(Arc::new(()))]))
});

thread_local! {
    static RUNTIME: Runtime = fuzz::runtime();
}

async fn echo(_: Arc<()>, _: Caller, input: Everything) -> Result<Everything, ServiceError> {
    Ok(input)
}

fuzz_target!(|data: &[u8]| {
    for target in ["/", "/0/q?Action=Loose"] {
        let request = Request::post(target)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(())
            .expect("a sound head");
        let (parts, ()) = request.into_parts();
        let body = Bytes::copy_from_slice(data);
        let response = RUNTIME.with(|runtime| fuzz::answer(runtime, &ROUTER, (parts, body)));
        let status = response.status().as_u16();
        assert!([200, 400, 404].contains(&status), "{response:?}");
        let body = response.into_body();
        let text = std::str::from_utf8(body.whole().expect("whole")).expect("UTF-8");
        check_xml(text);
    }
});

/// Elements must nest, and text must be escaped.
fn check_xml(text: &str) {
    let text = text
        .strip_prefix("<?xml version=\"1.0\"?>")
        .expect("a declaration");
    let mut open = Vec::new();
    for piece in text.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "{text}");
        let name = tag.split(' ').next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed)),
            None if name.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
