"""Chromium for the tests, driven over two pipes: JSON messages that end with a zero byte (the DevTools protocol)."""

import json
import os
import shutil
import subprocess
import time

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
           "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")  # a camera that shows a moving dot


class Browser:
    """A page in a browser: ``with Browser(path, tmp_path) as page: page("document.title")``."""

    def __init__(self, path, profile, width=1280, height=844):
        from_us, self.send = os.pipe()
        self.receive, to_us = os.pipe()
        # the browser reads from its file descriptor 3 and writes to 4
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{from_us} 4>&{to_us}', "bash", CHROMIUM, *OPTIONS,
             f"--user-data-dir={profile}", f"--window-size={width},{height}"],
            pass_fds=(from_us, to_us), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(from_us)
        os.close(to_us)
        self.buffer, self.number, self.session, self.requests = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Network.enable")
        self.call("Page.navigate", url=path.as_uri())

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.send, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.buffer:
                part = os.read(self.receive, 65536)
                assert part, "the browser ended"
                self.buffer += part
            head, _, self.buffer = self.buffer.partition(b"\0")
            answer = json.loads(head)
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def __call__(self, expression):
        """The value of a JavaScript expression; of a promise, when it is resolved."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, expression, seconds=60):
        """Wait until the expression is true."""
        end = time.monotonic() + seconds
        while not self(f"(() => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }})()"):
            assert time.monotonic() < end, f"{expression} stayed false: {self('document.body.innerText')[:300]}"
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        os.close(self.send)
        os.close(self.receive)
