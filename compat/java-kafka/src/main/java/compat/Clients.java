package compat;

import static compat.Check.equal;
import static compat.Check.refused;
import static compat.Check.until;
import static compat.Check.yes;
import static compat.Kit.admin;
import static compat.Kit.consumer;
import static compat.Kit.partitions;
import static compat.Kit.poll;
import static compat.Kit.producer;
import static compat.Kit.send;
import static compat.Kit.topic;
import static compat.Kit.values;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Producer, consumer and admin: what every version of the Java client does. */
final class Clients {
    private Clients() {}

    static void addTo(Check check) {
        check.that("a producer of each codec is read back", Clients::codecs)
                .that("headers, timestamps and nulls go there and back", Clients::records)
                .that("offsets are found by time and by end", Clients::times)
                .that("large records need a topic that takes them", Clients::large)
                .that("a poll waits, and wakes", Clients::waiting)
                .that("a classic group shares partitions and goes on where it was", () -> group("classic-group"))
                .that("a group of manual commits resumes", Clients::commits)
                .that("a static member comes back without a rebalance", Clients::staticMember)
                .that("transactions commit, abort and fence", Clients::transactions)
                .that("offsets are committed in a transaction", Clients::offsetsInTransaction)
                .that("an admin makes, changes, describes and deletes topics", Clients::topics)
                .that("an admin sees groups and their offsets", Clients::groups)
                .that("records are deleted up to an offset", Clients::deleteRecords);
    }

    private static List<String> numbers(int count) {
        return IntStream.range(0, count).mapToObj(Integer::toString).toList();
    }

