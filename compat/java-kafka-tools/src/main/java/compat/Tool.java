package compat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

import org.apache.kafka.common.utils.Exit;

/** Runs the main class of a console tool in this process: what it prints, and the status it would end with. */
final class Tool {
    /** Thrown in place of ending the process; tools may catch it and end once more. */
    private static final class Ended extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    final String command;
    final int status;
    final String output;

    private Tool(String command, int status, String output) {
        this.command = command;
        this.status = status;
        this.output = output;
    }

    /** Runs `name` against the broker; arguments are divided by spaces. */
    static Tool run(String name, String arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of(arguments.split(" ")));
        // Some tools want it before their subcommand and some behind it, and end the process for good where it is not there.
        boolean isFirst = name.endsWith(".FeatureCommand") || name.endsWith(".MetadataQuorumCommand");
        all.addAll(isFirst ? 0 : all.size(), List.of("--bootstrap-server", Main.BROKER));
        all.removeIf(String::isEmpty);
        Integer[] first = {null};
        Exit.Procedure end = (status, message) -> {
            if (first[0] == null) {
                first[0] = status;
            }
            throw new Ended();
        };
        Exit.setExitProcedure(end);
        Exit.setHaltProcedure(end);
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream both = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        System.setOut(both);
        System.setErr(both);
        try {
            Runnable main = () -> call(name, all.toArray(new String[0]));
            main.run();
        } catch (Ended ended) {
            // Its status is noted.
        } finally {
            System.setOut(out);
            System.setErr(err);
            Exit.resetExitProcedure();
            Exit.resetHaltProcedure();
        }
        int status = first[0] == null ? 0 : first[0];
        return new Tool(name + " " + arguments, status, bytes.toString(StandardCharsets.UTF_8));
    }

    private static void call(String name, String[] arguments) {
        try {
            // Scala's println writes to the stream that its Console had when it was loaded.
            Class<?> tool = Class.forName(name);
            if (name.startsWith("kafka.")) {
                scala.Console.withOut(System.out, () -> invoke(tool, arguments));
            } else {
                invoke(tool, arguments);
            }
        } catch (ClassNotFoundException error) {
            throw new AssertionError(error);
        }
    }

    private static Object invoke(Class<?> tool, String[] arguments) {
        try {
            return tool.getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (java.lang.reflect.InvocationTargetException error) {
            if (error.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new AssertionError(error.getCause());
        } catch (ReflectiveOperationException error) {
            throw new AssertionError(error);
        }
    }

    /** That it ended well and said all of this. */
    Tool says(String... wanted) {
        return ended(0, wanted);
    }

    /** That it failed and said all of this. */
    Tool fails(String... wanted) {
        return ended(1, wanted);
    }

    private Tool ended(int wantedStatus, String... wanted) {
        if (status != wantedStatus) {
            throw new AssertionError(command + "\nended with " + status + ", not " + wantedStatus + ":\n" + output);
        }
        for (String text : wanted) {
            if (!output.contains(text)) {
                throw new AssertionError(command + "\ndid not say `" + text + "`:\n" + output);
            }
        }
        return this;
    }

    /** That it did not say this. */
    Tool silent(String unwanted) {
        if (output.contains(unwanted)) {
            throw new AssertionError(command + "\nsaid `" + unwanted + "`:\n" + output);
        }
        return this;
    }
}
