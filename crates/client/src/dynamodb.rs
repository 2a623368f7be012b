//! DynamoDB, as far as the consumer keeps its leases there: items, conditions, and one method for each operation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::call::{Client, Json, Target};
use crate::error::ClientError;
use crate::kinesis::{read_base64, write_base64};

const TARGET: Target = Target {
    signing_name: "dynamodb",
    prefix: "DynamoDB_20120810",
    json: Json::V1_0,
};
/// Between two looks at a table that is being made.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Most keys one BatchGetItem asks for.
pub const BATCH_GET_MAX: usize = 100;

/// A value, as DynamoDB writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attribute {
    /// Text.
    S(String),
    /// A number in decimal.
    N(String),
    /// Bytes.
    B(#[serde(serialize_with = "write_base64", deserialize_with = "read_base64")] Bytes),
    /// Yes or no.
    #[serde(rename = "BOOL")]
    Bool(bool),
    /// Nothing.
    #[serde(rename = "NULL")]
    Null(bool),
    /// A set of texts, never empty.
    #[serde(rename = "SS")]
    Texts(Vec<String>),
    /// A set of numbers.
    #[serde(rename = "NS")]
    Numbers(Vec<String>),
    /// A set of bytes, each in base64.
    #[serde(rename = "BS")]
    Blobs(Vec<String>),
    /// A list.
    L(Vec<Attribute>),
    /// Values by name.
    M(Item),
}

impl Attribute {
    /// A number.
    #[must_use]
    pub fn number(value: u64) -> Attribute {
        Attribute::N(value.to_string())
    }

    /// Text.
    #[must_use]
    pub fn text(value: &str) -> Attribute {
        Attribute::S(value.to_owned())
    }

    /// The text it is.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Attribute::S(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number it is.
    #[must_use]
    pub fn as_number(&self) -> Option<u64> {
        match self {
            Attribute::N(number) => number.parse().ok(),
            _ => None,
        }
    }
}

/// Values by name.
pub type Item = BTreeMap<String, Attribute>;

/// An expression's names and values: `#owner` and `:owner` stand for what could not stand in the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    names: BTreeMap<String, String>,
    values: Item,
}

impl Terms {
    /// A name to use for the attribute.
    pub fn name(&mut self, attribute: &str) -> String {
        let name = format!("#{attribute}");
        self.names.insert(name.clone(), attribute.to_owned());
        name
    }

    /// A name to use for the value, which may be used once for each `label`.
    pub fn value(&mut self, label: &str, value: Attribute) -> String {
        let name = format!(":{label}");
        self.values.insert(name.clone(), value);
        name
    }

    fn put_into(&self, input: &mut serde_json::Value) {
        if !self.names.is_empty() {
            input["ExpressionAttributeNames"] = json!(self.names);
        }
        if !self.values.is_empty() {
            input["ExpressionAttributeValues"] = json!(self.values);
        }
    }
}

/// The operations.
#[derive(Debug, Clone)]
pub struct DynamoDb(Arc<Client>);

impl DynamoDb {
    /// DynamoDB at the client's endpoint.
    #[must_use]
    pub fn new(client: Client) -> DynamoDb {
        DynamoDb(Arc::new(client))
    }

    async fn call<I: Serialize, O: DeserializeOwned>(
        &self,
        operation: &'static str,
        input: &I,
    ) -> Result<O, ClientError> {
        self.0.call(TARGET, operation, input).await
    }

