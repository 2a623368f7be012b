// Drives a server with the AWS SDK for Go v2: create, put, iterate, reshard and fan-out; with the argument sqs, its queues.
//
// Endpoints: HEADWATER_ENDPOINT (http://..) and, if set, HEADWATER_TLS_ENDPOINT (https://..), over which
// Go negotiates HTTP/2. The server's certificate is self-signed and not verified here.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	account = "400000000001"
	middle  = "170141183460469231731687303715884105728" // 2^127
	shard0  = "shardId-000000000000"
)

var everything = []string{"0", "1", "2", "3", "4"}

// checks are run one after another on a stream of their own; the first failure ends the program.
type checks struct {
	transport *http.Transport
	ctx       context.Context
	client    *kinesis.Client
	stream    string
	arn       string
}

func fail(format string, values ...any) {
	fmt.Printf("FAIL "+format+"\n", values...)
	os.Exit(1)
}

func ok(what string) { fmt.Println("ok  ", what) }

// must ends the program if a call that should succeed failed.
func must[T any](value T, err error) T {
	if err != nil {
		fail("unexpected error: %v", err)
	}
	return value
}

func equal[T comparable](what string, seen, expected T) {
	if seen != expected {
		fail("%s: expected %v, saw %v", what, expected, seen)
	}
}

func equalList(what string, seen, expected []string) {
	if !slices.Equal(seen, expected) {
		fail("%s: expected %v, saw %v", what, expected, seen)
	}
}

// refused wants an error of type E.
func refused[E error](what string, err error) {
	var expected E
	if !errors.As(err, &expected) {
		fail("%s: expected %T, saw %v", what, expected, err)
	}
}

