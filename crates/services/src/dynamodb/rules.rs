//! What each operation's input must satisfy, by AWS's model.
//!
//! What the model does not say (key schemas that fit, expressions that parse) is in the handlers.

use aws::Rule;

const KINDS: &[&str] = &["S", "N", "B"];
const KEY_TYPES: &[&str] = &["HASH", "RANGE"];
const PROJECTIONS: &[&str] = &["ALL", "KEYS_ONLY", "INCLUDE"];
const BILLING_MODES: &[&str] = &["PROVISIONED", "PAY_PER_REQUEST"];
const CLASSES: &[&str] = &["STANDARD", "STANDARD_INFREQUENT_ACCESS"];
const CONSUMED: &[&str] = &["INDEXES", "TOTAL", "NONE"];
const METRICS: &[&str] = &["SIZE", "NONE"];
const RETURNED: &[&str] = &["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"];
const ON_FAILURE: &[&str] = &["ALL_OLD", "NONE"];
const OPERATORS: &[&str] = &["AND", "OR"];
const SELECTS: &[&str] = &[
    "ALL_ATTRIBUTES",
    "ALL_PROJECTED_ATTRIBUTES",
    "SPECIFIC_ATTRIBUTES",
    "COUNT",
];
const INDEX_NAME_PATTERN: &str = "[a-zA-Z0-9_.-]+";

const TABLE_NAME: Rule = Rule::at("TableName").required().length(1, 1_024);
const INDEX_NAME: Rule = Rule::at("IndexName")
    .length(3, 255)
    .pattern(INDEX_NAME_PATTERN);
const RESOURCE_ARN: Rule = Rule::at("ResourceArn").required().length(1, 1_283);
const RETURN_CONSUMED: Rule = Rule::at("ReturnConsumedCapacity").one_of(CONSUMED);
const RETURN_METRICS: Rule = Rule::at("ReturnItemCollectionMetrics").one_of(METRICS);
const RETURN_VALUES: Rule = Rule::at("ReturnValues").one_of(RETURNED);
const RETURN_ON_FAILURE: Rule = Rule::at("ReturnValuesOnConditionCheckFailure").one_of(ON_FAILURE);
const OPERATOR: Rule = Rule::at("ConditionalOperator").one_of(OPERATORS);
const SELECT: Rule = Rule::at("Select").one_of(SELECTS);
const LIMIT: Rule = Rule::at("Limit").at_least(1);
const KEY: Rule = Rule::at("Key").required();
const GIVEN: Rule = Rule::at("AttributesToGet").length_min(1);
const BILLING: Rule = Rule::at("BillingMode").one_of(BILLING_MODES);
const CLASS: Rule = Rule::at("TableClass").one_of(CLASSES);

/// For operations without input.
pub(super) const NONE: &[Rule] = &[];
/// For operations that name a table, and nothing else.
pub(super) const TABLE: &[Rule] = &[TABLE_NAME];

pub(super) const CREATE_TABLE: &[Rule] = &[
    TABLE_NAME,
    Rule::at("AttributeDefinitions.member.AttributeName")
        .required()
        .length(1, 255),
    Rule::at("AttributeDefinitions.member.AttributeType")
        .required()
        .one_of(KINDS),
    Rule::at("KeySchema").length_min(1),
    Rule::at("KeySchema.member.AttributeName")
        .required()
        .length(1, 255),
    Rule::at("KeySchema.member.KeyType")
        .required()
        .one_of(KEY_TYPES),
    Rule::at("LocalSecondaryIndexes.member.IndexName")
        .required()
        .length(3, 255)
        .pattern(INDEX_NAME_PATTERN),
    Rule::at("LocalSecondaryIndexes.member.KeySchema")
        .required()
        .length_min(1),
    Rule::at("LocalSecondaryIndexes.member.KeySchema.member.AttributeName")
        .required()
        .length(1, 255),
    Rule::at("LocalSecondaryIndexes.member.KeySchema.member.KeyType")
        .required()
        .one_of(KEY_TYPES),
    Rule::at("LocalSecondaryIndexes.member.Projection").required(),
    Rule::at("LocalSecondaryIndexes.member.Projection.ProjectionType").one_of(PROJECTIONS),
    Rule::at("LocalSecondaryIndexes.member.Projection.NonKeyAttributes").length(1, 20),
    Rule::at("GlobalSecondaryIndexes.member.IndexName")
        .required()
        .length(3, 255)
        .pattern(INDEX_NAME_PATTERN),
    Rule::at("GlobalSecondaryIndexes.member.KeySchema")
        .required()
        .length_min(1),
    Rule::at("GlobalSecondaryIndexes.member.KeySchema.member.AttributeName")
        .required()
        .length(1, 255),
    Rule::at("GlobalSecondaryIndexes.member.KeySchema.member.KeyType")
        .required()
        .one_of(KEY_TYPES),
    Rule::at("GlobalSecondaryIndexes.member.Projection").required(),
    Rule::at("GlobalSecondaryIndexes.member.Projection.ProjectionType").one_of(PROJECTIONS),
    Rule::at("GlobalSecondaryIndexes.member.Projection.NonKeyAttributes").length(1, 20),
    Rule::at("GlobalSecondaryIndexes.member.ProvisionedThroughput.ReadCapacityUnits")
        .required()
        .at_least(1),
    Rule::at("GlobalSecondaryIndexes.member.ProvisionedThroughput.WriteCapacityUnits")
        .required()
        .at_least(1),
    BILLING,
    Rule::at("ProvisionedThroughput.ReadCapacityUnits")
        .required()
        .at_least(1),
    Rule::at("ProvisionedThroughput.WriteCapacityUnits")
        .required()
        .at_least(1),
    Rule::at("StreamSpecification.StreamEnabled").required(),
    Rule::at("SSESpecification.SSEType").one_of(&["AES256", "KMS"]),
    Rule::at("Tags.member.Key").required().length(1, 128),
    Rule::at("Tags.member.Value").required().length(0, 256),
    CLASS,
];

