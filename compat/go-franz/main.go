// Command go-franz drives a Headwater server's Kafka listener with franz-go. HEADWATER_KAFKA says where it is; an argument is
// a part of the names of the checks to run.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const patience = 30 * time.Second

type check struct {
	name string
	body func(context.Context) error
}

func client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(os.Getenv("HEADWATER_KAFKA"))}, options...)...)
}

// admin calls body with an admin client.
func admin(body func(*kadm.Client) error) error {
	cl, err := client()
	if err != nil {
		return err
	}
	defer cl.Close()
	return body(kadm.NewClient(cl))
}

func topic(ctx context.Context, name string, partitions int32) error {
	return admin(func(adm *kadm.Client) error {
		_, err := adm.CreateTopic(ctx, partitions, 1, nil, name)
		return err
	})
}

func produce(ctx context.Context, topic string, first, count int, options ...kgo.Opt) error {
	cl, err := client(options...)
	if err != nil {
		return err
	}
	defer cl.Close()
	return cl.ProduceSync(ctx, records(topic, first, count)...).FirstErr()
}

func records(topic string, first, count int) []*kgo.Record {
	var all []*kgo.Record
	for n := first; n < first+count; n++ {
		all = append(all, &kgo.Record{
			Topic:   topic,
			Key:     fmt.Appendf(nil, "k%d", n%10),
			Value:   fmt.Appendf(nil, "%d", n),
			Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}},
		})
	}
	return all
}

// read polls until there are count records.
func read(ctx context.Context, cl *kgo.Client, count int) ([]*kgo.Record, error) {
	var found []*kgo.Record
	for len(found) < count {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("after %d of %d records: %w", len(found), count, err)
		}
		found = append(found, fetches.Records()...)
	}
	return found, nil
}

func values(records []*kgo.Record) []string {
	var all []string
	for _, record := range records {
		all = append(all, string(record.Value))
	}
	sort.Strings(all)
	return all
}

func numbers(first, count int) []string {
	return values(records("", first, count))
}

func equal(what string, seen, expected any) error {
	if fmt.Sprint(seen) != fmt.Sprint(expected) {
		return fmt.Errorf("%s: expected %v, saw %v", what, expected, seen)
	}
	return nil
}

func codecs(ctx context.Context) error {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		name = "go-" + name
		err := errors.Join(
			topic(ctx, name, 3),
			produce(ctx, name, 0, 1000, kgo.ProducerBatchCompression(codec)),
		)
		if err != nil {
			return err
		}
		cl, err := client(kgo.ConsumeTopics(name))
		if err != nil {
			return err
		}
		found, err := read(ctx, cl, 1000)
		cl.Close()
		if err != nil {
			return err
		}
		if err := equal(name, values(found), numbers(0, 1000)); err != nil {
			return err
		}
		if err := equal("header", string(found[0].Headers[0].Value), "1"); err != nil {
			return err
		}
	}
	return nil
}

// group has two members share the partitions of a topic, and a third go on where they were.
func group(name string, more ...kgo.Opt) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := errors.Join(topic(ctx, name, 4), produce(ctx, name, 0, 400)); err != nil {
			return err
		}
		type change struct {
			member   int
			gained   bool
			assigned int
		}
		changes := make(chan change, 100)
		member := func(n int) (*kgo.Client, error) {
			tell := func(gained bool) func(context.Context, *kgo.Client, map[string][]int32) {
				return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
					changes <- change{n, gained, len(partitions[name])}
				}
			}
			options := []kgo.Opt{
				kgo.ConsumerGroup(name), kgo.ConsumeTopics(name), kgo.AutoCommitInterval(100 * time.Millisecond),
				kgo.OnPartitionsAssigned(tell(true)), kgo.OnPartitionsRevoked(tell(false)),
				kgo.OnPartitionsLost(tell(false)), kgo.HeartbeatInterval(500 * time.Millisecond),
			}
			return client(append(options, more...)...)
		}
		seen := map[string]bool{}
		var members []*kgo.Client
		for n := range 2 {
			cl, err := member(n)
			if err != nil {
				return err
			}
			members = append(members, cl)
		}
		assigned := map[int]int{}
		for assigned[0] != 2 || assigned[1] != 2 || len(seen) < 400 {
			for _, cl := range members {
				short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				for _, record := range cl.PollFetches(short).Records() {
					seen[string(record.Value)] = true
				}
				cancel()
			}
			for len(changes) > 0 {
				change := <-changes
				if change.gained {
					assigned[change.member] += change.assigned
				} else {
					assigned[change.member] -= change.assigned
				}
			}
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("assigned %v, seen %d: %w", assigned, len(seen), err)
			}
		}
		for _, cl := range members {
			if err := cl.CommitUncommittedOffsets(ctx); err != nil {
				return err
			}
			cl.Close()
		}
		cl, err := member(3)
		if err != nil {
			return err
		}
		defer cl.Close()
		if err := produce(ctx, name, 400, 10); err != nil {
			return err
		}
		found, err := read(ctx, cl, 10)
		if err != nil {
			return err
		}
		return equal("only what is new", values(found), numbers(400, 10))
	}
}

