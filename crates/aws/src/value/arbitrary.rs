//! Documents for property tests.

use bytes::Bytes;
use proptest::prelude::*;

use super::Value;
use crate::shapes::Timestamp;

/// What JSON can carry and tell apart.
pub(crate) fn json_scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        // Halves survive any sound way of printing; whole floats are read as floats too.
        any::<i32>().prop_map(|n| Value::Float(f64::from(n) + 0.5)),
        any::<String>().prop_map(Value::Text),
    ]
    .boxed()
}

/// What CBOR can carry besides.
pub(crate) fn cbor_scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        json_scalar(),
        any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(Bytes::from(bytes))),
        any::<i64>().prop_map(|millis| Value::Timestamp(Timestamp::from_millis(millis))),
    ]
    .boxed()
}

/// Documents a few levels deep.
pub(crate) fn document(scalar: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    scalar
        .prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
                prop::collection::vec((any::<String>(), inner), 0..8).prop_map(Value::Map),
            ]
        })
        .boxed()
}
