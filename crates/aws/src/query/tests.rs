//! Parameters in, XML out, with a toy service's names.

use bytes::Bytes;
use http::Uri;
use proptest::prelude::*;
use serde::Deserialize;

use super::parameters::PARAMETERS_MAX;
use super::*;
use crate::caller::RequestId;
use crate::error::ServiceError;
use crate::shapes::{Blob, Timestamp};
use crate::value::{Value, arbitrary, from_value};
use crate::{Checker, Rule, json};

const NAMES: &[Name] = &[
    Name::map("Attributes", "Attribute", "Name", "Value"),
    Name::list("AttributeNames", "AttributeName"),
    Name::list("Entries", "SendEntry").in_operation("Send"),
    Name::list("Entries", "DropEntry").in_operation("Drop"),
    Name::nested_list("Users", "UserSet", "User"),
    Name::nested_map("Labels", "Labels"),
    Name::plain("Inside", "Inner"),
];

const TOY: Query = Query {
    version: "2026-01-01",
    xml_namespace: "http://toy/doc/",
    error_namespace: "com.example.toy",
    path_member: None,
    inputs: NAMES,
    outputs: NAMES,
};

fn read(form: &str) -> Result<Parameters, ServiceError> {
    Parameters::read(&Uri::from_static("/"), form.as_bytes())
}

/// The document of a form, as JSON.
fn document(form: &str) -> String {
    let document = read(form).unwrap().document(&TOY, "Send").unwrap();
    String::from_utf8(json::encode(&document).to_vec()).unwrap()
}

fn check(form: &str, expected: &str) {
    assert_eq!(document(form), expected, "{form}");
}

