"""Records what real clients and servers say to each other, one file a connection, for the tests of the codecs.

    pip install psycopg[binary] requests urllib3 httpx aiosmtpd
    python record.py --postgres "host=127.0.0.1 port=5432 user=eos dbname=eos" --pgjdbc postgresql-42.7.4.jar

The database needs no table; whoever connects must be trusted. Java is needed for pgjdbc, openssl for STARTTLS.
"""

from __future__ import annotations

import argparse
import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psycopg
import requests
import urllib3
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult
from relay import recorded

# PostgreSQL


def psycopg_simple(dsn: str) -> None:
    with psycopg.connect(dsn, cursor_factory=psycopg.ClientCursor) as db:
        db.execute("CREATE TEMP TABLE t (a int PRIMARY KEY, b text)")
        db.execute("INSERT INTO t VALUES (%s, %s)", (1, "a;b'c"))
        db.commit()
        db.execute("INSERT INTO t VALUES (2, $$;$$); INSERT INTO t VALUES (3, NULL); SELECT * FROM t")
        db.rollback()
        with suppress(psycopg.Error):
            db.execute("INSERT INTO t VALUES (1, 'again')")
        db.rollback()
        db.execute("; -- nothing")
        db.commit()
        with suppress(psycopg.Error):
            db.execute("COMMIT; SELECT 1/0; COMMIT")


def psycopg_extended(dsn: str) -> None:
    with psycopg.connect(dsn) as db:
        db.execute("CREATE TEMP TABLE t (a int PRIMARY KEY)")
        for number in range(3):
            db.execute("INSERT INTO t VALUES (%s)", (number,))
            db.commit()
        for number in range(3):
            db.execute("SELECT * FROM t WHERE a = %s", (number,), prepare=True).fetchall()
        db.commit()
        with suppress(psycopg.Error):
            db.execute("INSERT INTO t VALUES (%s)", (1,))
        db.rollback()
        with db.cursor(name="c") as cursor:
            cursor.execute("SELECT * FROM t")
            cursor.fetchmany(2)
        db.commit()


def psycopg_pipeline(dsn: str) -> None:
    with psycopg.connect(dsn) as db:
        db.execute("CREATE TEMP TABLE t (a int PRIMARY KEY)")
        db.commit()
        with db.pipeline():
            for number in range(5):
                db.execute("INSERT INTO t VALUES (%s)", (number,))
            db.commit()
            db.execute("SELECT * FROM t")
        db.commit()
        with suppress(psycopg.Error), db.pipeline():
            db.execute("INSERT INTO t VALUES (%s)", (1,))
            db.execute("INSERT INTO t VALUES (%s)", (7,))
            db.commit()
        db.rollback()


