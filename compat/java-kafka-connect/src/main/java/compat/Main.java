package compat;

import java.io.File;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/** Runs workers of Kafka Connect as processes, drives them over REST, and looks at what they copied. */
public final class Main {
    private static final long PATIENCE_MS = 60_000;
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    private final Path folder;
    private final List<Process> workers = new ArrayList<>();
    private long last = System.currentTimeMillis();

    private Main(Path folder) {
        this.folder = folder;
    }

    public static void main(String[] args) throws Exception {
        Main main = new Main(Path.of(args[0]).toAbsolutePath());
        try {
            main.run();
        } finally {
            main.workers.forEach(Process::destroyForcibly);
        }
    }

    private void run() throws Exception {
        Path source = folder.resolve("source.txt");
        Path sink = folder.resolve("sink.txt");
        write(source, 0, 100);
        int first = worker("one");
        int second = worker("two");
        answers(first);
        answers(second);
        told("two workers form a group");
        create(first, "source", "FileStreamSource", "\"file\": \"" + source + "\", \"topic\": \"connect-lines\"");
        create(second, "sink", "FileStreamSink", "\"file\": \"" + sink + "\", \"topics\": \"connect-lines\"");
        untilCopied(sink, 100);
        told("a file is copied through a topic");
        write(source, 100, 100);
        untilCopied(sink, 200);
        told("what is added is copied");
        // Whatever it ran, the other takes over.
        workers.get(0).destroyForcibly().waitFor();
        write(source, 200, 100);
        untilCopied(sink, 300);
        told("a worker that is killed is replaced");
        stop(workers.get(1));
        write(source, 300, 100);
        int third = worker("three");
        answers(third);
        untilCopied(sink, 400);
        until("both connectors run", () -> get(third, "/connectors").contains("source")
                && get(third, "/connectors/sink/status").contains("RUNNING"));
        told("connectors and offsets outlive their workers");
        send(third, "DELETE", "/connectors/source", null);
        send(third, "DELETE", "/connectors/sink", null);
        until("no connector is left", () -> get(third, "/connectors").equals("[]"));
        told("connectors are deleted");
    }

    private void told(String what) {
        long now = System.currentTimeMillis();
        System.out.printf("%s (%.1f s) ... ok%n", what, (now - last) / 1e3);
        last = now;
    }

    private static void write(Path file, int first, int count) throws IOException {
        List<String> lines = IntStream.range(first, first + count).mapToObj(n -> "line " + n).toList();
        Files.write(file, lines, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /** Waits for the first `count` lines in the sink's file, in order; a sink may write some again when it is moved. */
    private static void untilCopied(Path sink, int count) throws Exception {
        List<String> expected = IntStream.range(0, count).mapToObj(n -> "line " + n).toList();
        until(count + " lines are copied", () -> Files.exists(sink)
                && Files.readAllLines(sink).stream().distinct().toList().equals(expected));
    }

    private static void answers(int port) throws Exception {
        until("the worker on port " + port + " answers", () -> get(port, "/connectors") != null);
    }

    /** Starts a worker; gives the port of its REST listener. */
    private int worker(String name) throws Exception {
        int port;
        try (ServerSocket socket = new ServerSocket(0)) {
            port = socket.getLocalPort();
        }
        Path settings = folder.resolve(name + ".properties");
        Files.writeString(settings, """
                bootstrap.servers=%s
                group.id=connect
                key.converter=org.apache.kafka.connect.storage.StringConverter
                value.converter=org.apache.kafka.connect.storage.StringConverter
                config.storage.topic=connect-configs
                offset.storage.topic=connect-offsets
                status.storage.topic=connect-status
                config.storage.replication.factor=1
                offset.storage.replication.factor=1
                status.storage.replication.factor=1
                offset.storage.partitions=2
                status.storage.partitions=2
                offset.flush.interval.ms=500
                session.timeout.ms=6000
                heartbeat.interval.ms=1000
                consumer.session.timeout.ms=6000
                consumer.heartbeat.interval.ms=1000
                scheduled.rebalance.max.delay.ms=0
                exactly.once.source.support=enabled
                plugin.discovery=service_load
                listeners=http://127.0.0.1:%d
                """.formatted(System.getenv("HEADWATER_KAFKA"), port));
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        ProcessBuilder builder = new ProcessBuilder(
                java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp",
                System.getProperty("java.class.path"), "org.apache.kafka.connect.cli.ConnectDistributed",
                settings.toString());
        File log = folder.resolve(name + ".log").toFile();
        Process process = builder.redirectErrorStream(true).redirectOutput(log).start();
        workers.add(process);
        return port;
    }

    private static void stop(Process worker) throws Exception {
        worker.destroy();
        if (!worker.waitFor(PATIENCE_MS, TimeUnit.MILLISECONDS)) {
            throw new AssertionError("a worker does not end");
        }
    }

    private static void create(int port, String name, String kind, String more) throws Exception {
        String config = """
                {"name": "%s", "config": {"connector.class": "%s", "tasks.max": "1", %s}}
                """.formatted(name, kind, more);
        int status = send(port, "POST", "/connectors", config).statusCode();
        if (status != 201) {
            throw new AssertionError("connector " + name + " is not made: " + status);
        }
    }

    /** What a worker answers; null where it does not, or not well. */
    private static String get(int port, String path) throws Exception {
        try {
            HttpResponse<String> answer = send(port, "GET", path, null);
            return answer.statusCode() == 200 ? answer.body() : null;
        } catch (IOException error) {
            return null;
        }
    }

    /** A request; again while the workers are about to share out their work anew. */
    private static HttpResponse<String> send(int port, String method, String path, String body) throws Exception {
        var content = body == null
                ? HttpRequest.BodyPublishers.noBody()
                : HttpRequest.BodyPublishers.ofString(body);
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                .header("Content-Type", "application/json")
                .method(method, content)
                .build();
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        for (;;) {
            HttpResponse<String> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
            boolean isBusy = answer.statusCode() == 409 || answer.statusCode() >= 500;
            if (!isBusy || System.currentTimeMillis() > deadline) {
                return answer;
            }
            Thread.sleep(200);
        }
    }

    private static void until(String what, Callable<Boolean> look) throws Exception {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        while (!Boolean.TRUE.equals(look.call())) {
            if (System.currentTimeMillis() > deadline) {
                throw new AssertionError("not in time: " + what);
            }
            Thread.sleep(50);
        }
    }
}
