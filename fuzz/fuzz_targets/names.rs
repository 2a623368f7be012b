//! Texts that clients send back to us: what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{AccountId, Arn, HashKey, Region, SequenceNumber};

fuzz_target!(|text: &str| {
    if let Ok(number) = text.parse::<SequenceNumber>() {
        assert_eq!(number.to_string(), text);
    }
    if let Ok(arn) = text.parse::<Arn>() {
        assert_eq!(arn.to_string(), text);
    }
    if let Some(key) = HashKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Some(account) = AccountId::parse(text) {
        assert_eq!(account.as_str(), text);
    }
    if let Some(region) = Region::parse(text) {
        assert_eq!(region.as_str(), text);
    }
});