def psycopg_copy(dsn: str) -> None:
    with psycopg.connect(dsn) as db, db.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE t (a int PRIMARY KEY)")
        with cursor.copy("COPY t FROM STDIN") as copy:
            for number in range(3):
                copy.write_row((number,))
        db.commit()
        with suppress(psycopg.Error), cursor.copy("COPY t FROM STDIN") as copy:
            copy.write_row((1,))
        db.rollback()
        with suppress(psycopg.Error, ZeroDivisionError), cursor.copy("COPY t FROM STDIN") as copy:
            copy.write_row((1 // 0,))
        db.rollback()
        with cursor.copy("COPY t TO STDOUT") as copy:
            list(copy.rows())
        db.commit()


def psycopg_notices(dsn: str) -> None:
    with psycopg.connect(f"{dsn} sslmode=prefer", autocommit=True) as db:
        db.execute("LISTEN news")
        db.execute("NOTIFY news, 'COMMIT'")
        db.execute("SET application_name TO 'x'")
        db.execute("DO $$ BEGIN RAISE NOTICE 'COMMIT;'; END $$")
        db.execute("COMMIT")  # a warning: there is no transaction


def psycopg_cancel(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        threading.Timer(0.3, db.cancel_safe).start()  # cancel() would keep the interpreter from this proxy
        with suppress(psycopg.Error):
            db.execute("SELECT pg_sleep(60)")
        db.execute("SELECT 1")


PGJDBC = """
import java.sql.*;
public class Record {
    public static void main(String[] args) throws Exception {
        try (Connection db = DriverManager.getConnection(args[0])) {
            db.setAutoCommit(false);
            try (Statement s = db.createStatement()) {
                s.execute("CREATE TEMP TABLE t (a int PRIMARY KEY)");
                db.commit();
                s.execute("INSERT INTO t VALUES (100); INSERT INTO t VALUES (101)");
            }
            try (PreparedStatement s = db.prepareStatement("INSERT INTO t VALUES (?)")) {
                for (int i = 0; i < 8; i++) {
                    s.setInt(1, i);
                    s.executeUpdate();
                    db.commit();
                }
                for (int i = 10; i < 14; i++) {
                    s.setInt(1, i);
                    s.addBatch();
                }
                s.executeBatch();
                db.commit();
                s.setInt(1, 1);
                try { s.executeUpdate(); } catch (SQLException e) { db.rollback(); }
            }
            try (PreparedStatement s = db.prepareStatement("SELECT a FROM t")) {
                s.setFetchSize(3);
                try (ResultSet r = s.executeQuery()) { while (r.next()) r.getInt(1); }
            }
            db.commit();
        }
    }
}
"""


def pgjdbc(jar: str) -> Callable[[str], None]:
    def run(dsn: str) -> None:
        part = dict(word.split("=", 1) for word in dsn.split())
        url = f"jdbc:postgresql://{part['host']}:{part['port']}/{part['dbname']}?user={part['user']}&sslmode=disable"
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "Record.java")
            source.write_text(PGJDBC)
            subprocess.run(["java", "-cp", jar, str(source), url], check=True)

    return run


def record_postgres(dsn: str, jar: str | None) -> None:
    part = dict(word.split("=", 1) for word in dsn.split())
    clients: dict[str, Callable[[str], None]] = {
        "psycopg-simple": psycopg_simple,
        "psycopg-extended": psycopg_extended,
        "psycopg-pipeline": psycopg_pipeline,
        "psycopg-copy": psycopg_copy,
        "psycopg-notices": psycopg_notices,
        "psycopg-cancel": psycopg_cancel,
    }
    if jar:
        clients["pgjdbc"] = pgjdbc(jar)
    for name, run in clients.items():
        with recorded(f"postgres-{name}", (part["host"], int(part["port"]))) as (host, port):
            run(f"host={host} port={port} user={part['user']} dbname={part['dbname']} gssencmode=disable")


# HTTP


class Handler(BaseHTTPRequestHandler):
    """Answers in every framing there is."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: bytes = b"", framing: str = "length") -> None:
        self.send_response(status)
        if framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif framing == "length":
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        if framing == "chunked":
            for at in range(0, len(body), 1000):
                part = body[at : at + 1000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(body)

    def do_GET(self) -> None:
        body = b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" * 100
        match self.path:
            case "/empty":
                self.send_response(204)
                self.end_headers()
            case "/chunked":
                self.answer(200, body, "chunked")
            case "/close":
                self.answer(200, body, "close")
            case _:
                self.answer(200, body)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(201, b'{"charge": 1}')

    def log_message(self, *_: object) -> None:
        """Nothing: what matters is recorded."""


def pieces() -> Iterator[bytes]:
    yield b"a" * 10
    yield b"b" * 1000


def http_requests(url: str) -> None:
    with requests.Session() as session:
        session.get(f"{url}/charges")
        session.post(f"{url}/charges", json={"amount": 1}, headers={"Idempotency-Key": "k"})
        session.post(f"{url}/charges", data=pieces())
        session.head(f"{url}/charges")
        session.get(f"{url}/empty")
        session.get(f"{url}/chunked")
        session.get(f"{url}/close")


def http_urllib3(url: str) -> None:
    with urllib3.PoolManager() as pool:
        for method, path in (("GET", "/chunked"), ("POST", "/charges"), ("HEAD", "/chunked"), ("GET", "/empty")):
            pool.request(method, url + path, body=b"x" * 10 if method == "POST" else None)


def http_httpx(url: str) -> None:
    with httpx.Client() as client:
        client.post(f"{url}/charges", content=pieces())
        client.post(f"{url}/charges", json={"amount": 2})
        client.get(f"{url}/chunked")
        client.get(f"{url}/close")


def http_curl(url: str) -> None:
    expect = ["-H", "Expect: 100-continue", "--data-binary", "y" * 2000]
    subprocess.run(
        ["curl", "-s", "-o", "-", *expect, f"{url}/charges", f"{url}/charges"], check=True, capture_output=True
    )


def record_http() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    clients = {"requests": http_requests, "urllib3": http_urllib3, "httpx": http_httpx, "curl": http_curl}
    for name, run in clients.items():
        with recorded(f"http-{name}", ("127.0.0.1", server.server_port)) as (host, port):
            run(f"http://{host}:{port}")
    server.shutdown()


# SMTP

MESSAGE = "Subject: dots\r\n\r\n.\r\n..two\r\nDATA\r\n.\r\n"


def smtp_sendmail(host: str, port: int) -> None:
    with smtplib.SMTP(host, port) as client:
        client.login("user", "password")
        for number in range(2):
            client.sendmail("a@example.com", ["b@example.com", f"c{number}@example.com"], MESSAGE)
        client.docmd("EXPN", "all")
        client.rset()
        client.sendmail("a@example.com", "b@example.com", b"xyz.\r\n" * 500)
        with suppress(smtplib.SMTPException):
            client.sendmail("a@example.com", [], MESSAGE)


def smtp_starttls(host: str, port: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP(host, port) as client:
        client.starttls(context=context)
        client.sendmail("a@example.com", "b@example.com", MESSAGE)


def certificate() -> ssl.SSLContext:
    with tempfile.TemporaryDirectory() as folder:
        key, cert = f"{folder}/key", f"{folder}/cert"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", "/CN=localhost", "-keyout", key, "-out", cert], check=True, capture_output=True,
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context


def record_smtp() -> None:
    server = Controller(
        Sink(), hostname="127.0.0.1", port=0, tls_context=certificate(), auth_require_tls=False,
        authenticator=lambda *_: AuthResult(success=True),
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as free:
        server.port = free.getsockname()[1]
    server.start()
    for name, run in {"sendmail": smtp_sendmail, "starttls": smtp_starttls}.items():
        with recorded(f"smtp-{name}", ("127.0.0.1", server.port)) as (host, port):
            run(host, port)
    server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", help="connection string of the database")
    parser.add_argument("--pgjdbc", help="pgjdbc's jar")
    options = parser.parse_args()
    record_http()
    record_smtp()
    if options.postgres:
        record_postgres(options.postgres, options.pgjdbc)


if __name__ == "__main__":
    main()
