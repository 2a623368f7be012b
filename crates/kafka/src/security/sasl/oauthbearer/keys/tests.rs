use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::security::sasl::oauthbearer::tests::Issuer;

/// An issuer's server: what it publishes, or whether it is away.
#[derive(Debug, Default)]
struct Published {
    keys: Mutex<Option<Value>>,
    hangs: std::sync::atomic::AtomicBool,
    asked: AtomicUsize,
}

impl Published {
    fn publish(&self, ids: &[&str]) {
        let keys = ids.iter().map(|id| {
            let mut key = Issuer::new().keys()["keys"][0].clone();
            key["kid"] = json!(id);
            key
        });
        let keys: Vec<Value> = keys.collect();
        *self.keys.lock().unwrap() = Some(json!({ "keys": keys }));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the issuer")
    }
}

impl KeySource for Published {
    fn read(&self) -> Reading<'_> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            let keys = self.keys.lock().unwrap().clone();
            let keys = keys.ok_or_else(|| "connection refused".to_owned())?;
            Ok(keys.to_string().into())
        })
    }
}

fn keys() -> (Arc<Published>, Arc<Keys>) {
    let source = Arc::new(Published::default());
    (
        Arc::clone(&source),
        Keys::new(KeySet::of(Arc::clone(&source) as _)),
    )
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_has_them_read_again_but_not_over_and_over() {
    let (source, keys) = keys();
    assert!(keys.find(Some("a")).await.is_none());
    source.publish(&["a"]);
    assert!(keys.find(Some("a")).await.is_none(), "asked just now");
    assert_eq!(source.asked(), 1);
    tokio::time::advance(READ_AGAIN_AFTER).await;
    assert!(keys.find(Some("a")).await.is_some());
    assert!(keys.find(None).await.is_some(), "the only one");
    source.publish(&["b", "c"]);
    for _ in 0..100 {
        assert!(keys.find(Some("b")).await.is_none());
    }
    assert_eq!(source.asked(), 2);
    tokio::time::advance(READ_AGAIN_AFTER).await;
    assert!(keys.find(Some("b")).await.is_some());
    assert!(keys.find(Some("a")).await.is_none(), "withdrawn");
    assert!(keys.find(None).await.is_none(), "which of the two?");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_away_holds_up_nobody_whose_key_is_known() {
    let (source, keys) = keys();
    source.publish(&["a"]);
    assert!(keys.find(Some("a")).await.is_some());
    source.hangs.store(true, Ordering::Relaxed);
    tokio::time::advance(READ_AGAIN_AFTER).await;
    let began = Instant::now();
    let others = [keys.find(Some("b")), keys.find(Some("c"))];
    let waiting = futures_util::future::join_all(others);
    let known = async {
        tokio::task::yield_now().await;
        for _ in 0..100 {
            assert!(keys.find(Some("a")).await.is_some());
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    };
    let (strangers, ()) = tokio::join!(waiting, known);
    assert!(strangers.iter().all(Option::is_none));
    assert_eq!(began.elapsed(), READING_TIME_MAX, "both by one reading");
    assert_eq!(source.asked(), 2);
    assert!(keys.find(Some("a")).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_anew_by_and_by() {
    let (source, keys) = keys();
    let refreshing = tokio::spawn(keep_refreshed(Arc::downgrade(&keys)));
    // Away at first, and there is another try.
    tokio::time::sleep(RETRY_AFTER / 2).await;
    assert_eq!(source.asked(), 1);
    source.publish(&["a"]);
    tokio::time::sleep(RETRY_AFTER).await;
    assert!(keys.find(Some("a")).await.is_some());
    assert_eq!(source.asked(), 2);
    source.publish(&["b"]);
    tokio::time::sleep(REFRESH_DEFAULT).await;
    assert!(keys.find(Some("a")).await.is_none(), "withdrawn");
    assert!(keys.find(Some("b")).await.is_some());
    assert_eq!(source.asked(), 3);
    // What was known outlives a source that is away.
    *source.keys.lock().unwrap() = None;
    tokio::time::sleep(REFRESH_DEFAULT * 2).await;
    assert!(keys.find(Some("b")).await.is_some());
    drop(keys);
    refreshing.await.unwrap();
}

#[tokio::test]
async fn a_file_is_a_source() {
    let path = std::env::temp_dir().join(format!("headwater-jwks-{}", std::process::id()));
    let keys = Keys::new(KeySet::of(Arc::new(KeyFile(path.clone()))));
    let text = Issuer::new().keys().to_string();
    tokio::fs::write(&path, text).await.unwrap();
    assert!(keys.find(Some("k")).await.is_some());
    tokio::fs::remove_file(path).await.unwrap();
}

#[test]
fn keys_of_unknown_kinds_are_passed_over() {
    let mut keys = Issuer::new().keys();
    let odd = json!({"kty": "MOON", "kid": "odd"});
    keys["keys"].as_array_mut().unwrap().push(odd.clone());
    let known = key_set(keys.to_string().as_bytes()).unwrap();
    assert_eq!(known.keys.len(), 1);
    for wrong in [
        json!({"keys": [odd]}),
        json!({"keys": []}),
        json!([]),
        json!(7),
    ] {
        assert!(key_set(wrong.to_string().as_bytes()).is_err(), "{wrong}");
    }
    assert!(key_set(b"<html>").is_err());
}
