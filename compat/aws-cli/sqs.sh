#!/usr/bin/env bash
# Drives a server's queues with the AWS CLI, as a person at a terminal does.
# Needs `aws` in PATH and the server's endpoint in HEADWATER_ENDPOINT.
set -euo pipefail

export AWS_ACCESS_KEY_ID=200000000002
. "$(dirname "$0")/words.sh"

sqs() { aws --endpoint-url "$HEADWATER_ENDPOINT" --output text sqs "$@"; }

# waiting URL: how many messages wait to be received.
waiting() { sqs get-queue-attributes --queue-url "$1" --attribute-names ApproximateNumberOfMessages \
    --query Attributes.ApproximateNumberOfMessages; }

arn() { echo "arn:aws:sqs:eu-west-1:200000000002:$1"; }

url=$(sqs create-queue --queue-name cli --attributes VisibilityTimeout=60 --tags team=river --query QueueUrl)
equal "the URL" "$url" "$HEADWATER_ENDPOINT/200000000002/cli"
equal "the URL by name" "$(sqs get-queue-url --queue-name cli --query QueueUrl)" "$url"
equal "it is listed" "$(sqs list-queues --queue-name-prefix c --query 'QueueUrls[]')" "$url"
equal "its ARN" "$(sqs get-queue-attributes --queue-url "$url" --attribute-names All \
    --query Attributes.QueueArn)" "$(arn cli)"
equal "its tags" "$(sqs list-queue-tags --queue-url "$url" --query Tags.team)" river
sqs set-queue-attributes --queue-url "$url" --attributes DelaySeconds=0,VisibilityTimeout=30
equal "a changed attribute" "$(sqs get-queue-attributes --queue-url "$url" --attribute-names VisibilityTimeout \
    --query Attributes.VisibilityTimeout)" 30
refused "another queue of the name" QueueAlreadyExists \
    sqs create-queue --queue-name cli --attributes VisibilityTimeout=31

id=$(sqs send-message --queue-url "$url" --message-body "hello & <world>" \
    --message-attributes 'n={DataType=Number,StringValue=7}' --query MessageId)
read -r seen handle <<<"$(sqs receive-message --queue-url "$url" --wait-time-seconds 5 \
    --query 'Messages[0].[MessageId, ReceiptHandle]')"
equal "the message sent is received" "$seen" "$id"
sqs change-message-visibility --queue-url "$url" --receipt-handle "$handle" --visibility-timeout 0
equal "again with its attribute" "$(sqs receive-message --queue-url "$url" --wait-time-seconds 5 \
    --attribute-names All --message-attribute-names All --query \
    'Messages[0].[Body, Attributes.ApproximateReceiveCount, MessageAttributes.n.StringValue]' | tr '\t' ,)" \
    "hello & <world>,2,7"
refused "a wrong handle" ReceiptHandleIsInvalid \
    sqs delete-message --queue-url "$url" --receipt-handle nonsense

equal "a batch is sent" "$(sqs send-message-batch --queue-url "$url" --entries \
    Id=a,MessageBody=one Id=b,MessageBody=two Id=c,MessageBody=three --query 'Successful[].[Id]' | lines)" a,b,c
handles=$(sqs receive-message --queue-url "$url" --max-number-of-messages 10 --wait-time-seconds 5 \
    --query 'Messages[].[ReceiptHandle]')
equal "a batch is received" "$(wc -l <<<"$handles")" 3
number=0 entries=()
for handle in $handles; do
    number=$((number + 1))
    entries+=("Id=d$number,ReceiptHandle=$handle")
done
equal "a batch is deleted" "$(sqs delete-message-batch --queue-url "$url" --entries "${entries[@]}" \
    --query 'Successful[].[Id]' | lines)" d1,d2,d3
sqs send-message --queue-url "$url" --message-body late --delay-seconds 900 >/dev/null
sqs purge-queue --queue-url "$url"
refused "a second purge" AWS.SimpleQueueService.PurgeQueueInProgress sqs purge-queue --queue-url "$url"
equal "purged" "$(waiting "$url")" 0

fifo=$(sqs create-queue --queue-name cli.fifo --attributes FifoQueue=true,ContentBasedDeduplication=true --query QueueUrl)
for body in one two three one; do
    sqs send-message --queue-url "$fifo" --message-body $body --message-group-id g >/dev/null
done
equal "a FIFO queue keeps order and drops duplicates" "$(sqs receive-message --queue-url "$fifo" \
    --max-number-of-messages 10 --wait-time-seconds 5 --query 'Messages[].[Body]' | lines)" one,two,three

dead=$(sqs create-queue --queue-name cli-dead --query QueueUrl)
sqs set-queue-attributes --queue-url "$url" --attributes \
    "{\"RedrivePolicy\": \"{\\\"deadLetterTargetArn\\\": \\\"$(arn cli-dead)\\\", \\\"maxReceiveCount\\\": 1}\"}"
sqs send-message --queue-url "$url" --message-body poison >/dev/null
handle=$(sqs receive-message --queue-url "$url" --wait-time-seconds 5 --query 'Messages[0].ReceiptHandle')
sqs change-message-visibility --queue-url "$url" --receipt-handle "$handle" --visibility-timeout 0
equal "nothing is left for its source" "$(sqs receive-message --queue-url "$url" --query 'length(Messages || `[]`)')" 0
equal "it is a dead letter" "$(waiting "$dead")" 1
equal "whose sources are listed" "$(sqs list-dead-letter-source-queues --queue-url "$dead" --query 'queueUrls[]')" "$url"
sqs start-message-move-task --source-arn "$(arn cli-dead)" >/dev/null
equal "moved back" "$(sqs receive-message --queue-url "$url" --wait-time-seconds 10 --query 'Messages[0].Body')" poison
equal "the task" "$(sqs list-message-move-tasks --source-arn "$(arn cli-dead)" --query 'Results[0].SourceArn')" \
    "$(arn cli-dead)"

sqs add-permission --queue-url "$url" --label other --aws-account-ids 111122223333 --actions SendMessage
equal "a permission" "$(sqs get-queue-attributes --queue-url "$url" --attribute-names Policy \
    --query "contains(Attributes.Policy, '111122223333')")" True
for name in a b c; do sqs create-queue --queue-name page-$name >/dev/null; done
equal "queues in pages of two" "$(sqs list-queues --queue-name-prefix page- --page-size 2 \
    --query 'QueueUrls[].[@]' | wc -l)" 3
sqs delete-queue --queue-url "$url"
refused "a deleted queue" AWS.SimpleQueueService.NonExistentQueue sqs send-message --queue-url "$url" --message-body x
