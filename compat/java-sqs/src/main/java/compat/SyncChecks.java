package compat;

import static compat.Assert.equal;
import static compat.Assert.isTrue;
import static compat.Assert.ok;
import static compat.Assert.refused;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.DeleteMessageBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.EmptyBatchRequestException;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.MessageAttributeValue;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueDoesNotExistException;
import software.amazon.awssdk.services.sqs.model.QueueNameExistsException;
import software.amazon.awssdk.services.sqs.model.ReceiptHandleIsInvalidException;
import software.amazon.awssdk.services.sqs.model.SendMessageBatchRequestEntry;

/** The synchronous client: life of a queue, messages with attributes, batches, FIFO order and dead letters. */
final class SyncChecks {
    private final SqsClient sqs;

    private SyncChecks(SqsClient sqs) {
        this.sqs = sqs;
    }

    static void all() {
        try (var sqs = Main.sync()) {
            var checks = new SyncChecks(sqs);
            checks.queues();
            checks.messages();
            checks.batches();
            checks.fifo();
            checks.deadLetters();
        }
    }

    private String create(String name, Map<QueueAttributeName, String> attributes) {
        return sqs.createQueue(r -> r.queueName(name).attributes(attributes)).queueUrl();
    }

    private List<Message> receive(String url, int count) {
        List<Message> messages = new ArrayList<>();
        Instant deadline = Instant.now().plusSeconds(20);
        while (messages.size() < count) {
            int left = Math.min(10, count - messages.size());
            isTrue(count + " messages within 20 s", Instant.now().isBefore(deadline));
            messages.addAll(sqs.receiveMessage(r -> r.queueUrl(url).maxNumberOfMessages(left).waitTimeSeconds(1)
                .messageAttributeNames("All").messageSystemAttributeNames(MessageSystemAttributeName.ALL)).messages());
        }
        return messages;
    }

    static List<String> texts(List<Message> messages) {
        return messages.stream().map(Message::body).collect(Collectors.toList());
    }

