//! Query, and JSON of a service that came from it: from the request to the reply.

use serde::{Deserialize, Serialize};

use super::*;
use crate::query::{Name, Query};
use crate::rules::Rule;
use crate::service::Endpoint;

const TOY: Query = Query {
    version: "2012-11-05",
    xml_namespace: "http://toy/doc/",
    error_namespace: "com.example.toy",
    path_member: Some("Url"),
    inputs: &[Name::map("Attributes", "Attribute", "Name", "Value")],
    outputs: &[Name::list("Names", "Name")],
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SayInput {
    url: Option<String>,
    times: i32,
    #[serde(default)]
    attributes: std::collections::BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SayOutput {
    url: Option<String>,
    names: Vec<String>,
}

async fn say(_: Arc<Echo>, _: Caller, input: SayInput) -> Result<SayOutput, ServiceError> {
    let times = usize::try_from(input.times).unwrap();
    let names = vec![input.attributes.into_keys().collect::<Vec<_>>(); times].concat();
    Ok(SayOutput {
        url: input.url,
        names,
    })
}

async fn gone(_: Arc<Echo>, _: Caller, (): ()) -> Result<(), ServiceError> {
    let error = ServiceError::sender("QueueDoesNotExist", "There is <none>.");
    Err(error.with_query_code("Toy.NonExistentQueue"))
}

async fn directly(_: Arc<Echo>, _: Caller, request: RawRequest) -> Result<RawReply, ServiceError> {
    assert_eq!(request.format, crate::Format::Json);
    Ok(RawReply::from(Bytes::from_static(b"{\"direct\":true}")))
}

const RULES: &[Rule] = &[Rule::at("Times").required().range(1, 3)];

fn toy() -> Endpoint {
    Operations::new("toy", "Toy")
        .query(&TOY)
        .on("Say", RULES, say)
        .on("SayFast", RULES, say)
        .direct(directly)
        .on("Gone", &[], gone)
        .on("Nothing", &[], nothing)
        .raw("Raw", raw)
        .event_stream("Events", &[], events)
        .planned("Later")
        .serve(Arc::new(Echo))
}

fn toys() -> Router {
    let echo = Operations::new("echo", "Echo_2026").on("Say", &[], nothing);
    Router::new([toy(), echo.serve(Arc::new(Echo))]).clock(Clock::manual(NOW))
}

fn form(path: &str) -> Parts {
    let request = Request::post(format!("http://localhost:4566{path}"))
        .header("host", "localhost:4566")
        .header(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        );
    request.body(()).unwrap().into_parts().0
}

fn get(path: &str) -> Parts {
    let request =
        Request::get(format!("http://localhost:4566{path}")).header("host", "localhost:4566");
    request.body(()).unwrap().into_parts().0
}

async fn text(router: Router, parts: Parts, body: &[u8]) -> (ResponseParts, String) {
    let (head, body) = ask(router, parts, body).await;
    (head, String::from_utf8(body.to_vec()).unwrap())
}

async fn check(parts: Parts, body: &str, status: u16, within: &str) {
    let (head, found) = text(toys(), parts, body.as_bytes()).await;
    assert!(found.contains(within), "{found}");
    assert_eq!(head.status, status, "{found}");
    assert_eq!(head.headers["content-type"], "text/xml");
    let id = head.headers["x-amzn-requestid"].to_str().unwrap();
    assert!(
        found.contains(&format!("<RequestId>{id}</RequestId>")),
        "{found}"
    );
}

const SAID: &str =
    "<SayResponse xmlns=\"http://toy/doc/\"><SayResult><Name>a</Name><Name>b</Name></SayResult>";

#[tokio::test]
async fn forms_and_urls_name_the_operation() {
    let input =
        "Times=1&Attribute.1.Name=a&Attribute.1.Value=1&Attribute.2.Name=b&Attribute.2.Value=2";
    check(form("/"), &format!("Action=Say&{input}"), 200, SAID).await;
    check(form("/?Action=Say"), input, 200, SAID).await;
    check(get(&format!("/?Action=Say&{input}")), "", 200, SAID).await;
    let mut bare = form(&format!("/?Action=Say&{input}"));
    bare.headers.remove("content-type");
    check(bare, "", 200, SAID).await;
    let nothing = "<NothingResponse xmlns=\"http://toy/doc/\"><ResponseMetadata>";
    check(form("/"), "Action=Nothing", 200, nothing).await;
}

#[tokio::test]
async fn the_url_stands_for_its_member() {
    let url = "<Url>http://localhost:4566/000000000000/q</Url>";
    check(form("/000000000000/q"), "Action=Say&Times=1", 200, url).await;
    check(get("/000000000000/q?Action=Say&Times=1"), "", 200, url).await;
    let said = "Action=Say&Times=1&Url=http%3A%2F%2Fother%2Fq";
    check(
        form("/000000000000/q"),
        said,
        200,
        "<Url>http://other/q</Url>",
    )
    .await;
}

#[tokio::test]
async fn errors_are_told_in_xml() {
    let error = |code: &str, message: &str| {
        format!(
            "<ErrorResponse xmlns=\"http://toy/doc/\"><Error><Type>Sender</Type><Code>{code}</Code>\
             <Message>{message}</Message><Detail/></Error><RequestId>"
        )
    };
    let gone = error("Toy.NonExistentQueue", "There is &lt;none&gt;.");
    check(form("/"), "Action=Gone", 400, &gone).await;
    let text = error("MalformedInput", "For input string: &quot;x&quot;");
    check(form("/"), "Action=Say&Times=x", 400, &text).await;
    let range =
        "<Code>ValidationError</Code><Message>1 validation error detected: Value '4' at 'times'";
    check(form("/"), "Action=Say&Times=4", 400, range).await;
    let unsupported =
        "<Code>InvalidAction</Code><Message>Raw of toy is not supported in the Query protocol";
    check(form("/"), "Action=Raw", 400, unsupported).await;
    check(
        form("/"),
        "Action=Events",
        400,
        "<Code>InvalidAction</Code>",
    )
    .await;
    let later = "<Message>Later of toy is not supported by this server yet</Message>";
    check(form("/"), "Action=Later", 400, later).await;
    let deep = format!("Action=Say&{}=1", "a.".repeat(40));
    check(form("/"), &deep, 404, "<Code>MalformedQueryString</Code>").await;
    check(
        form("/"),
        "Action=%ff",
        404,
        "<Code>MalformedQueryString</Code>",
    )
    .await;
    check(form("/"), "Times=1", 400, "<Code>MissingAction</Code>").await;
    let unknown = "<Code>InvalidAction</Code><Message>The action Fly is not valid for this endpoint.</Message>";
    check(form("/"), "Action=Fly", 400, unknown).await;
    let versioned = "<ErrorResponse xmlns=\"http://toy/doc/\">";
    check(form("/"), "Action=Fly&Version=2012-11-05", 400, versioned).await;
}

#[tokio::test]
async fn a_service_without_query_is_not_reached_by_it() {
    let parts = form("/");
    let (head, _) = ask(router(), parts, b"Action=Echo&Name=a").await;
    assert_eq!(head.status, 403);
    check(
        form("/"),
        "Action=Echo&Name=a",
        400,
        "<Code>InvalidAction</Code>",
    )
    .await;
}

#[tokio::test]
async fn of_two_services_the_one_meant_answers() {
    let other = Query {
        version: "2020-01-01",
        xml_namespace: "http://other/",
        ..TOY
    };
    let other: &'static Query = Box::leak(Box::new(other));
    let which = async |parts: Parts, body: &str| {
        let second = Operations::new("other", "Other").query(other);
        let second = second.on("Say", &[], nothing).on("Own", &[], nothing);
        let router = Router::new([toy(), second.serve(Arc::new(Echo))]);
        let (_, found) = text(router, parts, body.as_bytes()).await;
        let namespaces = ["http://toy/doc/", "http://other/"];
        namespaces.map(|namespace| found.contains(namespace))
    };
    let (toy, other, none) = ([true, false], [false, true], [false, false]);
    assert_eq!(which(form("/"), "Action=Say&Version=2012-11-05").await, toy);
    assert_eq!(
        which(form("/"), "Action=Say&Version=2020-01-01").await,
        other
    );
    assert_eq!(which(form("/"), "Action=Own").await, other);
    assert_eq!(which(form("/"), "Action=Say").await, none);
    let mut scoped = form("/");
    let header = "AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1/other/aws4_request, x";
    scoped
        .headers
        .insert("authorization", header.parse().unwrap());
    assert_eq!(which(scoped, "Action=Say&Version=2012-11-05").await, other);
    let presigned = "/?X-Amz-Credential=a%2F20150830%2Fus-east-1%2Fother%2Faws4_request&Action=Say";
    assert_eq!(which(get(presigned), "").await, other);
}

const JSON10: &str = "application/x-amz-json-1.0";

fn json(operation: &str) -> Parts {
    let request = Request::post("http://localhost:4566/")
        .header("content-type", JSON10)
        .header("x-amz-target", format!("Toy.{operation}"));
    request.body(()).unwrap().into_parts().0
}

#[tokio::test]
async fn json_tells_both_names_of_an_error() {
    let (head, found) = text(toys(), json("Gone"), b"{}").await;
    assert_eq!(
        found,
        r#"{"__type":"com.example.toy#QueueDoesNotExist","message":"There is <none>."}"#
    );
    assert_eq!(head.status, 400);
    assert_eq!(head.headers["content-type"], JSON10);
    assert_eq!(
        head.headers["x-amzn-query-error"],
        "Toy.NonExistentQueue;Sender"
    );
    let (head, found) = text(toys(), json("Fly"), b"{}").await;
    assert!(
        found.contains("com.amazon.coral.service#UnknownOperationException"),
        "{found}"
    );
    assert_eq!(head.headers["x-amzn-query-error"], "InvalidAction;Sender");
    let (head, _) = ask(router(), request(JSON, "Fail"), b"{}").await;
    assert!(!head.headers.contains_key("x-amzn-query-error"));
}

#[tokio::test]
async fn bytes_go_to_the_direct_handler_and_parameters_to_the_other() {
    let (head, found) = text(toys(), json("SayFast"), b"{}").await;
    assert_eq!((head.status.as_u16(), &*found), (200, r#"{"direct":true}"#));
    let fast = "<SayFastResult><Name>a</Name></SayFastResult>";
    let body = "Action=SayFast&Times=1&Attribute.1.Name=a&Attribute.1.Value=1";
    check(form("/"), body, 200, fast).await;
}

fn toys_that_check() -> Router {
    let keys = Keys::from_iter([("key".to_owned(), "secret".to_owned())]);
    toys().auth(Auth::On(Verifier::new(keys)))
}

fn sign_for_toy(mut parts: Parts, body: &[u8]) -> Parts {
    let credentials = Credentials {
        access_key: "key".to_owned(),
        secret_key: "secret".to_owned(),
        session_token: None,
    };
    sign(
        &mut parts,
        body,
        &credentials,
        &Region::unnamed(),
        "toy",
        NOW,
    );
    parts
}

#[tokio::test]
async fn signatures_of_forms_and_urls_are_checked() {
    let body = b"Action=Nothing&A=%20x";
    let signed = sign_for_toy(form("/0/q"), body);
    let (head, found) = text(toys_that_check(), signed.clone(), body).await;
    assert_eq!(head.status, 200, "{found}");
    let (head, found) = text(toys_that_check(), signed, b"Action=Nothing&A=%20y").await;
    assert_eq!(head.status, 403);
    assert!(
        found.contains("<Code>SignatureDoesNotMatch</Code>"),
        "{found}"
    );
    let signed = sign_for_toy(get("/0/q?Action=Nothing&B=2&A=%C3%BC"), b"");
    let (head, found) = text(toys_that_check(), signed, b"").await;
    assert_eq!(head.status, 200, "{found}");
    let (head, found) = text(toys_that_check(), form("/"), b"Action=Nothing").await;
    assert_eq!(head.status, 403);
    assert!(
        found.contains("<Code>MissingAuthenticationToken</Code>"),
        "{found}"
    );
}

/// Signed by botocore 1.43.11: `SigV4QueryAuth(Credentials("key", "secret"), "toy", "us-east-1", expires=300)`.
#[tokio::test]
async fn presigned_urls_are_checked() {
    let url = "/0/q?Action=Nothing&Version=2012-11-05&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=key%2F20150830%2Fus-east-1%2Ftoy%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=d310381dfb5acfc6903619eaa45a6f0f35fd3b79974cc7f37dea4096de1ec287";
    let (head, found) = text(toys_that_check(), get(url), b"").await;
    assert_eq!(head.status, 200, "{found}");
    let forged = url.replace("Action=Nothing", "Action=Gone");
    let (head, found) = text(toys_that_check(), get(&forged), b"").await;
    assert_eq!(head.status, 403, "{found}");
    assert!(
        found.contains("<Code>SignatureDoesNotMatch</Code>"),
        "{found}"
    );
}
