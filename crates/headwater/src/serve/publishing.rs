//! What services count of themselves goes to CloudWatch, at the start of every minute: see `services::published`.

use std::sync::Arc;
use std::time::Duration;

use model::Clock;
use services::dynamodb::Dynamo;
use services::kinesis::Kinesis;
use services::metrics::Metrics;
use services::sqs::Sqs;

use super::kafka_numbers::KafkaNumbers;

/// Whose numbers they are, and who is told.
#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) kinesis: Arc<Kinesis>,
    pub(super) sqs: Arc<Sqs>,
    pub(super) dynamo: Arc<Dynamo>,
    pub(super) kafka: KafkaNumbers,
    pub(super) cloudwatch: Arc<Metrics>,
}

impl Publishing {
    /// Publishes for as long as it is polled. What is counted since the last minute began is lost when the process ends.
    pub(super) async fn keep_publishing(self) {
        let clock = Clock::system();
        loop {
            let into_minute = clock.now().0.rem_euclid(60_000).unsigned_abs();
            tokio::time::sleep(Duration::from_millis(60_000 - into_minute)).await;
            let mut all = self.kinesis.published();
            all.extend(self.sqs.published());
            all.extend(self.dynamo.published());
            all.extend(self.kafka.published());
            // Last, for they are many: where there is no room for all metrics, it is these that are left out.
            all.extend(self.kinesis.published_shards());
            if let Err(error) = self.cloudwatch.publish(all).await {
                tracing::warn!(%error, "CloudWatch was not told of a minute");
            }
        }
    }
}
