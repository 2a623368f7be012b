"""Writes sigv4.json: requests signed by botocore, which our verifier must accept and our signer must equal.

Run: python3 sigv4.py > sigv4.json   (made with botocore 1.43.11)
"""

import datetime
import json

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NOW = datetime.datetime(2015, 8, 30, 12, 36, 0, tzinfo=datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda *args, **kwargs: NOW
ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

PUT = {"X-Amz-Target": "Kinesis_20131202.PutRecord", "Content-Type": "application/x-amz-json-1.1"}
CASES = [
    ("vanilla", "GET", "/", {}, "", None, "service"),
    ("query sorted", "GET", "/?Param2=value2&Param1=value1", {}, "", None, "service"),
    ("query repeated", "GET", "/?a=2&a=1&b=", {}, "", None, "service"),
    ("query encoded", "GET", "/?a%20b=%C3%BC%2F~", {}, "", None, "service"),
    ("dots", "GET", "/a/../b/./c/", {}, "", None, "service"),
    ("slashes", "GET", "//a//b", {}, "", None, "service"),
    ("encoded path", "GET", "/%E1%88%B4/a%20b", {}, "", None, "service"),
    ("arn in path", "GET", "/v1/arn%3Aaws%3Ax/t", {}, "", None, "service"),
    ("spaces in header", "GET", "/", {"My-Header1": "  a   b  c "}, "", None, "service"),
    ("json", "POST", "/", PUT, '{"StreamName":"s"}', None, "kinesis"),
    ("session", "POST", "/", PUT, '{"StreamName":"s"}', "a/session+token==", "kinesis"),
    ("unsigned payload", "POST", "/", {**PUT, "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, "x", None, "kinesis"),
]


def signed(signer, case):
    name, method, path, headers, body, token, service = case
    request = AWSRequest(method, "http://example.amazonaws.com" + path, dict(headers), data=body)
    signer(Credentials(ACCESS, SECRET, token), service, "us-east-1").add_auth(request)
    return {
        "name": name,
        "service": service,
        "method": method,
        "uri": request.url,
        "headers": [[k, v] for k, v in request.headers.items()],
        "body": body,
        "token": token,
    }


print(json.dumps({
    "header": [signed(botocore.auth.SigV4Auth, case) for case in CASES],
    "query": [signed(botocore.auth.SigV4QueryAuth, case) for case in CASES if not case[4]],
}, indent=1))
