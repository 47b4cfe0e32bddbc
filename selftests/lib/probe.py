# SPDX-License-Identifier: Apache-2.0
"""
What shells cannot do with sockets.  Run by selftests/net inside network namespaces.

  probe.py sources PORT TOTAL IDLE_S      answers UDP datagrams with "<their source> <their text>" until none came for IDLE_S (2 s when
                                          TOTAL different texts came); then prints what sources there were
  probe.py flows ADDRESS PORT COUNT NAME [TRIES [FIRST]]  COUNT UDP sockets, from port FIRST on, each a text of its own; prints how many had their own answer
  probe.py hops ADDRESS PORT [FIRST [MAX]]  traceroute by UDP: "address type/code" for each TTL, as the socket is told
  probe.py fate tcp|udp ADDRESS PORT [S]  what becomes of one attempt: "answer TEXT", "refused", "unreachable", "silent"
  probe.py serve_ip 4|6 PROTO             answers raw IP packets with "<their address> and what they say"
  probe.py ask_ip ADDRESS PROTO           such a packet: the answer, or "silent"
  probe.py names PORT NAME                answers UDP datagrams with "<their address> NAME", with their length if it is not 1
  probe.py big ADDRESS PORT BYTES         one such datagram, in fragments: the answer
  probe.py spread tcp|udp ADDRESS PORT N  N connections one after the other, from a port each: how many were answered by whom
  probe.py hold ADDRESS PORT N FILE       N TCP connections that stay; with each line that FILE, a fifo, gets: whose echo comes
  probe.py blast ADDRESS PORT BIT/S S [TOS]  UDP datagrams of 1000 bytes at that rate, headers included, for S seconds
  probe.py meter ADDRESS PORT S           what arrives in S seconds from the first datagram on: "<bit/s> tos <all that were seen>"
  probe.py frames SRC_MAC DST_MAC SRC DST TTL TOS PORT...  a UDP frame for each destination port, in hexadecimal, checksums and all
  probe.py capture INTERFACE PORT-PORT N S  UDP frames to these ports that come in, in hexadecimal: until N came and no more for
                                          half a second, or none for S
"""
import errno
import ipaddress
import select
import socket
import struct
import sys
import time

IP_RECVERR, IPV6_RECVERR = 11, 25
SO_TIMESTAMPNS = 35


def plain(address):
    """IPv4 as IPv4, though the socket is of both families."""
    a = ipaddress.ip_address(address.split("%")[0])
    mapped = getattr(a, "ipv4_mapped", None)
    return str(mapped or a)