    private static void codecs() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            String topic = topic("java-" + codec, 1);
            try (var producer = producer("compression.type", codec, "linger.ms", 20, "batch.size", 8_000)) {
                var written = send(producer, topic, 0, 1_000);
                equal("offsets", written.get(999).offset(), 999L);
            }
            equal(codec, values(topic, 1, 1_000), numbers(1_000));
        }
    }

    private static void records() throws Exception {
        String topic = topic("java-records", 1);
        long time = System.currentTimeMillis() - 5_000;
        try (var producer = producer()) {
            var record = new ProducerRecord<>(topic, 0, time, "key", "value");
            record.headers().add(new RecordHeader("h", "1".getBytes())).add(new RecordHeader("h", null));
            producer.send(record).get();
            producer.send(new ProducerRecord<>(topic, null, "no key")).get();
            producer.send(new ProducerRecord<>(topic, "no value", null)).get();
        }
        try (var consumer = consumer()) {
            consumer.assign(partitions(topic, 1));
            var found = poll(consumer, 3);
            equal("time", found.get(0).timestamp(), time);
            var headers = found.get(0).headers().toArray();
            equal("headers", headers.length, 2);
            equal("null header", headers[1].value(), null);
            equal("no key", found.get(1).key(), null);
            equal("no value", found.get(2).value(), null);
            equal("leader epoch", found.get(0).leaderEpoch().isPresent(), true);
        }
    }

    private static void times() throws Exception {
        String topic = topic("java-times", 1);
        long start = System.currentTimeMillis() - 1_000_000;
        try (var producer = producer("linger.ms", 50, "compression.type", "lz4")) {
            for (int n = 0; n < 100; n++) {
                producer.send(new ProducerRecord<>(topic, 0, start + n * 1_000, "k", "" + n));
            }
        }
        TopicPartition place = new TopicPartition(topic, 0);
        try (var consumer = consumer()) {
            equal("end", consumer.endOffsets(List.of(place)).get(place), 100L);
            equal("beginning", consumer.beginningOffsets(List.of(place)).get(place), 0L);
            var found = consumer.offsetsForTimes(Map.of(place, start + 41_500)).get(place);
            equal("by time", found.offset(), 42L);
            equal("its time", found.timestamp(), start + 42_000);
            equal("beyond", consumer.offsetsForTimes(Map.of(place, start + 100_000)).get(place), null);
        }
        try (Admin admin = admin()) {
            var latest = admin.listOffsets(Map.of(place, OffsetSpec.maxTimestamp())).partitionResult(place).get();
            equal("greatest time", latest.timestamp(), start + 99_000);
            equal("its offset", latest.offset(), 99L);
        }
    }

    private static void large() throws Exception {
        String value = "x".repeat(5 << 20);
        String small = topic("java-small", 1);
        Object[] settings = {"max.request.size", 20 << 20, "buffer.memory", 64 << 20};
        try (var producer = producer(settings)) {
            refused(
                    RecordTooLargeException.class,
                    () -> producer.send(new ProducerRecord<>(small, "k", value)).get());
            String large = topic("java-large", 1, Map.of("max.message.bytes", "" + (10 << 20)));
            producer.send(new ProducerRecord<>(large, "k", value)).get();
            equal("length", values(large, 1, 1).get(0).length(), value.length());
        }
    }

    private static void waiting() throws Exception {
        String topic = topic("java-waiting", 1);
        try (var consumer = consumer("fetch.max.wait.ms", 3_000);
                var producer = producer()) {
            consumer.assign(partitions(topic, 1));
            yes("nothing", consumer.poll(Duration.ofMillis(200)).isEmpty());
            long start = System.currentTimeMillis();
            producer.send(new ProducerRecord<>(topic, "k", "news")).get();
            equal("news", poll(consumer, 1).get(0).value(), "news");
            yes("at once", System.currentTimeMillis() - start < 2_000);
            Thread waker = new Thread(consumer::wakeup);
            waker.start();
            refused(WakeupException.class, () -> consumer.poll(Duration.ofSeconds(30)));
            waker.join();
        }
    }

    /** Two members of a group in turn: each is given something, and together they read everything once. */
    static void group(String group, Object... more) throws Exception {
        String topic = topic("java-" + group, 4);
        try (var producer = producer()) {
            send(producer, topic, 0, 400);
        }
        Object[] settings = new Object[more.length + 4];
        System.arraycopy(new Object[] {"group.id", group, "auto.commit.interval.ms", 100}, 0, settings, 0, 4);
        System.arraycopy(more, 0, settings, 4, more.length);
        Set<String> seen = new HashSet<>();
        try (var one = consumer(settings);
                var two = consumer(settings)) {
            one.subscribe(List.of(topic));
            two.subscribe(List.of(topic));
            until("both have partitions", () -> {
                for (var consumer : List.of(one, two)) {
                    consumer.poll(Duration.ofMillis(50)).forEach(record -> seen.add(record.value()));
                }
                return one.assignment().size() == 2 && two.assignment().size() == 2;
            });
            until("everything is read", () -> {
                one.poll(Duration.ofMillis(20)).forEach(record -> seen.add(record.value()));
                two.poll(Duration.ofMillis(20)).forEach(record -> seen.add(record.value()));
                return seen.size() == 400;
            });
        }
        try (var again = consumer(settings);
                var producer = producer()) {
            again.subscribe(List.of(topic));
            send(producer, topic, 400, 10);
            var found = poll(again, 10).stream().map(ConsumerRecord::value).sorted().toList();
            equal("only what is new", found, IntStream.range(400, 410).mapToObj(Integer::toString).toList());
        }
    }

    private static void commits() throws Exception {
        String topic = topic("java-commits", 1);
        TopicPartition place = new TopicPartition(topic, 0);
        try (var producer = producer()) {
            send(producer, topic, 0, 20);
        }
        Object[] settings = {"group.id", "java-commits", "enable.auto.commit", false, "max.poll.records", 5};
        try (var consumer = consumer(settings)) {
            consumer.subscribe(List.of(topic));
            poll(consumer, 5);
            consumer.commitSync(Map.of(place, new OffsetAndMetadata(3, "a note")));
        }
        try (var consumer = consumer(settings)) {
            var committed = consumer.committed(Set.of(place)).get(place);
            equal("offset", committed.offset(), 3L);
            equal("metadata", committed.metadata(), "a note");
            consumer.subscribe(List.of(topic));
            equal("goes on", poll(consumer, 1).get(0).offset(), 3L);
        }
    }

    private static void staticMember() throws Exception {
        String topic = topic("java-static", 2);
        Object[] first = {"group.id", "java-static", "group.instance.id", "one"};
        Object[] second = {"group.id", "java-static", "group.instance.id", "two"};
        AtomicReference<Integer> assigned = new AtomicReference<>(0);
        var listener = new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                assigned.updateAndGet(count -> count + 1);
            }
        };
        try (var one = consumer(first)) {
            one.subscribe(List.of(topic), listener);
            Set<TopicPartition> before;
            try (var two = consumer(second)) {
                two.subscribe(List.of(topic));
                until("both have one", () -> {
                    one.poll(Duration.ofMillis(50));
                    two.poll(Duration.ofMillis(50));
                    return one.assignment().size() == 1 && two.assignment().size() == 1;
                });
                before = two.assignment();
            }
            int times = assigned.get();
            try (var two = consumer(second)) {
                two.subscribe(List.of(topic));
                until("it is back", () -> {
                    one.poll(Duration.ofMillis(50));
                    two.poll(Duration.ofMillis(50));
                    return !two.assignment().isEmpty();
                });
                equal("the same partition", two.assignment(), before);
                equal("no rebalance", assigned.get(), times);
            }
        }
    }

    private static void transactions() throws Exception {
        String topic = topic("java-transactions", 2);
        Object[] settings = {"transactional.id", "java-t"};
        var producer = producer(settings);
        producer.initTransactions();
        producer.beginTransaction();
        send(producer, topic, 0, 10);
        producer.abortTransaction();
        producer.beginTransaction();
        send(producer, topic, 10, 10);
        try (var consumer = consumer("isolation.level", "read_committed")) {
            consumer.assign(partitions(topic, 2));
            yes("nothing yet", consumer.poll(Duration.ofMillis(500)).isEmpty());
            producer.commitTransaction();
            var found = poll(consumer, 10).stream().map(record -> Integer.valueOf(record.value())).sorted().toList();
            equal("committed", found, IntStream.range(10, 20).boxed().toList());
        }
        equal("all of it", values(topic, 2, 20).size(), 20);
        try (var other = producer(settings)) {
            other.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "k", "too late"));
            // A write of an old epoch can be aborted, says the broker; the abort then tells that the producer is fenced.
            refused(KafkaException.class, producer::commitTransaction);
            refused(ProducerFencedException.class, producer::abortTransaction);
            producer.close(Duration.ZERO);
            other.beginTransaction();
            send(other, topic, 20, 1);
            other.commitTransaction();
        }
    }

    private static void offsetsInTransaction() throws Exception {
        String source = topic("java-source", 1);
        String target = topic("java-target", 1);
        try (var producer = producer()) {
            send(producer, source, 0, 10);
        }
        TopicPartition place = new TopicPartition(source, 0);
        try (var consumer = consumer("group.id", "java-copy", "enable.auto.commit", false);
                var producer = producer("transactional.id", "java-copy")) {
            producer.initTransactions();
            consumer.subscribe(List.of(source));
            var found = poll(consumer, 10);
            for (boolean commits : new boolean[] {false, true}) {
                producer.beginTransaction();
                found.forEach(record -> producer.send(new ProducerRecord<>(target, record.key(), record.value())));
                producer.sendOffsetsToTransaction(
                        Map.of(place, new OffsetAndMetadata(10)), consumer.groupMetadata());
                if (commits) {
                    producer.commitTransaction();
                    equal("committed", consumer.committed(Set.of(place)).get(place).offset(), 10L);
                } else {
                    producer.abortTransaction();
                    equal("aborted", consumer.committed(Set.of(place)).get(place), null);
                }
            }
        }
        equal("once", values(target, 1, 10, "isolation.level", "read_committed"), numbers(10));
    }

    private static void topics() throws Exception {
        try (Admin admin = admin()) {
            String name = topic("java-admin", 2, Map.of("retention.ms", "60000"));
            refused(TopicExistsException.class, () -> topic(name, 2));
            refused(InvalidTopicException.class, () -> topic("not a name", 1));
            var described = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
            equal("partitions", described.partitions().size(), 2);
            yes("listed", admin.listTopics().names().get().contains(name));
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, name);
            var config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
            equal("retention", config.get("retention.ms").value(), "60000");
            var op = new AlterConfigOp(new ConfigEntry("retention.ms", "90000"), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(resource, List.of(op))).all().get();
            config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
            equal("changed", config.get("retention.ms").value(), "90000");
            admin.createPartitions(Map.of(name, NewPartitions.increaseTo(5))).all().get();
            described = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
            equal("more partitions", described.partitions().size(), 5);
            var cluster = admin.describeCluster();
            equal("nodes", cluster.nodes().get().size(), 1);
            yes("a cluster id", !cluster.clusterId().get().isEmpty());
            admin.deleteTopics(List.of(name)).all().get();
            refused(
                    UnknownTopicOrPartitionException.class,
                    () -> admin.describeTopics(List.of(name)).allTopicNames().get());
        }
    }

    private static void groups() throws Exception {
        String topic = topic("java-seen", 1);
        TopicPartition place = new TopicPartition(topic, 0);
        String group = "java-seen";
        try (var producer = producer();
                var admin = admin();
                var consumer = consumer("group.id", group)) {
            send(producer, topic, 0, 5);
            consumer.subscribe(List.of(topic));
            poll(consumer, 5);
            consumer.commitSync();
            var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            equal("members", described.members().size(), 1);
            var listed = new ArrayList<String>();
            admin.listConsumerGroups().all().get().forEach(one -> listed.add(one.groupId()));
            yes("listed", listed.contains(group));
            var offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            equal("offset", offsets.get(place).offset(), 5L);
            consumer.close();
            admin.alterConsumerGroupOffsets(group, Map.of(place, new OffsetAndMetadata(2))).all().get();
            offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            equal("altered", offsets.get(place).offset(), 2L);
            admin.deleteConsumerGroups(List.of(group)).all().get();
        }
    }

    private static void deleteRecords() throws Exception {
        String topic = topic("java-deleted", 1);
        TopicPartition place = new TopicPartition(topic, 0);
        try (var producer = producer();
                var admin = admin();
                KafkaConsumer<String, String> consumer = consumer()) {
            for (int n = 0; n < 10; n++) {
                send(producer, topic, n, 1);
            }
            var deleted = admin.deleteRecords(Map.of(place, RecordsToDelete.beforeOffset(4))).lowWatermarks();
            equal("low watermark", deleted.get(place).get().lowWatermark(), 4L);
            equal("beginning", consumer.beginningOffsets(List.of(place)).get(place), 4L);
            consumer.assign(List.of(place));
            consumer.seek(place, 0);
            equal("begins anew", poll(consumer, 1).get(0).offset(), 4L);
        }
    }
}
