#!/usr/bin/env bash
# Drives a server's buckets with the AWS CLI: mb, cp, ls, sync, presign, mv, rm and rb, small files and multipart ones.
# Needs `aws` in PATH, the server's endpoint in HEADWATER_ENDPOINT and an empty folder to work in as argument.
set -euo pipefail

export AWS_ACCESS_KEY_ID=200000000003
. "$(dirname "$0")/words.sh"

s3() { aws --endpoint-url "$HEADWATER_ENDPOINT" s3 "$@"; }
api() { aws --endpoint-url "$HEADWATER_ENDPOINT" --output text s3api "$@"; }
names() { (cd "$1" && find . -type f | sed 's,^\./,,' | LC_ALL=C sort | lines); }

cd "$1"
mkdir tree tree/sub "tree/sub/a b+c%ü"
echo small >tree/small.txt
: >tree/empty
head -c 70000 /dev/urandom >tree/sub/bytes
echo deep >"tree/sub/a b+c%ü/deep &.txt"
head -c 20000000 /dev/urandom >large
all="empty,small.txt,sub/a b+c%ü/deep &.txt,sub/bytes"

s3 mb s3://cli-bucket >/dev/null
equal "the bucket is listed" "$(s3 ls | awk '{print $3}')" cli-bucket
refused "a wrong secret" SignatureDoesNotMatch env AWS_SECRET_ACCESS_KEY=wrong \
    aws --endpoint-url "$HEADWATER_ENDPOINT" s3 ls

s3 cp --only-show-errors tree/small.txt s3://cli-bucket/one.txt
equal "a file is listed" "$(s3 ls s3://cli-bucket/ | awk '{print $3, $4}')" "6 one.txt"
s3 cp --only-show-errors s3://cli-bucket/one.txt back.txt
equal "a file comes back" "$(cat back.txt)" small
equal "to standard output" "$(s3 cp s3://cli-bucket/one.txt -)" small
echo piped | s3 cp - s3://cli-bucket/piped
equal "from standard input" "$(s3 cp s3://cli-bucket/piped -)" piped
equal "its type" "$(api head-object --bucket cli-bucket --key one.txt --query ContentType)" text/plain

s3 cp --only-show-errors large s3://cli-bucket/large
equal "20 MB were sent in parts" "$(api head-object --bucket cli-bucket --key large --query ETag | tr -d '"' | grep -c -- '-3$')" 1
s3 cp --only-show-errors s3://cli-bucket/large large.back
equal "20 MB come back" "$(cmp large large.back && echo same)" same
api get-object --bucket cli-bucket --key large --range bytes=8388600-8388615 part >/dev/null
equal "a range across two parts" "$(cmp part <(tail -c +8388601 large | head -c 16) && echo same)" same
s3 cp --only-show-errors s3://cli-bucket/large s3://cli-bucket/copies/large
equal "a copy within the server" "$(api head-object --bucket cli-bucket --key copies/large --query ContentLength)" 20000000

# By itself: botocore misreads what comes after an early answer to a PUT of nothing on the same connection.
s3 cp --only-show-errors tree/empty s3://cli-bucket/tree/empty
s3 sync --only-show-errors tree s3://cli-bucket/tree
equal "a folder is sent" "$(s3 ls --recursive s3://cli-bucket/tree/ | wc -l)" 4
equal "nothing is sent twice" "$(s3 sync tree s3://cli-bucket/tree)" ""
equal "its folders" "$(s3 ls s3://cli-bucket/tree/ | awk '$1 == "PRE" {print $2}')" sub/
s3 sync --only-show-errors s3://cli-bucket/tree copy
equal "a folder comes back" "$(names copy)" "$all"
equal "as it was" "$(diff -r tree copy && echo same)" same
rm tree/empty
echo changed and longer >tree/small.txt
s3 sync --only-show-errors --delete tree s3://cli-bucket/tree
equal "what was deleted goes" "$(s3 ls --recursive s3://cli-bucket/tree/ | wc -l)" 3
equal "what was changed comes" "$(s3 cp s3://cli-bucket/tree/small.txt -)" "changed and longer"
s3 mv --only-show-errors s3://cli-bucket/piped s3://cli-bucket/moved
equal "moved" "$(s3 ls s3://cli-bucket/ | awk '$4 ~ /moved|piped/ {print $4}')" moved
equal "objects in pages of two" "$(api list-objects-v2 --bucket cli-bucket --page-size 2 --query 'Contents[].[Key]' | wc -l)" 7

link=$(s3 presign s3://cli-bucket/one.txt --expires-in 60)
equal "a presigned link" "$(python3 -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode(), end="")' "$link")" small
equal "a changed link" "$(python3 -c '
import sys, urllib.request as u
try: u.urlopen(sys.argv[1])
except Exception as error: print(error.code)' "${link/one.txt/moved}")" 403
equal "no link at all" "$(python3 -c '
import sys, urllib.request as u
try: u.urlopen(sys.argv[1])
except Exception as error: print(error.code)' "${link%%\?*}")" 403

refused "an object that is not there" NoSuchKey api get-object --bucket cli-bucket --key none none
refused "a bucket that is not there" NoSuchBucket api list-objects-v2 --bucket none-such
refused "a bucket that is not empty" BucketNotEmpty api delete-bucket --bucket cli-bucket
s3 rm --only-show-errors s3://cli-bucket/large
s3 rm --only-show-errors --recursive s3://cli-bucket/tree
equal "what is left" "$(s3 ls --recursive s3://cli-bucket/ | awk '{print $4}' | lines)" copies/large,moved,one.txt
s3 rb --force s3://cli-bucket >/dev/null
equal "no bucket is left" "$(s3 ls)" ""
