package compat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Transactions as the Java client has them where transaction version 2 is in force, and what an administrator sees of them. */
public final class Main {
    private static final String BROKER = System.getenv("HEADWATER_KAFKA");
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static int failures = 0;

    public static void main(String[] arguments) throws Exception {
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", BROKER))) {
            features(admin);
            manyInARow(admin);
            copies(admin);
            zombie(admin);
            administration(admin);
        }
        System.exit(failures > 0 ? 1 : 0);
    }

    private static void features(Admin admin) throws Exception {
        var features = admin.describeFeatures().featureMetadata().get();
        var level = features.finalizedFeatures().get("transaction.version");
        expect("transaction version 2 is in force", level == null ? -1 : level.maxVersionLevel(), (short) 2);
    }

    /** Epochs grow with each transaction; nothing may depend on how many there were. */
    private static void manyInARow(Admin admin) throws Exception {
        String topic = newTopic(admin, 3);
        List<String> committed = new ArrayList<>();
        try (var producer = begun(UUID.randomUUID().toString())) {
            for (int number = 0; number < 60; number++) {
                producer.beginTransaction();
                for (int index = 0; index < 5; index++) {
                    producer.send(new ProducerRecord<>(topic, index % 3, null, number + "." + index));
                }
                producer.flush();
                if (number % 3 == 1) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                    for (int index = 0; index < 5; index++) {
                        committed.add(number + "." + index);
                    }
                }
            }
            producer.beginTransaction();
            producer.abortTransaction();
            producer.beginTransaction();
            producer.commitTransaction();
        }
        expect("committed transactions are read, aborted not", sorted(read(topic, 3, "read_committed", committed.size())), sorted(committed));
        expect("all are there", read(topic, 3, "read_uncommitted", 300).size(), 300);
    }

    private static void copies(Admin admin) throws Exception {
        String source = newTopic(admin, 1);
        String target = newTopic(admin, 1);
        String group = UUID.randomUUID().toString();
        try (var plain = new KafkaProducer<String, String>(producing(null))) {
            for (int number = 0; number < 10; number++) {
                plain.send(new ProducerRecord<>(source, String.valueOf(number)));
            }
        }
        var config = consuming("read_committed");
        config.put("group.id", group);
        var from = new TopicPartition(source, 0);
        try (var consumer = new KafkaConsumer<String, String>(config); var producer = begun(UUID.randomUUID().toString())) {
            for (boolean commits : new boolean[] {false, true}) {
                consumer.subscribe(List.of(source));
                int count = 0;
                producer.beginTransaction();
                long deadline = System.nanoTime() + PATIENCE.toNanos();
                while (count < 10 && System.nanoTime() < deadline) {
                    for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                        producer.send(new ProducerRecord<>(target, record.value() + "!"));
                        count++;
                    }
                }
                producer.sendOffsetsToTransaction(Map.of(from, new OffsetAndMetadata(10)), consumer.groupMetadata());
                if (commits) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                    consumer.seek(from, 0);
                }
                var offset = consumer.committed(Set.of(from)).get(from);
                expect("offsets end as their transaction does", offset == null ? -1 : offset.offset(), commits ? 10L : -1L);
            }
        }
        expect("copied once", read(target, 1, "read_committed", 10).size(), 10);
    }

    private static void zombie(Admin admin) throws Exception {
        String topic = newTopic(admin, 1);
        String id = UUID.randomUUID().toString();
        var old = begun(id);
        old.beginTransaction();
        old.send(new ProducerRecord<>(topic, "old")).get();
        try (var successor = begun(id)) {
            successor.beginTransaction();
            successor.send(new ProducerRecord<>(topic, "new")).get();
            successor.commitTransaction();
        }
        boolean isFenced = false;
        try {
            old.send(new ProducerRecord<>(topic, "zombie")).get();
            old.commitTransaction();
        } catch (ExecutionException error) {
            isFenced = isFencing(error.getCause());
        } catch (KafkaException error) {
            isFenced = isFencing(error);
        }
        old.close(Duration.ZERO);
        expect("a zombie is shut out", isFenced, true);
        expect("only the new one's is read", read(topic, 1, "read_committed", 1), List.of("new"));
    }

    private static boolean isFencing(Throwable error) {
        return error instanceof ProducerFencedException || error instanceof InvalidProducerEpochException;
    }

    private static void administration(Admin admin) throws Exception {
        String topic = newTopic(admin, 1);
        String id = "hanging-" + UUID.randomUUID();
        var partition = new TopicPartition(topic, 0);
        var producer = begun(id);
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(topic, "hanging")).get();

        TransactionDescription about = admin.describeTransactions(List.of(id)).description(id).get();
        expect("it is described", List.of(about.state(), about.topicPartitions()), List.of(TransactionState.ONGOING, Set.of(partition)));
        var ongoing = new ListTransactionsOptions().filterStates(Set.of(TransactionState.ONGOING)).filterOnTransactionalIdPattern("hanging-.*");
        expect("it is listed", names(admin, ongoing).contains(id), true);
        var others = new ListTransactionsOptions().filterOnTransactionalIdPattern("hanging");
        expect("a pattern is of whole names", names(admin, others).contains(id), false);
        var aged = new ListTransactionsOptions().filterOnDuration(3_600_000);
        expect("it is not an hour old", names(admin, aged).contains(id), false);
        var producers = admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers();
        ProducerState state = producers.get(0);
        expect("its producer is described", List.of(state.producerId(), state.currentTransactionStartOffset().getAsLong(), state.lastSequence()),
            List.of(about.producerId(), 0L, 0));

        var abort = new AbortTransactionSpec(partition, state.producerId(), (short) state.producerEpoch(), state.coordinatorEpoch().orElse(0));
        admin.abortTransaction(abort).all().get();
        try (var plain = new KafkaProducer<String, String>(producing(null))) {
            plain.send(new ProducerRecord<>(topic, "after")).get();
        }
        expect("an administrator aborts it", read(topic, 1, "read_committed", 1), List.of("after"));
        producer.close(Duration.ZERO);

        String fenced = UUID.randomUUID().toString();
        var other = begun(fenced);
        other.beginTransaction();
        other.send(new ProducerRecord<>(topic, "fenced")).get();
        admin.fenceProducers(List.of(fenced)).all().get();
        boolean isFenced = false;
        try {
            other.commitTransaction();
        } catch (KafkaException error) {
            isFenced = isFencing(error);
        }
        other.close(Duration.ZERO);
        expect("an administrator shuts a producer out", isFenced, true);
        expect("whose transaction is aborted", read(topic, 1, "read_committed", 1), List.of("after"));
    }

    private static Set<String> names(Admin admin, ListTransactionsOptions options) throws Exception {
        Set<String> names = new HashSet<>();
        for (TransactionListing listing : admin.listTransactions(options).all().get()) {
            names.add(listing.transactionalId());
        }
        return names;
    }

    private static String newTopic(Admin admin, int partitions) throws Exception {
        String name = "transactions-" + UUID.randomUUID();
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get(30, TimeUnit.SECONDS);
        return name;
    }

    private static Properties producing(String id) {
        var config = new Properties();
        config.put("bootstrap.servers", BROKER);
        config.put("key.serializer", StringSerializer.class.getName());
        config.put("value.serializer", StringSerializer.class.getName());
        if (id != null) {
            config.put("transactional.id", id);
        }
        return config;
    }

    private static KafkaProducer<String, String> begun(String id) {
        var producer = new KafkaProducer<String, String>(producing(id));
        producer.initTransactions();
        return producer;
    }

    private static Properties consuming(String isolation) {
        var config = new Properties();
        config.put("bootstrap.servers", BROKER);
        config.put("key.deserializer", StringDeserializer.class.getName());
        config.put("value.deserializer", StringDeserializer.class.getName());
        config.put("isolation.level", isolation);
        config.put("enable.auto.commit", "false");
        config.put("auto.offset.reset", "earliest");
        return config;
    }

    /** All there is to read, up to the end that the reader is told; that end must not be short of {@code count} records. */
    private static List<String> read(String topic, int partitions, String isolation, int count) {
        List<String> values = new ArrayList<>();
        try (var consumer = new KafkaConsumer<String, String>(consuming(isolation))) {
            List<TopicPartition> all = new ArrayList<>();
            for (int index = 0; index < partitions; index++) {
                all.add(new TopicPartition(topic, index));
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
            var ends = consumer.endOffsets(all);
            BooleanSupplier isDone = () -> all.stream().allMatch(one -> consumer.position(one) >= ends.get(one));
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (!isDone.getAsBoolean() && System.nanoTime() < deadline) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    values.add(record.value());
                }
            }
        }
        if (values.size() < count) {
            System.out.println("     read " + values.size() + " of " + count);
        }
        return values;
    }

    private static Set<String> sorted(List<String> values) {
        return new TreeSet<>(values);
    }

    private static void expect(String what, Object seen, Object expected) {
        boolean isRight = expected.equals(seen);
        failures += isRight ? 0 : 1;
        System.out.println((isRight ? "ok   " : "FAIL ") + what + (isRight ? "" : ": expected " + expected + ", saw " + seen));
    }
}