def udp_to(address, port, own=0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if own:
        s.bind(("", own))
    s.connect((address, int(port)))
    return s


def sources(port, total, idle):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.bind(("::", int(port)))
    print("ready", flush=True)
    of_text, of_source = {}, {}
    first = True
    while True:  # who has no answer asks again
        s.settimeout(60 if first else 2 if len(of_text) >= int(total) else float(idle))
        try:
            data, addr = s.recvfrom(2000)
        except TimeoutError:
            break
        except OSError:
            continue  # an ICMP error of an earlier answer
        first = False
        text, source = data.decode(), (plain(addr[0]), addr[1])
        of_text.setdefault(text, set()).add(source)
        of_source.setdefault(source, set()).add(text)
        s.sendto(b"%s:%d %s" % (source[0].encode(), source[1], data), addr)
    shared = [s for s, t in of_source.items() if len(t) > 1]
    moved = [t for t, s in of_text.items() if len(s) > 1]
    ports = [s[1] for s in of_source] or [0]
    print("texts %d shared %d moved %d ports %d-%d addresses %s" % (
        len(of_text), len(shared), len(moved), min(ports), max(ports), ",".join(sorted({s[0] for s in of_source}))))


def flows(address, port, count, name, tries=6, own=0):
    socks = {}
    poll = select.poll()
    wrong = 0
    for i in range(int(count)):
        s = udp_to(address, port, int(own) + i if own else 0)
        s.setblocking(False)
        socks[s.fileno()] = (s, "%s-%d" % (name, i))
        poll.register(s, select.POLLIN)
    waiting = dict(socks)
    for _ in range(int(tries)):  # UDP may be lost: again
        for s, text in waiting.values():
            try:
                s.send(text.encode())
            except OSError:
                pass
        end = time.monotonic() + 1.5
        while waiting and time.monotonic() < end:
            for fd, _ in poll.poll(100):
                s, text = socks[fd]
                try:
                    got = s.recv(2000).decode().split(" ", 1)[1]
                except OSError:
                    continue
                if got != text:
                    wrong += 1
                waiting.pop(fd, None)
        if not waiting:
            break
    print("answered %d wrong %d" % (len(socks) - len(waiting), wrong))


def error_of(s, six):
    """(address of who sent the ICMP error, type, code), or None: the kernel gives it to the socket that the quoted packet is of."""
    try:
        _, anc, _, _ = s.recvmsg(2000, 1000, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    for level, kind, data in anc:
        if (level, kind) not in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
            continue
        _, origin, typ, code, _, _, _ = struct.unpack("=IBBBBII", data[:16])
        if origin not in (2, 3):
            continue
        sa = data[16:]
        return (socket.inet_ntop(socket.AF_INET6, sa[8:24]) if six else socket.inet_ntop(socket.AF_INET, sa[4:8])), typ, code
    return None


def one_hop(address, port, ttl):
    six = ":" in address
    for _ in range(3):
        s = udp_to(address, port)
        if six:
            s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
        else:
            s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        s.send(b"x" * 32)
        poll = select.poll()
        poll.register(s, 0)
        if poll.poll(1500):
            e = error_of(s, six)
            if e:
                return e
        s.close()
    return None


def hops(address, port, first=1, most=8):
    for ttl in range(int(first), int(most) + 1):
        e = one_hop(address, port, ttl)
        print("%s %d/%d" % e if e else "*")
        if e and e[1] != (3 if ":" in address else 11):
            break


def fate(proto, address, port, seconds=5):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(float(seconds))
    begin = time.monotonic()
    try:
        s.connect((address, int(port)))
        if proto == "udp":
            s.send(b"x")
        print("answer", s.recv(2000).decode().strip())
    except TimeoutError:
        print("silent")
    except OSError as e:
        names = {errno.ECONNREFUSED: "refused", errno.EHOSTUNREACH: "unreachable", errno.ENETUNREACH: "unreachable",
                 errno.EACCES: "prohibited"}
        print(names.get(e.errno, errno.errorcode.get(e.errno, "?")), "soon" if time.monotonic() - begin < 0.9 else "late")


def raw_ip(six, proto):
    return socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, int(proto))


def serve_ip(family, proto):
    s = raw_ip(family == "6", proto)
    print("ready", flush=True)
    while True:
        data, addr = s.recvfrom(2000)
        data = data if family == "6" else data[20:]
        if data[:2] == b"Q ":
            s.sendto(b"A " + addr[0].encode() + b" " + data[2:], addr)


def ask_ip(address, proto):
    s = raw_ip(":" in address, proto)
    for _ in range(3):
        s.settimeout(1)
        s.sendto(b"Q x", (address, 0))
        try:
            data, addr = s.recvfrom(2000)
        except TimeoutError:
            continue
        data = data if ":" in address else data[20:]
        print(data.decode()[2:], "by", addr[0])
        return
    print("silent")


def names(port, name):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", int(port)))
    while True:
        try:
            data, addr = s.recvfrom(65536)
            text = "%s %s" % (plain(addr[0]), name)
            s.sendto((text if len(data) == 1 else "%s %d" % (text, len(data))).encode(), addr)
        except OSError:
            continue  # an ICMP error of an earlier answer


def ask(proto, address, port):
    """Who answers: (socket, "<address that the server saw> <its name>"); the text is "" if nobody does."""
    s = udp_to(address, port) if proto == "udp" else socket.socket(
        socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(1 if proto == "udp" else 5)
    for _ in range(3 if proto == "udp" else 1):
        try:
            s.send(b"x") if proto == "udp" else s.connect((address, int(port)))
            return s, s.recv(200).decode().strip()
        except OSError:
            continue
    return s, ""


def big(address, port, size):
    s = udp_to(address, port)
    if s.family == socket.AF_INET:
        s.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER: fragments may be made
    s.settimeout(1.5)
    for _ in range(3):
        try:
            s.send(b"b" * int(size))
            print(s.recv(200).decode())
            return
        except OSError:
            continue


def counted(texts):
    return " ".join("%s=%d" % (t or "nobody", texts.count(t)) for t in sorted(set(texts)))


def spread(proto, address, port, count):
    texts = []
    for _ in range(int(count)):
        s, text = ask(proto, address, port)
        texts.append(text.split(" ")[-1])
        s.close()
    print(counted(texts))


def hold(address, port, count, file):
    socks = [ask("tcp", address, port) for _ in range(int(count))]
    print("ready", counted([t.split(" ")[-1] for _, t in socks]), flush=True)
    for n, _ in enumerate(open(file)):
        word = b"word-%d\n" % n
        poll = select.poll()
        waiting = {}
        for s, text in socks:
            s.setblocking(False)
            try:
                s.send(word)
            except OSError:
                continue
            waiting[s.fileno()] = (s, text.split(" ")[-1], bytearray())
            poll.register(s, select.POLLIN)
        alive, end = [], time.monotonic() + 4
        while waiting and time.monotonic() < end:
            for fd, _ in poll.poll(100):
                s, name, got = waiting[fd]
                try:
                    data = s.recv(2000)
                except OSError:
                    data = b""
                got += data
                if bytes(got).endswith(word):
                    alive.append(name)
                if not data or bytes(got).endswith(word):
                    poll.unregister(fd)
                    del waiting[fd]
        print("alive", counted(alive), flush=True)


HEADERS = {socket.AF_INET: 14 + 20 + 8, socket.AF_INET6: 14 + 40 + 8}
PAYLOAD = 1000


def blast(address, port, rate, seconds, tos=0):
    s = udp_to(address, port)
    if s.family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, int(tos))
    else:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, int(tos))
    gap = (PAYLOAD + HEADERS[s.family]) * 8 / float(rate)
    begin = due = time.monotonic()
    while due - begin < float(seconds):
        late = due - time.monotonic()
        if late > 0:
            select.select([], [], [], late)
        try:
            s.send(b"b" * PAYLOAD)
        except OSError:
            pass  # nobody listens any more
        due += gap


