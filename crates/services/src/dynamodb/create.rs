//! CreateTable: whether what is asked for is a table, and the table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws::Caller;

use super::api::tables::{
    AttributeDefinition, CreateTableInput, KeySchemaElement, NewIndex, OnDemandThroughput,
    Projection as ProjectionShape, ProvisionedThroughput, SseSpecification, TableDescriptionOutput,
};
use super::describe::describe;
use super::error::DynamoError;
use super::limits;
use super::records::{
    Billing, Caps, Encryption, Index, IndexState, KeyKind, KeyPart, KeySchema, Policy, Projection,
    Table, TableClass, Throughput,
};
use super::{Dynamo, naming, policies, tags};

/// CreateTable. CREATING in the answer; by the next request the table is ACTIVE.
pub(super) async fn create_table(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: CreateTableInput,
) -> Result<TableDescriptionOutput, DynamoError> {
    let name = naming::table(&caller, &input.table_name)?;
    must_be_supported(&input)?;
    let table = table_of(&dynamo, input)?;
    let made = dynamo.make(&name, &table).await?;
    let mut table_description = describe(&made);
    table_description.table_status = "CREATING";
    Ok(TableDescriptionOutput { table_description })
}

fn must_be_supported(input: &CreateTableInput) -> Result<(), DynamoError> {
    let has_stream = input
        .stream_specification
        .as_ref()
        .is_some_and(|stream| stream.stream_enabled);
    must_have_no_stream(has_stream)?;
    if input.vector_indexes.is_some() || input.global_table_source_arn.is_some() {
        return Err(DynamoError::validation(
            "VectorIndexes and GlobalTableSourceArn are not supported by this server",
        ));
    }
    Ok(())
}

/// Streams of tables are not built.
pub(super) fn must_have_no_stream(is_asked_for: bool) -> Result<(), DynamoError> {
    if is_asked_for {
        return Err(DynamoError::validation(
            "DynamoDB Streams is not supported by this server: StreamEnabled must be false",
        ));
    }
    Ok(())
}

fn table_of(dynamo: &Dynamo, input: CreateTableInput) -> Result<Table, DynamoError> {
    let now = dynamo.clock.now();
    let definitions = Definitions::of(input.attribute_definitions.unwrap_or_default())?;
    let key_schema = input.key_schema.unwrap_or_default();
    if key_schema.is_empty() {
        return Err(DynamoError::parameters(
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [], AttributeDefinitions: []",
        ));
    }
    let key = definitions.key(&key_schema)?;
    let billing = billing(
        input.billing_mode.as_deref(),
        input.provisioned_throughput,
        input.on_demand_throughput,
    )?;
    let local = input.local_secondary_indexes.unwrap_or_default();
    let global = input.global_secondary_indexes.unwrap_or_default();
    let mut next_index = 1;
    let mut indexes = |given: Vec<NewIndex>, is_local: bool| {
        let mut made = BTreeMap::new();
        for new in given {
            let index = definitions.index(&new, next_index, &billing, is_local.then_some(&key))?;
            next_index += 1;
            let name = new.index_name;
            if made.insert(name.clone(), index).is_some() {
                return Err(DynamoError::parameters(format!(
                    "Duplicate index name: {name}"
                )));
            }
        }
        Ok(made)
    };
    let (local, global) = (indexes(local, true)?, indexes(global, false)?);
    let mut id = [0; 16];
    dynamo.rng.fill(&mut id);
    let table = Table {
        // The bits that make it a UUID of version 4.
        id: u128::from_be_bytes(id) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62,
        created: now,
        is_deleting: false,
        key,
        local,
        global,
        next_index,
        on_demand_since: matches!(billing, Billing::OnDemand(_)).then_some(now),
        billing,
        tags: tags::of(input.tags.unwrap_or_default())?,
        encryption: encryption(input.sse_specification.as_ref()),
        class: input.table_class.map(|name| TableClass {
            name,
            changed: None,
        }),
        is_protected: input.deletion_protection_enabled.unwrap_or_default(),
        expiry: None,
        recovery: None,
        policy: input
            .resource_policy
            .map(|text| {
                policies::must_be_policy(&text)?;
                Ok::<_, DynamoError>(Policy { text, revision: 1 })
            })
            .transpose()?,
    };
    must_have_fit_indexes(&table)?;
    definitions.must_be_used(&table)?;
    Ok(table)
}

