package compat;

import java.net.URI;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;

import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.http.SdkHttpRequest;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.cloudwatch.CloudWatchClient;
import software.amazon.awssdk.services.cloudwatch.model.CloudWatchException;
import software.amazon.awssdk.services.cloudwatch.model.Datapoint;
import software.amazon.awssdk.services.cloudwatch.model.Dimension;
import software.amazon.awssdk.services.cloudwatch.model.InvalidParameterValueException;
import software.amazon.awssdk.services.cloudwatch.model.MetricDataResult;
import software.amazon.awssdk.services.cloudwatch.model.MetricDatum;
import software.amazon.awssdk.services.cloudwatch.model.ScanBy;
import software.amazon.awssdk.services.cloudwatch.model.StandardUnit;
import software.amazon.awssdk.services.cloudwatch.model.Statistic;

/** Metrics by the AWS SDK for Java 2: put, listed, read, by the clients the KCL and the KPL have. Prints a line a check. */
public final class Main {
    private static final String NAMESPACE = "java-" + UUID.randomUUID();
    private static final Dimension HOST = Dimension.builder().name("Host").value("x").build();
    private static final Instant START = Instant.now().truncatedTo(ChronoUnit.MINUTES).minusSeconds(600);

    private Main() {}

    /** Keeps the last request as it was sent. */
    private static final class Sent implements ExecutionInterceptor {
        private final AtomicReference<SdkHttpRequest> last = new AtomicReference<>();

        @Override
        public void beforeTransmission(Context.BeforeTransmission context, ExecutionAttributes attributes) {
            last.set(context.httpRequest());
        }

        String header(String name) {
            return last.get().firstMatchingHeader(name).orElse("");
        }
    }

    private static void equal(Object found, Object expected) {
        if (!expected.equals(found)) {
            throw new AssertionError("expected " + expected + ", found " + found);
        }
    }

    private static MetricDatum datum(int minute, double... values) {
        List<Double> boxed = new ArrayList<>();
        for (double value : values) {
            boxed.add(value);
        }
        return MetricDatum.builder().metricName("m").dimensions(HOST).timestamp(START.plusSeconds(60L * minute)).values(boxed)
                .unit(StandardUnit.MILLISECONDS).build();
    }

    private static void valuesArePutAndSummed(CloudWatchClient client) {
        client.putMetricData(put -> put.namespace(NAMESPACE).metricData(datum(0, 1.5, 2), datum(1, 4)));
        List<Datapoint> points = client.getMetricStatistics(ask -> ask.namespace(NAMESPACE).metricName("m").dimensions(HOST)
                .startTime(START).endTime(START.plusSeconds(600)).period(60).statistics(Statistic.SUM, Statistic.SAMPLE_COUNT)).datapoints();
        equal(points.size(), 2);
        equal(List.of(points.get(0).timestamp(), points.get(0).sum(), points.get(0).sampleCount(), points.get(0).unit()),
                List.of(START, 3.5, 2.0, StandardUnit.MILLISECONDS));
        equal(List.of(points.get(1).timestamp(), points.get(1).sum()), List.of(START.plusSeconds(60), 4.0));
    }

    private static void expressionsAreComputed(CloudWatchClient client) {
        MetricDataResult result = client.getMetricData(ask -> ask.startTime(START).endTime(START.plusSeconds(600))
                .scanBy(ScanBy.TIMESTAMP_ASCENDING).metricDataQueries(
                        query -> query.id("m").returnData(false).metricStat(stat -> stat.period(60).stat("Maximum").metric(
                                metric -> metric.namespace(NAMESPACE).metricName("m").dimensions(HOST))),
                        query -> query.id("e").expression("FLOOR(m * 10)"))).metricDataResults().get(0);
        equal(List.of(result.id(), result.statusCodeAsString(), result.timestamps(), result.values()),
                List.of("e", "Complete", List.of(START, START.plusSeconds(60)), List.of(20.0, 40.0)));
    }

    private static void aLargePutComesCompressed(CloudWatchClient client, Sent sent) {
        List<MetricDatum> many = new ArrayList<>();
        for (int number = 0; number < 1000; number++) {
            many.add(MetricDatum.builder().metricName("metric-" + number).value((double) number).build());
        }
        client.putMetricData(put -> put.namespace(NAMESPACE).metricData(many));
        equal(sent.header("content-encoding"), "gzip");
        equal(client.listMetricsPaginator(list -> list.namespace(NAMESPACE)).metrics().stream().count(), 1001L);
    }

    private static void refusalsAreThoseOfAws(CloudWatchClient client) {
        try {
            client.putMetricData(put -> put.namespace("AWS/X").metricData(datum(0, 1)));
            throw new AssertionError("not refused");
        } catch (InvalidParameterValueException error) {
            equal(error.awsErrorDetails().errorCode(), "InvalidParameterValue");
            equal(error.awsErrorDetails().errorMessage(), "The value AWS/ for parameter Namespace is invalid.");
        }
        try {
            client.describeAlarms();
            throw new AssertionError("not refused");
        } catch (CloudWatchException error) {
            equal(error.awsErrorDetails().errorMessage().startsWith("DescribeAlarms of monitoring is not supported"), true);
        }
    }

    private static void theAsynchronousClientPutsToo() {
        try (CloudWatchAsyncClient client = CloudWatchAsyncClient.builder().endpointOverride(endpoint()).region(Region.US_EAST_1).build()) {
            client.putMetricData(put -> put.namespace(NAMESPACE).metricData(MetricDatum.builder().metricName("async").value(1.0).build())).join();
            equal(client.listMetrics(list -> list.namespace(NAMESPACE).metricName("async")).join().metrics().size(), 1);
        }
    }

    private static URI endpoint() {
        return URI.create(System.getenv("HEADWATER_ENDPOINT"));
    }

    private static void check(String name, Runnable body) {
        body.run();
        System.out.println("ok: " + name);
    }

    public static void main(String[] arguments) {
        Sent sent = new Sent();
        try (CloudWatchClient client = CloudWatchClient.builder().endpointOverride(endpoint()).region(Region.US_EAST_1)
                .overrideConfiguration(configuration -> configuration.addExecutionInterceptor(sent)).build()) {
            check("values are put and summed", () -> valuesArePutAndSummed(client));
            check("spoken as " + sent.header("content-type") + " " + sent.header("smithy-protocol"),
                    () -> equal(sent.header("smithy-protocol"), "rpc-v2-cbor"));
            check("expressions are computed", () -> expressionsAreComputed(client));
            check("a large put comes compressed", () -> aLargePutComesCompressed(client, sent));
            check("refusals are those of AWS", () -> refusalsAreThoseOfAws(client));
        }
        check("the asynchronous client puts, too", Main::theAsynchronousClientPutsToo);
    }
}
