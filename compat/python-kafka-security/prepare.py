"""What a server and its clients need to know each other: certificates, a token's key, a configuration file.

    prepare.py FOLDER

Everything is made anew in FOLDER; `headwater.toml` in it is for the server, the rest for main.py.
"""

import base64
import datetime
import ipaddress
import json
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

CONFIG = """\
tls_cert = "{folder}/server.pem"
tls_key = "{folder}/server.key"
kafka_listen = "PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0,SASL_SSL://127.0.0.1:0"
kafka_client_auth = "requested"
kafka_client_ca = "{folder}/ca.pem"
kafka_principal_rules = 'RULE:^CN=(.*?),OU=Clients.*$/$1/L, DEFAULT'
kafka_oauth_jwks = "{folder}/jwks.json"
kafka_oauth_issuer = "https://issuer.example"
kafka_oauth_audience = "kafka"
kafka_oauth_scope = "produce"
kafka_super_users = "User:admin"

[[kafka_users]]
name = "admin"
password = "admin's own"

[[kafka_users]]
name = "bob"
password = "bob, too"
"""


def name(common, unit):
    parts = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Compat, Ltd"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        x509.NameAttribute(NameOID.COMMON_NAME, common),
    ]
    return x509.Name(parts)


def certificate(subject, key, issuer, issuer_key, is_authority):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def write(folder, stem, cert, key):
    (folder / f"{stem}.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{stem}.key").write_bytes(private)


def main(folder):
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = name("authority", "Authorities")
    authority = certificate(authority_name, authority_key, authority_name, authority_key, True)
    write(folder, "ca", authority, authority_key)
    for stem, subject in [
        ("server", name("localhost", "Servers")),
        ("alice", name("Alice", "Clients")),
        ("carol", name("Carol", "Others")),
    ]:
        key = ec.generate_private_key(ec.SECP256R1())
        write(folder, stem, certificate(subject, key, authority_name, authority_key, False), key)
    # Signed by somebody who calls themselves like the authority and is not.
    forger_key = ec.generate_private_key(ec.SECP256R1())
    forged_key = ec.generate_private_key(ec.SECP256R1())
    forged = certificate(name("Alice", "Clients"), forged_key, authority_name, forger_key, False)
    write(folder, "forged", forged, forged_key)

    issuer = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    numbers = issuer.public_key().public_numbers()

    def number(value):
        data = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    jwk = {"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig", "n": number(numbers.n), "e": number(numbers.e)}
    (folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}))
    private = issuer.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "issuer.key").write_bytes(private)
    (folder / "headwater.toml").write_text(CONFIG.format(folder=folder))


main(pathlib.Path(sys.argv[1]).resolve())
