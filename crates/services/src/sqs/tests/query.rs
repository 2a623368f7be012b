//! The same operations in Query: forms and URLs in, XML out.

use http::Method;

use super::*;

/// What is answered to a request in Query: the status, and the XML without what is of every answer.
async fn ask(world: &World, method: Method, uri: &str, form: &str) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "queues.example:1234")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .header(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={ACCOUNT}/20231114/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00"
            ),
        )
        .header("x-amz-date", "20231114T221320Z")
        .body(())
        .unwrap();
    let (parts, ()) = request.into_parts();
    let peer = Peer {
        address: ([127, 0, 0, 1], 1).into(),
        secure: true,
    };
    let body = Bytes::copy_from_slice(form.as_bytes());
    let response = Arc::clone(&world.router).answer(parts, body, peer).await;
    let xml = String::from_utf8(response.body().whole().unwrap().to_vec()).unwrap();
    (response.status().as_u16(), xml)
}

/// Asserts that a form is answered with XML that holds all of `parts`.
async fn posted(world: &World, path: &str, form: &str, parts: &[&str]) {
    let (status, xml) = ask(world, Method::POST, path, form).await;
    assert_eq!(status, 200, "{form}: {xml}");
    for part in parts {
        assert!(xml.contains(part), "{form}: {part} in {xml}");
    }
}

#[tokio::test]
async fn queues_are_made_and_set_by_forms() {
    let world = world();
    let form = "Action=CreateQueue&Version=2012-11-05&QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=7\
                &Attribute.2.Name=VisibilityTimeout&Attribute.2.Value=8&Tag.1.Key=a&Tag.1.Value=b+c";
    let url = "https://queues.example:1234/123456789012/q";
    posted(
        &world,
        "/",
        form,
        &[&format!(
            "<CreateQueueResult><QueueUrl>{url}</QueueUrl></CreateQueueResult>"
        )],
    )
    .await;
    let tags = "<Tag><Key>a</Key><Value>b c</Value></Tag>";
    posted(&world, "/123456789012/q", "Action=ListQueueTags", &[tags]).await;
    let form = "Action=SetQueueAttributes&Attribute.1.Name=DelaySeconds&Attribute.1.Value=9";
    posted(
        &world,
        "/123456789012/q",
        form,
        &["<SetQueueAttributesResponse"],
    )
    .await;
    let uri = "/123456789012/q?Action=GetQueueAttributes&AttributeName.1=DelaySeconds&AttributeName.2=VisibilityTimeout";
    let (status, xml) = ask(&world, Method::GET, uri, "").await;
    assert_eq!(status, 200);
    for (name, value) in [("DelaySeconds", "9"), ("VisibilityTimeout", "8")] {
        let attribute = format!("<Attribute><Name>{name}</Name><Value>{value}</Value></Attribute>");
        assert!(xml.contains(&attribute), "{xml}");
    }
}

#[tokio::test]
async fn the_rest_of_the_control_plane_speaks_query() {
    let world = world();
    for name in ["q", "dead"] {
        world.plain(name).await;
    }
    let q = "/123456789012/q";
    let form = "Action=AddPermission&Label=l&AWSAccountId.1=111111111111&ActionName.1=SendMessage&ActionName.2=*";
    posted(&world, q, form, &["<AddPermissionResponse", "<RequestId>"]).await;
    let told = world.attributes(&world.url("q"), &["Policy"]).await;
    let policy: Value = serde_json::from_str(told["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(
        policy["Statement"][0]["Action"],
        json!(["SQS:SendMessage", "SQS:*"])
    );
    posted(&world, q, "Action=RemovePermission&Label=l", &[]).await;
    posted(
        &world,
        q,
        "Action=TagQueue&Tag.1.Key=a&Tag.1.Value=b&Tag.2.Key=c&Tag.2.Value=d",
        &[],
    )
    .await;
    posted(&world, q, "Action=UntagQueue&TagKey.1=a", &[]).await;
    let left = world
        .done("ListQueueTags", json!({"QueueUrl": world.url("q")}))
        .await;
    assert_eq!(left, json!({"Tags": {"c": "d"}}));
    let dead = world.arn("dead");
    let redrive = json!({"deadLetterTargetArn": dead, "maxReceiveCount": 1}).to_string();
    world
        .set(&world.url("q"), json!({"RedrivePolicy": redrive}))
        .await;
    let sources = "<QueueUrl>https://queues.example:1234/123456789012/q</QueueUrl>";
    posted(
        &world,
        "/123456789012/dead",
        "Action=ListDeadLetterSourceQueues",
        &[sources],
    )
    .await;
    posted(
        &world,
        "/",
        "Action=ListQueues&QueueNamePrefix=q",
        &[sources],
    )
    .await;
    posted(&world, q, "Action=PurgeQueue", &["<PurgeQueueResponse"]).await;
    posted(&world, q, "Action=DeleteQueue", &["<DeleteQueueResponse"]).await;
}

#[tokio::test]
async fn errors_have_their_old_names() {
    let world = world();
    for (form, status, code) in [
        (
            "Action=GetQueueUrl&QueueName=q",
            400,
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        ("Action=GetQueueUrl", 400, "MissingParameter"),
        (
            "Action=CreateQueue&QueueName=a+b",
            400,
            "InvalidParameterValue",
        ),
        ("Action=DeleteQueue&QueueUrl=a%2Fq", 404, "InvalidAddress"),
        (
            "Action=DeleteQueue&QueueUrl=http://h/111111111111/q",
            403,
            "AccessDenied",
        ),
    ] {
        let (seen, xml) = ask(&world, Method::POST, "/", form).await;
        assert_eq!(seen, status, "{form}: {xml}");
        let part = format!("<Type>Sender</Type><Code>{code}</Code>");
        assert!(xml.contains(&part), "{form}: {xml}");
    }
}
