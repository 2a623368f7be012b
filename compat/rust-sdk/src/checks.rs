//! Create, put, iterate, reshard and delete, on a stream of its own.

use std::collections::{HashSet, VecDeque};
use std::fmt::Debug;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::operation::put_record::PutRecordOutput;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, Record, ShardFilter, ShardFilterType, ShardIteratorType, StreamStatus,
};
use tokio::time::{Instant, sleep};

use crate::{ACCOUNT, Outcome, REGION};

pub(crate) const FIRST: &str = "shardId-000000000000";
pub(crate) const EVERYTHING: [&str; 5] = ["0", "1", "2", "3", "4"];
/// 2^127: the first hash key of the upper half.
const MIDDLE: &str = "170141183460469231731687303715884105728";

/// A client and the stream that it works on.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) client: Client,
    pub(crate) stream: String,
    pub(crate) arn: String,
}

pub(crate) fn ok(what: &str) {
    println!("ok   {what}");
}

/// Fails where `seen` is not `expected`.
pub(crate) fn equal<Seen, Expected>(what: &str, seen: &Seen, expected: &Expected) -> Outcome
where
    Seen: PartialEq<Expected> + Debug + ?Sized,
    Expected: Debug + ?Sized,
{
    if seen == expected {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, saw {seen:?}").into())
}

pub(crate) fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8_lossy(record.data().as_ref()).into_owned();
    records.iter().map(text).collect()
}

