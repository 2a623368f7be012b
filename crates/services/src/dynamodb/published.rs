//! What CloudWatch is told of each table: `AWS/DynamoDB`. Names, units and dimensions from "DynamoDB Metrics and dimensions" of the
//! developer guide.
//!
//! What never happened is not told. `TransactionConflict` never is: transactions that meet at an item wait for each other. Of
//! latencies, units and items returned the average is known alone.

use std::sync::atomic::Ordering::Relaxed;

use super::Dynamo;
use super::counters::{OPERATIONS, OperationCounters};
use super::records::{Billing, TableName};
use super::tables::Found;
use super::throughput::Side;
use crate::published::{Published, Told};

const NAMESPACE: &str = "AWS/DynamoDB";

/// AWS's name, its unit, and the number of an operation.
type Number = (&'static str, &'static str, fn(&OperationCounters) -> Told);

const OF_OPERATIONS: &[Number] = &[
    ("SuccessfulRequestLatency", "Milliseconds", |c| {
        Told::Totals {
            count: c.answered.load(Relaxed),
            sum: c.micros.load(Relaxed) as f64 / 1_000.0,
        }
    }),
    ("ReturnedItemCount", "Count", |c| Told::Totals {
        count: c.pages.load(Relaxed),
        sum: c.items.load(Relaxed) as f64,
    }),
    ("ThrottledRequests", "Count", |c| {
        Told::Total(c.throttled.load(Relaxed))
    }),
    ("SystemErrors", "Count", |c| {
        Told::Total(c.failed.load(Relaxed))
    }),
];

/// The names of what is told of one side of the capacity.
struct Names {
    consumed: &'static str,
    provisioned: &'static str,
    throttled: &'static str,
}

fn names(side: Side) -> Names {
    match side {
        Side::Read => Names {
            consumed: "ConsumedReadCapacityUnits",
            provisioned: "ProvisionedReadCapacityUnits",
            throttled: "ReadThrottleEvents",
        },
        Side::Write => Names {
            consumed: "ConsumedWriteCapacityUnits",
            provisioned: "ProvisionedWriteCapacityUnits",
            throttled: "WriteThrottleEvents",
        },
    }
}

impl Dynamo {
    /// The numbers of every table and of those who ask, as they are now.
    #[must_use]
    pub fn published(&self) -> Vec<Published> {
        let mut all = Vec::new();
        for found in self.known.all() {
            if !found.table.is_deleting {
                tell_table(&found, &mut all);
            }
        }
        for ((account, region), errors) in self.user_errors.all() {
            all.push(Published {
                account,
                region,
                namespace: NAMESPACE,
                name: "UserErrors",
                dimensions: Vec::new(),
                unit: "Count",
                told: Told::Total(errors),
            });
        }
        all
    }
}

fn tell_table(found: &Found, all: &mut Vec<Published>) {
    let counters = &found.live.counters;
    let of = |more: Option<(&'static str, &str)>| Dimensions {
        table: &found.name,
        more: more.map(|(name, value)| (name, value.to_owned())),
    };
    for (place, operation) in OPERATIONS.iter().enumerate() {
        for (name, unit, read) in OF_OPERATIONS {
            let told = read(&counters.operations[place]);
            of(Some(("Operation", *operation))).tell(name, unit, told, all);
        }
    }
    for (name, counter) in [
        (
            "ConditionalCheckFailedRequests",
            &counters.conditions_failed,
        ),
        ("TimeToLiveDeletedItemCount", &counters.expired),
    ] {
        of(None).tell(name, "Count", Told::Total(counter.load(Relaxed)), all);
    }
    tell_capacity(found, 0, &of(None), all);
    for (name, index) in &found.table.global {
        let of = of(Some(("GlobalSecondaryIndexName", name.as_str())));
        tell_capacity(found, index.number, &of, all);
    }
}

fn tell_capacity(found: &Found, number: u16, of: &Dimensions<'_>, all: &mut Vec<Published>) {
    let index = found.table.global.values().find(|it| it.number == number);
    let set = match &found.table.billing {
        Billing::Provisioned(own) if number == 0 => Some(own),
        Billing::Provisioned(_) => index.and_then(|index| index.throughput.as_ref()),
        Billing::OnDemand(_) => None,
    };
    for side in [Side::Read, Side::Write] {
        let names = names(side);
        let used = found.live.counters.used((number, side));
        let consumed = Told::Totals {
            count: used.times,
            sum: used.units,
        };
        of.tell(names.consumed, "Count", consumed, all);
        of.tell(names.throttled, "Count", Told::Total(used.throttled), all);
        if let Some(set) = set {
            let units = match side {
                Side::Read => set.read,
                Side::Write => set.write,
            };
            of.tell(names.provisioned, "Count", Told::Level(units as f64), all);
        }
    }
}

/// What a number is of: a table, and perhaps an operation or an index.
struct Dimensions<'a> {
    table: &'a TableName,
    more: Option<(&'static str, String)>,
}

impl Dimensions<'_> {
    fn tell(&self, name: &'static str, unit: &'static str, told: Told, all: &mut Vec<Published>) {
        // Else each table would be remembered a hundred times over.
        if matches!(told, Told::Total(0) | Told::Totals { count: 0, .. }) {
            return;
        }
        let mut dimensions = vec![("TableName", self.table.name.clone())];
        dimensions.extend(self.more.clone());
        all.push(Published {
            account: self.table.account.clone(),
            region: self.table.region.clone(),
            namespace: NAMESPACE,
            name,
            dimensions,
            unit,
            told,
        });
    }
}