/// How many indexes a table may have, and what they may hold together.
pub(super) fn must_have_fit_indexes(table: &Table) -> Result<(), DynamoError> {
    if table.global.len() > limits::GLOBAL_INDEXES {
        return Err(DynamoError::parameters(format!(
            "GlobalSecondaryIndex count exceeds the per-table limit of {}",
            limits::GLOBAL_INDEXES
        )));
    }
    if table.local.len() > limits::LOCAL_INDEXES {
        return Err(DynamoError::parameters(format!(
            "Number of LocalSecondaryIndexes exceeds per-table limit of {}",
            limits::LOCAL_INDEXES
        )));
    }
    if !table.local.is_empty() && table.key.range.is_none() {
        return Err(DynamoError::parameters(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ));
    }
    if let Some(name) = table
        .local
        .keys()
        .find(|name| table.global.contains_key(*name))
    {
        return Err(DynamoError::parameters(format!(
            "Duplicate index name: {name}"
        )));
    }
    let included = table.indexes().map(|(_, index)| match &index.projection {
        Projection::Include(names) => names.len(),
        _ => 0,
    });
    if included.sum::<usize>() > limits::PROJECTED_ATTRIBUTES {
        return Err(DynamoError::parameters(format!(
            "Number of projected attributes exceeds the limit of {}",
            limits::PROJECTED_ATTRIBUTES
        )));
    }
    Ok(())
}

/// `AttributeDefinitions`, by name.
pub(super) struct Definitions(BTreeMap<String, KeyKind>);

impl Definitions {
    pub(super) fn of(given: Vec<AttributeDefinition>) -> Result<Definitions, DynamoError> {
        let mut kinds = BTreeMap::new();
        for definition in given {
            let kind = match definition.attribute_type.as_str() {
                "S" => KeyKind::S,
                "N" => KeyKind::N,
                _ => KeyKind::B,
            };
            let name = definition.attribute_name;
            if kinds.insert(name.clone(), kind).is_some() {
                return Err(DynamoError::parameters(format!(
                    "Duplicate AttributeName in AttributeDefinitions: {name}"
                )));
            }
        }
        Ok(Definitions(kinds))
    }

    /// The key that a schema says.
    fn key(&self, given: &[KeySchemaElement]) -> Result<KeySchema, DynamoError> {
        let (hash, range) = match given {
            [hash] => (hash, None),
            [hash, range] => (hash, Some(range)),
            _ => {
                return Err(DynamoError::validation(
                    "1 validation error detected: Value at 'keySchema' failed to satisfy constraint: Member must have length \
                     less than or equal to 2",
                ));
            }
        };
        if hash.key_type != "HASH" {
            return Err(DynamoError::validation(
                "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
            ));
        }
        if range.is_some_and(|range| range.key_type != "RANGE") {
            return Err(DynamoError::validation(
                "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
            ));
        }
        if range.is_some_and(|range| range.attribute_name == hash.attribute_name) {
            return Err(DynamoError::validation(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ));
        }
        let part = |element: &KeySchemaElement| {
            let name = &element.attribute_name;
            let kind = self.0.get(name).copied().ok_or_else(|| {
                let keys: Vec<&str> = given.iter().map(|it| it.attribute_name.as_str()).collect();
                let defined: Vec<&str> = self.0.keys().map(String::as_str).collect();
                DynamoError::parameters(format!(
                    "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
                    keys.join(", "),
                    defined.join(", ")
                ))
            })?;
            Ok::<_, DynamoError>(KeyPart {
                name: name.clone(),
                kind,
            })
        };
        Ok(KeySchema {
            hash: part(hash)?,
            range: range.map(part).transpose()?,
        })
    }

