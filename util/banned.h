/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that have no place here.  Forced into every user space file by the Makefile (-include). */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gets
