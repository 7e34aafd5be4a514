"""A local web server for tests of downloads."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def serving(bodies):
    """The address of a server for ``bodies``: {"/name": (content, announced length, *headers)}. It answers 404 to the
    rest.

    content: bytes, or a function that yields them; length: any text, or None for no header; headers: (name, value).
    """
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path not in bodies:
                return self.send_error(404)
            content, length, *headers = bodies[self.path]
            self.send_response(200)
            for name, value in [("Content-Length", length), *headers]:
                if value is not None:
                    self.send_header(name, str(value))
            self.end_headers()
            if self.command == "GET":
                with contextlib.suppress(ConnectionError):      # the client stops reading
                    for chunk in [content] if isinstance(content, bytes) else content():
                        self.wfile.write(chunk)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
