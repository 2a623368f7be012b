//! Any value, for property tests.

use bytes::Bytes;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::{Item, Number, Value};

/// Numbers of every magnitude, many of them near each other.
pub(crate) fn numbers() -> impl Strategy<Value = Number> {
    let wide = (any::<bool>(), 0_u128..10_u128.pow(38), -130_i16..=125)
        .prop_filter_map("beyond the range", |(negative, digits, exponent)| {
            Number::from_parts(negative, digits, exponent)
        });
    let near = (-1000_i64..1000, -3_i16..3).prop_filter_map("in range", |(digits, exponent)| {
        Number::from_parts(digits < 0, u128::from(digits.unsigned_abs()), exponent)
    });
    prop_oneof![wide, near, any::<i64>().prop_map(Number::from)]
}

fn blobs() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..12).prop_map(Bytes::from)
}

/// Values of every type, up to four levels deep.
pub(crate) fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        ".{0,12}".prop_map(Value::S),
        numbers().prop_map(Value::N),
        blobs().prop_map(Value::B),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        btree_set(".{0,6}", 1..4).prop_map(Value::SS),
        btree_set(numbers(), 1..4).prop_map(Value::NS),
        btree_set(blobs(), 1..4).prop_map(Value::BS),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::L),
            btree_map("[a-d]{1,2}", inner, 0..4).prop_map(Value::M),
        ]
    })
}

/// Items with attributes `a` to `dd`.
pub(crate) fn items() -> impl Strategy<Value = Item> {
    btree_map("[a-d]{1,2}", values(), 0..5)
}
