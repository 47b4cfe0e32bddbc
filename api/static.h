/* SPDX-License-Identifier: Apache-2.0 */
/* The panel's files: what is looked at of a path (pure). */
#pragma once

#include <stdbool.h>

const char *static_type(const char *path);
bool static_path_ok(const char *path);