func transactions(ctx context.Context) error {
	const source, target = "go-source", "go-target"
	if err := errors.Join(topic(ctx, source, 2), topic(ctx, target, 2), produce(ctx, source, 0, 100)); err != nil {
		return err
	}
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(os.Getenv("HEADWATER_KAFKA")), kgo.TransactionalID("go-t"), kgo.ConsumerGroup("go-copy"),
		kgo.ConsumeTopics(source), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(),
	)
	if err != nil {
		return err
	}
	defer session.Close()
	copied, aborts := 0, 1
	for copied < 100 {
		fetches := session.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		if err := session.Begin(); err != nil {
			return err
		}
		batch := fetches.Records()
		for _, record := range batch {
			session.Produce(ctx, &kgo.Record{Topic: target, Key: record.Key, Value: record.Value}, nil)
		}
		commits := kgo.TryCommit
		if aborts > 0 {
			aborts--
			commits = kgo.TryAbort
		}
		committed, err := session.End(ctx, commits)
		if err != nil {
			return err
		}
		if committed {
			copied += len(batch)
		}
	}
	cl, err := client(kgo.ConsumeTopics(target), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer cl.Close()
	found, err := read(ctx, cl, 100)
	if err != nil {
		return err
	}
	return equal("once", values(found), numbers(0, 100))
}

func admins(ctx context.Context) error {
	const name = "go-admin"
	return admin(func(adm *kadm.Client) error {
		value := "60000"
		if _, err := adm.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": &value}, name); err != nil {
			return err
		}
		if _, err := adm.CreateTopic(ctx, 2, 1, nil, name); !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("made again: %v", err)
		}
		if err := produce(ctx, name, 0, 50); err != nil {
			return err
		}
		if _, err := adm.UpdatePartitions(ctx, 3, name); err != nil {
			return err
		}
		details, err := adm.ListTopics(ctx, name)
		if err != nil {
			return err
		}
		ends, err := adm.ListEndOffsets(ctx, name)
		if err != nil {
			return err
		}
		total := int64(0)
		ends.Each(func(end kadm.ListedOffset) { total += end.Offset })
		configs, err := adm.DescribeTopicConfigs(ctx, name)
		if err != nil {
			return err
		}
		retention := ""
		for _, config := range configs[0].Configs {
			if config.Key == "retention.ms" {
				retention = config.MaybeValue()
			}
		}
		var group kadm.Offsets
		group.AddOffset(name, 0, 5, -1)
		if err := adm.CommitAllOffsets(ctx, "go-admin", group); err != nil {
			return err
		}
		lag, err := adm.Lag(ctx, "go-admin")
		if err != nil {
			return err
		}
		first := ends[name][0].Offset
		deleted, err := adm.DeleteRecords(ctx, kadm.Offsets{name: {0: {Topic: name, Partition: 0, At: first}}})
		if err != nil {
			return err
		}
		err = errors.Join(
			equal("partitions", len(details[name].Partitions), 3),
			equal("records", total, 50),
			equal("retention", retention, "60000"),
			equal("lag", lag["go-admin"].Lag[name][0].Lag, first-5),
			equal("deleted up to", deleted[name][0].LowWatermark, first),
		)
		if err != nil {
			return err
		}
		if _, err := adm.DeleteGroups(ctx, "go-admin"); err != nil {
			return err
		}
		_, err = adm.DeleteTopic(ctx, name)
		return err
	})
}

func main() {
	checks := []check{
		{"records of each codec go there and back", codecs},
		{"a group of the eager protocol shares partitions", group("go-eager", kgo.Balancers(kgo.RangeBalancer()))},
		{"a group of the cooperative protocol shares partitions", group("go-cooperative")},
		{"a group copies in transactions", transactions},
		{"an admin sees and changes topics and groups", admins},
	}
	failed := false
	for _, check := range checks {
		if len(os.Args) > 1 && !strings.Contains(check.name, os.Args[1]) {
			continue
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		word := "ok"
		if err := check.body(ctx); err != nil {
			failed = true
			word = "FAILED\n" + err.Error()
		}
		cancel()
		fmt.Printf("%s (%.1f s) ... %s\n", check.name, time.Since(start).Seconds(), word)
	}
	if failed {
		os.Exit(1)
	}
}