// until calls look until it answers true, for at most 30 s.
func until(what string, look func() bool) {
	deadline := time.Now().Add(30 * time.Second)
	for !look() {
		if time.Now().After(deadline) {
			fail("not within 30 s: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func texts(records []types.Record) []string {
	var all []string
	for _, record := range records {
		all = append(all, string(record.Data))
	}
	return all
}

func (c *checks) active() {
	until("the stream is ACTIVE", func() bool {
		answer := must(c.client.DescribeStreamSummary(c.ctx,
			&kinesis.DescribeStreamSummaryInput{StreamName: &c.stream}))
		return answer.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	})
}

func (c *checks) create() {
	input := &kinesis.CreateStreamInput{StreamName: &c.stream, ShardCount: aws.Int32(1)}
	must(c.client.CreateStream(c.ctx, input))
	waiter := kinesis.NewStreamExistsWaiter(c.client, func(o *kinesis.StreamExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, time.Second
	})
	if err := waiter.Wait(c.ctx, &kinesis.DescribeStreamInput{StreamName: &c.stream}, 30*time.Second); err != nil {
		fail("waiting for the stream: %v", err)
	}
	c.active()
	var names []string
	pages := kinesis.NewListStreamsPaginator(c.client, &kinesis.ListStreamsInput{Limit: aws.Int32(1)})
	for pages.HasMorePages() {
		names = append(names, must(pages.NextPage(c.ctx)).StreamNames...)
	}
	equal("the stream is listed", slices.Contains(names, c.stream), true)
	_, err := c.client.CreateStream(c.ctx, input)
	refused[*types.ResourceInUseException]("a second stream of the name", err)
	ok("create, wait and list")
}

func (c *checks) put(data, hashKey string) *kinesis.PutRecordOutput {
	input := &kinesis.PutRecordInput{
		StreamName: &c.stream, Data: []byte(data), PartitionKey: aws.String("k"),
	}
	if hashKey != "" {
		input.ExplicitHashKey = &hashKey
	}
	return must(c.client.PutRecord(c.ctx, input))
}

// read reads a shard from the given position to its end or until it is caught up.
func (c *checks) read(input kinesis.GetShardIteratorInput) ([]string, *kinesis.GetRecordsOutput) {
	input.StreamName = &c.stream
	iterator := must(c.client.GetShardIterator(c.ctx, &input)).ShardIterator
	var all []string
	for {
		answer := must(c.client.GetRecords(c.ctx,
			&kinesis.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(3)}))
		all = append(all, texts(answer.Records)...)
		iterator = answer.NextShardIterator
		if iterator == nil || (len(answer.Records) == 0 && *answer.MillisBehindLatest == 0) {
			return all, answer
		}
	}
}

func (c *checks) putAndIterate() {
	first := c.put("0", "")
	var entries []types.PutRecordsRequestEntry
	for _, text := range everything[1:] {
		entries = append(entries, types.PutRecordsRequestEntry{
			Data: []byte(text), PartitionKey: aws.String("k" + text),
		})
	}
	puts := must(c.client.PutRecords(c.ctx, &kinesis.PutRecordsInput{StreamARN: &c.arn, Records: entries}))
	equal("records that failed", *puts.FailedRecordCount, 0)
	number := puts.Records[1].SequenceNumber
	low, high := new(big.Int), new(big.Int)
	low.SetString(*first.SequenceNumber, 10)
	high.SetString(*number, 10)
	equal("sequence numbers grow", low.Cmp(high), -1)

	from := func(kind types.ShardIteratorType, at *string, time *time.Time) []string {
		records, _ := c.read(kinesis.GetShardIteratorInput{
			ShardId: aws.String(shard0), ShardIteratorType: kind, StartingSequenceNumber: at, Timestamp: time,
		})
		return records
	}
	equalList("TRIM_HORIZON", from(types.ShardIteratorTypeTrimHorizon, nil, nil), everything)
	equalList("LATEST", from(types.ShardIteratorTypeLatest, nil, nil), nil)
	equalList("AT_SEQUENCE_NUMBER", from(types.ShardIteratorTypeAtSequenceNumber, number, nil), everything[2:])
	equalList("AFTER_SEQUENCE_NUMBER", from(types.ShardIteratorTypeAfterSequenceNumber, number, nil), everything[3:])
	long := time.Unix(1459799926, 480_000_000)
	equalList("AT_TIMESTAMP", from(types.ShardIteratorTypeAtTimestamp, nil, &long), everything)
	_, err := c.client.GetRecords(c.ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("nonsense")})
	refused[*types.InvalidArgumentException]("a wrong iterator", err)
	ok("put and iterate by each type")
}

func (c *checks) reshard() {
	must(c.client.SplitShard(c.ctx, &kinesis.SplitShardInput{
		StreamName: &c.stream, ShardToSplit: aws.String(shard0), NewStartingHashKey: aws.String(middle),
	}))
	c.active()
	c.put("low", "0")
	c.put("high", middle)
	must(c.client.MergeShards(c.ctx, &kinesis.MergeShardsInput{
		StreamName:           &c.stream,
		ShardToMerge:         aws.String("shardId-000000000001"),
		AdjacentShardToMerge: aws.String("shardId-000000000002"),
	}))
	c.active()
	c.put("merged", "")

	// From the first shard on, by the children that each closed shard names.
	var seen []string
	queue, done := []string{shard0}, map[string]bool{}
	for len(queue) > 0 {
		shard := queue[0]
		queue = queue[1:]
		if done[shard] {
			continue
		}
		records, last := c.read(kinesis.GetShardIteratorInput{
			ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		done[shard] = true
		seen = append(seen, records...)
		for _, child := range last.ChildShards {
			if !slices.ContainsFunc(child.ParentShards, func(parent string) bool { return !done[parent] }) {
				queue = append(queue, *child.ShardId)
			}
		}
	}
	sort.Strings(seen[5:7])
	equalList("records in order", seen, append(slices.Clone(everything), "high", "low", "merged"))
	answer := must(c.client.ListShards(c.ctx, &kinesis.ListShardsInput{
		StreamName: &c.stream, ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest},
	}))
	equal("open shards", len(answer.Shards), 1)
	equal("the open shard", *answer.Shards[0].ShardId, "shardId-000000000003")
	ok("split, merge and read in order")
}

func (c *checks) subscribe(consumer, shard string, kind types.ShardIteratorType) (*kinesis.SubscribeToShardOutput, error) {
	return c.client.SubscribeToShard(c.ctx, &kinesis.SubscribeToShardInput{
		ConsumerARN: &consumer, ShardId: &shard, StartingPosition: &types.StartingPosition{Type: kind},
	})
}

func (c *checks) fanOut() {
	registered := must(c.client.RegisterStreamConsumer(c.ctx,
		&kinesis.RegisterStreamConsumerInput{StreamARN: &c.arn, ConsumerName: aws.String("reader")}))
	consumer := *registered.Consumer.ConsumerARN
	until("the consumer is ACTIVE", func() bool {
		answer := must(c.client.DescribeStreamConsumer(c.ctx,
			&kinesis.DescribeStreamConsumerInput{ConsumerARN: &consumer}))
		return answer.ConsumerDescription.ConsumerStatus == types.ConsumerStatusActive
	})

	// A closed shard: its records, then its children, then the end.
	var closed, children []string
	old := must(c.subscribe(consumer, shard0, types.ShardIteratorTypeTrimHorizon)).GetStream()
	for event := range old.Events() {
		value := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
		closed = append(closed, texts(value.Records)...)
		for _, child := range value.ChildShards {
			children = append(children, *child.ShardId)
		}
	}
	if err := old.Err(); err != nil {
		fail("the subscription ended with %v", err)
	}
	// The SDK closes a stream that has ended in its own time, and with it an HTTP/1.1 connection that may be another
	// request's by then. So it is closed here, which waits for that, and the next subscription gets a connection of its own.
	if err := old.Close(); err != nil {
		fail("closing the subscription that had ended: %v", err)
	}
	c.transport.CloseIdleConnections()
	equalList("records of the closed shard", closed, everything)
	sort.Strings(children)
	equalList("children of the closed shard", children, []string{"shardId-000000000001", "shardId-000000000002"})
	ok("fan-out of a closed shard ends with its children")

	// An open shard: what is put while subscribed is pushed.
	shard := "shardId-000000000003"
	live := must(c.subscribe(consumer, shard, types.ShardIteratorTypeLatest)).GetStream()
	var received []string
	for event := range live.Events() {
		value := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
		received = append(received, texts(value.Records)...)
		if len(received) == 3 {
			break
		}
		c.put(fmt.Sprintf("live %d", len(received)), "")
	}
	if err := live.Err(); err != nil {
		fail("the live subscription ended with %v", err)
	}
	equalList("records pushed", received, []string{"live 0", "live 1", "live 2"})
	ok("fan-out of an open shard is pushed")

	_, err := c.subscribe(consumer, shard, types.ShardIteratorTypeLatest)
	refused[*types.ResourceInUseException]("a second subscription", err)
	ok("a second subscription within five seconds is refused")
	if err := live.Close(); err != nil {
		fail("closing the subscription: %v", err)
	}
}

func (c *checks) remove() {
	must(c.client.DeleteStream(c.ctx, &kinesis.DeleteStreamInput{
		StreamName: &c.stream, EnforceConsumerDeletion: aws.Bool(true),
	}))
	until("the stream is gone", func() bool {
		_, err := c.client.DescribeStreamSummary(c.ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &c.stream})
		if err != nil {
			refused[*types.ResourceNotFoundException]("a deleted stream", err)
		}
		return err != nil
	})
	ok("delete")
}

func run(stream, endpoint string) {
	fmt.Println("--", stream)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	c := &checks{
		ctx: context.Background(),
		client: kinesis.New(kinesis.Options{
			BaseEndpoint: &endpoint,
			Region:       "ap-southeast-2",
			Credentials:  credentials.NewStaticCredentialsProvider(account, "secret", ""),
			HTTPClient:   &http.Client{Transport: transport},
			Retryer:      aws.NopRetryer{},
		}),
		transport: transport,
		stream:    stream,
		arn:       "arn:aws:kinesis:ap-southeast-2:" + account + ":stream/" + stream,
	}
	c.create()
	c.putAndIterate()
	c.reshard()
	c.fanOut()
	c.remove()
}

func main() {
	service := run
	if slices.Contains(os.Args[1:], "sqs") {
		service = runSqs
	}
	service("plain", os.Getenv("HEADWATER_ENDPOINT"))
	if endpoint := os.Getenv("HEADWATER_TLS_ENDPOINT"); strings.HasPrefix(endpoint, "https://") {
		service("tls", endpoint)
	}
}