    private void queues() {
        String url = create("java", Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "40"));
        equal("its URL", sqs.getQueueUrl(r -> r.queueName("java")).queueUrl(), url);
        isTrue("it is listed", sqs.listQueuesPaginator(r -> r.maxResults(1)).queueUrls().stream().anyMatch(url::equals));
        var attributes = sqs.getQueueAttributes(r -> r.queueUrl(url).attributeNames(QueueAttributeName.ALL));
        equal("the timeout", attributes.attributes().get(QueueAttributeName.VISIBILITY_TIMEOUT), "40");
        equal("the ARN", attributes.attributes().get(QueueAttributeName.QUEUE_ARN),
            "arn:aws:sqs:" + Main.REGION + ":" + Main.ACCOUNT + ":java");
        refused("another queue of the name", QueueNameExistsException.class,
            () -> create("java", Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "41")));
        sqs.tagQueue(r -> r.queueUrl(url).tags(Map.of("a", "b")));
        equal("tags", sqs.listQueueTags(r -> r.queueUrl(url)).tags(), Map.of("a", "b"));
        sqs.deleteQueue(r -> r.queueUrl(url));
        refused("a deleted queue", QueueDoesNotExistException.class,
            () -> sqs.sendMessage(r -> r.queueUrl(url).messageBody("x")));
        ok("queues are created, described, tagged and deleted");
    }

    private void messages() {
        String url = create("java-messages", Map.of());
        byte[] bytes = new byte[256];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) i;
        }
        var attributes = Map.of(
            "text", MessageAttributeValue.builder().dataType("String.x").stringValue("ünï & <cödé>").build(),
            "number", MessageAttributeValue.builder().dataType("Number").stringValue("1.50").build(),
            "bytes", MessageAttributeValue.builder().dataType("Binary").binaryValue(SdkBytes.fromByteArray(bytes)).build());
        String body = "ünïcödé ∑ 🦀 \r\n\t <&>\"'";
        var sent = sqs.sendMessage(r -> r.queueUrl(url).messageBody(body).messageAttributes(attributes));
        Message message = receive(url, 1).get(0);
        equal("the body", message.body(), body);
        equal("the id", message.messageId(), sent.messageId());
        equal("the attributes", message.messageAttributes(), attributes);
        equal("the attributes' MD5", message.md5OfMessageAttributes(), sent.md5OfMessageAttributes());
        equal("receives", message.attributes().get(MessageSystemAttributeName.APPROXIMATE_RECEIVE_COUNT), "1");
        sqs.changeMessageVisibility(r -> r.queueUrl(url).receiptHandle(message.receiptHandle()).visibilityTimeout(0));
        Message again = receive(url, 1).get(0);
        equal("receives", again.attributes().get(MessageSystemAttributeName.APPROXIMATE_RECEIVE_COUNT), "2");
        sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle(again.receiptHandle()));
        refused("a wrong handle", ReceiptHandleIsInvalidException.class,
            () -> sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle("nonsense")));
        Instant start = Instant.now();
        var none = sqs.receiveMessage(r -> r.queueUrl(url).waitTimeSeconds(1));
        equal("messages left", none.messages(), List.of());
        isTrue("a long poll lasts", Duration.between(start, Instant.now()).toMillis() >= 900);
        String large = "x".repeat(1 << 20);
        sqs.sendMessage(r -> r.queueUrl(url).messageBody(large));
        isTrue("1 MiB comes back", receive(url, 1).get(0).body().equals(large));
        ok("messages carry text, attributes and digests");
    }

    private void batches() {
        String url = create("java-batches", Map.of());
        var entries = IntStream.range(0, 10).boxed().collect(Collectors.toList());
        var sent = sqs.sendMessageBatch(r -> r.queueUrl(url).entries(entries.stream()
            .map(n -> SendMessageBatchRequestEntry.builder()
                .id("m" + n).messageBody(n == 7 ? "bad \u0001" : "body " + n).build())
            .collect(Collectors.toList())));
        equal("sent", sent.successful().size(), 9);
        equal("not sent", sent.failed().get(0).id(), "m7");
        equal("why", sent.failed().get(0).code(), "InvalidMessageContents");
        List<Message> messages = receive(url, 9);
        var deleted = sqs.deleteMessageBatch(r -> r.queueUrl(url).entries(IntStream.range(0, 9)
            .mapToObj(n -> DeleteMessageBatchRequestEntry.builder()
                .id("d" + n).receiptHandle(messages.get(n).receiptHandle()).build())
            .collect(Collectors.toList())));
        equal("deleted", deleted.successful().size(), 9);
        refused("an empty batch", EmptyBatchRequestException.class,
            () -> sqs.sendMessageBatch(r -> r.queueUrl(url).entries(List.of())));
        ok("batches succeed and fail by entry");
    }

    private void fifo() {
        String url = create("java.fifo", Map.of(QueueAttributeName.FIFO_QUEUE, "true",
            QueueAttributeName.CONTENT_BASED_DEDUPLICATION, "true"));
        List<String> sent = List.of("a", "b", "c", "d");
        String first = null;
        for (String text : sent) {
            var answer = sqs.sendMessage(r -> r.queueUrl(url).messageBody(text).messageGroupId("g"));
            first = first == null ? answer.messageId() : first;
            isTrue("a sequence number", answer.sequenceNumber().length() == 20);
        }
        var duplicate = sqs.sendMessage(r -> r.queueUrl(url).messageBody("a").messageGroupId("g"));
        equal("a duplicate is the first message", duplicate.messageId(), first);
        List<Message> messages = receive(url, 4);
        equal("the order", texts(messages), sent);
        equal("a group in flight", sqs.receiveMessage(r -> r.queueUrl(url)).messages(), List.of());
        ok("a FIFO queue keeps order and drops duplicates");
    }

    private void deadLetters() {
        String dead = create("java-dead", Map.of());
        String arn = sqs.getQueueAttributes(r -> r.queueUrl(dead).attributeNames(QueueAttributeName.QUEUE_ARN))
            .attributes().get(QueueAttributeName.QUEUE_ARN);
        String url = create("java-source", Map.of(QueueAttributeName.REDRIVE_POLICY,
            "{\"deadLetterTargetArn\":\"" + arn + "\",\"maxReceiveCount\":1}"));
        sqs.sendMessage(r -> r.queueUrl(url).messageBody("poison"));
        Message message = receive(url, 1).get(0);
        sqs.changeMessageVisibility(r -> r.queueUrl(url).receiptHandle(message.receiptHandle()).visibilityTimeout(0));
        equal("none for its source", sqs.receiveMessage(r -> r.queueUrl(url)).messages(), List.of());
        Message moved = receive(dead, 1).get(0);
        equal("the dead letter", moved.messageId(), message.messageId());
        equal("its source", moved.attributes().get(MessageSystemAttributeName.DEAD_LETTER_QUEUE_SOURCE_ARN),
            arn.replace("java-dead", "java-source"));
        equal("sources", sqs.listDeadLetterSourceQueues(r -> r.queueUrl(dead)).queueUrls(), List.of(url));
        sqs.changeMessageVisibility(r -> r.queueUrl(dead).receiptHandle(moved.receiptHandle()).visibilityTimeout(0));
        sqs.startMessageMoveTask(r -> r.sourceArn(arn));
        equal("moved back", texts(receive(url, 1)), List.of("poison"));
        ok("a dead letter moves there and back");
    }
}
