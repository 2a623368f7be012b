//! What CloudWatch's members are called in Query: as their shapes, lists in the protocol's ordinary form. One map needs a word.

use aws::{Name, Query};

/// How CloudWatch is spoken to in Query.
pub(super) const QUERY: Query = Query {
    version: "2010-08-01",
    xml_namespace: "http://monitoring.amazonaws.com/doc/2010-08-01/",
    error_namespace: "com.amazonaws.cloudwatch",
    path_member: None,
    inputs: &[],
    outputs: &[Name::nested_map("ExtendedStatistics", "ExtendedStatistics")],
};
