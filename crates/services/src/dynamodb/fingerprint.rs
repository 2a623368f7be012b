//! What a transaction asks for, as one number: two are the same if, and but for a collision of SHA-256 only if, their actions are.
//!
//! It is stored (see [`super::tokens`]) and compared after a restart, perhaps by another version of this program, so its bytes are
//! fixed here. Hashed is, with all counts and lengths as 8 bytes, big endian:
//!
//! | what         | bytes                                                                                               |
//! |--------------|-----------------------------------------------------------------------------------------------------|
//! | transaction  | the text of [`VERSION`]; count of actions; each: ConditionCheck, Put, Delete, Update, as options      |
//! | action       | TableName; as options: Item, Key, UpdateExpression, ConditionExpression, ExpressionAttributeNames,    |
//! |              | ExpressionAttributeValues, ReturnValuesOnConditionCheckFailure                                        |
//! | option       | 0; or 1 and what there is                                                                           |
//! | text, blob   | length; UTF-8 or bytes                                                                              |
//! | map          | count; for each, in the order of names: name, value                                                 |
//! | list, set    | count; the elements as they were sent                                                               |
//! | value        | as options: S, N, B, BOOL, NULL (0 or 1), M, L, SS, NS, BS; numbers as the text that was sent        |

use aws_lc_rs::digest::{Context, SHA256};

use super::api::items::{TransactAction, TransactWriteItem};
use super::value::{AttributeValue, AttributeValues};

/// Changes with the encoding.
const VERSION: &str = "transaction 1";

/// SHA-256 of what is asked for.
pub(super) fn fingerprint(items: &[TransactWriteItem]) -> Vec<u8> {
    let mut hash = Hash(Context::new(&SHA256));
    hash.text(VERSION);
    hash.each(items, Hash::item);
    hash.0.finish().as_ref().into()
}

struct Hash(Context);

