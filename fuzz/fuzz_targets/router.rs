//! A whole request, from its head to its reply: shapes and rules of every kind, in every format.
#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use aws::{
    Blob, Caller, Event, Operations, RawReply, RawRequest, Router, Rule, ServiceError, Timestamp,
};
use futures_util::StreamExt;
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Everything {
    name: String,
    count: Option<i32>,
    wide: Option<i64>,
    share: Option<f64>,
    is_set: Option<bool>,
    data: Option<Blob>,
    at: Option<Timestamp>,
    kind: Option<Kind>,
    list: Option<Vec<Item>>,
    tags: Option<BTreeMap<String, String>>,
    inner: Option<Box<Everything>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    key: String,
    data: Blob,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Kind {
    First,
    Second,
    Holding(Box<Everything>),
}

const RULES: &[Rule] = &[
    Rule::at("Name")
        .required()
        .length(1, 12)
        .pattern("[a-zA-Z0-9_.-]+"),
    Rule::at("Count").range(1, 100),
    Rule::at("Wide").at_least(-5),
    Rule::at("Data").blob(0, 32),
    Rule::at("Kind").one_of(&["First", "Second"]),
    Rule::at("List").length(1, 5).element("Item@1"),
    Rule::at("List.member.Key").required().length(1, 4),
    Rule::at("List.member.Data").required().blob(0, 8),
    Rule::at("Tags").length(0, 3),
    Rule::at("Tags.key").length(1, 4),
    Rule::at("Tags.value").length(0, 4),
    Rule::at("Inner.Name").length(1, 3),
];

static ROUTER: LazyLock<Arc<Router>> = LazyLock::new(|| {
    let operations = Operations::new("echo", "Echo")
        .on("Checked", RULES, echo)
        .on("Loose", &[], echo)
        .raw("Raw", raw)
        .event_stream("Events", RULES, events)
        .planned("Planned");
    Arc::new(Router::new([operations.serve(Arc::new(()))]))
});

thread_local! {
    static RUNTIME: Runtime = fuzz::runtime();
}

async fn echo(_: Arc<()>, _: Caller, input: Everything) -> Result<Everything, ServiceError> {
    Ok(input)
}

async fn raw(_: Arc<()>, _: Caller, request: RawRequest) -> Result<RawReply, ServiceError> {
    let document = request.format.decode(&request.body)?;
    Ok(request.format.encode(&document).into())
}

async fn events(
    _: Arc<()>,
    _: Caller,
    input: Everything,
) -> Result<impl futures_util::Stream<Item = Result<Event, ServiceError>> + use<>, ServiceError> {
    let both = [
        Ok(Event::new("Echo", &input)),
        Err(ServiceError::sender("ValidationException", input.name)),
    ];
    Ok(futures_util::stream::iter(both))
}

fuzz_target!(|data: &[u8]| {
    let Some(request) = fuzz::request(data) else {
        return;
    };
    RUNTIME.with(|runtime| {
        let response = fuzz::answer(runtime, &ROUTER, request);
        let status = response.status().as_u16();
        assert!([200, 400, 403, 404].contains(&status), "{response:?}");
        let body = response.into_body();
        if body.whole().is_none() {
            runtime.block_on(read(body));
        }
    });
});

async fn read(body: aws::Body) {
    let mut body = Box::pin(body);
    let mut frames =
        futures_util::stream::poll_fn(|cx| http_body::Body::poll_frame(body.as_mut(), cx));
    while let Some(Ok(frame)) = frames.next().await {
        let bytes = frame.into_data().expect("events are data");
        let (_, length) = aws::event_stream::decode(&bytes)
            .expect("sound")
            .expect("whole");
        assert_eq!(length, bytes.len());
    }
}
