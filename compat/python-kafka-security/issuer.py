"""An issuer of tokens: signs them, and publishes its keys on a server of its own."""

import base64
import http.server
import json
import ssl
import threading
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Has one key at a time, `key-1` first."""

    def __init__(self, folder):
        self.folder = folder
        self.server = None
        self.asked = 0
        self.number = 0
        self.rotate()

    def rotate(self):
        """Signs with a new key from now on, and publishes that alone."""
        self.number += 1
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def key_set(self):
        numbers = self.key.public_key().public_numbers()
        number = lambda value: base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))
        key = {"kty": "RSA", "kid": f"key-{self.number}", "alg": "RS256", "use": "sig",
               "n": number(numbers.n), "e": number(numbers.e)}
        return json.dumps({"keys": [key]}).encode()

    def token(self, **changes):
        now = int(time.time())
        claims = {"iss": "https://issuer.example", "aud": ["kafka"], "sub": "dave", "scope": "produce consume",
                  "iat": now, "exp": now + 600, **changes}
        header = {"alg": "RS256", "kid": f"key-{self.number}", "typ": "JWT"}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in [header, claims])
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64url(signature)}"

    def open(self):
        """Begins to publish."""
        issuer = self

        class Keys(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                body = issuer.key_set()
                self.send_response(200 if self.path == "/keys" else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        port = int((self.folder / "issuer.port").read_text())
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Keys)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Is away from now on."""
        self.server.shutdown()
        self.server.server_close()