impl Checks {
    pub(crate) fn new(client: Client, stream: &str) -> Checks {
        Checks {
            client,
            stream: stream.to_owned(),
            arn: format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}"),
        }
    }

    pub(crate) async fn create(&self) -> Outcome {
        let create = self
            .client
            .create_stream()
            .stream_name(&self.stream)
            .shard_count(1);
        create.clone().send().await?;
        self.active().await?;
        let error = create
            .send()
            .await
            .expect_err("a second stream of the name is refused");
        equal(
            "its kind",
            &error.into_service_error().is_resource_in_use_exception(),
            &true,
        )?;
        let listed = self.client.list_streams().send().await?;
        equal("streams", listed.stream_names(), &[self.stream.clone()][..])?;
        ok("create and list");
        Ok(())
    }

    pub(crate) async fn active(&self) -> Outcome {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let describe = self
                .client
                .describe_stream_summary()
                .stream_name(&self.stream);
            let answer = describe.send().await?;
            let summary = answer.stream_description_summary().ok_or("a summary")?;
            if *summary.stream_status() == StreamStatus::Active {
                return Ok(());
            }
            equal("ACTIVE within 30 s", &(Instant::now() < deadline), &true)?;
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn put(&self, data: &str, hash_key: Option<&str>) -> Outcome<PutRecordOutput> {
        let put = self
            .client
            .put_record()
            .stream_name(&self.stream)
            .partition_key("k");
        let put = put
            .data(Blob::new(data))
            .set_explicit_hash_key(hash_key.map(str::to_owned));
        Ok(put.send().await?)
    }

    /// What a shard holds from a position on, and the last answer.
    async fn read(
        &self,
        shard: &str,
        from: ShardIteratorType,
        number: Option<&str>,
    ) -> Outcome<(Vec<String>, GetRecordsOutput)> {
        let get = self
            .client
            .get_shard_iterator()
            .stream_name(&self.stream)
            .shard_id(shard);
        let time =
            (from == ShardIteratorType::AtTimestamp).then(|| DateTime::from_secs(1_459_799_926));
        let get = get.shard_iterator_type(from).set_timestamp(time);
        let got = get
            .set_starting_sequence_number(number.map(str::to_owned))
            .send()
            .await?;
        let mut iterator = got.shard_iterator;
        let mut all = Vec::new();
        loop {
            let get = self
                .client
                .get_records()
                .set_shard_iterator(iterator)
                .limit(3);
            let answer = get.send().await?;
            all.extend(texts(answer.records()));
            iterator = answer.next_shard_iterator().map(str::to_owned);
            let caught_up = answer.records().is_empty() && answer.millis_behind_latest() == Some(0);
            if iterator.is_none() || caught_up {
                return Ok((all, answer));
            }
        }
    }

    pub(crate) async fn put_and_iterate(&self) -> Outcome {
        let first = self.put("0", None).await?;
        let mut put = self.client.put_records().stream_arn(&self.arn);
        for text in &EVERYTHING[1..] {
            let entry = PutRecordsRequestEntry::builder().data(Blob::new(*text));
            put = put.records(entry.partition_key(format!("k{text}")).build()?);
        }
        let puts = put.send().await?;
        equal("records that failed", &puts.failed_record_count(), &Some(0))?;
        let number = puts.records()[1]
            .sequence_number()
            .ok_or("a sequence number")?;
        // Decimal strings of one length compare as their numbers do; longer is greater.
        let order = |text: &str| (text.len(), text.to_owned());
        let grows = order(first.sequence_number()) < order(number);
        equal("sequence numbers grow", &grows, &true)?;

        let cases: [(ShardIteratorType, Option<&str>, &[&str]); 5] = [
            (ShardIteratorType::TrimHorizon, None, &EVERYTHING),
            (ShardIteratorType::Latest, None, &[]),
            (
                ShardIteratorType::AtSequenceNumber,
                Some(number),
                &EVERYTHING[2..],
            ),
            (
                ShardIteratorType::AfterSequenceNumber,
                Some(number),
                &EVERYTHING[3..],
            ),
            (ShardIteratorType::AtTimestamp, None, &EVERYTHING),
        ];
        for (from, number, expected) in cases {
            let what = from.as_str().to_owned();
            equal(
                &what,
                &self.read(FIRST, from, number).await?.0[..],
                expected,
            )?;
        }
        let wrong = self
            .client
            .get_records()
            .shard_iterator("nonsense")
            .send()
            .await;
        let error = wrong
            .expect_err("a wrong iterator is refused")
            .into_service_error();
        equal("its kind", &error.is_invalid_argument_exception(), &true)?;
        ok("put and iterate by each type");
        Ok(())
    }

    pub(crate) async fn reshard(&self) -> Outcome {
        let split = self.client.split_shard().stream_name(&self.stream);
        split
            .shard_to_split(FIRST)
            .new_starting_hash_key(MIDDLE)
            .send()
            .await?;
        self.active().await?;
        self.put("low", Some("0")).await?;
        self.put("high", Some(MIDDLE)).await?;
        let merge = self.client.merge_shards().stream_name(&self.stream);
        let merge = merge.shard_to_merge("shardId-000000000001");
        merge
            .adjacent_shard_to_merge("shardId-000000000002")
            .send()
            .await?;
        self.active().await?;
        self.put("merged", None).await?;

        let mut seen = self.read_by_lineage().await?;
        equal(
            "the parent's records come first",
            &seen[..5],
            &EVERYTHING[..],
        )?;
        seen[5..7].sort();
        equal(
            "then its descendants'",
            &seen[5..],
            &["high", "low", "merged"][..],
        )?;
        let open = ShardFilter::builder()
            .r#type(ShardFilterType::AtLatest)
            .build()?;
        let listed = self
            .client
            .list_shards()
            .stream_name(&self.stream)
            .shard_filter(open);
        let listed = listed.send().await?;
        let ids: Vec<&str> = listed
            .shards()
            .iter()
            .map(|shard| shard.shard_id())
            .collect();
        equal("open shards", &ids[..], &["shardId-000000000003"][..])?;
        ok("split, merge and read in order");
        Ok(())
    }

    /// All records, from the first shard on, by the children that each closed shard names.
    async fn read_by_lineage(&self) -> Outcome<Vec<String>> {
        let mut seen = Vec::new();
        let mut done = HashSet::new();
        let mut queue = VecDeque::from([FIRST.to_owned()]);
        while let Some(shard) = queue.pop_front() {
            if !done.insert(shard.clone()) {
                continue;
            }
            let (records, last) = self
                .read(&shard, ShardIteratorType::TrimHorizon, None)
                .await?;
            seen.extend(records);
            for child in last.child_shards() {
                if child
                    .parent_shards()
                    .iter()
                    .all(|parent| done.contains(parent))
                {
                    queue.push_back(child.shard_id().to_owned());
                }
            }
        }
        Ok(seen)
    }

    pub(crate) async fn remove(&self) -> Outcome {
        let delete = self.client.delete_stream().stream_name(&self.stream);
        delete.enforce_consumer_deletion(true).send().await?;
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let describe = self
                .client
                .describe_stream_summary()
                .stream_name(&self.stream);
            if let Err(error) = describe.send().await {
                let error = error.into_service_error();
                equal("its kind", &error.is_resource_not_found_exception(), &true)?;
                ok("delete");
                return Ok(());
            }
            equal("gone within 30 s", &(Instant::now() < deadline), &true)?;
            sleep(Duration::from_millis(20)).await;
        }
    }
}
