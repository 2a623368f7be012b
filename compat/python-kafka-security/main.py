"""Security as Kafka's clients for Python see it: confluent-kafka (librdkafka) and aiokafka.

    HEADWATER_ENDPOINTS=DATA/endpoints.json main.py FOLDER       where FOLDER was made by prepare.py
"""

import asyncio
import json
import os
import pathlib
import ssl
import sys
import time
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError as AioKafkaError
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from issuer import Issuer

FOLDER = pathlib.Path(sys.argv[1]).resolve()
LISTENERS = json.loads(pathlib.Path(os.environ["HEADWATER_ENDPOINTS"]).read_text())["kafka_listeners"]
PATIENCE = 30
failures = []
issuer = Issuer(FOLDER)


def check(what, expected, seen):
    if expected == seen:
        print(f"ok   {what}")
    else:
        print(f"FAIL {what}: expected {expected!r}, saw {seen!r}")
        failures.append(what)


# Who is who.

TLS = {"ssl.ca.location": str(FOLDER / "ca.pem")}


def plaintext():
    return {"bootstrap.servers": LISTENERS["PLAINTEXT"]}


def over_tls(who=None):
    config = {"bootstrap.servers": LISTENERS["SSL"], "security.protocol": "SSL", **TLS}
    if who:
        config["ssl.certificate.location"] = str(FOLDER / f"{who}.pem")
        config["ssl.key.location"] = str(FOLDER / f"{who}.key")
    return config


def by_password(mechanism, user, password, protocol="SASL_SSL"):
    return {
        "bootstrap.servers": LISTENERS[protocol],
        "security.protocol": protocol,
        "sasl.mechanism": mechanism,
        "sasl.username": user,
        "sasl.password": password,
        **TLS,
    }


def by_token(**changes):
    return {
        "bootstrap.servers": LISTENERS["SASL_SSL"],
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "oauth_cb": lambda _: (issuer.token(**changes), time.time() + 600),
        **TLS,
    }


ADMIN = by_password("PLAIN", "admin", "admin's own")
admin = AdminClient(ADMIN)


# What they try.

def outcome(futures):
    """What became of one request: `ok`, or the error's name."""
    try:
        [future] = futures.values() if isinstance(futures, dict) else [futures]
        future.result(PATIENCE)
        return "ok"
    except KafkaException as error:
        return error.args[0].name()


def login(config):
    """`ok`, or the error that a client without a connection reports."""
    seen = []
    client = AdminClient({**config, "error_cb": seen.append, "logger": Silent(), "socket.timeout.ms": 5000})
    try:
        client.list_topics(timeout=10)
        return "ok"
    except KafkaException:
        client.poll(1)
        names = [error.name() for error in seen if error.code() != KafkaError._ALL_BROKERS_DOWN]
        return names[0] if names else "nothing"


class Silent:
    def log(self, *_arguments, **_named):
        pass

    def __getattr__(self, _name):
        return self.log


def produce(config, topic):
    seen = []
    producer = Producer({**config, "message.timeout.ms": 10_000, "allow.auto.create.topics": False})
    producer.produce(topic, b"hello", on_delivery=lambda error, _: seen.append(error.name() if error else "ok"))
    producer.flush(PATIENCE)
    return seen[0] if seen else "nothing"