pub(super) const UPDATE_TABLE: &[Rule] = &[
    TABLE_NAME,
    Rule::at("AttributeDefinitions.member.AttributeName")
        .required()
        .length(1, 255),
    Rule::at("AttributeDefinitions.member.AttributeType")
        .required()
        .one_of(KINDS),
    BILLING,
    Rule::at("ProvisionedThroughput.ReadCapacityUnits")
        .required()
        .at_least(1),
    Rule::at("ProvisionedThroughput.WriteCapacityUnits")
        .required()
        .at_least(1),
    Rule::at("GlobalSecondaryIndexUpdates.member.Create.IndexName")
        .required()
        .length(3, 255)
        .pattern(INDEX_NAME_PATTERN),
    Rule::at("GlobalSecondaryIndexUpdates.member.Create.KeySchema")
        .required()
        .length_min(1),
    Rule::at("GlobalSecondaryIndexUpdates.member.Create.KeySchema.member.KeyType")
        .required()
        .one_of(KEY_TYPES),
    Rule::at("GlobalSecondaryIndexUpdates.member.Create.Projection").required(),
    Rule::at("GlobalSecondaryIndexUpdates.member.Create.Projection.ProjectionType")
        .one_of(PROJECTIONS),
    Rule::at("GlobalSecondaryIndexUpdates.member.Update.IndexName")
        .required()
        .length(3, 255)
        .pattern(INDEX_NAME_PATTERN),
    Rule::at("GlobalSecondaryIndexUpdates.member.Delete.IndexName")
        .required()
        .length(3, 255)
        .pattern(INDEX_NAME_PATTERN),
    Rule::at("StreamSpecification.StreamEnabled").required(),
    Rule::at("SSESpecification.SSEType").one_of(&["AES256", "KMS"]),
    CLASS,
];

pub(super) const LIST_TABLES: &[Rule] = &[
    Rule::at("ExclusiveStartTableName")
        .length(3, 255)
        .pattern(INDEX_NAME_PATTERN),
    Rule::at("Limit").range(1, 100),
];

pub(super) const TAG_RESOURCE: &[Rule] = &[
    RESOURCE_ARN,
    Rule::at("Tags").required(),
    Rule::at("Tags.member.Key").required().length(1, 128),
    Rule::at("Tags.member.Value").required().length(0, 256),
];

pub(super) const UNTAG_RESOURCE: &[Rule] = &[
    RESOURCE_ARN,
    Rule::at("TagKeys").required(),
    Rule::at("TagKeys.member").length(1, 128),
];

pub(super) const RESOURCE: &[Rule] = &[RESOURCE_ARN];

pub(super) const PUT_RESOURCE_POLICY: &[Rule] = &[
    RESOURCE_ARN,
    Rule::at("Policy").required(),
    Rule::at("ExpectedRevisionId").length(1, 255),
];

