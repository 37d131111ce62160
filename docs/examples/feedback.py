#!/usr/bin/env python3
"""Reads what the model says about each frame, and labels those that it is unsure about.

Usage: feedback.py SOCKET [SURE_BELOW]      e.g. feedback.py /var/lib/aviary/agent.sock 0.8
Asks the person at the terminal for the right label; an empty line skips. The agent must run with --learn.
Needs nothing but Python 3.
"""
import http.client
import json
import socket
import sys


class AgentConnection(http.client.HTTPConnection):
    """HTTP over the agent's Unix socket."""

    def __init__(self, path):
        super().__init__("agent")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


def results(path):
    """Each result as it comes (server-sent events)."""
    connection = AgentConnection(path)
    connection.request("GET", "/v1/results")
    event = ""
    for line in connection.getresponse():
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            event = value
        elif field == "data" and event == "result":
            yield json.loads(value)


def give_label(path, frame, label):
    connection = AgentConnection(path)
    connection.request("POST", "/v1/feedback", json.dumps({"id": frame, "label": label}))
    answer = json.load(connection.getresponse())
    connection.close()
    return answer.get("detail") or f"kept, {answer['samples']} samples"


def main(path, sure="0.8"):
    for result in results(path):
        print(f"{result['source']}: {result['label']} ({result['confidence']:.2f})", flush=True)
        if result["confidence"] < float(sure):
            label = input("  the right label? ").strip()
            if label:
                print(" ", give_label(path, result["id"], label), flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