def consume(config, topic, group):
    consumer = Consumer({**config, "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        deadline = time.time() + PATIENCE
        while time.time() < deadline:
            message = consumer.poll(1)
            if message is None:
                continue
            return message.error().name() if message.error() else message.value().decode()
        return "nothing"
    except KafkaException as error:
        return error.args[0].name()
    finally:
        consumer.close()


def rule(principal, operation, name, *, of=ResourceType.TOPIC, pattern=ResourcePatternType.LITERAL,
         permission=AclPermissionType.ALLOW, host="*"):
    return AclBinding(of, name, pattern, f"User:{principal}", host, operation, permission)


def allow(*rules):
    for future in admin.create_acls(list(rules)).values():
        future.result(PATIENCE)


def forget(*rules):
    filters = [
        AclBindingFilter(one.restype, one.name, one.resource_pattern_type, one.principal, one.host, one.operation,
                         one.permission_type)
        for one in rules
    ]
    return sum(len(future.result(PATIENCE)) for future in admin.delete_acls(filters).values())


# The checks.

def passwords():
    check("PLAIN over TLS lets the first admin in", "ok", login(ADMIN))
    check("PLAIN in the clear on loopback", "ok", login(by_password("PLAIN", "bob", "bob, too", "SASL_PLAINTEXT")))
    check("a wrong password is refused", "_AUTHENTICATION", login(by_password("PLAIN", "admin", "wrong")))
    check("an unknown user is refused", "_AUTHENTICATION", login(by_password("PLAIN", "nobody", "x")))
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"]:
        check(f"{mechanism} knows users of the file", "ok", login(by_password(mechanism, "bob", "bob, too")))
        check(f"{mechanism} refuses a wrong one", "_AUTHENTICATION", login(by_password(mechanism, "bob", "bob too")))
        check(f"{mechanism} refuses a stranger", "_AUTHENTICATION", login(by_password(mechanism, "eve", "x")))


def scram_users():
    sha256 = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 8192)
    sha512 = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    alter = admin.alter_user_scram_credentials
    check("a user is made", "ok", outcome(alter([UserScramCredentialUpsertion("eve", sha256, b"secret", b"salt-1")])))
    check("the same for the other hash", "ok", outcome(alter([UserScramCredentialUpsertion("eve", sha512, b"secret")])))
    check("logs in by SHA-256", "ok", login(by_password("SCRAM-SHA-256", "eve", "secret")))
    check("logs in by SHA-512", "ok", login(by_password("SCRAM-SHA-512", "eve", "secret", "SASL_PLAINTEXT")))
    check("PLAIN does not know them", "_AUTHENTICATION", login(by_password("PLAIN", "eve", "secret")))
    found = admin.describe_user_scram_credentials(["eve"])["eve"].result(PATIENCE)
    seen = sorted((info.mechanism.name, info.iterations) for info in found.scram_credential_infos)
    check("is described", [("SCRAM_SHA_256", 8192), ("SCRAM_SHA_512", 4096)], seen)
    everybody = admin.describe_user_scram_credentials().result(PATIENCE)
    check("everybody is described", ["admin", "bob", "eve"], sorted(everybody))
    check("nobody is not", "RESOURCE_NOT_FOUND", outcome(admin.describe_user_scram_credentials(["nobody"])))
    few = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4095)
    many = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 16385)
    for what, info in [("too few", few), ("too many", many)]:
        upsertion = UserScramCredentialUpsertion("eve", info, b"secret")
        check(f"{what} iterations", "UNACCEPTABLE_CREDENTIAL", outcome(alter([upsertion])))
    of_file = UserScramCredentialUpsertion("bob", sha256, b"secret")
    check("users of the file are not changed", "UNACCEPTABLE_CREDENTIAL", outcome(alter([of_file])))
    removal = UserScramCredentialDeletion("eve", ScramMechanism.SCRAM_SHA_256)
    check("a credential is removed", "ok", outcome(alter([removal])))
    check("and is gone", "_AUTHENTICATION", login(by_password("SCRAM-SHA-256", "eve", "secret")))
    check("the other is not", "ok", login(by_password("SCRAM-SHA-512", "eve", "secret")))
    check("is removed once", "RESOURCE_NOT_FOUND", outcome(alter([removal])))
    unprivileged = AdminClient(by_password("PLAIN", "bob", "bob, too"))
    asked = unprivileged.alter_user_scram_credentials([UserScramCredentialUpsertion("x", sha256, b"y")])
    check("not everybody makes users", "CLUSTER_AUTHORIZATION_FAILED", outcome(asked))


def login_by_and_by():
    """A login by token, tried until the server has asked the issuer again: not more often than every ten seconds."""
    deadline = time.time() + PATIENCE
    seen = login(by_token())
    while seen != "ok" and time.time() < deadline:
        seen = login(by_token())
    return seen


def tokens():
    check("no token holds while the issuer was never there", "_AUTHENTICATION", login(by_token()))
    check("and passwords do", "ok", login(ADMIN))
    issuer.open()
    check("a token lets in once it is", "ok", login_by_and_by())
    check("one that has ended does not", "_AUTHENTICATION", login(by_token(exp=int(time.time()) - 60)))
    check("nor another issuer's", "_AUTHENTICATION", login(by_token(iss="https://other.example")))
    check("nor one for others", "_AUTHENTICATION", login(by_token(aud="other")))
    check("nor one for other ends", "_AUTHENTICATION", login(by_token(scope="consume")))
    asked, old = issuer.asked, by_token()
    old["oauth_cb"] = lambda _, shown=issuer.token(): (shown, time.time() + 600)
    issuer.rotate()
    check("a token by a new key lets in", "ok", login_by_and_by())
    check("for which the issuer was asked again", True, issuer.asked > asked)
    check("one by the old key does not any more", "_AUTHENTICATION", login(old))
    issuer.close()
    check("known keys hold while the issuer is away", "ok", login(by_token()))


def certificates(topic):
    check("a client without a certificate is anonymous", "TOPIC_AUTHORIZATION_FAILED", produce(over_tls(), topic))
    ours = rule("alice", AclOperation.WRITE, topic)
    allow(ours)
    check("a certificate names its owner", "ok", produce(over_tls("alice"), topic))
    check("another's does not", "TOPIC_AUTHORIZATION_FAILED", produce(over_tls("carol"), topic))
    allow(rule(r"CN=Carol,OU=Others,O=Compat\, Ltd,C=DE", AclOperation.WRITE, topic))
    check("a subject without a rule of its own is a name", "ok", produce(over_tls("carol"), topic))
    # The broker's alert may come after the client has begun to send, which then finds the connection closed.
    check("a forged certificate is refused", True, login(over_tls("forged")) in ["_SSL", "_TRANSPORT"])
    forget(ours)


