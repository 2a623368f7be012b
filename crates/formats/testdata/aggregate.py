"""Writes aggregate.bin with AWS's own module: pip install aws-kinesis-agg==1.2.3 six."""
from aws_kinesis_agg.aggregator import RecordAggregator

aggregator = RecordAggregator()
for at in range(300):
    hash_key = str((at % 5) << 100) if at % 3 == 0 else None
    data = (f"record {at}" * (at % 20)).encode()
    assert aggregator.add_user_record(f"key-{at % 140}", data, hash_key) is None
assert aggregator.add_user_record("ключ", b"\0\xff", str(2**128 - 1)) is None
_, _, data = aggregator.clear_and_get().get_contents()
with open("aggregate.bin", "wb") as file:
    file.write(data)
