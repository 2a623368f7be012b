package compat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import version.Tuning;

/** A worker in a process of its own, which can be killed: it tells what it sees by lines on its standard output. */
public final class WorkerProcess implements AutoCloseable {
    final Seen seen = new Seen();
    private final Process process;
    private final Thread reader;

    final String name;

    /** One of the KCL. */
    WorkerProcess(Stream stream, String name) {
        this(name, List.of(ProcessHandle.current().info().command().orElse("java"),
            "-Xmx200m", "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"),
            WorkerProcess.class.getName(), stream.name, name));
    }

    /** One of our own library, of the program at {@code path}. */
    static WorkerProcess ours(String path, Stream stream, String name) {
        return new WorkerProcess(name, List.of(path, stream.name, name));
    }

    private WorkerProcess(String name, List<String> command) {
        this.name = name;
        var builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        // Longer than within one process: a lease must not move because the machine is busy.
        builder.environment().put("HEADWATER_FAILOVER_MILLIS", "5000");
        builder.environment().put("HEADWATER_REGION", Aws.REGION);
        builder.environment().put("HEADWATER_KEY", Tuning.ACCOUNT);
        try {
            process = builder.start();
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
        reader = new Thread(this::read, "reader of " + name);
        reader.setDaemon(true);
        reader.start();
    }

    private void read() {
        var lines = new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8)).lines();
        try {
            lines.forEach(line -> {
                String[] parts = line.split("\t", 4);
                seen.add(new Seen.Event(parts[0], parts[1], Long.parseLong(parts[2]), parts[3]));
            });
        } catch (UncheckedIOException end) {
            // Its pipe breaks when it is killed.
        }
    }

    /** By SIGKILL: it can say nothing more to anybody. */
    void kill() throws InterruptedException {
        process.destroyForcibly();
        Assert.isTrue("a killed process ends", process.waitFor(10, TimeUnit.SECONDS));
        reader.join(10_000);
    }

    /** By SIGTERM: it ends in an orderly manner. */
    void stop() throws InterruptedException {
        process.destroy();
        Assert.isTrue("a stopped process ends", process.waitFor(60, TimeUnit.SECONDS));
        reader.join(10_000);
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    /** What runs in that process: the stream, which is the application's name too, and the worker's name. */
    public static void main(String[] arguments) throws InterruptedException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        new Worker(new Aws(), arguments[0], arguments[0], arguments[1], Worker.Mode.POLLING,
            Processor.Checkpoints.MARKS, event -> {
                if (!event.isEnd()) {
                    out.println(String.join("\t", event.shard(), event.sequence(),
                        Long.toString(event.sub()), event.data()));
                }
            });
        Thread.currentThread().join();
    }
}
