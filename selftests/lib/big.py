# SPDX-License-Identifier: Apache-2.0
"""
Data that needs large packets, and datagrams in fragments.  Run by selftests/net/pmtu.sh inside network namespaces.

  big.py serve PORT                       TCP: takes and gives; UDP: answers with "SOURCE SIZE SHA256" and as many bytes as it is asked for
  big.py push|pull ADDRESS PORT BYTES     over one TCP connection, one way; prints "ok" when it is there as it was
  big.py ask ADDRESS PORT SIZE WANT [ORDER PIECE]  a datagram of SIZE, answered by one of WANT; prints "SOURCE WANT" when both came as they
                                          were.  ORDER: fragments of PIECE bytes, made here: forward, reverse, shuffled, twice, overlap
"""
import hashlib
import ipaddress
import os
import random
import select
import socket
import struct
import sys
import threading

IP_MTU_DISCOVER, DONT = 10, 0
IPV6_MTU_DISCOVER = 23
IPV6_HDRINCL = 36


def pattern(n):
    return random.Random(n).randbytes(n)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def read_line(s):
    line = b""
    while not line.endswith(b"\n"):
        byte = s.recv(1)
        if not byte:
            return b""
        line += byte
    return line


def read_all(s, n):
    data = bytearray()
    while len(data) < n:
        more = s.recv(min(1 << 16, n - len(data)))
        if not more:
            break
        data += more
    return bytes(data)


def serve_one(s):
    with s:
        words = read_line(s).decode().split()
        if len(words) != 2:
            return
        n = int(words[1])
        if words[0] == "push":
            s.sendall(digest(read_all(s, n)).encode() + b"\n")
        else:
            s.sendall(pattern(n))


def any_size(s):
    """IPv4 leaves without DF."""
    s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, DONT)
    return s


def serve_udp(s):
    while True:
        try:
            data, addr = s.recvfrom(65535)
        except OSError:
            continue  # an ICMP error about an earlier answer
        a = ipaddress.ip_address(addr[0].split("%")[0])
        text = "%s %d %s\n" % (getattr(a, "ipv4_mapped", None) or a, len(data), digest(data))
        try:
            s.sendto(text.encode().ljust(int(data.split(b"\n")[0]), b"."), addr)
        except OSError:
            pass  # larger than the way is known to be; it is asked again


def serve(port):
    udp = any_size(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
    udp.bind(("::", int(port)))
    threading.Thread(target=serve_udp, args=(udp,), daemon=True).start()
    tcp = socket.socket(socket.AF_INET6)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind(("::", int(port)))
    tcp.listen(20)
    while True:
        s, _ = tcp.accept()
        threading.Thread(target=serve_one, args=(s,), daemon=True).start()


def transfer(how, address, port, n):
    n = int(n)
    with socket.create_connection((address, int(port)), 5) as s:
        s.settimeout(20)
        s.sendall(b"%s %d\n" % (how.encode(), n))
        if how == "push":
            s.sendall(pattern(n))
            good = read_line(s).decode().strip() == digest(pattern(n))
        else:
            good = read_all(s, n) == pattern(n)
    print("ok" if good else "damaged")


# --- datagrams ---

def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def udp_datagram(src, dst, sport, dport, data):
    length = 8 + len(data)
    pseudo = src + dst + (struct.pack("!BBH", 0, 17, length) if len(src) == 4 else struct.pack("!II", length, 17))
    head = struct.pack("!HHHH", sport, dport, length, 0)
    return struct.pack("!HHHH", sport, dport, length, checksum(pseudo + head + data) or 0xffff) + data


def piece_packet(src, dst, ident, offset, more, data):
    if len(src) == 4:
        return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), ident & 0xffff, offset >> 3 | (0x2000 if more else 0), 64, 17, 0,
                           src, dst) + data
    return struct.pack("!IHBB16s16sBBHI", 6 << 28, 8 + len(data), 44, 64, src, dst, 17, 0, offset | more, ident) + data


def pieces_of(datagram, order, size):
    cut = [(o, datagram[o:o + size]) for o in range(0, len(datagram), size)]
    if order == "reverse":
        cut.reverse()
    elif order == "shuffled":
        random.Random(5).shuffle(cut)
    elif order == "twice":
        cut = [c for c in cut for _ in range(2)]
    elif order == "overlap":
        cut.insert(1, (8, b"\xff" * size))
    return cut


def send_pieces(s, datagram, order, size):
    (src, sport), (dst, dport) = s.getsockname()[:2], s.getpeername()[:2]
    src, dst = (ipaddress.ip_address(a).packed for a in (src, dst))
    v4 = len(src) == 4
    whole = udp_datagram(src, dst, sport, dport, datagram)
    raw = socket.socket(s.family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    if not v4:
        raw.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
    ident = int.from_bytes(os.urandom(4), "big") | 1
    for offset, data in pieces_of(whole, order, size):
        packet = piece_packet(src, dst, ident, offset, offset + len(data) < len(whole), data)
        raw.sendto(packet, (s.getpeername()[0], 0))
    raw.close()


def answer_of(s, request, want):
    if not select.select([s], [], [], 1)[0]:
        return None
    try:
        data = s.recv(65535)
    except OSError as e:
        return "error: %s" % e
    source, size, sha = data.split(b"\n")[0].decode().split()
    if int(size) != len(request) or sha != digest(request) or len(data) != want or data.rstrip(b".").count(b"\n") != 1:
        return "damaged"
    return "%s %d" % (source, len(data))


def ask(address, port, size, want, order=None, piece=None):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    any_size(s)
    s.connect((address, int(port)))
    request = b"%d\n" % int(want)
    request += pattern(int(size) - len(request))
    got = None
    for _ in range(6):  # what is told to be too big is lost; the next attempt knows
        try:
            if order:
                send_pieces(s, request, order, int(piece))
            else:
                s.send(request)
        except OSError:
            continue
        got = answer_of(s, request, int(want))
        if got and not got.startswith("error"):
            break
    print(got or "silent")


if __name__ == "__main__":
    command, args = sys.argv[1], sys.argv[2:]
    {"serve": serve, "push": lambda *a: transfer("push", *a), "pull": lambda *a: transfer("pull", *a), "ask": ask}[command](*args)
