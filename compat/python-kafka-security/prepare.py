"""What a server and its clients need to know each other: certificates, a configuration file.

    prepare.py FOLDER

Everything is made anew in FOLDER; `headwater.toml` in it is for the server, the rest for main.py.
"""

import datetime
import ipaddress
import pathlib
import socket
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CONFIG = """\
tls_cert = "{folder}/server.pem"
tls_key = "{folder}/server.key"
kafka_listen = "PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0,SASL_SSL://127.0.0.1:0"
kafka_client_auth = "requested"
kafka_client_ca = "{folder}/ca.pem"
kafka_principal_rules = 'RULE:^CN=(.*?),OU=Clients.*$/$1/L, DEFAULT'
kafka_oauth_jwks = "https://127.0.0.1:{issuer_port}/keys"
kafka_oauth_jwks_ca = "{folder}/ca.pem"
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

    # The issuer's server is begun by main.py: until then it is away.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "issuer.port").write_text(str(port))
    (folder / "headwater.toml").write_text(CONFIG.format(folder=folder, issuer_port=port))


main(pathlib.Path(sys.argv[1]).resolve())
