package compat;

import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.cloudwatch.AmazonCloudWatchClientBuilder;
import com.amazonaws.services.dynamodbv2.AmazonDynamoDBClientBuilder;
import com.amazonaws.services.kinesis.AmazonKinesis;
import com.amazonaws.services.kinesis.AmazonKinesisClientBuilder;
import com.amazonaws.services.kinesis.clientlibrary.lib.worker.InitialPositionInStream;
import com.amazonaws.services.kinesis.clientlibrary.lib.worker.KinesisClientLibConfiguration;
import com.amazonaws.services.kinesis.clientlibrary.lib.worker.Worker;
import com.amazonaws.services.kinesis.model.PutRecordsRequest;
import com.amazonaws.services.kinesis.model.PutRecordsRequestEntry;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** Drives a server with the Kinesis Client Library 1, which stands on the AWS SDK for Java 1. */
public final class Main {
    private static final String ACCOUNT = "510000000003";
    private static final String STREAM = "kcl-1";
    private static final AWSStaticCredentialsProvider CREDENTIALS =
        new AWSStaticCredentialsProvider(new BasicAWSCredentials(ACCOUNT, "secret"));

    private final AmazonKinesis kinesis = at(AmazonKinesisClientBuilder.standard());

    private Main() {}

    private static <B extends AwsClientBuilder<B, C>, C> C at(B builder) {
        return builder.withCredentials(CREDENTIALS).withEndpointConfiguration(
            new EndpointConfiguration(System.getenv("HEADWATER_ENDPOINT"), "eu-central-1")).build();
    }

    private static void isTrue(String what, boolean condition) {
        if (!condition) {
            throw new AssertionError("expected: " + what);
        }
    }

    private void until(String what, java.util.concurrent.Callable<Boolean> look) throws Exception {
        long deadline = System.nanoTime() + 90_000_000_000L;
        while (!look.call()) {
            isTrue("within 90 s: " + what, System.nanoTime() < deadline);
            Thread.sleep(50);
        }
    }

    private Set<String> put(String name, int count) {
        Set<String> texts = new HashSet<>();
        List<PutRecordsRequestEntry> entries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String text = name + " " + i;
            texts.add(text);
            entries.add(new PutRecordsRequestEntry().withPartitionKey("key " + i)
                .withData(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8))));
        }
        var answer = kinesis.putRecords(new PutRecordsRequest().withStreamName(STREAM).withRecords(entries));
        isTrue("all are put", answer.getFailedRecordCount() == 0);
        return texts;
    }

    private Worker worker(Processor.Seen seen) {
        var config = new KinesisClientLibConfiguration(STREAM, STREAM, CREDENTIALS, "reader")
            .withInitialPositionInStream(InitialPositionInStream.TRIM_HORIZON)
            .withRegionName("eu-central-1").withFailoverTimeMillis(3000).withIdleTimeBetweenReadsInMillis(200);
        Worker worker = new Worker.Builder().recordProcessorFactory(() -> new Processor(seen)).config(config)
            .kinesisClient(kinesis).dynamoDBClient(at(AmazonDynamoDBClientBuilder.standard()))
            .cloudWatchClient(at(AmazonCloudWatchClientBuilder.standard())).build();
        Thread thread = new Thread(worker, "reader");
        thread.setDaemon(true);
        thread.start();
        return worker;
    }

    private void run() throws Exception {
        kinesis.createStream(STREAM, 2);
        until("the stream is ACTIVE", () ->
            kinesis.describeStream(STREAM).getStreamDescription().getStreamStatus().equals("ACTIVE"));
        Set<String> put = put("before", 400);
        var first = new Processor.Seen();
        Worker worker = worker(first);
        until("what was there", () -> first.distinct().equals(put));
        put.addAll(put("live", 100));
        until("what came", () -> first.distinct().equals(put));
        isTrue("an orderly end", worker.startGracefulShutdown().get(60, TimeUnit.SECONDS));
        isTrue("each record once", first.count() == put.size());
        System.out.println("ok   the KCL 1 reads all records once, in order");

        Set<String> later = put("later", 100);
        var second = new Processor.Seen();
        Worker again = worker(second);
        until("what came meanwhile", () -> second.distinct().containsAll(later));
        isTrue("an orderly end", again.startGracefulShutdown().get(60, TimeUnit.SECONDS));
        isTrue("nothing from before the checkpoints", second.distinct().equals(later));
        System.out.println("ok   a restarted worker goes on from its checkpoints");
    }

    public static void main(String[] arguments) {
        try {
            new Main().run();
        } catch (Throwable failure) {
            System.out.println("FAIL " + failure);
            failure.printStackTrace(System.out);
            System.exit(1);
        }
        System.exit(0);
    }
}
