package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const queueAccount = "400000000002"

// queueChecks are run one after another on queues of their own; the SDK compares the MD5 of every body itself.
type queueChecks struct {
	ctx    context.Context
	client *sqs.Client
	name   string
}

func (c *queueChecks) create(suffix string, attributes map[string]string) *string {
	name := c.name + suffix
	return must(c.client.CreateQueue(c.ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})).QueueUrl
}

func (c *queueChecks) arn(suffix string) string {
	return "arn:aws:sqs:ap-southeast-2:" + queueAccount + ":" + c.name + suffix
}

func (c *queueChecks) send(url *string, body string) *sqs.SendMessageOutput {
	return must(c.client.SendMessage(c.ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body}))
}

// receive asks until there are count messages, for at most 20 s.
func (c *queueChecks) receive(url *string, count int) []types.Message {
	var messages []types.Message
	until(fmt.Sprint(count, " messages"), func() bool {
		answer := must(c.client.ReceiveMessage(c.ctx, &sqs.ReceiveMessageInput{
			QueueUrl: url, MaxNumberOfMessages: int32(min(10, count-len(messages))), WaitTimeSeconds: 1,
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		}))
		messages = append(messages, answer.Messages...)
		return len(messages) >= count
	})
	return messages
}

func (c *queueChecks) giveBack(url *string, message types.Message) {
	must(c.client.ChangeMessageVisibility(c.ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: url, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0,
	}))
}

func bodies(messages []types.Message) []string {
	var all []string
	for _, message := range messages {
		all = append(all, *message.Body)
	}
	return all
}

func (c *queueChecks) queues() {
	url := c.create("-life", map[string]string{"VisibilityTimeout": "40"})
	name := c.name + "-life"
	found := must(c.client.GetQueueUrl(c.ctx, &sqs.GetQueueUrlInput{QueueName: &name}))
	equal("its URL", *found.QueueUrl, *url)
	equal("its path", strings.HasSuffix(*url, "/"+queueAccount+"/"+name), true)
	attributes := must(c.client.GetQueueAttributes(c.ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})).Attributes
	equal("the timeout", attributes["VisibilityTimeout"], "40")
	equal("the ARN", attributes["QueueArn"], c.arn("-life"))
	_, err := c.client.CreateQueue(c.ctx, &sqs.CreateQueueInput{
		QueueName: &name, Attributes: map[string]string{"VisibilityTimeout": "41"},
	})
	refused[*types.QueueNameExists]("another queue of the name", err)
	var listed []string
	pages := sqs.NewListQueuesPaginator(c.client, &sqs.ListQueuesInput{
		QueueNamePrefix: &name, MaxResults: aws.Int32(1),
	})
	for pages.HasMorePages() {
		listed = append(listed, must(pages.NextPage(c.ctx)).QueueUrls...)
	}
	equalList("queues listed", listed, []string{*url})
	must(c.client.TagQueue(c.ctx, &sqs.TagQueueInput{QueueUrl: url, Tags: map[string]string{"a": "b"}}))
	equal("a tag", must(c.client.ListQueueTags(c.ctx, &sqs.ListQueueTagsInput{QueueUrl: url})).Tags["a"], "b")
	must(c.client.DeleteQueue(c.ctx, &sqs.DeleteQueueInput{QueueUrl: url}))
	_, err = c.client.SendMessage(c.ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
	refused[*types.QueueDoesNotExist]("a deleted queue", err)
	ok("queues are created, described, listed, tagged and deleted")
}

func (c *queueChecks) messages() {
	url := c.create("-messages", nil)
	bytes := make([]byte, 256)
	for n := range bytes {
		bytes[n] = byte(n)
	}
	body := "ünïcödé ∑ 🦀 \r\n\t <&>\"'"
	sent := must(c.client.SendMessage(c.ctx, &sqs.SendMessageInput{
		QueueUrl: url, MessageBody: &body, MessageAttributes: map[string]types.MessageAttributeValue{
			"text":   {DataType: aws.String("String.x"), StringValue: aws.String("ünï")},
			"number": {DataType: aws.String("Number"), StringValue: aws.String("7")},
			"bytes":  {DataType: aws.String("Binary"), BinaryValue: bytes},
		},
	}))
	message := c.receive(url, 1)[0]
	equal("the body", *message.Body, body)
	equal("the id", *message.MessageId, *sent.MessageId)
	equal("the attributes' MD5", *message.MD5OfMessageAttributes, *sent.MD5OfMessageAttributes)
	equal("the text", *message.MessageAttributes["text"].StringValue, "ünï")
	equal("the bytes", slices.Equal(message.MessageAttributes["bytes"].BinaryValue, bytes), true)
	equal("receives", message.Attributes["ApproximateReceiveCount"], "1")
	c.giveBack(url, message)
	again := c.receive(url, 1)[0]
	equal("receives", again.Attributes["ApproximateReceiveCount"], "2")
	must(c.client.DeleteMessage(c.ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: again.ReceiptHandle}))
	_, err := c.client.DeleteMessage(c.ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: aws.String("nonsense")})
	refused[*types.ReceiptHandleIsInvalid]("a wrong handle", err)
	large := strings.Repeat("0123456789abcdef", 65_536)
	c.send(url, large)
	equal("1 MiB comes back", *c.receive(url, 1)[0].Body == large, true)
	ok("messages carry text, attributes and digests")
}