def acls(topic):
    bob = by_password("PLAIN", "bob", "bob, too")
    denied = "TOPIC_AUTHORIZATION_FAILED"
    check("nothing is allowed at first", denied, produce(bob, topic))
    check("not to the anonymous either", denied, produce(plaintext(), topic))
    write = rule("bob", AclOperation.WRITE, topic)
    allow(write)
    check("what is allowed can be done", "ok", produce(bob, topic))
    check("and nothing else", "GROUP_AUTHORIZATION_FAILED", consume(bob, topic, "bobs"))
    read = rule("bob", AclOperation.READ, topic[:4], pattern=ResourcePatternType.PREFIXED)
    allow(read)
    check("a group has rules of its own", "GROUP_AUTHORIZATION_FAILED", consume(bob, topic, "bobs"))
    allow(rule("*", AclOperation.READ, "bobs", of=ResourceType.GROUP))
    check("a beginning and everybody", "hello", consume(bob, topic, "bobs"))
    deny = rule("bob", AclOperation.ALL, topic, permission=AclPermissionType.DENY, host="127.0.0.1")
    allow(deny)
    check("denying beats allowing", denied, produce(bob, topic))
    every = AclBindingFilter(ResourceType.TOPIC, topic, ResourcePatternType.MATCH, "User:bob", None,
                             AclOperation.ANY, AclPermissionType.ANY)
    found = admin.describe_acls(every).result(PATIENCE)
    key = lambda one: (one.name, one.operation.name, one.permission_type.name)
    expected = sorted(map(key, [write, read, deny]))
    check("rules about a topic are found", expected, sorted(map(key, found)))
    check("a rule is removed", 1, forget(deny))
    check("and no longer holds", "ok", produce(bob, topic))
    unprivileged = AdminClient(bob)
    # librdkafka keeps the refusal to itself.
    check("not everybody sees the rules", [], unprivileged.describe_acls(every).result(PATIENCE))
    check("or makes any", "CLUSTER_AUTHORIZATION_FAILED", outcome(unprivileged.create_acls([write])))
    wrong = rule("bob", AclOperation.READ, topic, host="not an address")
    check("a rule that could not hold is refused", "INVALID_REQUEST", outcome(admin.create_acls([wrong])))
    made = unprivileged.create_topics([NewTopic(f"new-{uuid.uuid4()}", 1)])
    check("not everybody makes topics", denied, outcome(made))
    seen = unprivileged.list_topics(timeout=PATIENCE).topics
    check("topics are seen by those who may", [topic], sorted(name for name in seen))


class Provider(AbstractTokenProvider):
    async def token(self):
        return issuer.token()


async def asyncio_client(topic):
    context = ssl.create_default_context(cafile=FOLDER / "ca.pem")
    sealed = {"bootstrap_servers": LISTENERS["SASL_SSL"], "security_protocol": "SASL_SSL", "ssl_context": context}
    named = {"sasl_plain_username": "bob", "sasl_plain_password": "bob, too"}
    allow(rule("dave", AclOperation.WRITE, topic))
    for mechanism, who in [
        ("PLAIN", named), ("SCRAM-SHA-256", named), ("SCRAM-SHA-512", named),
        ("OAUTHBEARER", {"sasl_oauth_token_provider": Provider()}),
    ]:
        producer = AIOKafkaProducer(**sealed, sasl_mechanism=mechanism, **who)
        await producer.start()
        try:
            await producer.send_and_wait(topic, mechanism.encode())
            check(f"aiokafka produces by {mechanism}", True, True)
        finally:
            await producer.stop()
    consumer = AIOKafkaConsumer(topic, **sealed, sasl_mechanism="SCRAM-SHA-512", **named, group_id="bobs-too",
                                auto_offset_reset="earliest")
    allow(rule("bob", AclOperation.READ, "bobs-too", of=ResourceType.GROUP))
    await consumer.start()
    try:
        seen = set()
        while b"OAUTHBEARER" not in seen:
            message = await asyncio.wait_for(consumer.getone(), PATIENCE)
            seen.add(message.value)
        check("aiokafka consumes", True, b"PLAIN" in seen)
    finally:
        await consumer.stop()
    wrong = AIOKafkaProducer(**sealed, sasl_mechanism="PLAIN", sasl_plain_username="bob", sasl_plain_password="x")
    try:
        await wrong.start()
        seen = "ok"
    except AioKafkaError as error:
        seen = type(error).__name__
    finally:
        await wrong.stop()
    check("aiokafka is refused with a wrong password", "KafkaConnectionError", seen)


def main():
    topic = f"top-{uuid.uuid4()}"
    other = f"other-{uuid.uuid4()}"
    passwords()
    made = admin.create_topics([NewTopic(topic, 1), NewTopic(other, 1)])
    for future in made.values():
        future.result(PATIENCE)
    scram_users()
    tokens()
    acls(topic)
    certificates(other)
    asyncio.run(asyncio_client(topic))
    if failures:
        sys.exit(f"{len(failures)} checks failed")


main()
