package compat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A worker in a process of its own, which can be killed: it tells what it sees by lines on its standard output. */
public final class WorkerProcess implements AutoCloseable {
    final Seen seen = new Seen();
    private final Process process;
    private final Thread reader;

    WorkerProcess(Stream stream, String name) {
        try {
            process = new ProcessBuilder(List.of(
                    ProcessHandle.current().info().command().orElse("java"),
                    "-Xmx200m", "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"),
                    WorkerProcess.class.getName(), stream.name, name))
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
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