pub(super) const UPDATE_TIME_TO_LIVE: &[Rule] = &[
    TABLE_NAME,
    Rule::at("TimeToLiveSpecification").required(),
    Rule::at("TimeToLiveSpecification.Enabled").required(),
    Rule::at("TimeToLiveSpecification.AttributeName")
        .required()
        .length(1, 255),
];

pub(super) const UPDATE_CONTINUOUS_BACKUPS: &[Rule] = &[
    TABLE_NAME,
    Rule::at("PointInTimeRecoverySpecification").required(),
    Rule::at("PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled").required(),
    Rule::at("PointInTimeRecoverySpecification.RecoveryPeriodInDays").range(1, 35),
];

pub(super) const PUT_ITEM: &[Rule] = &[
    TABLE_NAME,
    Rule::at("Item").required(),
    RETURN_VALUES,
    RETURN_CONSUMED,
    RETURN_METRICS,
    OPERATOR,
    RETURN_ON_FAILURE,
];

pub(super) const UPDATE_ITEM: &[Rule] = &[
    TABLE_NAME,
    KEY,
    OPERATOR,
    RETURN_VALUES,
    RETURN_CONSUMED,
    RETURN_METRICS,
    RETURN_ON_FAILURE,
];

pub(super) const DELETE_ITEM: &[Rule] = UPDATE_ITEM;

pub(super) const GET_ITEM: &[Rule] = &[TABLE_NAME, KEY, GIVEN, RETURN_CONSUMED];

pub(super) const QUERY: &[Rule] = &[
    TABLE_NAME,
    INDEX_NAME,
    SELECT,
    GIVEN,
    LIMIT,
    OPERATOR,
    RETURN_CONSUMED,
];

pub(super) const SCAN: &[Rule] = &[
    TABLE_NAME,
    INDEX_NAME,
    GIVEN,
    LIMIT,
    SELECT,
    OPERATOR,
    RETURN_CONSUMED,
    Rule::at("TotalSegments").range(1, 1_000_000),
    Rule::at("Segment").range(0, 999_999),
];

pub(super) const BATCH_GET_ITEM: &[Rule] = &[
    Rule::at("RequestItems").required().length(1, 100),
    Rule::at("RequestItems.key").length(1, 1_024),
    Rule::at("RequestItems.value.Keys").required().length_min(1),
    RETURN_CONSUMED,
];

pub(super) const BATCH_WRITE_ITEM: &[Rule] = &[
    Rule::at("RequestItems").required().length(1, 25),
    Rule::at("RequestItems.key").length(1, 1_024),
    RETURN_CONSUMED,
    RETURN_METRICS,
];

pub(super) const TRANSACT_WRITE_ITEMS: &[Rule] = &[
    Rule::at("TransactItems").required().length(1, 100),
    Rule::at("TransactItems.member.ConditionCheck.TableName")
        .required()
        .length(1, 1_024),
    Rule::at("TransactItems.member.ConditionCheck.Key").required(),
    Rule::at("TransactItems.member.ConditionCheck.ConditionExpression").required(),
    Rule::at("TransactItems.member.ConditionCheck.ReturnValuesOnConditionCheckFailure")
        .one_of(ON_FAILURE),
    Rule::at("TransactItems.member.Put.TableName")
        .required()
        .length(1, 1_024),
    Rule::at("TransactItems.member.Put.Item").required(),
    Rule::at("TransactItems.member.Put.ReturnValuesOnConditionCheckFailure").one_of(ON_FAILURE),
    Rule::at("TransactItems.member.Delete.TableName")
        .required()
        .length(1, 1_024),
    Rule::at("TransactItems.member.Delete.Key").required(),
    Rule::at("TransactItems.member.Delete.ReturnValuesOnConditionCheckFailure").one_of(ON_FAILURE),
    Rule::at("TransactItems.member.Update.TableName")
        .required()
        .length(1, 1_024),
    Rule::at("TransactItems.member.Update.Key").required(),
    Rule::at("TransactItems.member.Update.UpdateExpression").required(),
    Rule::at("TransactItems.member.Update.ReturnValuesOnConditionCheckFailure").one_of(ON_FAILURE),
    RETURN_CONSUMED,
    RETURN_METRICS,
    Rule::at("ClientRequestToken").length(1, 36),
];

pub(super) const TRANSACT_GET_ITEMS: &[Rule] = &[
    Rule::at("TransactItems").required().length(1, 100),
    Rule::at("TransactItems.member.Get").required(),
    Rule::at("TransactItems.member.Get.TableName")
        .required()
        .length(1, 1_024),
    Rule::at("TransactItems.member.Get.Key").required(),
    RETURN_CONSUMED,
];
