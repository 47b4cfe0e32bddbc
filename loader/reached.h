/* SPDX-License-Identifier: Apache-2.0 */
/* Is somebody there who is sent datagrams?  That nobody is shows in an error of the send after the one that was refused, so one that succeeds says nothing. */
#pragma once

#include <stdint.h>

struct reached {
	int error;	  /* of the last send that had one, and nobody was there since; 0 = none */
	uint64_t well_ns; /* since then all went well; 0 = none did */
};

enum reached_news { REACHED_SAME, REACHED_LOST /* or for another reason */, REACHED_AGAIN };
enum reached_news reached(struct reached *r, int error, uint64_t now_ns); /* after a send */