    /// Calls an operation whose answer says nothing of use. `false`: its condition did not hold.
    async fn conditional(
        &self,
        operation: &'static str,
        input: &serde_json::Value,
    ) -> Result<bool, ClientError> {
        match self.call::<_, serde_json::Value>(operation, input).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a table with a text hash key, paid by request, unless it is there; waits until it can be used.
    ///
    /// # Errors
    /// As the operations have them.
    pub async fn ensure_table(&self, table: &str, hash_key: &str) -> Result<(), ClientError> {
        loop {
            match self.table_status(table).await? {
                Some(status) if status == "ACTIVE" || status == "UPDATING" => return Ok(()),
                Some(_) => tokio::time::sleep(LOOK_AGAIN).await,
                None => self.create_table(table, hash_key).await?,
            }
        }
    }

    async fn table_status(&self, table: &str) -> Result<Option<String>, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            table: Description,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Description {
            table_status: String,
        }
        let input = json!({ "TableName": table });
        match self.call::<_, Output>("DescribeTable", &input).await {
            Ok(output) => Ok(Some(output.table.table_status)),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create_table(&self, table: &str, hash_key: &str) -> Result<(), ClientError> {
        let input = json!({
            "TableName": table,
            "AttributeDefinitions": [{ "AttributeName": hash_key, "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": hash_key, "KeyType": "HASH" }],
            "BillingMode": "PAY_PER_REQUEST",
        });
        match self
            .call::<_, serde_json::Value>("CreateTable", &input)
            .await
        {
            Ok(_) => Ok(()),
            // Another worker was faster.
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Lets items go once the time in `attribute`, in seconds since 1970, is over. Where they already do, nothing changes.
    ///
    /// # Errors
    /// As the operations have them.
    pub async fn ensure_expiry(&self, table: &str, attribute: &str) -> Result<(), ClientError> {
        let input = json!({ "TableName": table });
        let found: serde_json::Value = self.call("DescribeTimeToLive", &input).await?;
        let status = &found["TimeToLiveDescription"]["TimeToLiveStatus"];
        if matches!(status.as_str(), Some("ENABLED" | "ENABLING")) {
            return Ok(());
        }
        let input = json!({
            "TableName": table,
            "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true },
        });
        self.call::<_, serde_json::Value>("UpdateTimeToLive", &input)
            .await
            .map(drop)
    }

    /// The item with this key, as the last write left it.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn get(&self, table: &str, key: &Item) -> Result<Option<Item>, ClientError> {
        #[derive(Deserialize)]
        struct Output {
            #[serde(rename = "Item")]
            item: Option<Item>,
        }
        let input = json!({ "TableName": table, "Key": key, "ConsistentRead": true });
        let output: Output = self.call("GetItem", &input).await?;
        Ok(output.item)
    }

    /// The items with these keys, in no order, as the last write left them. At most [`BATCH_GET_MAX`] keys, all different.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn get_many(&self, table: &str, keys: &[Item]) -> Result<Vec<Item>, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            #[serde(default)]
            responses: BTreeMap<String, Vec<Item>>,
            #[serde(default)]
            unprocessed_keys: serde_json::Map<String, serde_json::Value>,
        }
        let mut items = Vec::new();
        let mut asked = json!({ table: { "Keys": keys, "ConsistentRead": true } });
        let mut attempt = 1;
        loop {
            let input = json!({ "RequestItems": asked });
            let output: Output = self.call("BatchGetItem", &input).await?;
            items.extend(output.responses.into_values().flatten());
            if output.unprocessed_keys.is_empty() {
                return Ok(items);
            }
            asked = output.unprocessed_keys.into();
            self.0.pause(attempt).await;
            attempt += 1;
        }
    }

    /// Writes an item, if `condition` holds. Whether it did.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn put_if(
        &self,
        table: &str,
        item: &Item,
        condition: &str,
        terms: &Terms,
    ) -> Result<bool, ClientError> {
        let mut input =
            json!({ "TableName": table, "Item": item, "ConditionExpression": condition });
        terms.put_into(&mut input);
        self.conditional("PutItem", &input).await
    }

    /// Changes an item by the expression `update`, if `condition` holds. Whether it did.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn update_if(
        &self,
        table: &str,
        key: &Item,
        update: &str,
        condition: &str,
        terms: &Terms,
    ) -> Result<bool, ClientError> {
        let mut input = json!({
            "TableName": table,
            "Key": key,
            "UpdateExpression": update,
            "ConditionExpression": condition,
        });
        terms.put_into(&mut input);
        self.conditional("UpdateItem", &input).await
    }

    /// Deletes an item, if `condition` holds. Whether it did.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn delete_if(
        &self,
        table: &str,
        key: &Item,
        condition: &str,
        terms: &Terms,
    ) -> Result<bool, ClientError> {
        let mut input = json!({ "TableName": table, "Key": key, "ConditionExpression": condition });
        terms.put_into(&mut input);
        self.conditional("DeleteItem", &input).await
    }

    /// Every item of a table.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn scan(&self, table: &str) -> Result<Vec<Item>, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            #[serde(default)]
            items: Vec<Item>,
            last_evaluated_key: Option<Item>,
        }
        let mut items = Vec::new();
        let mut input = json!({ "TableName": table, "ConsistentRead": true });
        loop {
            let page: Output = self.call("Scan", &input).await?;
            items.extend(page.items);
            match page.last_evaluated_key {
                None => return Ok(items),
                Some(key) => input["ExclusiveStartKey"] = json!(key),
            }
        }
    }

    /// Deletes a table and all in it.
    ///
    /// # Errors
    /// As the operation has them.
    pub async fn delete_table(&self, table: &str) -> Result<(), ClientError> {
        let input = json!({ "TableName": table });
        self.call::<_, serde_json::Value>("DeleteTable", &input)
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_dynamodb_has_them() {
        let check = |value: Attribute, expected: serde_json::Value| {
            assert_eq!(serde_json::to_value(&value).unwrap(), expected);
            assert_eq!(
                serde_json::from_value::<Attribute>(expected).unwrap(),
                value
            );
        };
        check(Attribute::text("a"), json!({ "S": "a" }));
        check(Attribute::number(7), json!({ "N": "7" }));
        check(
            Attribute::B(Bytes::from_static(b"hi")),
            json!({ "B": "aGk=" }),
        );
        check(
            Attribute::Texts(vec!["a".to_owned()]),
            json!({ "SS": ["a"] }),
        );
        check(Attribute::Null(true), json!({ "NULL": true }));
        let nested = Item::from([("x".to_owned(), Attribute::L(vec![Attribute::Bool(true)]))]);
        check(
            Attribute::M(nested),
            json!({ "M": { "x": { "L": [{ "BOOL": true }] } } }),
        );
    }
}
