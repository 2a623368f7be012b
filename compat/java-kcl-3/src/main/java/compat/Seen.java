package compat;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** What a worker was given, in the order in which it was given it. */
final class Seen {
    /** A record, or the end of a shard where {@code data} is null. */
    record Event(String shard, String sequence, long sub, String data) {
        boolean isEnd() {
            return data == null;
        }
    }

    private final List<Event> events = new ArrayList<>();

    synchronized void add(Event event) {
        events.add(event);
    }

    synchronized List<Event> events() {
        return List.copyOf(events);
    }

    List<Event> records() {
        return events().stream().filter(event -> !event.isEnd()).collect(Collectors.toList());
    }

    List<String> texts() {
        return records().stream().map(Event::data).collect(Collectors.toList());
    }

    Set<String> distinct() {
        return new HashSet<>(texts());
    }

    Set<String> ended() {
        return events().stream().filter(Event::isEnd).map(Event::shard).collect(Collectors.toSet());
    }

    /** That each shard's records came in order of their sequence numbers, each once. */
    void inOrder() {
        Map<String, Event> last = new LinkedHashMap<>();
        for (Event event : records()) {
            Event before = last.put(event.shard(), event);
            if (before != null) {
                BigInteger here = new BigInteger(event.sequence());
                int order = here.compareTo(new BigInteger(before.sequence()));
                Assert.isTrue(before + " before " + event,
                    order > 0 || (order == 0 && event.sub() > before.sub()));
            }
        }
    }
}
