/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for bash: a script made of the table of commands and that of options.  Called by main.c. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "cli/cli.h"

void completion_bash(FILE *f, const struct cmd *commands, size_t n);
