//! What SQS's members are called in Query. Names from the SQS API Reference of Query's days and botocore's models up to 1.29,
//! which still spoke it; lists and maps are flattened throughout.
//!
//! Declared by `Operations::new("sqs", "AmazonSQS").query(&query::QUERY)`.

use aws::{Name, Query};

/// How SQS is spoken to in Query.
pub(super) const QUERY: Query = Query {
    version: "2012-11-05",
    xml_namespace: "http://queue.amazonaws.com/doc/2012-11-05/",
    error_namespace: "com.amazonaws.sqs",
    path_member: Some("QueueUrl"),
    inputs: INPUTS,
    outputs: OUTPUTS,
};

const INPUTS: &[Name] = &[
    Name::list("AWSAccountIds", "AWSAccountId"),
    Name::list("Actions", "ActionName"),
    Name::list("AttributeNames", "AttributeName"),
    Name::list("MessageAttributeNames", "MessageAttributeName"),
    Name::list("MessageSystemAttributeNames", "MessageSystemAttributeName"),
    Name::list("TagKeys", "TagKey"),
    Name::list("Entries", "SendMessageBatchRequestEntry").in_operation("SendMessageBatch"),
    Name::list("Entries", "DeleteMessageBatchRequestEntry").in_operation("DeleteMessageBatch"),
    Name::list("Entries", "ChangeMessageVisibilityBatchRequestEntry")
        .in_operation("ChangeMessageVisibilityBatch"),
    Name::list("StringListValues", "StringListValue"),
    Name::list("BinaryListValues", "BinaryListValue"),
    Name::map("Attributes", "Attribute", "Name", "Value"),
    Name::map("MessageAttributes", "MessageAttribute", "Name", "Value"),
    Name::map(
        "MessageSystemAttributes",
        "MessageSystemAttribute",
        "Name",
        "Value",
    ),
    // AWS spells this member small in this one operation.
    Name::map("tags", "Tag", "Key", "Value").in_operation("CreateQueue"),
    Name::map("Tags", "Tag", "Key", "Value"),
];

const OUTPUTS: &[Name] = &[
    Name::list("QueueUrls", "QueueUrl"),
    Name::list("queueUrls", "QueueUrl"),
    Name::list("Messages", "Message"),
    Name::list("Failed", "BatchResultErrorEntry"),
    Name::list("Successful", "SendMessageBatchResultEntry").in_operation("SendMessageBatch"),
    Name::list("Successful", "DeleteMessageBatchResultEntry").in_operation("DeleteMessageBatch"),
    Name::list("Successful", "ChangeMessageVisibilityBatchResultEntry")
        .in_operation("ChangeMessageVisibilityBatch"),
    Name::list("Results", "ListMessageMoveTasksResultEntry"),
    Name::list("StringListValues", "StringListValue"),
    Name::list("BinaryListValues", "BinaryListValue"),
    Name::map("Attributes", "Attribute", "Name", "Value"),
    Name::map("MessageAttributes", "MessageAttribute", "Name", "Value"),
    Name::map("Tags", "Tag", "Key", "Value"),
];
