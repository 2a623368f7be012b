//! A table as DescribeTable shows it.

use super::api::tables::{
    AttributeDefinition, BillingModeSummary, IndexDescription, KeySchemaElement,
    OnDemandThroughput, Projection as ProjectionShape, ProvisionedThroughputDescription,
    SseDescription, TableClassSummary, TableDescription, WarmThroughput,
};
use super::limits::{ON_DEMAND_READ, ON_DEMAND_WRITE};
use super::live::Count;
use super::records::{
    Billing, Encryption, Index, IndexState, KeyKind, KeySchema, Projection, Throughput,
};
use super::tables::Found;

/// The table, with the counts made so far.
pub(super) fn describe(found: &Found) -> TableDescription {
    let table = &found.table;
    let count = found.live.count(0);
    TableDescription {
        attribute_definitions: definitions(found),
        table_name: found.name.name.clone(),
        key_schema: schema(&table.key),
        table_status: status(found),
        creation_date_time: table.created.into(),
        provisioned_throughput: match &table.billing {
            Billing::Provisioned(set) => throughput(set),
            Billing::OnDemand(_) => no_throughput(),
        },
        table_size_bytes: bytes(count),
        item_count: items(count),
        table_arn: found.name.arn().to_string(),
        table_id: table.uuid(),
        billing_mode_summary: billing(found),
        on_demand_throughput: match &table.billing {
            Billing::OnDemand(caps) if caps.read.is_some() || caps.write.is_some() => {
                Some(OnDemandThroughput {
                    max_read_request_units: Some(caps.read.unwrap_or(-1)),
                    max_write_request_units: Some(caps.write.unwrap_or(-1)),
                })
            }
            _ => None,
        },
        local_secondary_indexes: table
            .local
            .iter()
            .map(|(name, index)| described(found, name, index, true))
            .collect(),
        global_secondary_indexes: table
            .global
            .iter()
            .map(|(name, index)| described(found, name, index, false))
            .collect(),
        sse_description: encryption(found),
        table_class_summary: table.class.as_ref().map(|class| TableClassSummary {
            table_class: class.name.clone(),
            last_update_date_time: class.changed.map(Into::into),
        }),
        deletion_protection_enabled: table.is_protected,
        warm_throughput: warm(found),
    }
}

fn status(found: &Found) -> &'static str {
    let is_changing = |index: &Index| index.state != IndexState::Active;
    if found.table.is_deleting {
        "DELETING"
    } else if found.table.global.values().any(is_changing) {
        "UPDATING"
    } else {
        "ACTIVE"
    }
}

/// The parts of all keys, by name.
fn definitions(found: &Found) -> Vec<AttributeDefinition> {
    let indexes = found.table.indexes().map(|(_, index)| &index.key);
    let keys = std::iter::once(&found.table.key).chain(indexes);
    let mut all: Vec<AttributeDefinition> = keys
        .flat_map(KeySchema::parts)
        .map(|part| AttributeDefinition {
            attribute_name: part.name.clone(),
            attribute_type: match part.kind {
                KeyKind::S => "S",
                KeyKind::N => "N",
                KeyKind::B => "B",
            }
            .into(),
        })
        .collect();
    all.sort_by(|one, two| one.attribute_name.cmp(&two.attribute_name));
    all.dedup();
    all
}

fn schema(key: &KeySchema) -> Vec<KeySchemaElement> {
    key.parts()
        .zip(["HASH", "RANGE"])
        .map(|(part, key_type)| KeySchemaElement {
            attribute_name: part.name.clone(),
            key_type: key_type.into(),
        })
        .collect()
}

fn throughput(set: &Throughput) -> ProvisionedThroughputDescription {
    ProvisionedThroughputDescription {
        last_increase_date_time: set.raised.map(Into::into),
        last_decrease_date_time: set.lowered.map(Into::into),
        number_of_decreases_today: set.lowerings,
        read_capacity_units: set.read,
        write_capacity_units: set.write,
    }
}

/// What tables on demand tell.
fn no_throughput() -> ProvisionedThroughputDescription {
    ProvisionedThroughputDescription {
        last_increase_date_time: None,
        last_decrease_date_time: None,
        number_of_decreases_today: 0,
        read_capacity_units: 0,
        write_capacity_units: 0,
    }
}

/// Tables that were always provisioned tell none.
fn billing(found: &Found) -> Option<BillingModeSummary> {
    let since = found.table.on_demand_since?;
    Some(BillingModeSummary {
        billing_mode: match found.table.billing {
            Billing::Provisioned(_) => "PROVISIONED",
            Billing::OnDemand(_) => "PAY_PER_REQUEST",
        },
        last_update_to_pay_per_request_date_time: Some(since.into()),
    })
}

fn warm(found: &Found) -> WarmThroughput {
    let (read, write) = match &found.table.billing {
        Billing::Provisioned(set) => (set.read, set.write),
        Billing::OnDemand(_) => (ON_DEMAND_READ, ON_DEMAND_WRITE),
    };
    WarmThroughput {
        read_units_per_second: read,
        write_units_per_second: write,
        status: "ACTIVE",
    }
}

fn encryption(found: &Found) -> Option<SseDescription> {
    let Encryption::Kms(id) = &found.table.encryption else {
        return None;
    };
    let name = &found.name;
    let kms_master_key_arn = if id.starts_with("arn:") {
        id.clone()
    } else {
        let kind = if id.starts_with("alias/") { "" } else { "key/" };
        format!(
            "arn:aws:kms:{}:{}:{kind}{id}",
            name.region.as_str(),
            name.account
        )
    };
    Some(SseDescription {
        status: "ENABLED",
        sse_type: "KMS",
        kms_master_key_arn,
    })
}

fn described(found: &Found, name: &str, index: &Index, is_local: bool) -> IndexDescription {
    let count = found.live.count(index.number);
    let (projection_type, non_key_attributes) = match &index.projection {
        Projection::All => ("ALL", None),
        Projection::KeysOnly => ("KEYS_ONLY", None),
        Projection::Include(names) => ("INCLUDE", Some(names.clone())),
    };
    let status = match index.state {
        IndexState::Filling => "CREATING",
        IndexState::Active => "ACTIVE",
        IndexState::Deleting => "DELETING",
    };
    let set = index.throughput.as_ref();
    IndexDescription {
        index_name: name.to_owned(),
        key_schema: schema(&index.key),
        projection: ProjectionShape {
            projection_type: Some(projection_type.into()),
            non_key_attributes,
        },
        index_status: (!is_local).then_some(status),
        backfilling: (index.state == IndexState::Filling).then_some(true),
        provisioned_throughput: (!is_local).then(|| set.map_or_else(no_throughput, throughput)),
        index_size_bytes: bytes(count),
        item_count: items(count),
        index_arn: format!("{}/index/{name}", found.name.arn()),
    }
}

fn bytes(count: Count) -> u64 {
    u64::try_from(count.bytes).unwrap_or(0)
}

fn items(count: Count) -> u64 {
    u64::try_from(count.items).unwrap_or(0)
}
