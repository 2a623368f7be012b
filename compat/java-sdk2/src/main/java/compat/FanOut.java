package compat;

import static compat.Assert.equal;
import static compat.Assert.isTrue;
import static compat.Assert.ok;
import static compat.Assert.refused;
import static compat.Assert.until;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardRequest;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;

/** SubscribeToShard as the KCL uses it: events pushed over HTTP/2, one subscription a shard. */
final class FanOut {
    private static final String LAST = "shardId-000000000003";

    private final Checks checks;
    private final String consumer;
    private final List<SubscribeToShardEvent> events = Collections.synchronizedList(new ArrayList<>());

    FanOut(Checks checks) {
        this.checks = checks;
        this.consumer = checks.client
            .registerStreamConsumer(r -> r.streamARN(checks.arn).consumerName("reader"))
            .join().consumer().consumerARN();
        until("the consumer is ACTIVE", () -> checks.client
            .describeStreamConsumer(r -> r.consumerARN(consumer)).join()
            .consumerDescription().consumerStatus() == ConsumerStatus.ACTIVE);
    }

    private SubscribeToShardRequest request(String shard, ShardIteratorType type) {
        return SubscribeToShardRequest.builder().consumerARN(consumer).shardId(shard)
            .startingPosition(p -> p.type(type)).build();
    }

    private CompletableFuture<Void> subscribe(String shard, ShardIteratorType type) {
        events.clear();
        var handler = SubscribeToShardResponseHandler.builder()
            .subscriber(SubscribeToShardResponseHandler.Visitor.builder()
                .onSubscribeToShardEvent(events::add).build())
            .build();
        return checks.client.subscribeToShard(request(shard, type), handler);
    }

    private List<String> received() {
        synchronized (events) {
            return events.stream().flatMap(event -> Checks.texts(event.records()).stream())
                .collect(Collectors.toList());
        }
    }

    void closedShardEndsWithItsChildren() throws Exception {
        subscribe(Checks.FIRST, ShardIteratorType.TRIM_HORIZON).get(30, TimeUnit.SECONDS);
        equal("records of the closed shard", received().subList(0, 5), Checks.EVERYTHING);
        var children = events.get(events.size() - 1).childShards().stream()
            .map(child -> child.shardId()).sorted().collect(Collectors.toList());
        equal("its children", children, List.of("shardId-000000000001", "shardId-000000000002"));
        ok("fan-out of a closed shard ends with its children");
    }

    void openShardIsPushed() {
        CompletableFuture<Void> live = subscribe(LAST, ShardIteratorType.LATEST);
        until("a first event", () -> {
            isTrue("the subscription goes on", !live.isDone());
            return !events.isEmpty();
        });
        for (int n = 0; n < 3; n++) {
            int before = n;
            checks.put("live " + n, null);
            until("record " + n + " is pushed", () -> received().size() > before);
        }
        equal("records pushed", received(), List.of("live 0", "live 1", "live 2"));
        ok("fan-out of an open shard is pushed");
        refused("a second subscription", ResourceInUseException.class, () -> {
            var handler = SubscribeToShardResponseHandler.builder().subscriber(event -> {}).build();
            return checks.client.subscribeToShard(request(LAST, ShardIteratorType.LATEST), handler).join();
        });
        ok("a second subscription within five seconds is refused");
        live.cancel(true);
    }
}
