package compat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What checks do all the time: clients of strings on one server, topics, records there and back. */
final class Kit {
    static final String SERVER = System.getenv("HEADWATER_KAFKA");

    private Kit() {}

    static Map<String, Object> settings(Object... pairs) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", SERVER);
        for (int at = 0; at < pairs.length; at += 2) {
            settings.put((String) pairs[at], pairs[at + 1]);
        }
        return settings;
    }

    static KafkaProducer<String, String> producer(Object... pairs) {
        return new KafkaProducer<>(settings(pairs), new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(Object... pairs) {
        Map<String, Object> settings = settings("auto.offset.reset", "earliest");
        settings.putAll(settings(pairs));
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    static Admin admin() {
        return Admin.create(settings());
    }

    static String topic(String name, int partitions, Map<String, String> configs) throws Exception {
        try (Admin admin = admin()) {
            NewTopic topic = new NewTopic(name, partitions, (short) 1).configs(configs);
            admin.createTopics(List.of(topic)).all().get();
        }
        return name;
    }

    static String topic(String name, int partitions) throws Exception {
        return topic(name, partitions, Map.of());
    }

    /** Sends `count` values from `first` on, of keys `k0` to `k9`, and waits for all of them. */
    static List<RecordMetadata> send(KafkaProducer<String, String> producer, String topic, int first, int count)
            throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int n = first; n < first + count; n++) {
            sent.add(producer.send(new ProducerRecord<>(topic, "k" + n % 10, "" + n)));
        }
        List<RecordMetadata> written = new ArrayList<>();
        for (Future<RecordMetadata> one : sent) {
            written.add(one.get());
        }
        return written;
    }

    /** Polls until there are `count` records. */
    static <V> List<ConsumerRecord<String, V>> poll(KafkaConsumer<String, V> consumer, int count) {
        List<ConsumerRecord<String, V>> found = new ArrayList<>();
        long deadline = System.currentTimeMillis() + Check.PATIENCE_MS;
        while (found.size() < count) {
            Check.yes(count + " records in time, saw " + found.size(), System.currentTimeMillis() < deadline);
            consumer.poll(Duration.ofMillis(200)).forEach(found::add);
        }
        return found;
    }

    static List<TopicPartition> partitions(String topic, int count) {
        List<TopicPartition> all = new ArrayList<>();
        for (int partition = 0; partition < count; partition++) {
            all.add(new TopicPartition(topic, partition));
        }
        return all;
    }

    /** All values of a topic, read from the start outside any group. */
    static List<String> values(String topic, int partitions, int count, Object... pairs) {
        try (KafkaConsumer<String, String> consumer = consumer(pairs)) {
            Collection<TopicPartition> all = partitions(topic, partitions);
            consumer.assign(all);
            consumer.seekToBeginning(all);
            return poll(consumer, count).stream().map(ConsumerRecord::value).toList();
        }
    }
}
