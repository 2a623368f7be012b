package compat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Drives a server with the Kinesis Client Library: "checks" for all but the restart of the server, which is "before"
 * and "after", and the one with a worker of our own library, whose path follows "shared".
 */
public final class Main {
    private Main() {}

    /** A check that may throw. */
    private interface Check {
        void run() throws Exception;
    }

    private static Callable<Void> call(Check check) {
        return () -> {
            check.run();
            return null;
        };
    }

    /** All at once: a new application waits up to 30 s before its first worker makes the leases. */
    private static void checks(Aws aws) throws Exception {
        var pool = Executors.newCachedThreadPool();
        List<Future<Void>> running = new ArrayList<>();
        for (Worker.Mode mode : Worker.Mode.values()) {
            running.add(pool.submit(call(() -> new Reading(aws, mode).run())));
            running.add(pool.submit(call(() -> new Reshard(aws, mode).run())));
        }
        running.add(pool.submit(call(() -> new Handover(aws).run())));
        ExecutionException failure = null;
        for (Future<Void> check : running) {
            try {
                check.get();
            } catch (ExecutionException failed) {
                if (failure != null) {
                    failed.addSuppressed(failure);
                }
                failure = failed;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    public static void main(String[] arguments) {
        try {
            Aws aws = new Aws();
            switch (arguments[0]) {
                case "checks" -> checks(aws);
                case "before" -> new Restart(aws).before();
                case "after" -> new Restart(aws).after();
                case "shared" -> new Shared(aws, arguments[1]).run();
                default -> throw new IllegalArgumentException(arguments[0]);
            }
        } catch (Throwable failure) {
            System.out.println("FAIL " + failure);
            failure.printStackTrace(System.out);
            System.exit(1);
        }
        System.exit(0);
    }
}
