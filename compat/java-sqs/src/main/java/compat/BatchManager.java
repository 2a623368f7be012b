package compat;

import static compat.Assert.equal;
import static compat.Assert.isTrue;
import static compat.Assert.ok;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import software.amazon.awssdk.services.sqs.SqsAsyncClient;
import software.amazon.awssdk.services.sqs.batchmanager.SqsAsyncBatchManager;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;

/** SqsAsyncBatchManager: single calls gathered into batches behind the caller's back, receives ahead of the caller. */
final class BatchManager {
    private static final int COUNT = 137;

    private BatchManager() {}

    private static <T> List<T> join(List<CompletableFuture<T>> futures) {
        return futures.stream().map(CompletableFuture::join).collect(Collectors.toList());
    }

    static void all() {
        try (SqsAsyncClient sqs = Main.async()) {
            String url = sqs.createQueue(r -> r.queueName("java-batch-manager")).join().queueUrl();
            try (SqsAsyncBatchManager manager = SqsAsyncBatchManager.builder().client(sqs)
                    .scheduledExecutor(Executors.newScheduledThreadPool(2))
                    .overrideConfiguration(o -> o.maxBatchSize(10).sendRequestFrequency(Duration.ofMillis(50))
                        .receiveMessageVisibilityTimeout(Duration.ofSeconds(60)))
                    .build()) {
                drive(sqs, manager, url);
            }
            var counts = sqs.getQueueAttributes(r -> r.queueUrl(url).attributeNames(QueueAttributeName.ALL)).join();
            equal("messages left", counts.attributes().get(QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES), "0");
        }
    }

    private static void drive(SqsAsyncClient sqs, SqsAsyncBatchManager manager, String url) {
        List<String> sent = IntStream.range(0, COUNT).mapToObj(n -> "message " + n).collect(Collectors.toList());
        var sends = join(sent.stream().map(text -> manager.sendMessage(r -> r.queueUrl(url).messageBody(text)))
            .collect(Collectors.toList()));
        equal("ids", sends.stream().map(s -> s.messageId()).distinct().count(), (long) COUNT);
        ok("sends are gathered into batches");

        // One entry of a batch fails by itself.
        var good = manager.sendMessage(r -> r.queueUrl(url).messageBody("message " + COUNT));
        var bad = manager.sendMessage(r -> r.queueUrl(url).messageBody("\u0001"));
        good.join();
        isTrue("one of a batch fails", bad.handle((answer, error) -> error != null).join());
        ok("an entry that fails leaves the rest of its batch alone");

        List<Message> received = new ArrayList<>();
        Instant deadline = Instant.now().plusSeconds(30);
        while (received.size() < COUNT + 1) {
            isTrue("all messages within 30 s, saw " + received.size(), Instant.now().isBefore(deadline));
            received.addAll(manager.receiveMessage(r -> r.queueUrl(url).maxNumberOfMessages(10)
                .waitTimeSeconds(1)).join().messages());
        }
        List<String> expected = new ArrayList<>(sent);
        expected.add("message " + COUNT);
        List<String> seen = new ArrayList<>(SyncChecks.texts(received));
        Collections.sort(expected);
        Collections.sort(seen);
        equal("each message once", seen, expected);
        ok("receives come from batches fetched ahead");

        // Half is hidden for longer, then all is deleted.
        join(received.stream().limit(COUNT / 2).map(m -> manager.changeMessageVisibility(
            r -> r.queueUrl(url).receiptHandle(m.receiptHandle()).visibilityTimeout(120))).collect(Collectors.toList()));
        join(received.stream().map(m -> manager.deleteMessage(r -> r.queueUrl(url).receiptHandle(m.receiptHandle())))
            .collect(Collectors.toList()));
        var counts = sqs.getQueueAttributes(r -> r.queueUrl(url).attributeNames(QueueAttributeName.ALL)).join();
        equal("in flight", counts.attributes().get(QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE), "0");
        ok("changes and deletes are gathered, too");
    }
}
