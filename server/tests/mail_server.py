"""A real mail server for tests. Prints its port, then each mail that it took, as a line of JSON; ends with its input.

Arguments: how it is encrypted (none, starttls, tls), then certificate and key where it is. It asks for a login.
"""
import json, socket, ssl, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

how = sys.argv[1]
context = None
if how != "none":
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*sys.argv[2:4])


class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "encrypted": session.ssl is not None or how == "tls",
            "data": envelope.content.decode(),
        }
        print(json.dumps(mail), flush=True)
        return "250 taken"


def login(server, session, envelope, mechanism, data):
    fits = data.login == b"storage" and data.password == b"planted-mail-password"
    return AuthResult(success=fits, handled=False)


controller = Controller(
    Handler(),
    hostname="127.0.0.1",
    port=0,
    server_hostname="mail.test",
    auth_required=True,
    # Its own sight of encryption is STARTTLS alone.
    auth_require_tls=how == "starttls",
    require_starttls=how == "starttls",
    tls_context=context if how == "starttls" else None,
    ssl_context=context if how == "tls" else None,
    authenticator=login,
)


def first_client():
    with socket.create_connection(controller.server.sockets[0].getsockname(), 10) as client:
        if how == "tls":
            trusting = ssl.create_default_context()
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            with trusting.wrap_socket(client) as encrypted:
                encrypted.recv(1024)
        else:
            client.recv(1024)


# The program's own looks at the port that was asked for, which is any.
controller._trigger_server = first_client
controller.start()
print(json.dumps({"port": controller.server.sockets[0].getsockname()[1]}), flush=True)
sys.stdin.read()
