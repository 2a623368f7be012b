package compat;

import static compat.Check.equal;
import static compat.Check.until;
import static compat.Kit.admin;
import static compat.Kit.consumer;
import static compat.Kit.producer;
import static compat.Kit.send;
import static compat.Kit.topic;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.GroupType;

/** An application goes over to the protocol of KIP-848 a process at a time, and back, and reads each record once. */
final class Migration {
    private static final int PARTITIONS = 6;

    private final String topic;
    private final String assignor;
    private final KafkaProducer<String, String> producer = producer();
    private final List<KafkaConsumer<String, String>> members = new ArrayList<>();
    private final Map<String, Integer> seen = new HashMap<>();
    private int sent;

    private Migration(String topic, Class<?> assignor) {
        this.topic = topic;
        this.assignor = assignor.getName();
    }

    static void addTo(Check check) {
        check.that("an eager group goes over to the new protocol and back", () -> run("eager", RangeAssignor.class))
                .that("a cooperative group goes over to the new protocol and back",
                        () -> run("cooperative", CooperativeStickyAssignor.class));
    }

    private static void run(String name, Class<?> assignor) throws Exception {
        Migration migration = new Migration(topic("java-migration-" + name, PARTITIONS), assignor);
        try {
            migration.goOver();
            migration.goBack();
        } finally {
            migration.members.forEach(KafkaConsumer::close);
            migration.producer.close();
        }
        equal("records seen more than once", migration.seen.values().stream().filter(times -> times > 1).count(), 0L);
    }

    private void goOver() throws Exception {
        start("classic");
        start("classic");
        settle(3, 3);
        equal("type", type(), GroupType.CLASSIC);
        start("consumer");
        settle(2, 2, 2);
        equal("type", type(), GroupType.CONSUMER);
        equal("of the new protocol", upgraded(), List.of(false, false, true));
        stop(0);
        settle(3, 3);
        start("consumer");
        settle(2, 2, 2);
        stop(0);
        settle(3, 3);
        equal("of the new protocol", upgraded(), List.of(true, true));
    }

    private void goBack() throws Exception {
        start("classic");
        settle(2, 2, 2);
        stop(0);
        settle(3, 3);
        stop(0);
        settle(6);
        equal("type", type(), GroupType.CLASSIC);
    }

    private void start(String protocol) {
        List<Object> settings = new ArrayList<>(List.of("group.id", topic, "group.protocol", protocol));
        if (protocol.equals("classic")) {
            // So that it soon learns that it is to join again.
            settings.addAll(List.of("partition.assignment.strategy", assignor, "heartbeat.interval.ms", 300));
        }
        KafkaConsumer<String, String> member = consumer(settings.toArray());
        member.subscribe(List.of(topic));
        members.add(member);
    }

    private void stop(int index) {
        members.remove(index).close();
    }

    /** Polls until the members have so many partitions and everything sent is read. */
    private void settle(int... expected) throws Exception {
        int count = 120;
        send(producer, topic, sent, count);
        sent += count;
        until(Arrays.toString(expected) + " partitions, " + sent + " records", () -> {
            for (KafkaConsumer<String, String> member : members) {
                member.poll(Duration.ofMillis(20)).forEach(record -> seen.merge(record.value(), 1, Integer::sum));
            }
            int[] sizes = members.stream().mapToInt(member -> member.assignment().size()).toArray();
            return Arrays.equals(sizes, expected) && seen.size() == sent;
        });
    }

    private ConsumerGroupDescription description() throws Exception {
        try (Admin admin = admin()) {
            return admin.describeConsumerGroups(List.of(topic)).describedGroups().get(topic).get();
        }
    }

    private GroupType type() throws Exception {
        return description().type();
    }

    /** Of each member whether it is of the new protocol. */
    private List<Boolean> upgraded() throws Exception {
        Stream<Optional<Boolean>> members = description().members().stream().map(member -> member.upgraded());
        return members.map(Optional::orElseThrow).sorted().toList();
    }
}
