#!/usr/bin/env bash
# Drives a server's tables with the AWS CLI, as a person at a terminal does.
# Needs `aws` in PATH and the server's endpoint in HEADWATER_ENDPOINT.
set -euo pipefail

export AWS_ACCESS_KEY_ID=200000000003
. "$(dirname "$0")/words.sh"

dynamodb() { aws --endpoint-url "$HEADWATER_ENDPOINT" --output text dynamodb "$@"; }

dynamodb create-table --table-name music --billing-mode PAY_PER_REQUEST \
    --attribute-definitions AttributeName=artist,AttributeType=S AttributeName=song,AttributeType=S \
    --key-schema AttributeName=artist,KeyType=HASH AttributeName=song,KeyType=RANGE >/dev/null
dynamodb wait table-exists --table-name music
equal "its ARN" "$(dynamodb describe-table --table-name music --query Table.TableArn)" \
    arn:aws:dynamodb:eu-west-1:200000000003:table/music
equal "it is listed" "$(dynamodb list-tables --query 'TableNames[]')" music

key() { echo "{\"artist\": {\"S\": \"river\"}, \"song\": {\"S\": \"$1\"}}"; }
for song in a b c; do
    dynamodb put-item --table-name music --item "$(key $song)" \
        --condition-expression 'attribute_not_exists(song)' >/dev/null
done
refused "a second of one key" ConditionalCheckFailedException dynamodb put-item --table-name music \
    --item "$(key a)" --condition-expression 'attribute_not_exists(song)'
equal "a counter" "$(dynamodb update-item --table-name music --key "$(key b)" --update-expression 'ADD plays :one' \
    --expression-attribute-values '{":one": {"N": "1"}}' --return-values ALL_NEW --query Attributes.plays.N)" 1
equal "pages of a query" "$(dynamodb query --table-name music --page-size 2 --no-scan-index-forward \
    --key-condition-expression 'artist = :a' --expression-attribute-values '{":a": {"S": "river"}}' \
    --query 'Items[].[song.S]' | lines)" c,b,a
equal "a filtered scan" "$(dynamodb scan --table-name music --filter-expression 'attribute_exists(plays)' \
    --query 'Items[].[song.S]')" b
dynamodb transact-write-items --transact-items \
    "[{\"Delete\": {\"TableName\": \"music\", \"Key\": $(key a)}}, {\"Put\": {\"TableName\": \"music\", \"Item\": $(key d)}}]"
equal "after a transaction" "$(dynamodb scan --table-name music --query 'sort(Items[].song.S)' | tr '\t' ,)" b,c,d
refused "a missing table" ResourceNotFoundException dynamodb describe-table --table-name films
dynamodb delete-table --table-name music >/dev/null
dynamodb wait table-not-exists --table-name music
equal "it is gone" "$(dynamodb list-tables --query 'TableNames[]')" ""