func (c *queueChecks) longPoll() {
	url := c.create("-poll", nil)
	woken := make(chan time.Time)
	go func() {
		answer := must(c.client.ReceiveMessage(c.ctx, &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 20}))
		equalList("what woke the poll", bodies(answer.Messages), []string{"wake up"})
		woken <- time.Now()
	}()
	time.Sleep(500 * time.Millisecond)
	sent := time.Now()
	c.send(url, "wake up")
	if took := (<-woken).Sub(sent); took > time.Second {
		fail("a poll wakes within 1 s, took %v", took)
	}
	ok("a long poll wakes when a message arrives")
}

func (c *queueChecks) batches() {
	url := c.create("-batches", nil)
	var entries []types.SendMessageBatchRequestEntry
	for n := range 10 {
		body := fmt.Sprint("body ", n)
		if n == 7 {
			body = "bad \x01"
		}
		entries = append(entries, types.SendMessageBatchRequestEntry{
			Id: aws.String(fmt.Sprint("m", n)), MessageBody: &body,
		})
	}
	sent := must(c.client.SendMessageBatch(c.ctx, &sqs.SendMessageBatchInput{QueueUrl: url, Entries: entries}))
	equal("sent", len(sent.Successful), 9)
	equal("not sent", *sent.Failed[0].Id+" "+*sent.Failed[0].Code, "m7 InvalidMessageContents")
	var deletes []types.DeleteMessageBatchRequestEntry
	for n, message := range c.receive(url, 9) {
		deletes = append(deletes, types.DeleteMessageBatchRequestEntry{
			Id: aws.String(fmt.Sprint("d", n)), ReceiptHandle: message.ReceiptHandle,
		})
	}
	deleted := must(c.client.DeleteMessageBatch(c.ctx, &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: deletes}))
	equal("deleted", len(deleted.Successful), 9)
	_, err := c.client.SendMessageBatch(c.ctx, &sqs.SendMessageBatchInput{
		QueueUrl: url, Entries: []types.SendMessageBatchRequestEntry{entries[0], entries[0]},
	})
	refused[*types.BatchEntryIdsNotDistinct]("an id twice", err)
	ok("batches succeed and fail by entry")
}

func (c *queueChecks) fifo() {
	url := c.create(".fifo", map[string]string{"FifoQueue": "true"})
	for _, text := range []string{"a", "b", "c", "a"} {
		must(c.client.SendMessage(c.ctx, &sqs.SendMessageInput{
			QueueUrl: url, MessageBody: &text, MessageGroupId: aws.String("g"), MessageDeduplicationId: &text,
		}))
	}
	messages := c.receive(url, 3)
	equalList("the order", bodies(messages), []string{"a", "b", "c"})
	var numbers []string
	for _, message := range messages {
		numbers = append(numbers, message.Attributes["SequenceNumber"])
	}
	equal("sequence numbers grow", sort.StringsAreSorted(numbers), true)
	ok("a FIFO queue keeps order and drops duplicates")
}

func (c *queueChecks) deadLetters() {
	dead := c.create("-dead", nil)
	policy := fmt.Sprintf(`{"deadLetterTargetArn": %q, "maxReceiveCount": 1}`, c.arn("-dead"))
	url := c.create("-source", map[string]string{"RedrivePolicy": policy})
	c.send(url, "poison")
	message := c.receive(url, 1)[0]
	c.giveBack(url, message)
	none := must(c.client.ReceiveMessage(c.ctx, &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 1}))
	equal("messages left", len(none.Messages), 0)
	moved := c.receive(dead, 1)[0]
	equal("the dead letter", *moved.MessageId, *message.MessageId)
	equal("its source", moved.Attributes["DeadLetterQueueSourceArn"], c.arn("-source"))
	c.giveBack(dead, moved)
	arn := c.arn("-dead")
	must(c.client.StartMessageMoveTask(c.ctx, &sqs.StartMessageMoveTaskInput{SourceArn: &arn}))
	equalList("moved back", bodies(c.receive(url, 1)), []string{"poison"})
	_, err := c.client.StartMessageMoveTask(c.ctx, &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(arn + "-none")})
	refused[*types.ResourceNotFoundException]("no such queue", err)
	ok("a dead letter moves there and back")
}

func runSqs(name, endpoint string) {
	fmt.Println("-- sqs", name)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	c := &queueChecks{
		ctx: context.Background(),
		client: sqs.New(sqs.Options{
			BaseEndpoint: &endpoint,
			Region:       "ap-southeast-2",
			Credentials:  credentials.NewStaticCredentialsProvider(queueAccount, "secret", ""),
			HTTPClient:   &http.Client{Transport: transport},
			Retryer:      aws.NopRetryer{},
		}),
		name: name,
	}
	c.queues()
	c.messages()
	c.longPoll()
	c.batches()
	c.fifo()
	c.deadLetters()
}