#[test]
fn parameters_become_members() {
    check("", "{}");
    check(
        "Action=Send&Version=2026-01-01&X-Amz-Date=x&A=1",
        r#"{"A":"1"}"#,
    );
    check("A=a+b%2B%26%C3%BC&B=", r#"{"A":"a b+&ü","B":""}"#);
    check("A.B.C=1&A.B.D=2", r#"{"A":{"B":{"C":"1","D":"2"}}}"#);
    check("Inner.A=1", r#"{"Inside":{"A":"1"}}"#);
    check("A=1&A=2", r#"{"A":"1"}"#);
    check("A&&=&B=2", r#"{"":"","A":"","B":"2"}"#);
}

#[test]
fn lists_are_read_in_the_order_of_their_indexes() {
    check(
        "L.member.2=b&L.member.10=c&L.member.1=a",
        r#"{"L":["a","b","c"]}"#,
    );
    check("L.3=c&L.1=a", r#"{"L":["a","c"]}"#);
    check(
        "L.member.4294967295=x&L.1=y",
        r#"{"L":{"1":"y","member":["x"]}}"#,
    );
    check("L.999999999=x&L.1=y", r#"{"L":["y","x"]}"#);
    check(
        "L.member.1.A=1&L.member.1.B=2",
        r#"{"L":[{"A":"1","B":"2"}]}"#,
    );
    check(
        "AttributeName.1=a&AttributeName.2=b",
        r#"{"AttributeNames":["a","b"]}"#,
    );
    check("AttributeName=All", r#"{"AttributeNames":["All"]}"#);
    check("AttributeName=", r#"{"AttributeNames":[]}"#);
    check("UserSet.User.1=a", r#"{"Users":["a"]}"#);
    check(
        "SendEntry.1.Id=a&SendEntry.2.Id=b",
        r#"{"Entries":[{"Id":"a"},{"Id":"b"}]}"#,
    );
    check("DropEntry.1.Id=a", r#"{"DropEntry":[{"Id":"a"}]}"#);
}

#[test]
fn maps_are_read_by_the_names_of_their_halves() {
    let pair = r#"{"Attributes":{"a":"1","b":"2"}}"#;
    check(
        "Attribute.1.Name=a&Attribute.1.Value=1&Attribute.2.Value=2&Attribute.2.Name=b",
        pair,
    );
    check(
        "Attribute.entry.1.Name=a&Attribute.entry.1.Value=1&Attribute.entry.2.Name=b&Attribute.entry.2.Value=2",
        pair,
    );
    check(
        "Attribute.1.Name=a&Attribute.1.Value.X=1",
        r#"{"Attributes":{"a":{"X":"1"}}}"#,
    );
    check(
        "Attribute.1.Name=a&Attribute.2.Value=lost",
        r#"{"Attributes":{"a":null}}"#,
    );
    check("Attribute=", r#"{"Attributes":{}}"#);
    check("M.entry.1.key=a&M.entry.1.value=1", r#"{"M":{"a":"1"}}"#);
    check(
        "SendEntry.1.Attribute.1.Name=a&SendEntry.1.Attribute.1.Value=1",
        r#"{"Entries":[{"Attributes":{"a":"1"}}]}"#,
    );
}

#[test]
fn what_is_too_much_is_refused() {
    let code = |form: &str| {
        let found = read(form).and_then(|found| found.document(&TOY, "Send"));
        found.map_err(|error| error.code)
    };
    assert_eq!(code("a=%ff").unwrap_err(), "MalformedQueryString");
    assert_eq!(code(&"a.".repeat(16)).unwrap_err(), "MalformedQueryString");
    assert!(code(&format!("{}a", "a.".repeat(15))).is_ok());
    assert!(code(&"a=1&".repeat(PARAMETERS_MAX)).is_ok());
    assert!(code(&"a=1&".repeat(PARAMETERS_MAX + 1)).is_err());
    assert!(Parameters::read(&Uri::from_static("/"), b"a=\xff").is_err());
}

#[test]
fn the_parameters_of_the_url_come_first() {
    let found = Parameters::read(&Uri::from_static("/x?A=1&B=2"), b"A=3&C=4\r\n").unwrap();
    let get = |name| found.get(name);
    assert_eq!(
        [get("A"), get("B"), get("C"), get("D")],
        [Some("1"), Some("2"), Some("4"), None]
    );
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct Everything {
    text: Option<String>,
    small: Option<u8>,
    number: Option<i32>,
    wide: Option<i64>,
    share: Option<f64>,
    truth: Option<bool>,
    blob: Option<Blob>,
    at: Option<Timestamp>,
    list: Option<Vec<i32>>,
}

fn shape(form: &str) -> Result<Everything, String> {
    let document = read(form).unwrap().document(&TOY, "Send").unwrap();
    from_value(document).map_err(|error| error.to_string())
}

#[test]
fn text_is_whatever_the_shape_has() {
    let found = shape(
        "Text=5&Small=255&Number=-7&Wide=9007199254740993&Share=0.5&Truth=true&Blob=aGk%3D\
         &At=2015-08-30T12:36:00.250Z&List.member.1=1&List.member.2=2",
    );
    let expected = Everything {
        text: Some("5".to_owned()),
        small: Some(255),
        number: Some(-7),
        wide: Some(9_007_199_254_740_993),
        share: Some(0.5),
        truth: Some(true),
        blob: Some(Blob(Bytes::from_static(b"hi"))),
        at: Some(Timestamp::from_millis(1_440_938_160_250)),
        list: Some(vec![1, 2]),
    };
    assert_eq!(found, Ok(expected));
    assert_eq!(shape("List=").unwrap().list, Some(Vec::new()));
    for (form, fault) in [
        ("Number=a", "For input string: \"a\""),
        ("Number=", "For input string: \"\""),
        ("Number=1.5", "For input string: \"1.5\""),
        ("Small=256", "For input string: \"256\""),
        ("Number=2147483648", "For input string: \"2147483648\""),
        ("Share=x", "For input string: \"x\""),
        ("Truth=maybe", "'MAYBE' can not be converted to an Boolean"),
        ("At=5", "timestamp must follow ISO8601, got '5'"),
        ("List=1", "Expected list or null"),
        (
            "Text.A=1",
            "Start of structure or map found where not expected.",
        ),
    ] {
        assert_eq!(shape(form), Err(fault.to_owned()), "{form}");
    }
    assert!(shape("Blob=a").is_err());
}

#[test]
fn rules_hold_for_text_that_is_a_number() {
    const RULES: &[Rule] = &[
        Rule::at("Count").range(1, 10),
        Rule::at("Name").length(1, 3),
    ];
    let checker = Checker::new(RULES);
    let broken = |form: &str| {
        let document = read(form).unwrap().document(&TOY, "Send").unwrap();
        checker.check(&document).err().map(|error| error.message)
    };
    assert_eq!(broken("Count=10&Name=abc"), None);
    let fault = "1 validation error detected: Value '11' at 'count' failed to satisfy constraint: \
                 Member must have value less than or equal to 10";
    assert_eq!(broken("Count=11&Name=a").as_deref(), Some(fault));
    assert!(broken("Name=abcd").is_some());
    assert_eq!(broken("Count=x"), None, "left to the shape");
}

fn id() -> RequestId {
    RequestId::from_bits(0)
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn check_answer(document: &str, result: &str) {
    let document = json::decode(document.as_bytes()).unwrap();
    let found = answer(&TOY, "Send", id(), &document);
    let expected = format!(
        "<?xml version=\"1.0\"?><SendResponse xmlns=\"http://toy/doc/\">{result}<ResponseMetadata>\
         <RequestId>{}</RequestId></ResponseMetadata></SendResponse>",
        id()
    );
    assert_eq!(text(&found), expected);
}

#[test]
fn answers_are_written_in_xml() {
    check_answer("null", "");
    check_answer("{}", "<SendResult/>");
    check_answer(
        r#"{"A":"<&>\"","B":true,"C":-3,"D":null,"E":{},"F":"","Inside":{"X":0.5}}"#,
        "<SendResult><A>&lt;&amp;&gt;&quot;</A><B>true</B><C>-3</C><E/><F></F><Inner><X>0.5</X></Inner></SendResult>",
    );
    check_answer(
        r#"{"AttributeNames":["a","b"],"Attributes":{"k":"v"},"Users":["u"],"Labels":{"l":1}}"#,
        "<SendResult><AttributeName>a</AttributeName><AttributeName>b</AttributeName>\
         <Attribute><Name>k</Name><Value>v</Value></Attribute><UserSet><User>u</User></UserSet>\
         <Labels><entry><key>l</key><value>1</value></entry></Labels></SendResult>",
    );
    check_answer(
        r#"{"L":["a",{"B":[]}],"Unknown":{"a<b":1},"Entries":[{"Attributes":{"k":{"X":1}}}]}"#,
        "<SendResult><L><member>a</member><member><B/></member></L>\
         <Unknown><entry><key>a&lt;b</key><value>1</value></entry></Unknown>\
         <SendEntry><Attribute><Name>k</Name><Value><X>1</X></Value></Attribute></SendEntry></SendResult>",
    );
    check_answer(
        r#"{"AttributeNames":[],"Attributes":{}}"#,
        "<SendResult></SendResult>",
    );
}

#[test]
fn scalars_are_written_as_the_wire_has_them() {
    let check = |value: Value, expected: &str| assert_eq!(value.to_text(), expected);
    check(Value::Bytes(Bytes::from_static(b"hi")), "aGk=");
    check(
        Value::Timestamp(Timestamp::from_millis(1_440_938_160_007)),
        "2015-08-30T12:36:00.007Z",
    );
    check(
        Value::Timestamp(Timestamp::from_millis(-1)),
        "1969-12-31T23:59:59.999Z",
    );
    check(
        Value::Timestamp(Timestamp::from_millis(i64::MAX)),
        "1970-01-01T00:00:00.000Z",
    );
}

#[test]
fn errors_have_a_name_in_each_protocol() {
    let gone = ServiceError::sender("QueueDoesNotExist", "No \"such\" queue.")
        .with_query_code("Toy.NonExistent")
        .with_query_status(404);
    assert_eq!(names_of(&gone), ("Toy.NonExistent", 404));
    assert_eq!(
        error_shape(&gone, &TOY),
        "com.example.toy#QueueDoesNotExist"
    );
    assert_eq!(header(&gone).unwrap(), "Toy.NonExistent;Sender");
    let expected = format!(
        "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://toy/doc/\"><Error><Type>Sender</Type>\
         <Code>Toy.NonExistent</Code><Message>No &quot;such&quot; queue.</Message><Detail/></Error>\
         <RequestId>{}</RequestId></ErrorResponse>",
        id()
    );
    assert_eq!(text(&error(TOY.xml_namespace, id(), &gone)), expected);

    let plain = ServiceError::sender("InvalidAttributeName", "").with_status(409);
    assert_eq!(names_of(&plain), ("InvalidAttributeName", 409));
    let named = ServiceError::sender("com.amazon.coral.service#Odd", "").with_query_code("Odd");
    assert_eq!(error_shape(&named, &TOY), "com.amazon.coral.service#Odd");
    assert_eq!(names_of(&named), ("Odd", 400));

    let ours = ServiceError::internal();
    assert_eq!(
        error_shape(&ours, &TOY),
        "com.amazon.coral.service#InternalFailure"
    );
    assert_eq!(header(&ours).unwrap(), "InternalFailure;Receiver");
    let unread = ServiceError::serialization("");
    assert_eq!(names_of(&unread), ("MalformedInput", 400));
}

/// The parameters that make a document: what a client does, in the protocol's ordinary form.
fn parameters_of(prefix: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Map(members) => {
            for (name, value) in members {
                let below = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                parameters_of(&below, value, out);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                parameters_of(&format!("{prefix}.member.{}", index + 1), item, out);
            }
        }
        scalar => out.push((prefix.to_owned(), scalar.to_text().into_owned())),
    }
}

/// Structures with members of sound names, lists of what is not empty, and text at the leaves.
fn sendable() -> impl Strategy<Value = Value> {
    let leaf = any::<String>().prop_map(Value::Untyped);
    let tree = leaf.prop_recursive(3, 24, 4, |inner| {
        let members = prop::collection::btree_map("[A-Z][a-z]{1,3}", inner.clone(), 1..4);
        prop_oneof![
            members.prop_map(|members| Value::Map(members.into_iter().collect())),
            prop::collection::vec(inner, 1..4).prop_map(Value::List),
        ]
    });
    prop::collection::btree_map("[A-Z][a-z]{1,3}", tree, 1..4)
        .prop_map(|members| Value::Map(members.into_iter().collect()))
}

fn encode(pairs: &[(String, String)]) -> String {
    let escape =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    pairs.join("&")
}

proptest! {
    #[test]
    fn documents_round_trip(document in sendable()) {
        let mut pairs = Vec::new();
        parameters_of("", &document, &mut pairs);
        let found = read(&encode(&pairs)).unwrap().document(&TOY, "Send").unwrap();
        prop_assert_eq!(found, document);
    }

    #[test]
    fn garbage_never_panics(form: Vec<u8>, names in "([A-Za-z0-9.=&%+]|Attribute|\\.member|\\.1){0,60}") {
        for form in [form.as_slice(), names.as_bytes()] {
            if let Ok(found) = Parameters::read(&Uri::from_static("/"), form) {
                let _ = found.document(&TOY, "Send");
            }
        }
    }

    #[test]
    fn any_document_can_be_answered(document in arbitrary::document(arbitrary::json_scalar())) {
        let written = answer(&TOY, "Send", id(), &document);
        let text = std::str::from_utf8(&written).unwrap();
        prop_assert_eq!(text.matches('<').count(), text.matches('>').count());
    }
}