    /// The index that is asked for: a local one where the table's key is given, which it shares the partition key with.
    pub(super) fn index(
        &self,
        new: &NewIndex,
        number: u16,
        billing: &Billing,
        local_to: Option<&KeySchema>,
    ) -> Result<Index, DynamoError> {
        let name = &new.index_name;
        let key = self.key(&new.key_schema)?;
        if let Some(table) = local_to {
            if key.range.is_none() {
                return Err(DynamoError::parameters(format!(
                    "Index KeySchema does not have a range key for index: {name}"
                )));
            }
            if key.hash != table.hash {
                return Err(DynamoError::parameters(format!(
                    "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. index hash \
                     key: {}, table hash key: {}",
                    key.hash.name, table.hash.name
                )));
            }
        }
        let throughput = match (billing, new.provisioned_throughput) {
            _ if local_to.is_some() => None,
            (Billing::Provisioned(_), Some(given)) => Some(throughput(given)),
            (Billing::Provisioned(_), None) => {
                return Err(DynamoError::parameters(format!(
                    "ProvisionedThroughput is not specified for index: {name}"
                )));
            }
            (Billing::OnDemand(_), Some(_)) => {
                return Err(DynamoError::parameters(format!(
                    "ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
                )));
            }
            (Billing::OnDemand(_), None) => None,
        };
        Ok(Index {
            number,
            key,
            projection: projection(&new.projection)?,
            throughput,
            state: IndexState::Active,
        })
    }

    /// Each attribute that is defined must be part of a key.
    fn must_be_used(&self, table: &Table) -> Result<(), DynamoError> {
        let keys = std::iter::once(&table.key).chain(table.indexes().map(|(_, index)| &index.key));
        let used: BTreeSet<&String> = keys
            .flat_map(KeySchema::parts)
            .map(|part| &part.name)
            .collect();
        if self.0.keys().all(|name| used.contains(name)) {
            return Ok(());
        }
        Err(DynamoError::parameters(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
        ))
    }
}

fn projection(given: &ProjectionShape) -> Result<Projection, DynamoError> {
    let names = given.non_key_attributes.as_ref();
    match (given.projection_type.as_deref(), names) {
        (Some("ALL"), None) => Ok(Projection::All),
        (Some("KEYS_ONLY"), None) => Ok(Projection::KeysOnly),
        (Some("INCLUDE"), Some(names)) if names.len() <= limits::INCLUDED_ATTRIBUTES => {
            Ok(Projection::Include(names.clone()))
        }
        (Some("INCLUDE"), Some(_)) => Err(DynamoError::parameters(format!(
            "Number of NonKeyAttributes exceeds the limit of {}",
            limits::INCLUDED_ATTRIBUTES
        ))),
        (Some("INCLUDE"), None) => Err(DynamoError::parameters(
            "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        )),
        (Some(kind), _) => Err(DynamoError::parameters(format!(
            "ProjectionType is {kind}, but NonKeyAttributes is specified"
        ))),
        (None, _) => Err(DynamoError::parameters("Unknown ProjectionType: null")),
    }
}

pub(super) fn throughput(given: ProvisionedThroughput) -> Throughput {
    Throughput {
        read: given.read_capacity_units,
        write: given.write_capacity_units,
        raised: None,
        lowered: None,
        lowerings: 0,
    }
}

fn billing(
    mode: Option<&str>,
    provisioned: Option<ProvisionedThroughput>,
    on_demand: Option<OnDemandThroughput>,
) -> Result<Billing, DynamoError> {
    match (mode, provisioned) {
        (Some("PAY_PER_REQUEST"), None) => Ok(Billing::OnDemand(caps(on_demand))),
        (Some("PAY_PER_REQUEST"), Some(_)) => Err(DynamoError::parameters(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (_, Some(given)) => Ok(Billing::Provisioned(throughput(given))),
        (_, None) => Err(DynamoError::parameters(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
    }
}

/// A cap of -1 is none.
pub(super) fn caps(given: Option<OnDemandThroughput>) -> Caps {
    let given = given.unwrap_or_default();
    Caps {
        read: given.max_read_request_units.filter(|units| *units > 0),
        write: given.max_write_request_units.filter(|units| *units > 0),
    }
}

/// Without a KMS, the id of a key names none; it is told as it was given.
pub(super) fn encryption(given: Option<&SseSpecification>) -> Encryption {
    match given {
        Some(given) if given.enabled == Some(true) => {
            let key = given.kms_master_key_id.clone();
            Encryption::Kms(key.unwrap_or_else(|| "alias/aws/dynamodb".into()))
        }
        _ => Encryption::Owned,
    }
}
