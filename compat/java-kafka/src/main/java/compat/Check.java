package compat;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.BooleanSupplier;

/** The checks of a program: each is named by a sentence, run, and told of in one line. */
final class Check {
    /** How long anything may take that is waited for. */
    static final long PATIENCE_MS = 30_000;

    interface Body {
        void run() throws Exception;
    }

    private record Named(String name, Body body) {}

    private final List<Named> checks = new ArrayList<>();

    Check that(String name, Body body) {
        checks.add(new Named(name, body));
        return this;
    }

    /** Runs all of them, or those whose names hold `filter`; gives whether none failed. */
    boolean run(String filter) {
        boolean passed = true;
        for (Named check : checks) {
            if (!check.name().contains(filter)) {
                continue;
            }
            long start = System.nanoTime();
            String word = "ok";
            try {
                check.body().run();
            } catch (Throwable error) {
                passed = false;
                word = "FAILED";
                error.printStackTrace(System.out);
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            System.out.printf("%s (%.1f s) ... %s%n", check.name(), seconds, word);
        }
        return passed;
    }

    static void equal(String what, Object seen, Object expected) {
        if (!Objects.equals(seen, expected)) {
            throw new AssertionError(what + ": expected " + expected + ", saw " + seen);
        }
    }

    static void yes(String what, boolean condition) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    /** Waits until something is so. */
    static void until(String what, BooleanSupplier look) throws InterruptedException {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        while (!look.getAsBoolean()) {
            yes("not in time: " + what, System.currentTimeMillis() < deadline);
            Thread.sleep(20);
        }
    }

    interface Thrower {
        void run() throws Exception;
    }

    /** The failure that `body` ends with, which must be of this class or have it as its cause. */
    static <E extends Throwable> E refused(Class<E> kind, Thrower body) {
        try {
            body.run();
        } catch (Throwable error) {
            for (Throwable at = error; at != null; at = at.getCause()) {
                if (kind.isInstance(at)) {
                    return kind.cast(at);
                }
            }
            throw new AssertionError("expected " + kind.getSimpleName() + ", saw " + error, error);
        }
        throw new AssertionError("expected " + kind.getSimpleName());
    }

}