impl Hash {
    fn count(&mut self, count: usize) {
        self.0.update(&(count as u64).to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn truth(&mut self, truth: bool) {
        self.0.update(&[u8::from(truth)]);
    }

    fn option<T>(&mut self, given: Option<&T>, add: impl FnOnce(&mut Hash, &T)) {
        self.truth(given.is_some());
        if let Some(given) = given {
            add(self, given);
        }
    }

    fn each<T>(&mut self, all: &[T], mut add: impl FnMut(&mut Hash, &T)) {
        self.count(all.len());
        for one in all {
            add(self, one);
        }
    }

    // The shapes are taken apart in full, so that a member which is added can't be forgotten here.

    fn item(&mut self, item: &TransactWriteItem) {
        let TransactWriteItem {
            condition_check,
            put,
            delete,
            update,
        } = item;
        for action in [condition_check, put, delete, update] {
            self.option(action.as_ref(), Hash::action);
        }
    }

    fn action(&mut self, action: &TransactAction) {
        let TransactAction {
            table_name,
            item,
            key,
            update_expression,
            condition_expression,
            expression_attribute_names,
            expression_attribute_values,
            return_values_on_condition_check_failure,
        } = action;
        self.text(table_name);
        self.option(item.as_ref(), Hash::members);
        self.option(key.as_ref(), Hash::members);
        self.option(update_expression.as_ref(), |hash, text| hash.text(text));
        self.option(condition_expression.as_ref(), |hash, text| hash.text(text));
        self.option(expression_attribute_names.as_ref(), |hash, names| {
            hash.count(names.len());
            for (name, attribute) in names {
                hash.text(name);
                hash.text(attribute);
            }
        });
        self.option(expression_attribute_values.as_ref(), Hash::members);
        let on_failure = return_values_on_condition_check_failure.as_ref();
        self.option(on_failure, |hash, text| hash.text(text));
    }

    fn members(&mut self, members: &AttributeValues) {
        self.count(members.len());
        for (name, value) in members {
            self.text(name);
            self.value(value);
        }
    }

    /// As deep as the JSON that was read.
    fn value(&mut self, value: &AttributeValue) {
        let AttributeValue {
            s,
            n,
            b,
            bool,
            null,
            m,
            l,
            ss,
            ns,
            bs,
        } = value;
        self.option(s.as_ref(), |hash, text| hash.text(text));
        self.option(n.as_ref(), |hash, text| hash.text(text));
        self.option(b.as_ref(), |hash, blob| hash.bytes(&blob.0));
        self.option(bool.as_ref(), |hash, truth| hash.truth(*truth));
        self.option(null.as_ref(), |hash, truth| hash.truth(*truth));
        self.option(m.as_ref(), Hash::members);
        self.option(l.as_ref(), |hash, all| hash.each(all, Hash::value));
        for texts in [ss, ns] {
            self.option(texts.as_ref(), |hash, all| {
                hash.each(all, |hash, text| hash.text(text));
            });
        }
        self.option(bs.as_ref(), |hash, all| {
            hash.each(all, |hash, blob| hash.bytes(&blob.0));
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(items: &Value) -> String {
        let document = aws::Format::Json.decode(&items.to_string().into()).unwrap();
        let input: super::super::api::items::TransactWriteItemsInput =
            aws::from_value(document).unwrap();
        let bytes = fingerprint(&input.transact_items);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn full() -> Value {
        json!({"TransactItems": [
            {"Put": {"TableName": "t", "Item": {
                "p": {"S": "ä"}, "n": {"N": "1.0"}, "b": {"B": "AAE="}, "t": {"BOOL": true}, "u": {"NULL": true},
                "m": {"M": {"x": {"L": [{"S": ""}, {"N": "2"}]}}},
                "ss": {"SS": ["b", "a"]}, "ns": {"NS": ["1", "2"]}, "bs": {"BS": ["AA=="]},
            }}},
            {"Update": {"TableName": "t", "Key": {"p": {"S": "k"}}, "UpdateExpression": "SET #a = :a",
                "ConditionExpression": "attribute_exists(p)", "ExpressionAttributeNames": {"#a": "a"},
                "ExpressionAttributeValues": {":a": {"S": "x"}}, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
            {"Delete": {"TableName": "t", "Key": {"p": {"S": "k"}}}},
            {"ConditionCheck": {"TableName": "u", "Key": {"p": {"S": "k"}}, "ConditionExpression": "p = p"}},
        ]})
    }

    /// Reckoned by another program from the table above. A number that differs means that transactions stored before are no longer
    /// known: raise [`VERSION`] if that is meant.
    #[test]
    fn the_number_of_a_transaction_never_changes() {
        assert_eq!(
            of(&json!({"TransactItems": []})),
            "094354116005cf4e89ec3701662ad8cd554dbaf8027a149a0b95d38eded355ea"
        );
        assert_eq!(
            of(&full()),
            "1e5e7c9280497c4b37d6b0ae2ce53b452877c7d9a3a11f62a1ac990980548b97"
        );
    }

    #[test]
    fn what_differs_has_another_number() {
        let put = |item: Value| {
            of(&json!({"TransactItems": [{"Put": {"TableName": "t", "Item": item}}]}))
        };
        let different = [
            put(json!({})),
            put(json!({"a": {"S": "1"}})),
            put(json!({"a": {"N": "1"}})),
            put(json!({"a": {"S": ""}})),
            put(json!({"a": {"B": "MQ=="}})),
            put(json!({"a": {"L": []}})),
            put(json!({"a": {"M": {}}})),
            put(json!({"a": {"L": [{"S": "1"}]}})),
            put(json!({"a": {"SS": ["1"]}})),
            put(json!({"a": {"NS": ["1"]}})),
            put(json!({"a": {"S": "1"}, "b": {"S": "1"}})),
            put(json!({"a": {"SS": ["1", "2"]}})),
            put(json!({"a": {"SS": ["12"]}})),
            of(&json!({"TransactItems": [{"Put": {"TableName": "t"}}]})),
            of(&json!({"TransactItems": [{"Delete": {"TableName": "t"}}]})),
            of(&json!({"TransactItems": [{"Put": {"TableName": "t"}}, {}]})),
        ];
        let distinct: std::collections::BTreeSet<&String> = different.iter().collect();
        assert_eq!(distinct.len(), different.len());
        let (one, other) = (
            json!({"a": {"S": "1"}, "b": {"S": "2"}}),
            json!({"b": {"S": "2"}, "a": {"S": "1"}}),
        );
        assert_eq!(put(one), put(other), "members have no order");
    }
}