def meter(address, port, seconds):
    six = ":" in address
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    if six:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    s.bind((address, int(port)))
    print("ready", flush=True)
    n, first, last, seen = 0, None, None, set()
    s.settimeout(10)
    while not first or last - first < float(seconds):
        try:
            data, anc, _, _ = s.recvmsg(2000, 200)
        except TimeoutError:
            break
        # when it came, not when a busy machine lets us read it: what waited for us would count as more in less time
        last = [sec + ns / 1e9 for level, kind, t in anc if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS) for sec, ns in [struct.unpack("qq", t)]][0]
        first = first or last
        n += len(data) + HEADERS[s.family]
        seen |= {t[0] for level, kind, t in anc if level != socket.SOL_SOCKET}
        s.settimeout(2)
    print(int(n * 8 / (last - first)) if n and last > first else 0, "tos", *sorted(seen))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    n = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff


def frame(eth, src, dst, ttl, tos, port):
    src, dst = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    text = b"mirror-test-%d " % port * 5
    length = 8 + len(text)
    if src.version == 4:
        pseudo = src.packed + dst.packed + struct.pack("!HH", 17, length)
        head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + length, 0x1234, 0, ttl, 17, 0) + src.packed + dst.packed
        ip = b"\x08\x00" + head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    else:
        pseudo = src.packed + dst.packed + struct.pack("!II", length, 17)
        ip = b"\x86\xdd" + struct.pack("!IHBB", 6 << 28 | tos << 20 | 0x12345, length, 17, ttl) + src.packed + dst.packed
    udp = struct.pack("!HHHH", 4000, port, length, 0) + text
    c = checksum(pseudo + udp) or 0xffff
    return eth + ip + udp[:6] + struct.pack("!H", c) + udp[8:]


def frames(src_mac, dst_mac, src, dst, ttl, tos, *ports):
    eth = bytes.fromhex(dst_mac.replace(":", "")) + bytes.fromhex(src_mac.replace(":", ""))
    for port in ports:
        print(frame(eth, src, dst, int(ttl), int(tos), int(port)).hex())


def udp_port(data):
    at = 14 + (data[14] & 15) * 4 if data[12:14] == b"\x08\x00" else 54 if data[12:14] == b"\x86\xdd" else 0
    proto = data[23:24] if at != 54 else data[20:21]
    return struct.unpack("!H", data[at + 2:at + 4])[0] if at and proto == b"\x11" and len(data) >= at + 8 else None


def capture(interface, ports, count, seconds):
    low, high = (int(p) for p in ports.split("-"))
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    s.bind((interface, 0))
    print("ready", flush=True)
    seen = []
    while True:
        s.settimeout(0.5 if len(seen) >= int(count) else float(seconds))
        end = time.monotonic() + s.gettimeout()
        while True:  # the next that counts
            s.settimeout(max(end - time.monotonic(), 0.001))
            try:
                data, addr = s.recvfrom(70000)
            except TimeoutError:
                print(*seen, sep="\n", end="\n" if seen else "")
                return
            if addr[2] != socket.PACKET_OUTGOING and low <= (udp_port(data) or -1) <= high:
                seen.append(data.hex())
                break


if __name__ == "__main__":
    commands = {"sources": sources, "flows": flows, "hops": hops, "fate": fate, "names": names, "serve_ip": serve_ip, "ask_ip": ask_ip, "big": big, "spread": spread, "hold": hold, "blast": blast,
                "meter": meter, "frames": frames, "capture": capture}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
