//! Batches of transactions that begin by being written to.

use super::*;

#[tokio::test]
async fn a_transaction_begins_in_a_partition_with_its_producers_first_batch() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let producer = world.producer("a").await;
    let write = async |sequence, version| {
        let mut builder = BatchBuilder::with_capacity(8).by(Producer {
            id: producer.producer_id,
            epoch: producer.epoch,
            sequence,
        });
        builder.push(START, None, Some(b"v"), &[]);
        let bytes = builder.transactional().finish().bytes().clone();
        let mut request = produce_request(&[("t", 0, Some(bytes))]);
        request.transactional_id = Some(text("a"));
        let answer = answer(produce(world.call(version), request).await).await;
        let partition = &answer.responses[0].partition_responses[0];
        (partition.error_code, partition.base_offset)
    };
    let out_of_order = ErrorCode::OutOfOrderSequenceNumber.code();
    assert_eq!(write(1, ADDS).await, (out_of_order, -1));
    assert_eq!(write(0, ADDS).await, (0, 0));
    assert_eq!(write(1, ADDS).await, (0, 1));
    assert_eq!(write(3, ADDS).await, (out_of_order, -1));
}
