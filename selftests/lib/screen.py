# SPDX-License-Identifier: Apache-2.0
"""
A person in front of a program's screen.  Runs COMMAND on a terminal of its own and does what the steps on standard input say, one a line; prints TAP-less
"ok TEXT" or "not ok TEXT" for each, and the last screen with a failure.

  screen.py COLUMNS ROWS COMMAND...

  see REGEX        the screen shows it, within ten seconds
  hide REGEX       the same, that it does not
  full             as many lines as the terminal has, none wider than it
  key TEXT         is typed
  size COLUMNS ROWS
  plain            no colour has been written so far
  signal NAME
  away             it has given the terminal back, for now
  run COMMAND      of a shell
  exit N           it ends with that status (-N: by that signal), and has given the terminal back

The terminal is a small one: it knows what 'skep top' writes (home, clear to the end of line and screen, the other screen, SGR), and says so if anything else comes.
"""
import fcntl, os, re, select, signal, struct, subprocess, sys, termios, time

CSI = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class Screen:
    def __init__(self, columns, rows, command):
        self.master, slave = os.openpty()
        self.slave = slave  # kept open: its settings are looked at behind the end
        self.size(columns, rows)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.raw = self.pending = ""
        self.other = self.strange = False
        self.cursor = True
        self.lines, self.x, self.y = {}, 0, 0

    def size(self, columns, rows):
        self.columns, self.rows = columns, rows
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return
        try:
            text = os.read(self.master, 65536).decode(errors="replace")
        except OSError:
            return
        self.raw += text
        self.pending += text
        self.interpret()

    def interpret(self):
        while self.pending:
            c = self.pending[0]
            if c == "\x1b":
                m = CSI.match(self.pending)
                if not m:
                    if len(self.pending) > 16:
                        self.strange = repr(self.pending[:16])
                        self.pending = ""
                    return  # the rest is to come
                self.escape(*m.groups())
                self.pending = self.pending[m.end():]
                continue
            self.pending = self.pending[1:]
            if c == "\r":
                self.x = 0
            elif c == "\n":
                self.y += 1
            else:
                line = self.lines.get(self.y, "")
                self.lines[self.y] = line[:self.x].ljust(self.x) + c + line[self.x + 1:]
                self.x += 1

    def escape(self, private, numbers, what):
        if private and numbers == "1049":
            self.other, self.lines, self.x, self.y = what == "h", {}, 0, 0
        elif private and numbers == "25":
            self.cursor = what == "h"
        elif what == "H" and not numbers:
            self.x = self.y = 0
        elif what == "K":
            self.lines[self.y] = self.lines.get(self.y, "")[:self.x]
        elif what == "J":
            self.lines = {y: t for y, t in self.lines.items() if y <= self.y}
        elif what != "m" and not (private and numbers == "7"):
            self.strange = private + numbers + what

    def text(self):
        return "\n".join(self.lines.get(y, "").rstrip() for y in range(max(self.lines, default=-1) + 1))

    def until(self, true, seconds=10):
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                return False
            self.read(0.05)
        return True

    def full(self):
        lines = self.text().split("\n")
        return len(lines) == self.rows and max(map(len, lines)) <= self.columns

    def ended(self):
        return self.process.poll() is not None

    def restored(self):
        now = termios.tcgetattr(self.slave)
        return not self.other and self.cursor and now == self.before


def step(s, word, rest):
    if word == "see":
        return s.until(lambda: re.search(rest, s.text(), re.M))
    if word == "hide":
        return s.until(lambda: not re.search(rest, s.text(), re.M))
    if word == "full":
        return s.until(s.full) and not s.strange
    if word == "plain":
        return "m" not in [m[2] for m in CSI.findall(s.raw)]
    if word == "key":
        os.write(s.master, rest.encode())
    elif word == "size":
        s.size(*map(int, rest.split()))
    elif word == "signal":
        s.process.send_signal(getattr(signal, rest))
    elif word == "away":
        return s.until(s.restored)
    elif word == "run":
        return subprocess.run(rest, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode == 0
    elif word == "exit":
        return s.until(s.ended) and s.until(s.restored, 1) and s.process.returncode == int(rest)
    else:
        sys.exit("screen.py: no step '%s'" % word)
    return True


def main():
    s = Screen(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
    try:
        for line in sys.stdin:
            word, _, rest = line.strip().partition(" ")
            if not word:
                continue
            good = step(s, word, rest)
            if word in ("key", "size", "signal") and good:
                continue
            print(("ok " if good else "not ok ") + line.strip(), flush=True)
            if not good:
                print("\n".join("# |" + t for t in s.text().split("\n")))
                print("# strange: %s, other screen: %s, status: %s" % (s.strange, s.other, s.process.poll()), flush=True)
    finally:
        if not s.ended():
            s.process.kill()
        s.process.wait()


main()
