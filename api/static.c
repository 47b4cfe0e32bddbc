// SPDX-License-Identifier: Apache-2.0
/* The panel's files.  What is below the directory is opened from there, by a path whose parts were looked at; links do not lead out of it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/api.h"
#include "api/request.h"
#include "api/static.h"
#include "util/cleanup.h"

static const struct {
	const char *ending, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".mjs", "text/javascript; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".json", "application/json" },
	{ ".map", "application/json" },
	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },
	{ ".ico", "image/x-icon" },
	{ ".woff2", "font/woff2" },
	{ ".txt", "text/plain; charset=utf-8" },
	{ ".webmanifest", "application/manifest+json" },
};

const char *static_type(const char *path)
{
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < ARRAY_SIZE(types); i++)
		if (!strcmp(dot, types[i].ending))
			return types[i].type;
	return "application/octet-stream";
}

/* No part may be empty, begin with a dot, or have a backslash or control character. */
bool static_path_ok(const char *path)
{
	const char *p = path;

	if (!*p || strlen(p) > 255)
		return false;
	for (; *p; p++)
		if ((unsigned char)*p < ' ' || *p == '\\' || *p == 127 ||
		    ((p == path || p[-1] == '/') && (*p == '.' || *p == '/')))
			return false;
	return p[-1] != '/';
}

/* Below the directory, whatever links say. */
static int open_below(const char *directory, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	_close_ int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static void answer(struct api_request *r, const char *path)
{
	const char *directory = api_of(r)->config->panel, *seen = api_request_header(r, "If-None-Match");
	_close_ int fd = directory && static_path_ok(path) ? open_below(directory, path) : -1;
	struct stat st;
	char tag[64];

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		api_problemf(r, 404, "not_found", "there is nothing at this path");
		return;
	}
	snprintf(tag, sizeof(tag), "\"%llx-%llx-%llx\"", (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
		 (unsigned long long)st.st_mtim.tv_sec * 1000000000ull + (unsigned long long)st.st_mtim.tv_nsec);
	api_header(r, "ETag", tag);
	api_header(r, "Content-Security-Policy",
		   "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'");
	api_header(r, "Referrer-Policy", "no-referrer");
	api_header(r, "Cross-Origin-Opener-Policy", "same-origin");
	/* names with a hash of the contents never change */
	api_header(r, "Cache-Control", strncmp(path, "assets/", 7) ? "no-cache" : "public, max-age=31536000, immutable");
	if (seen && !strcmp(seen, tag))
		api_answer(r, 304, NULL);
	else
		api_answer_file(r, 200, static_type(path), TAKE_FD(fd), (uint64_t)st.st_size);
}

static void on_index(struct api_request *r)
{
	answer(r, "index.html");
}

static void on_file(struct api_request *r)
{
	answer(r, api_param(r, "file"));
}

static void on_asset(struct api_request *r)
{
	char path[300];

	snprintf(path, sizeof(path), "assets/%s", api_param(r, "file"));
	answer(r, path);
}

const struct api_route static_routes[] = {
	{ "GET", "/", on_index, API_NOBODY, API_OPEN, NULL, "the panel" },
	{ "GET", "/{file}", on_file, API_NOBODY, API_OPEN, NULL, "a file of the panel" },
	{ "GET", "/assets/{file}", on_asset, API_NOBODY, API_OPEN, NULL, "a file of the panel that never changes" },
};
const unsigned int n_static_routes = ARRAY_SIZE(static_routes);
