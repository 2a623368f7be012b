package compat;

/** What any version of the Java clients does; an argument is a part of the names of the checks to run. */
public final class Main {
    private Main() {}

    public static void main(String[] args) {
        Check check = new Check();
        Clients.addTo(check);
        WordCount.addTo(check);
        System.exit(check.run(args.length > 0 ? args[0] : "") ? 0 : 1);
    }
}
