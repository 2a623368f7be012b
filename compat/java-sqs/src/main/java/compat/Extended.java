package compat;

import static compat.Assert.equal;
import static compat.Assert.isTrue;
import static compat.Assert.ok;

import com.amazon.sqs.javamessaging.AmazonSQSExtendedClient;
import com.amazon.sqs.javamessaging.ExtendedClientConfiguration;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.S3Object;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.SendMessageBatchRequestEntry;

/** The extended client: bodies over the limit lie in a bucket, the queue carries a pointer, deletion takes both. */
final class Extended {
    private static final String BUCKET = "extended-bodies";

    private Extended() {}

    private static List<S3Object> objects(S3Client s3) {
        return s3.listObjectsV2(r -> r.bucket(BUCKET)).contents();
    }

    /** Two mebibytes that are not all alike. */
    private static String large(int seed) {
        return IntStream.range(0, 1 << 17).mapToObj(n -> String.format("%08x ünï..", n * 31 + seed))
            .collect(Collectors.joining()).substring(0, 1 << 20).repeat(2);
    }

    static void all() {
        try (S3Client s3 = Main.s3(); SqsClient plain = Main.sync()) {
            s3.createBucket(r -> r.bucket(BUCKET));
            var configuration = new ExtendedClientConfiguration().withPayloadSupportEnabled(s3, BUCKET, true);
            var sqs = new AmazonSQSExtendedClient(plain, configuration);
            String url = sqs.createQueue(r -> r.queueName("java-extended")).queueUrl();
            small(sqs, s3, url);
            one(sqs, plain, s3, url);
            batch(sqs, s3, url);
        }
    }

    private static Message receive(SqsClient sqs, String url) {
        var messages = sqs.receiveMessage(r -> r.queueUrl(url).waitTimeSeconds(10)).messages();
        equal("messages received", messages.size(), 1);
        return messages.get(0);
    }

    private static void small(SqsClient sqs, S3Client s3, String url) {
        sqs.sendMessage(r -> r.queueUrl(url).messageBody("small"));
        equal("objects of a small body", objects(s3).size(), 0);
        Message message = receive(sqs, url);
        equal("the small body", message.body(), "small");
        sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle(message.receiptHandle()));
        ok("a small body stays in the queue");
    }

    private static void one(SqsClient sqs, SqsClient plain, S3Client s3, String url) {
        String body = large(1);
        sqs.sendMessage(r -> r.queueUrl(url).messageBody(body));
        equal("objects of a large body", objects(s3).size(), 1);
        // What the queue holds is the pointer, as a client without the extension sees.
        Message pointer = receive(plain, url);
        isTrue("a pointer of some bytes, saw " + pointer.body(),
            pointer.body().contains(BUCKET) && pointer.body().length() < 1024);
        plain.changeMessageVisibility(r -> r.queueUrl(url).receiptHandle(pointer.receiptHandle()).visibilityTimeout(0));
        Message message = receive(sqs, url);
        isTrue("2 MiB as they were", message.body().equals(body));
        sqs.changeMessageVisibility(r -> r.queueUrl(url).receiptHandle(message.receiptHandle()).visibilityTimeout(0));
        Message again = receive(sqs, url);
        sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle(again.receiptHandle()));
        equal("objects after the deletion", objects(s3).size(), 0);
        ok("a body of 2 MiB goes by the bucket and is deleted with its message");
    }

    private static void batch(SqsClient sqs, S3Client s3, String url) {
        var answer = sqs.sendMessageBatch(r -> r.queueUrl(url).entries(IntStream.range(0, 3)
            .mapToObj(n -> SendMessageBatchRequestEntry.builder().id("m" + n).messageBody(large(n)).build())
            .collect(Collectors.toList())));
        equal("sent", answer.successful().size(), 3);
        equal("objects of a batch", objects(s3).size(), 3);
        for (int n = 0; n < 3; n++) {
            Message message = receive(sqs, url);
            isTrue("2 MiB", message.body().length() == 2 << 20);
            sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle(message.receiptHandle()));
        }
        equal("objects left", objects(s3).size(), 0);
        ok("a batch of large bodies does the same");
    }
}
