package compat;

import static compat.Assert.equal;
import static compat.Assert.ok;
import static compat.Assert.until;

import io.awspring.cloud.sqs.listener.SqsMessageListenerContainer;
import io.awspring.cloud.sqs.listener.acknowledgement.handler.AcknowledgementMode;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import software.amazon.awssdk.services.sqs.SqsAsyncClient;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;

/** Spring Cloud AWS: its listener container polls, hands each message to a listener, and acknowledges in batches. */
final class SpringPolling {
    private SpringPolling() {}

    static void all() {
        try (SqsAsyncClient sqs = Main.async()) {
            String url = sqs.createQueue(r -> r.queueName("spring").attributes(
                java.util.Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "1"))).join().queueUrl();
            List<String> seen = new CopyOnWriteArrayList<>();
            Set<String> failed = ConcurrentHashMap.newKeySet();
            SqsMessageListenerContainer<String> container = SqsMessageListenerContainer.<String>builder()
                .sqsAsyncClient(sqs).queueNames("spring")
                .configure(o -> o.maxConcurrentMessages(20).maxMessagesPerPoll(10).pollTimeout(Duration.ofSeconds(2))
                    .acknowledgementMode(AcknowledgementMode.ON_SUCCESS)
                    .acknowledgementInterval(Duration.ofMillis(50)).acknowledgementThreshold(10))
                .messageListener(message -> {
                    // Every seventh message fails the first time it is seen.
                    String text = message.getPayload();
                    if (Integer.parseInt(text) % 7 == 0 && failed.add(text)) {
                        throw new IllegalStateException("fails once: " + text);
                    }
                    seen.add(text);
                })
                .build();
            container.start();
            List<String> sent = IntStream.range(0, 50).mapToObj(Integer::toString).collect(Collectors.toList());
            sent.forEach(text -> sqs.sendMessage(r -> r.queueUrl(url).messageBody(text)).join());
            until("all messages were handled", () -> Set.copyOf(seen).containsAll(sent));
            equal("messages that failed once", failed.size(), 8);
            ok("a listener container handles all, the failed ones again");
            until("all are acknowledged", () -> {
                var counts = sqs.getQueueAttributes(r -> r.queueUrl(url).attributeNames(QueueAttributeName.ALL)).join();
                return counts.attributes().get(QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES).equals("0")
                    && counts.attributes().get(QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE).equals("0");
            });
            container.stop();
            ok("what was handled is acknowledged");
        }
    }
}
