#!/usr/bin/env bash
# Drives a server with the AWS CLI, as a person at a terminal does.
# Needs `aws` in PATH and the server's endpoint in HEADWATER_ENDPOINT.
set -euo pipefail

export AWS_ACCESS_KEY_ID=200000000001
. "$(dirname "$0")/words.sh"

stream=cli
first=shardId-000000000000
arn=arn:aws:kinesis:eu-west-1:200000000001:stream/$stream

kinesis() { aws --endpoint-url "$HEADWATER_ENDPOINT" --output text kinesis "$@"; }

status() { kinesis describe-stream-summary --stream-name "$stream" \
    --query StreamDescriptionSummary.StreamStatus; }

# Waits, for at most 30 s, until the stream is ACTIVE again after a change.
active() {
    local deadline=$((SECONDS + 30))
    until [ "$(status)" = ACTIVE ]; do
        if [ $SECONDS -ge $deadline ]; then
            echo "FAIL $stream is not ACTIVE within 30 s" && exit 1
        fi
    done
}

# read_from ITERATOR: the data of all records from there to the end, one a line.
read_from() {
    local iterator=$1 answer
    while [ "$iterator" != None ]; do
        answer=$(kinesis get-records --shard-iterator "$iterator" \
            --query '[NextShardIterator, MillisBehindLatest, length(Records)]')
        kinesis get-records --shard-iterator "$iterator" --query 'Records[].[Data]' |
            while read -r data; do base64 -d <<<"$data" && echo; done
        read -r iterator behind count <<<"$answer"
        if [ "$count" = 0 ] && [ "$behind" = 0 ]; then return; fi
    done
}

iterator() { # iterator SHARD TYPE [ARGUMENTS..]
    local shard=$1 type=$2
    shift 2
    kinesis get-shard-iterator --stream-name "$stream" --shard-id "$shard" \
        --shard-iterator-type "$type" "$@" --query ShardIterator
}

kinesis create-stream --stream-name $stream --shard-count 1
kinesis wait stream-exists --stream-name $stream
equal "the stream is active" "$(status)" ACTIVE
equal "its ARN" "$(kinesis describe-stream --stream-name $stream \
    --query StreamDescription.StreamARN)" $arn
equal "it is listed" "$(kinesis list-streams --query 'StreamNames[]')" $stream
refused "a second stream of the name" ResourceInUseException \
    kinesis create-stream --stream-name $stream --shard-count 1

one=$(kinesis put-record --stream-name $stream --partition-key k --data one --query SequenceNumber)
equal "put-records fails none" "$(kinesis put-records --stream-name $stream --records \
    Data=two,PartitionKey=k Data=three,PartitionKey=k --query FailedRecordCount)" 0
four=$(kinesis put-record --stream-arn $arn --partition-key k --data four --query SequenceNumber)

equal "TRIM_HORIZON" "$(read_from "$(iterator $first TRIM_HORIZON)" | lines)" one,two,three,four
equal "AT_SEQUENCE_NUMBER" \
    "$(read_from "$(iterator $first AT_SEQUENCE_NUMBER --starting-sequence-number "$four")" | lines)" four
equal "AFTER_SEQUENCE_NUMBER" \
    "$(read_from "$(iterator $first AFTER_SEQUENCE_NUMBER --starting-sequence-number "$one")" | lines)" \
    two,three,four
equal "AT_TIMESTAMP" \
    "$(read_from "$(iterator $first AT_TIMESTAMP --timestamp 2016-04-04T19:58:46Z)" | lines)" \
    one,two,three,four
latest=$(iterator $first LATEST)
kinesis put-record --stream-name $stream --partition-key k --data five >/dev/null
equal "LATEST" "$(read_from "$latest" | lines)" five
refused "a wrong iterator" InvalidArgumentException kinesis get-records --shard-iterator nonsense

kinesis split-shard --stream-name $stream --shard-to-split $first \
    --new-starting-hash-key 170141183460469231731687303715884105728
active
low=shardId-000000000001 high=shardId-000000000002
kinesis put-record --stream-name $stream --partition-key k --data low --explicit-hash-key 0 >/dev/null
kinesis put-record --stream-name $stream --partition-key k --data high \
    --explicit-hash-key 340282366920938463463374607431768211455 >/dev/null
equal "the parent reads to its end" "$(read_from "$(iterator $first TRIM_HORIZON)" | lines)" \
    one,two,three,four,five
equal "the low child" "$(read_from "$(iterator $low TRIM_HORIZON)")" low
equal "the high child" "$(read_from "$(iterator $high TRIM_HORIZON)")" high
kinesis merge-shards --stream-name $stream --shard-to-merge $low --adjacent-shard-to-merge $high
active
equal "open shards after the merge" "$(kinesis list-shards --stream-name $stream \
    --shard-filter Type=AT_LATEST --query 'Shards[].ShardId')" shardId-000000000003
equal "all shards" "$(kinesis list-shards --stream-name $stream --query 'length(Shards)')" 4
equal "the merged shard's parents" "$(kinesis list-shards --stream-name $stream \
    --query 'Shards[3].[ParentShardId, AdjacentParentShardId]' | tr '\t' ,)" $low,$high

# Paging. The CLI's own paginator sends the stream's name with the token, which AWS refuses (aws-cli
# issue 9635), so only the first page can be had with --page-size; tokens go by hand.
equal "the first shards" "$(kinesis list-shards --stream-name $stream --page-size 3 --max-items 3 \
    --query 'Shards[].[ShardId]' | grep -c ^shardId)" 3
token=$(kinesis list-shards --stream-name $stream --no-paginate --max-results 3 --query NextToken)
equal "the last shard, by token" "$(kinesis list-shards --no-paginate --next-token "$token" \
    --query 'Shards[].ShardId')" shardId-000000000003
equal "describe-stream in pages of one" "$(kinesis describe-stream --stream-name $stream \
    --page-size 1 --query 'StreamDescription.Shards[].[ShardId]' | wc -l)" 4
for name in a b c; do kinesis create-stream --stream-name $name --shard-count 1; done
equal "streams in pages of two" "$(kinesis list-streams --page-size 2 \
    --query 'StreamNames[].[@]' | lines)" a,b,c,cli

kinesis update-shard-count --stream-name $stream --target-shard-count 2 \
    --scaling-type UNIFORM_SCALING >/dev/null
active
equal "scaled to two shards" "$(kinesis describe-stream-summary --stream-name $stream \
    --query StreamDescriptionSummary.OpenShardCount)" 2

kinesis add-tags-to-stream --stream-name $stream --tags team=river,level=high
equal "tags" "$(kinesis list-tags-for-stream --stream-name $stream \
    --query 'Tags[].[Key, Value]' | tr '\t' = | lines)" level=high,team=river
kinesis remove-tags-from-stream --stream-name $stream --tag-keys team
equal "a tag removed" "$(kinesis list-tags-for-resource --resource-arn $arn \
    --query 'Tags[].Key')" level

consumer=$(kinesis register-stream-consumer --stream-arn $arn --consumer-name reader \
    --query Consumer.ConsumerARN)
equal "the consumer's ARN" "${consumer%:*}" $arn/consumer/reader
equal "consumers" "$(kinesis list-stream-consumers --stream-arn $arn \
    --query 'Consumers[].ConsumerName')" reader
refused "deleting a stream with consumers" ResourceInUseException \
    kinesis delete-stream --stream-name $stream
kinesis delete-stream --stream-name $stream --enforce-consumer-deletion
kinesis wait stream-not-exists --stream-name $stream
refused "a deleted stream" ResourceNotFoundException \
    kinesis describe-stream-summary --stream-name $stream
