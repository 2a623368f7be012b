package compat;

/** What the 4.x clients do alone: the consumer protocol of KIP-848. */
public final class Newest {
    private Newest() {}

    public static void main(String[] args) {
        Check check = new Check();
        check.that("a consumer group shares partitions and goes on where it was",
                () -> Clients.group("consumer-group", "group.protocol", "consumer"));
        Migration.addTo(check);
        System.exit(check.run(args.length > 0 ? args[0] : "") ? 0 : 1);
    }
}
