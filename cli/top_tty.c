// SPDX-License-Identifier: Apache-2.0
/*
 * The terminal of 'skep top': escape sequences that every terminal of today knows, no library.  Signals come in while we wait for a key, and at no
 * other time; those that end us give the terminal back first.
 */
#include "cli/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "util/cleanup.h"

#define ENTER "\033[?1049h\033[?25l\033[?7l" /* other screen, no cursor, no wrapping */
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static const int caught[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT };
static struct termios saved;
static sigset_t outside; /* signals blocked before we came */
static bool open_now;
static volatile sig_atomic_t got;

static void on_signal(int signo)
{
	if (signo != SIGWINCH || !got)
		got = signo;
}

static void write_all(const char *p, size_t n)
{
	while (n) {
		ssize_t rc = write(STDOUT_FILENO, p, n);

		if (rc < 0 && errno != EINTR && errno != EAGAIN)
			return; /* nobody is there to see it */
		if (rc > 0) {
			p += rc;
			n -= (size_t)rc;
		}
	}
}

static void enter(void)
{
	struct termios raw = saved;

	raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	write_all(ENTER, strlen(ENTER));
}

static void leave(void)
{
	write_all(LEAVE, strlen(LEAVE));
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
}

int top_tty_open(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t set;

	if (tcgetattr(STDIN_FILENO, &saved))
		return -errno;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		sigaddset(&set, caught[i]);
	sigprocmask(SIG_BLOCK, &set, &outside);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++) {
		sigdelset(&outside, caught[i]);
		sigaction(caught[i], &sa, NULL);
	}
	open_now = true;
	enter();
	return 0;
}

void top_tty_close(void)
{
	if (!open_now)
		return;
	open_now = false;
	leave();
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		signal(caught[i], SIG_DFL);
	sigprocmask(SIG_SETMASK, &outside, NULL);
}

void top_tty_size(int *width, int *height)
{
	struct winsize ws;

	*width = 80;
	*height = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col && ws.ws_row) {
		*width = ws.ws_col < 500 ? ws.ws_col : 500;
		*height = ws.ws_row < 500 ? ws.ws_row : 500;
	}
}

void top_tty_show(const char *screen)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	fputs("\033[H", f);
	for (const char *p = screen; *p; p++) {
		if (*p >= TOP_MARK(OUT_PLAIN) && *p <= TOP_MARK_MAX)
			fputs(out_style(stdout, (enum out_style)(*p - TOP_MARK(OUT_PLAIN))), f);
		else if (*p != '\n')
			fputc(*p, f);
		else
			fputs(p[1] ? "\033[K\r\n" : "\033[K", f); /* the last line must not scroll */
	}
	fputs("\033[J", f);
	if (!fclose(f))
		write_all(text, size); /* at once: no flicker */
	free(text);
}

/* Stopped by ^Z: the shell gets its terminal, and we come back to ours. */
static void stop(void)
{
	leave();
	raise(SIGSTOP);
	if (tcgetattr(STDIN_FILENO, &saved) == 0)
		enter();
}

static int take_signal(void)
{
	int signo = got;

	got = 0;
	switch (signo) {
	case SIGWINCH:
	case SIGCONT:
		return TOP_KEY_RESIZE;
	case SIGTSTP:
		stop();
		return TOP_KEY_RESIZE;
	case SIGINT:
		return TOP_KEY_QUIT;
	default:
		top_tty_close();
		raise(signo);
		return TOP_KEY_QUIT;
	}
}

int top_tty_key(int timeout_ms)
{
	struct timespec ts = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned char c;
	ssize_t n;
	int rc;

	rc = ppoll(&p, 1, &ts, &outside);
	if (got)
		return take_signal();
	if (rc < 0)
		return errno == EINTR ? TOP_KEY_NONE : TOP_KEY_QUIT;
	if (!rc)
		return TOP_KEY_NONE;
	n = read(STDIN_FILENO, &c, 1);
	if (n <= 0)
		return TOP_KEY_QUIT; /* the terminal has gone */
	return c == 4 ? TOP_KEY_QUIT : c; /* ^D */
}
